"""Search: arms -> fusion -> hits, on one version of one dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, get_args

from ragstone.errors import InvalidArgument, InvalidQuery
from ragstone.retrieval import fusion
from ragstone.retrieval.filters import allowed_chunks
from ragstone.retrieval.highlight import Matches, query_terms
from ragstone.schemas.api import Hit, Mode, SearchResult
from ragstone.storage.ranked import Ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyroaring import BitMap64

    from ragstone.config import RetrievalSettings
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

MODES: tuple[Mode, ...] = get_args(Mode)
MAX_HITS = 1_000


class Retriever:
    """Searches versions of the datasets in `store`.

    Parameters
    ----------
    encode
        Turns queries into unit vectors, float32 of shape (queries, dimension), of the space named.
    """

    def __init__(
        self,
        store: Store,
        settings: RetrievalSettings,
        encode: Callable[[Sequence[str], str], NDArray[np.float32]],
    ) -> None:
        self._store = store
        self._settings = settings
        self._encode = encode

    def search(
        self, query: str, reference: str, *, k: int, mode: Mode, where: Sequence[str]
    ) -> SearchResult:
        """Return the best `k` chunks for `query` in `reference` ("D" or "D@V").

        Raises
        ------
        InvalidQuery, InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        """
        self._check(query, k, mode, where)
        manifest = self._store.resolve(reference)
        allowed = allowed_chunks(self._store, manifest, where)
        vector = None if mode == "keyword" else self._encode([query], manifest.space)[0]
        arms = self.arms(manifest, query, vector, mode, allowed, depth=k)
        found = self.fuse(arms, mode).pairs(k)
        hits = self._hits(manifest, query, found, arms)
        return SearchResult(manifest.dataset, manifest.version, query, mode, hits)

    def arms(
        self,
        manifest: Manifest,
        query: str,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        allowed: BitMap64 | None,
        depth: int = 0,
    ) -> dict[str, Ranked]:
        """Return the candidates of each arm for one query, best first.

        `vector` has shape (dimension,); it may be None in keyword mode. An arm gives
        `retrieval.candidates` chunks, or `depth` when that is more.
        """
        depth = max(depth, self._settings.candidates)

        found: dict[str, Ranked] = {}
        if mode != "vector":
            found["keyword"] = self._store.generations.search(
                manifest.keywords, query_terms(query), depth, allowed
            )
        if mode != "keyword" and vector is not None:
            found["vector"] = self._store.segments.search(manifest.segments, vector, depth, allowed)
        return found

    def fuse(self, arms: dict[str, Ranked], mode: Mode) -> Ranked:
        """Return all candidates with their final scores, best first."""
        if mode != "hybrid":
            return arms[mode]
        if self._settings.fusion == "rrf":
            return fusion.reciprocal_rank(arms)
        weight = self._settings.vector_weight
        return fusion.minmax(arms, {"vector": weight, "keyword": 1 - weight})

    def _check(self, query: str, k: int, mode: str, where: Sequence[str]) -> None:
        if not query.strip():
            raise InvalidQuery("is empty", "Give at least one word.")
        words, limit = len(query.split()), self._settings.max_query_words
        if words > limit:
            problem = f"has {words:,} words, over the limit of {limit:,}"
            raise InvalidQuery(
                problem, "Search for a part of it, or raise retrieval.max_query_words."
            )
        if not 1 <= k <= MAX_HITS:
            raise InvalidArgument("k", k, f"a number from 1 to {MAX_HITS}")
        if isinstance(where, str):
            raise InvalidArgument("where", where, "a list of filters")
        if mode not in MODES:
            raise InvalidArgument("mode", mode, f"one of {', '.join(MODES)}")

    def _hits(
        self,
        manifest: Manifest,
        query: str,
        found: list[tuple[int, float]],
        arms: dict[str, Ranked],
    ) -> list[Hit]:
        if manifest.keywords is None:
            return []
        matches = Matches(query)
        keys = [key for key, _ in found]
        rows = self._store.generations.fetch(manifest.keywords, keys)
        shared = self._store.shared_sources(manifest.dataset_id, manifest.version)
        places = fusion.places(arms, keys)
        hits = []
        for rank, (key, score) in enumerate(found, start=1):
            row = rows[key]
            source, name = shared.get(row["item_key"], (row["source"], row["name"]))
            hits.append(
                Hit(
                    rank=rank,
                    score=score,
                    chunk_id=row["chunk_id"],
                    item_id=row["item_id"],
                    source=source,
                    name=name,
                    title=row["title"],
                    heading=row["heading"],
                    page=row["page"],
                    text=row["text"],
                    start=row["start"],
                    end=row["end"],
                    arms=places[key],
                    highlights=matches.places(row["text"]),
                    metadata=json.loads(row["metadata"]),
                )
            )
        return hits
