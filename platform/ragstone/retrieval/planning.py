"""How the arms of a search are fused and reranked: as tuned, as set, and guarded against noise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from ragstone.encoders.rerankers import RERANKER
from ragstone.retrieval.fusion import Plan
from ragstone.retrieval.noise import NONSENSE, Noise, keyword_noise, vector_noise
from ragstone.retrieval.scope import Probe, Scope, Target
from ragstone.schemas.api import FusionChoice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.config import RetrievalSettings
    from ragstone.storage.manifests import Manifest, TunedFusion
    from ragstone.storage.ranked import Ranked
    from ragstone.storage.store import Store

EncodeQueries: TypeAlias = "Callable[[Sequence[str], Manifest], NDArray[np.float32]]"

DEFAULT = FusionChoice("minmax", 0.5, "default")


class Planner:
    """Plans the fusion of versions in `store`; what is measured for it is measured once."""

    def __init__(self, store: Store, settings: RetrievalSettings, encode: EncodeQueries) -> None:
        self._store = store
        self._settings = settings
        self._encode = encode
        # Of a vector arm, by the digests of its versions: the noise, and on how many candidates.
        self._noises: dict[tuple[str, ...], tuple[float, int]] = {}

    def plan(
        self,
        choice: FusionChoice,
        manifests: Sequence[Manifest],
        searched: Mapping[str, Sequence[Manifest]],
        arms: Collection[str],
        depth: int,
    ) -> Plan:
        """Return how these arms are fused.

        Parameters
        ----------
        searched
            The versions that each arm of text vectors searches.
        depth
            Candidates of an arm.
        """
        noises, least = {"keyword": keyword_noise(sum(m.chunks for m in manifests))}, {}
        for name, of in searched.items() if len(arms) > 1 else ():
            noises[name], least[name] = self._vector_noise(of)
        return Plan(choice, Noise(noises, max(depth, self._settings.candidates), least))

    def choice(self, manifests: Sequence[Manifest], *, rerank: bool | None) -> FusionChoice:
        """Return what was learned for these versions, where it is the same for all of them.

        Parameters
        ----------
        rerank
            Whether a reranker reads the best candidates; None for as learned, or as set.
        """
        choice = self._learned(manifests)
        if rerank is False:
            return replace(choice, reranker="", rerank_weight=0.0)
        if rerank and not choice.reranker:
            share = self._settings.rerank_weight
            return replace(choice, reranker=RERANKER, rerank_weight=share)
        return choice

    @cached_property
    def untuned(self) -> FusionChoice:
        """How the arms of a version are fused, and reranked, that is not tuned."""
        settings = self._settings
        method, weight = settings.fusion, settings.vector_weight
        share = settings.rerank_weight if settings.reranker else 0.0
        choice = FusionChoice(method, weight, "settings", settings.reranker, share)
        return DEFAULT if replace(choice, origin=DEFAULT.origin) == DEFAULT else choice

    def _learned(self, manifests: Sequence[Manifest]) -> FusionChoice:
        every = {_tuned_choice(m.fusion) for m in manifests}
        tuned = next(iter(every)) if len(every) == 1 and self._settings.use_tuned else None
        if tuned is None:
            return self.untuned
        if any(m.fusion and m.fusion.reranker is None for m in manifests):  # none was tried
            untuned = self.untuned
            share = untuned.rerank_weight
            return replace(tuned, reranker=untuned.reranker, rerank_weight=share)
        return tuned

    def _vector_noise(self, manifests: Sequence[Manifest]) -> tuple[float, int]:
        """Return the spread of a vector arm's scores for what means nothing, once for its versions.

        With it comes the number of candidates it was measured on.
        """
        digests = tuple(manifest.digest for manifest in manifests)
        if digests not in self._noises:
            found = self._nonsense(manifests)
            self._noises[digests] = vector_noise(found), max(map(len, found), default=0)
        return self._noises[digests]

    def _nonsense(self, manifests: Sequence[Manifest]) -> list[Ranked]:
        live = [self._store.live_chunks(m.dataset_id, m.version) for m in manifests]
        found = []
        for vector in self._encode(NONSENSE, manifests[0]):
            probes = {"vector": Probe(manifests[0].space, vector[None, :])}
            targets = [
                Target(manifest, None, words=False, allowed=None, narrowed=allowed, probes=probes)
                for manifest, allowed in zip(manifests, live, strict=True)
            ]
            found.append(Scope(self._store, targets).arms(self._settings.candidates)["vector"])
        return found


def _tuned_choice(tuned: TunedFusion | None) -> FusionChoice | None:
    if tuned is None:
        return None
    reranker = tuned.reranker or ""
    return FusionChoice(tuned.method, tuned.vector_weight, "tuned", reranker, tuned.rerank_weight)
