"""Jobs: what changes a dataset, from the call to the committed version."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from ulid import ULID

from ragstone.errors import InvalidArgument, RagstoneError, StorageFault
from ragstone.listing import find_item_keys
from ragstone.schemas.api import IngestResult, QuarantineInfo
from ragstone.schemas.records import RowColumns
from ragstone.storage.blobs import Blobs
from ragstone.storage.catalog import now
from ragstone.storage.files import digest_bytes

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder
    from ragstone.ingestion.engines import Engine
    from ragstone.ingestion.ledger import Ledger, Refusal
    from ragstone.ingestion.pipeline import Pipeline
    from ragstone.schemas.api import IngestProgress
    from ragstone.storage.changes import Change
    from ragstone.storage.store import Store

_NAME = "a name of letters, digits, '-', '_' and '.', that begins with a letter or digit"


def ingest(
    store: Store,
    settings: Settings,
    encoder: TextEncoder,
    sources: Sequence[str | Path],
    dataset: str,
    *,
    message: str,
    text: Sequence[str],
    name: str | None,
    on_progress: Callable[[IngestProgress], None] | None,
) -> IngestResult:
    """Run an ingestion job; see `Workspace.ingest`."""
    from ragstone.ingestion.sources import open_source

    check_name(dataset)
    if name is not None and not text:
        raise InvalidArgument("id", name, "used together with the text columns")
    columns = RowColumns(tuple(text), name) if text else None
    opened = [open_source(source, columns) for source in sources]
    if not opened:
        raise InvalidArgument("sources", [], "at least one file or folder")
    job, started = str(ULID()), monotonic()
    store.catalog.write(
        "INSERT INTO jobs VALUES (?, ?, 'running', ?, NULL, NULL)", [job, dataset, now()]
    )
    engine = _engine(settings)
    try:
        with store.change(dataset, encoder.identity.space) as change:
            pipeline = _pipeline(store, settings, encoder, engine, change)
            pipeline.on_progress = on_progress
            pipeline.run(opened)
            version = _commit(store, change, message, pipeline)
        quarantine = _quarantine(store, job, dataset, pipeline.ledger)
        result = IngestResult(
            job=job,
            dataset=dataset,
            version=version,
            items=pipeline.ledger.counts,
            chunks=pipeline.embedded,
            seconds=round(monotonic() - started, 3),
            quarantine=quarantine,
        )
        _end(store, job, "done", asdict(result.items))
    except BaseException as error:
        code = error.code if isinstance(error, RagstoneError) else type(error).__name__
        try:
            _end(store, job, "failed", {"code": code, "message": str(error)})
        except StorageFault as unrecorded:  # what came first is what the caller has to hear
            error.add_note(f"The job could not be marked as failed: {unrecorded}")
        raise
    else:
        return result
    finally:
        engine.close()


def delete(store: Store, dataset: str, items: Sequence[str], message: str) -> None:
    """Commit a version of `dataset` without `items`; see `Workspace.delete`."""
    with store.change(dataset) as change:
        head = store.resolve(dataset)
        keys = {key for item in items for key in find_item_keys(store, head, item)}
        if not keys:
            raise InvalidArgument("items", list(items), "at least one item id")
        live = store.live_sources(head).to_pylist()
        change.removed_items.update(keys)
        change.removed_sources.update(r["source_key"] for r in live if r["item_key"] in keys)
        store.commit(change, message or f"delete {len(keys)} item(s)", head.settings)


def check_name(dataset: str) -> None:
    """Refuse names that do not work as `NAME@VERSION` or in a path.

    Raises
    ------
    InvalidArgument
        The name is not of letters, digits, '-', '_' and '.'.
    """
    plain = dataset.replace("-", "a").replace("_", "a").replace(".", "a")
    if not (dataset[:1].isalnum() and plain.isalnum() and len(dataset) <= 100):
        raise InvalidArgument("dataset", dataset, _NAME)


def _engine(settings: Settings) -> Engine:
    from ragstone.ingestion.engines import ProcessEngine, SerialEngine

    if not settings.ingestion.workers:
        return SerialEngine()
    limits = settings.limits
    return ProcessEngine(settings.ingestion.workers, limits.seconds, limits.memory_mb)


def _pipeline(
    store: Store, settings: Settings, encoder: TextEncoder, engine: Engine, change: Change
) -> Pipeline:
    from ragstone.ingestion.buffer import PartBuffer
    from ragstone.ingestion.ledger import Ledger
    from ragstone.ingestion.pipeline import Pipeline
    from ragstone.ingestion.reading import ReadSettings

    reading = ReadSettings(
        limits=settings.limits,
        tokenizer_file=encoder.tokenizer_file,
        max_tokens=min(settings.chunking.max_tokens, encoder.identity.max_tokens),
        context_tokens=settings.chunking.context_tokens,
    )
    return Pipeline(
        ledger=Ledger(change, store.live_sources(change.head)),
        buffer=PartBuffer(change, encoder),
        engine=engine,
        blobs=store.blobs,
        reading=reading,
        limits=settings.limits,
        settings_digest=_settings_digest(reading, encoder),
        part_chunks=settings.ingestion.part_chunks,
    )


def _settings_digest(reading: object, encoder: TextEncoder) -> str:
    """Return the digest of all that shapes the chunks and vectors of an item."""
    from ragstone.ingestion import chunking, parsers

    shape = {
        "parsers": parsers.REVISION,
        "chunking": chunking.REVISION,
        "max_tokens": getattr(reading, "max_tokens", None),
        "context_tokens": getattr(reading, "context_tokens", None),
        "space": encoder.identity.space,
        "encoder": encoder.identity.digest,
    }
    return digest_bytes(json.dumps(shape, sort_keys=True).encode())


def _commit(store: Store, change: Change, message: str, pipeline: Pipeline) -> int:
    """Publish the change when there is one; return the number of the newest version."""
    if change.empty:
        return change.head.version if change.head else 0
    counts = pipeline.ledger.counts
    default = f"ingest: {counts.added} added, {counts.updated} updated"
    return store.commit(change, message or default, pipeline.settings_digest).version


def _quarantine(store: Store, job: str, dataset: str, ledger: Ledger) -> list[QuarantineInfo]:
    """Record what was refused, with its bytes; forget older entries of the same sources."""
    kept = Blobs(store.root / "quarantine")
    entries = [_entry(dataset, refusal) for refusal in ledger.refusals]
    for refusal in ledger.refusals:
        if refusal.content is not None:
            kept.put(refusal.content)
    with store.catalog.transaction() as cursor:
        known = cursor.execute(
            "SELECT DISTINCT source FROM quarantine WHERE dataset = ?", [dataset]
        ).fetchall()
        for (source,) in known:
            if ledger.met(source):
                cursor.execute(
                    "DELETE FROM quarantine WHERE dataset = ? AND source = ?", [dataset, source]
                )
        for entry in entries:
            row = [entry.id, job, *list(asdict(entry).values())[1:]]
            cursor.execute(f"INSERT INTO quarantine VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    return entries


def _entry(dataset: str, refusal: Refusal) -> QuarantineInfo:
    size = len(refusal.content) if refusal.content is not None else 0
    return QuarantineInfo(
        id=str(ULID()),
        dataset=dataset,
        source=refusal.raw.source,
        stage=refusal.stage,
        code=refusal.reason.code,
        reason=refusal.reason.message,
        hint=refusal.reason.hint,
        item_id=refusal.item_id,
        size=size,
        created=now(),
    )


def _end(store: Store, job: str, state: str, result: dict[str, object]) -> None:
    store.catalog.write(
        "UPDATE jobs SET state = ?, ended = ?, result = ? WHERE job = ?",
        [state, now(), json.dumps(result), job],
    )
