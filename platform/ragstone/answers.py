"""Answers: ground, then keep the receipt."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from ulid import ULID

from ragstone.generation.generators import open_generator
from ragstone.generation.ground import ground
from ragstone.schemas.api import Answer, StoredAnswer, to_json
from ragstone.storage.catalog import now

if TYPE_CHECKING:
    from ragstone.config import GenerationSettings
    from ragstone.encoders.base import TextEncoder
    from ragstone.schemas.api import SearchResult
    from ragstone.storage.store import Store


def ask(
    store: Store,
    found: SearchResult,
    version_digest: str,
    generator: str | None,
    encoder: TextEncoder,
    settings: GenerationSettings,
    on_text: Callable[[str], None] | None,
) -> Answer:
    """Answer the query of `found` from its hits and store all that made the answer."""
    started = monotonic()
    chosen = open_generator(generator or settings.generator, encoder, settings)
    grounded = ground(found.query, found.hits, chosen, encoder, settings, on_text)
    answer = Answer(
        answer_id=str(ULID()),
        question=found.query,
        answer=grounded.answer,
        found=grounded.found,
        claims=grounded.claims,
        citations=grounded.citations,
        dataset=found.dataset,
        version=found.version,
        generator=chosen.id,
        evidence=grounded.evidence,
        created=now(),
        seconds=round(monotonic() - started, 3),
    )
    stored = StoredAnswer(
        answer=answer,
        prompt=grounded.prompt.text,
        hits=found.hits,
        settings=settings.model_dump(),
        version_digest=version_digest,
    )
    store.catalog.write(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?)",
        [
            answer.answer_id,
            store.head(found.dataset).dataset_id,
            found.version,
            answer.created,
            json.dumps(to_json(stored)),
        ],
    )
    return answer
