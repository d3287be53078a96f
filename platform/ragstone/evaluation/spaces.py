"""Two embedding spaces of one version, compared on judged queries before anything is switched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ir_measures import R, nDCG

from ragstone.evaluation.judged import JudgedQueries, check_names, item_names
from ragstone.evaluation.retrieval import measured
from ragstone.retrieval.fusion import Plan
from ragstone.retrieval.noise import NONSENSE, Noise, keyword_noise, vector_noise
from ragstone.schemas.api import FusionChoice, Mode, SpaceComparison, SpaceQuality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.retrieval.search import Retriever
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.ranked import Ranked
    from ragstone.storage.store import Store

MEASURES = {"ndcg@10": nDCG @ 10, "recall@10": R @ 10}
MODES: tuple[Mode, ...] = ("vector", "hybrid")


@dataclass(frozen=True, slots=True)
class Space:
    """One of the two spaces, and what its vectors find.

    Parameters
    ----------
    found
        The nearest chunks of each of `asked`; None when its encoder cannot be opened any more.
    """

    space: str
    encoder: str
    found: Sequence[Ranked] | None


def asked(judged: JudgedQueries) -> list[str]:
    """Return what both spaces have to be asked: the queries, and what means nothing."""
    return [*judged.queries.values(), *NONSENSE]


def compare(
    store: Store,
    retriever: Retriever,
    head: Manifest,
    judged: JudgedQueries,
    before: Space,
    after: Space,
) -> SpaceComparison:
    """Measure vector and hybrid search of `head` with the vectors of each space.

    Raises
    ------
    InvalidArgument
        No judgement names an item of the version.
    """
    names = item_names(store, head)
    check_names(judged, names)
    allowed = retriever.allowed(head)
    words = [
        retriever.arms(head, text, None, "keyword", allowed)["keyword"]
        for text in judged.queries.values()
    ]

    def quality(space: Space, choice: FusionChoice) -> SpaceQuality:
        found = space.found
        if found is None:
            return SpaceQuality(space.space, space.encoder, {})
        noises = {
            "keyword": keyword_noise(head.chunks),
            "vector": vector_noise(found[len(judged.queries) :]),
        }
        plan = Plan(choice, Noise(noises, retriever.candidates))

        def rank(number: int, _: str, mode: Mode) -> Ranked:
            arms = {"keyword": words[number], "vector": found[number]}
            if mode == "vector":
                arms.pop("keyword")
            return retriever.fuse(arms, mode, plan).ranked

        modes = measured(names, judged, rank, MODES, MEASURES)
        return SpaceQuality(space.space, space.encoder, modes)

    tuned = retriever.plan(head, ()).choice
    untuned = retriever.untuned  # what was learned with the old vectors goes with them
    return SpaceComparison(len(judged.queries), quality(before, tuned), quality(after, untuned))


def found_in(retriever: Retriever, head: Manifest, vectors: NDArray[np.float32]) -> list[Ranked]:
    """Return the nearest chunks in the version's own space.

    `vectors` are of the queries, float32 of shape (queries, dimension).
    """
    allowed = retriever.allowed(head)
    return [retriever.arms(head, "", v, "vector", allowed)["vector"] for v in vectors]


def worse(comparison: SpaceComparison) -> bool:
    """Tell whether hybrid search has a lower nDCG@10 in the space after."""
    before, after = comparison.before.modes, comparison.after.modes
    return after["hybrid"]["ndcg@10"] < before["hybrid"]["ndcg@10"]
