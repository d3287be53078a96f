"""Reranking: a network reads the best candidates again, together with the query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ragstone.errors import RerankerUnavailable
from ragstone.retrieval import fusion
from ragstone.retrieval.fusion import RERANKER_ARM, Fused, Plan
from ragstone.retrieval.queries import parse
from ragstone.storage.ranked import NOTHING, Ranked, ranked
from ragstone.text import embed_text, without_stops

if TYPE_CHECKING:
    from ragstone.encoders.rerankers import Reranker
    from ragstone.storage.manifests import Manifest

OpenReranker: TypeAlias = "Callable[[str], Reranker]"
RowsOf: TypeAlias = "Callable[[Sequence[int]], Mapping[int, Mapping[str, Any]]]"


@dataclass(frozen=True, slots=True)
class Rereading:
    """Reads candidates again.

    Parameters
    ----------
    open_reranker
        Opens a reranker by its name.
    candidates
        How many are read.
    """

    open_reranker: OpenReranker
    candidates: int

    def reranked(
        self,
        manifests: Sequence[Manifest],
        query: str,
        rows_of: RowsOf,
        fused: Fused,
        plan: Plan,
    ) -> Fused:
        """Return `fused` with what the planned reranker says; as it is where none is planned."""
        if not plan.choice.reranker:
            return fused
        found = self.read(manifests, query, rows_of, fused, plan.choice.reranker)
        if not len(found):
            return fused
        return fusion.fuse({**fused.arms, RERANKER_ARM: found}, plan)

    def read(
        self,
        manifests: Sequence[Manifest],
        query: str,
        rows_of: RowsOf,
        fused: Fused,
        reranker: str,
    ) -> Ranked:
        """Return what `reranker` says of the best candidates that have a text.

        It sees the words of the query without the operators.

        Parameters
        ----------
        rows_of
            Gives the stored rows of chunks.

        Raises
        ------
        RerankerUnavailable
            It cannot be loaded, or is not the one that a version was tuned with.
        """
        text = without_stops(parse(query).plain)
        keys = fused.ranked.keys[: self.candidates].tolist()
        if not (text.strip() and keys):
            return NOTHING
        opened = self.open_reranker(reranker)
        for manifest in manifests:
            _check_tuned(manifest, reranker, opened.identity.digest)
        rows = rows_of(keys)
        texts = {key: embed_text(rows[key]["heading"], rows[key]["text"]) for key in keys}
        read = [key for key in keys if texts[key].strip()]
        scores = opened.scores(text, [texts[key] for key in read])
        return ranked(np.array(read, np.int64), scores)


def _check_tuned(manifest: Manifest, reranker: str, digest: str) -> None:
    """Refuse another reranker of the same name than the version was tuned with."""
    tuned = manifest.fusion
    if tuned and tuned.reranker == reranker and tuned.reranker_digest not in ("", digest):
        version = f"{manifest.dataset}@{manifest.version}"
        raise RerankerUnavailable(reranker, f"it is not the one that {version} was tuned with")
