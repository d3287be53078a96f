"""Texts and queries out of a version itself, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragstone.errors import InvalidArgument
from ragstone.storage.living import made_by_models
from ragstone.text import WORD, embed_text, sentence_spans

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_AT_ONCE = 512  # chunks fetched by one query
_LEAST_WORDS, _MOST_WORDS = 4, 32  # of a sentence that can be asked: no heading, no table


def sample_texts(store: Store, manifest: Manifest, most: int, seed: int) -> list[str]:
    """Return the texts of up to `most` chunks of a version, as they are embedded.

    What models made is left out.

    Raises
    ------
    InvalidArgument
        It has no text.
    """
    made = f"AND NOT {made_by_models(manifest)} " if manifest.synthetic_parts else ""
    rows = store.catalog.rows(
        "SELECT c.chunk_key FROM chunks c JOIN items i USING (dataset_id, item_key) "  # noqa: S608
        "WHERE c.dataset_id = ? AND i.added <= ? AND (i.removed IS NULL OR i.removed > ?) "
        f"{made}ORDER BY c.chunk_key",
        [manifest.dataset_id, manifest.version, manifest.version],
    )
    drawn = random.Random(seed).sample(rows, min(len(rows), most))  # noqa: S311
    texts = list(_texts(store, manifest, [int(row[0]) for row in drawn]))
    if not texts:
        raise InvalidArgument("dataset", manifest.dataset, "one that holds text")
    return texts


def _texts(store: Store, manifest: Manifest, keys: Sequence[int]) -> Iterator[str]:
    if manifest.keywords is None:
        return
    for begin in range(0, len(keys), _AT_ONCE):
        batch = keys[begin : begin + _AT_ONCE]
        found = store.generations.fetch(manifest.keywords, batch)
        for key in batch:
            if found[key]["text"].strip():
                yield embed_text(found[key]["heading"], found[key]["text"])


def sample_queries(texts: Sequence[str], most: int, seed: int) -> list[str]:
    """Return up to `most` different sentences of `texts`, one of each; short texts as they are.

    They are words alone, in lower case: marks would be read as the query language.
    """
    draw = random.Random(seed)  # noqa: S311
    found: dict[str, None] = {}
    for text in texts:
        sentence = _sentence(text, draw)
        if sentence:
            found[sentence] = None
        if len(found) == most:
            break
    return list(found)


def _sentence(text: str, draw: random.Random) -> str:
    every = [WORD.findall(text[start:end].lower()) for start, end in sentence_spans(text)]
    fitting = [words for words in every if _LEAST_WORDS <= len(words) <= _MOST_WORDS]
    words = draw.choice(fitting) if fitting else WORD.findall(text.lower())
    return " ".join(words[:_MOST_WORDS])
