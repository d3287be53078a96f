"""Search: arms -> fusion -> hits, on one version of one dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_args

from ragstone.errors import InvalidArgument, InvalidQuery
from ragstone.retrieval import fusion
from ragstone.retrieval.filters import allowed_chunks
from ragstone.retrieval.fusion import Fused, Ranked
from ragstone.retrieval.highlight import highlights, query_terms
from ragstone.schemas.api import Hit, Mode, SearchResult

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
        self._check(query, k, mode)
        manifest = self._store.resolve(reference)
        allowed = allowed_chunks(self._store, manifest, where)
        vector = None if mode == "keyword" else self._encode([query], manifest.space)[0]
        found = self.rank(manifest, query, vector, mode, allowed)[:k]
        return SearchResult(
            manifest.dataset, manifest.version, query, mode, self._hits(manifest, query, found)
        )

    def rank(
        self,
        manifest: Manifest,
        query: str,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        allowed: BitMap64 | None,
    ) -> list[Fused]:
        """Return all candidates for one query, best first.

        `vector` has shape (dimension,); it may be None in keyword mode.
        """
        settings, arms = self._settings, dict[str, Ranked]()
        if mode != "vector":
            arms["keyword"] = self._store.generations.search(
                manifest.keywords, query_terms(query), settings.candidates, allowed
            )
        if mode != "keyword" and vector is not None:
            arms["vector"] = self._store.segments.search(
                manifest.segments, vector, settings.candidates, allowed
            )
        if mode != "hybrid":
            return fusion.single(mode, arms[mode])
        if settings.fusion == "rrf":
            return fusion.reciprocal_rank(arms)
        weight = settings.vector_weight
        return fusion.minmax(arms, {"vector": weight, "keyword": 1 - weight})

    def _check(self, query: str, k: int, mode: str) -> None:
        if not query.strip():
            raise InvalidQuery("is empty", "Give at least one word.")
        words, limit = len(query.split()), self._settings.max_query_words
        if words > limit:
            raise InvalidQuery(
                f"has {words:,} words, over the limit of {limit:,}",
                "Search for a part of it, or raise retrieval.max_query_words.",
            )
        if not 1 <= k <= MAX_HITS:
            raise InvalidArgument("k", k, f"a number from 1 to {MAX_HITS}")
        if mode not in MODES:
            raise InvalidArgument("mode", mode, f"one of {', '.join(MODES)}")

    def _hits(self, manifest: Manifest, query: str, found: Sequence[Fused]) -> list[Hit]:
        if not found:
            return []
        terms = query_terms(query)
        chunks = self._rows("chunks", "chunk_key", manifest, [entry.key for entry in found])
        keys = sorted({row["item_key"] for row in chunks.values()})
        items = self._rows("items", "item_key", manifest, keys)
        sources = self._sources(manifest, keys)
        hits = []
        for rank, entry in enumerate(found, start=1):
            chunk = chunks[entry.key]
            item, source = items[chunk["item_key"]], sources[chunk["item_key"]]
            hits.append(
                Hit(
                    rank=rank,
                    score=entry.score,
                    chunk_id=chunk["chunk_id"],
                    item_id=item["item_id"],
                    source=source["source"],
                    name=source["name"],
                    title=item["title"],
                    heading=chunk["heading"],
                    page=chunk["page"],
                    text=chunk["text"],
                    start=chunk["start"],
                    end=chunk["end"],
                    arms=entry.arms,
                    highlights=highlights(chunk["text"], terms),
                    metadata=json.loads(item["metadata"]),
                )
            )
        return hits

    def _rows(
        self, table: str, key: str, manifest: Manifest, keys: Sequence[int]
    ) -> dict[int, dict[str, Any]]:
        """Look rows up by number: a literal list is what DuckDB's index answers."""
        listed = ", ".join(str(int(value)) for value in keys)
        rows = self._store.catalog.records(
            f"SELECT * FROM {table} WHERE {key} IN ({listed}) AND dataset_id = ?",  # noqa: S608
            [manifest.dataset_id],
        )
        return {row[key]: row for row in rows}

    def _sources(self, manifest: Manifest, keys: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return the first source object of each item that lives in the version."""
        listed = ", ".join(str(int(value)) for value in keys)
        version = manifest.version
        rows = self._store.catalog.records(
            f"SELECT * FROM sources WHERE item_key IN ({listed}) AND dataset_id = ? "  # noqa: S608
            "AND added <= ? AND (removed IS NULL OR removed > ?) ORDER BY source_key DESC",
            [manifest.dataset_id, version, version],
        )
        return {row["item_key"]: row for row in rows}
