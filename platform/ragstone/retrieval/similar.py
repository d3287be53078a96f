"""More like this: a stored item or chunk as a question.

Its vectors are there already, so nothing is encoded: of each embedding space that it shares with
the version searched, the mean of its vectors is looked for (the centroid of Rocchio, "Relevance
Feedback in Information Retrieval", 1971). Its words are asked as well, the most telling ones:
those with the highest tf-idf in the index searched, each counted as in any other query.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pyroaring import BitMap64

from ragstone.retrieval.keyword_arm import KeywordQuery
from ragstone.retrieval.queries import parse
from ragstone.retrieval.scope import Probe
from ragstone.storage.parts import read_embedded, vector_file

if TYPE_CHECKING:
    from ragstone.storage.keyword_index import KeywordIndex
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_MOST_TERMS = 25
_READ = 200_000  # characters of an item whose words are counted


@dataclass(frozen=True, slots=True)
class Given:
    """What others shall resemble, where it is stored."""

    id: str
    kind: Literal["item", "chunk"]
    dataset_id: str
    part: str
    chunks: tuple[int, ...]  # the keys of its chunks
    text: str
    metadata: str  # JSON, of its item


def probes_of(store: Store, given: Given, manifest: Manifest) -> dict[str, Probe]:
    """Return what is looked for in each space of `manifest` that `given` has vectors in."""
    folder = store.part_folder(given.dataset_id, given.part)
    spaces = {"vector": manifest.space} | {n: m.space for n, m in manifest.media.items()}
    found = {}
    for arm, space in spaces.items():
        if not (space and (folder / vector_file(space)).exists()):
            continue
        keys, vectors = read_embedded(folder, space)
        own = vectors[np.isin(keys, given.chunks)].astype(np.float32)
        if len(own):
            mean = own.mean(axis=0)
            found[arm] = Probe(space, (mean / (np.linalg.norm(mean) or 1.0))[None, :])
    return found


def terms_of(given: Given, index: KeywordIndex, *, held: bool) -> list[str]:
    """Return the most telling terms of `given`, the best first.

    `held` says that the index holds `given` itself, whose own words alone find nothing else.
    """
    analysis = index.analysis_of({"metadata": given.metadata})
    counts = Counter(analysis.terms(given.text[:_READ]))
    weights = {term: _weight(index, term, often, held=held) for term, often in counts.items()}
    best = sorted(weights, key=lambda term: (-weights[term], term))[:_MOST_TERMS]
    return [term for term in best if weights[term] > 0]


def _weight(index: KeywordIndex, term: str, often: int, *, held: bool) -> float:
    chunks, every = index.holding(term), index.searcher.num_docs
    if chunks < (2 if held else 1):
        return 0.0
    # So few digits that the last bits of a logarithm decide nothing.
    return round((1 + math.log(often)) * math.log(1 + (every - chunks + 0.5) / (chunks + 0.5)), 6)


def keyword_query(index: KeywordIndex, terms: Collection[str]) -> KeywordQuery:
    """Return the query for any of `terms`."""
    query = index.any_of(dict.fromkeys(terms, 1.0)) if terms else None
    return KeywordQuery(parse(""), index, query, None, set(terms))


def own_chunks(store: Store, given: Given, manifest: Manifest) -> BitMap64:
    """Return the chunks of `manifest` that are `given` itself, whichever dataset it is from."""
    column = "i.item_id" if given.kind == "item" else "c.chunk_id"
    rows = store.catalog.rows(
        "SELECT DISTINCT c.chunk_key FROM chunks c JOIN items i USING (dataset_id, item_key) "  # noqa: S608
        f"WHERE dataset_id = ? AND {column} = ?",
        [manifest.dataset_id, given.id],
    )
    return BitMap64(row[0] for row in rows)
