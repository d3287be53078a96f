"""Answers to keep in a store, made without a search."""

from __future__ import annotations

from datetime import UTC, datetime

from ragstone.schemas.answers import Answer, Citation, Receipt, StoredAnswer
from ragstone.schemas.api import Hit
from ragstone.storage import answers
from ragstone.storage.answers import Seal
from ragstone.storage.manifests import Manifest
from ragstone.storage.store import Store

ASKED = datetime(2026, 1, 1, 12, 30, 0, 123456, tzinfo=UTC)


def found(item_id: str, text: str = "") -> Hit:
    """Return a hit of the first chunk of an item."""
    return Hit(
        rank=1,
        score=1.0,
        chunk_id=f"chunk-of-{item_id}",
        item_id=item_id,
        source="",
        name="",
        title="",
        heading="",
        page=None,
        text=text,
        start=0,
        end=len(text),
        arms={},
        highlights=[],
        metadata={},
    )


def cited(item_id: str, quote: str, start: int = 0) -> Citation:
    """Return a citation of an item."""
    chunk, end = f"chunk-of-{item_id}", start + len(quote)
    return Citation(1, chunk, item_id, "", "", None, quote, start, end)


def record(
    manifest: Manifest,
    answer_id: str,
    hits: list[Hit],
    citations: list[Citation] | None = None,
    *,
    receipt: bool = True,
) -> StoredAnswer:
    """Return an answer from a version; without a `receipt` it is an old one."""
    answer = Answer(
        answer_id=answer_id,
        question="Which?",
        answer="This.",
        found=bool(citations),
        claims=[],
        citations=citations or [],
        dataset=manifest.dataset,
        version=manifest.version,
        generator="extractive",
        evidence=0.5,
        created=ASKED,
        seconds=0.1,
    )
    made = Receipt("This.", 1, [], {}, None, {}, "0") if receipt else None
    return StoredAnswer(answer, "prompt", hits, {}, manifest.digest, receipt=made)


def keep(store: Store, manifest: Manifest, stored: StoredAnswer) -> Seal:
    """Store an answer."""
    with store.catalog.transaction() as cursor:
        return answers.insert(cursor, manifest.dataset_id, stored)
