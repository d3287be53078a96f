"""A store with a few documents, without an encoder: vectors are drawn from a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ragstone.config import StorageSettings
from ragstone.storage.allowed import Choice
from ragstone.storage.changes import Change
from ragstone.storage.files import digest_bytes
from ragstone.storage.keywords import Generations
from ragstone.storage.manifests import GenerationRef, Manifest
from ragstone.storage.parts import PartRows
from ragstone.storage.ranked import NOTHING, Ranked
from ragstone.storage.store import Store

DIMENSION = 8
SPACE = "seeded-00000000"


def unit_vectors(texts: Sequence[str]) -> np.ndarray:
    """Return a unit vector for each text, the same for the same text."""
    rows = []
    for text in texts:
        seed = int(digest_bytes(text.encode())[:8], 16)
        vector = np.random.default_rng(seed).normal(size=DIMENSION)
        rows.append(vector / np.linalg.norm(vector))
    return np.asarray(rows, dtype=np.float32).reshape(-1, DIMENSION)


def by_words(
    generations: Generations,
    generation: GenerationRef | None,
    words: Sequence[str],
    k: int,
    allowed: Choice | None = None,
) -> Ranked:
    """Return the best `k` chunks with any of the analysed `words`."""
    if generation is None:
        return NOTHING
    index = generations.open(generation)
    return index.search(index.any_of(dict.fromkeys(words, 1.0)), k, allowed)


def fill(
    store: Store, change: Change, documents: dict[str, str], copies: dict[str, int] | None = None
) -> None:
    """Add `documents` (source -> text) as items, one chunk per sentence, in one part.

    `copies` (source -> item key) are further sources of items that are there.
    """
    rows, texts = PartRows(), []
    for source, key in (copies or {}).items():
        row = {"source_key": change.next_source, "source": source, "name": source, "item_key": key}
        rows.sources.append(row)
        change.next_source += 1
    for source, text in documents.items():
        item_id = store.blobs.put(text.encode())
        chunks = [piece for piece in text.split(". ") if piece]
        rows.items.append(
            {
                "item_key": change.next_item,
                "item_id": item_id,
                "media_type": "text/plain",
                "modality": "text",
                "title": source,
                "size": len(text.encode()),
                "metadata": json.dumps({"words": len(text.split())}),
                "work_key": item_id[:32],
                "chunks": len(chunks),
                "text": text,
                "content": None,
            }
        )
        rows.sources.append(
            {
                "source_key": change.next_source,
                "source": source,
                "name": source,
                "item_key": change.next_item,
            }
        )
        start = 0
        for ordinal, piece in enumerate(chunks):
            start = text.index(piece, start)
            rows.chunks.append(
                {
                    "chunk_key": change.next_chunk,
                    "chunk_id": digest_bytes(f"{item_id}{ordinal}".encode())[:32],
                    "item_key": change.next_item,
                    "ordinal": ordinal,
                    "start": start,
                    "end": start + len(piece),
                    "page": None,
                    "heading": "",
                    "tokens": len(piece.split()),
                    "modality": "text",
                    "text": piece,
                }
            )
            change.next_chunk += 1
            texts.append(piece)
        change.next_item += 1
        change.next_source += 1
    change.add_part(rows, unit_vectors(texts))


def commit(store: Store, documents: dict[str, str], dataset: str = "docs") -> Manifest:
    """Commit `documents` as the next version of `dataset`."""
    with store.change(dataset, SPACE) as change:
        fill(store, change, documents)
        return store.commit(change, f"{len(documents)} documents", "settings")


def remove(store: Store, source: str, dataset: str = "docs") -> Manifest:
    """Commit a version of `dataset` without `source`."""
    with store.change(dataset) as change:
        for row in store.live_sources(change.head).to_pylist():
            if row["source"] == source:
                change.removed_items.add(row["item_key"])
                change.removed_sources.add(row["source_key"])
        return store.commit(change, f"without {source}", "settings")


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the store in a temporary folder; what is open at the end is closed."""
    opened: list[Store] = []

    def opener() -> Store:
        while opened:
            opened.pop().close()
        opened.append(Store(tmp_path, StorageSettings(lock_seconds=0)))
        return opened[-1]

    yield opener
    while opened:
        opened.pop().close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    """An empty store."""
    return open_store()
