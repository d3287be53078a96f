"""The first step of an ingestion: everything is read and embedded into parts, by any process.

What comes out is plain data; the owner of the workspace makes a version of it (`jobs/commit.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pyroaring import BitMap64
from ulid import ULID

from ragstone.errors import SpaceMismatch
from ragstone.ingestion import chunking, parsers
from ragstone.ingestion.buffer import Opener, PartBuffer
from ragstone.ingestion.engines import Engine, ProcessEngine, SerialEngine
from ragstone.ingestion.ledger import Ledger, Refusal, covered
from ragstone.ingestion.opened import Opened, last_cursors, open_places, seen_whole
from ragstone.ingestion.options import Cursor
from ragstone.ingestion.parsers.image import ImageOptions, text_reader
from ragstone.ingestion.pipeline import Pipeline
from ragstone.ingestion.reading import ReadSettings
from ragstone.jobs.folder import JobFolder
from ragstone.jobs.reuse import ReusingEncoder
from ragstone.jobs.spec import IngestSpec
from ragstone.schemas.api import IngestProgress, ItemCounts, QuarantineInfo
from ragstone.schemas.records import Modality
from ragstone.storage.blobs import Blobs
from ragstone.storage.changes import Change
from ragstone.storage.files import digest_bytes
from ragstone.storage.manifests import (
    Manifest,
    MediaSpace,
    PartRef,
    pack_bitmap,
    unpack_bitmap,
)
from ragstone.storage.uploads import is_upload

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import MediaEncoder, TextEncoder
    from ragstone.encoders.speech import Transcriber
    from ragstone.ingestion.sources import Source

Heard = Callable[[IngestProgress], None]


@dataclass(frozen=True, slots=True)
class IngestTask:
    """All that a process needs to know."""

    root: Path  # of the workspace
    job: str
    spec: IngestSpec
    settings: Settings
    head: Manifest | None  # what the job builds on
    quarantined: tuple[str, ...]  # sources of the dataset that are in quarantine
    datasets: dict[str, Manifest] = field(default_factory=dict)  # that are read, by `dataset:…`


@dataclass(frozen=True, slots=True)
class Computed:
    """A finished change, and what became of the source objects."""

    reading: str  # digest of what shaped the chunks, whatever the encoder
    parts: list[PartRef]
    removed_items: str  # packed as in a manifest
    removed_sources: str
    media: dict[str, MediaSpace]
    next_item: int
    next_source: int
    next_chunk: int
    added: int
    counts: ItemCounts
    chunks: int
    resumed: int  # of these, chunks that an earlier try had finished
    refused: list[QuarantineInfo] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)  # sources that leave the quarantine
    cursors: dict[str, Cursor] = field(default_factory=dict)  # how far databases were read

    def fill(self, change: Change) -> None:
        """Make an empty change on the same head the one that was computed."""
        change.parts = list(self.parts)
        change.removed_items = BitMap64(unpack_bitmap(self.removed_items))
        change.removed_sources = BitMap64(unpack_bitmap(self.removed_sources))
        change.next_item, change.next_source = self.next_item, self.next_source
        change.next_chunk, change.added = self.next_chunk, self.added
        change.media, change.cursors = dict(self.media), dict(self.cursors)


def compute(task: IngestTask, encoder: TextEncoder, on_progress: Heard | None) -> Computed:
    """Read and embed what `task` asks for; go on where an earlier try of the job was cut off.

    Raises
    ------
    UnknownSource, InvalidArgument
        A source, or its columns, went away after the job was accepted.
    JobConflict
        Another process works on the job.
    """
    folder = JobFolder(task.root, task.job)
    opened = _opened(task)
    space = encoder.identity.space
    with folder.held(), closing(_engine(task.settings)) as engine:
        change = Change(task.root, task.spec.dataset, task.head, space, folder.parts)
        shaping = Shaping.of(task.settings, encoder)
        shape = shaping.digest_with(encoder)
        reusing = ReusingEncoder(encoder, task.root, folder.aside(shape))
        buffer = PartBuffer(
            change,
            reusing,
            media_opener(task.root, task.settings, task.spec.dataset, task.head),
            lambda: folder.stage(shape, change.parts),
        )
        ledger = Ledger(change, folder.live())
        pipeline = shaping.pipeline(ledger, buffer, engine, task.root, on_progress)
        staged = folder.staged(shape)
        kept = pipeline.resume(opened, staged)
        if len(kept) < len(staged):
            folder.put_aside(shape, staged[len(kept) :])
            reusing.learn(staged[len(kept) :])
        folder.stage(shape, kept)
        pipeline.run(opened)
        if task.spec.removes:
            pipeline.ledger.remove_unmet(*seen_whole(opened))
        pipeline.ledger.settle()
        change.cursors = last_cursors(opened)
        computed = _computed(task, change, pipeline, opened)
        folder.keep_computed(computed)
    return computed


@dataclass(frozen=True, slots=True)
class Shaping:
    """All that shapes the chunks of items; see `Pipeline` for the fields."""

    settings: Settings
    reading: ReadSettings
    settings_digest: str
    transcriber: Transcriber | None
    media_digests: dict[str, str]

    @classmethod
    def of(cls, settings: Settings, encoder: TextEncoder) -> Shaping:
        """Return what shapes chunks under `settings`."""
        transcriber = _transcriber(settings)
        return cls(
            settings,
            _reading(settings, encoder),
            _settings_digest(settings),
            transcriber,
            _media_digests(settings, transcriber),
        )

    def digest_with(self, encoder: TextEncoder) -> str:
        """Return the digest of all that shapes a part, its vectors above all."""
        return _shape(
            self.settings_digest, self.reading, encoder, self.settings, self.media_digests
        )

    def pipeline(
        self,
        ledger: Ledger,
        buffer: PartBuffer,
        engine: Engine,
        root: Path,
        on_progress: Heard | None = None,
    ) -> Pipeline:
        """Return a pipeline into the workspace at `root`."""
        return Pipeline(
            ledger=ledger,
            buffer=buffer,
            engine=engine,
            blobs=Blobs(root / "blobs"),
            reading=self.reading,
            limits=self.settings.limits,
            settings_digest=self.settings_digest,
            part_chunks=self.settings.ingestion.part_chunks,
            on_progress=on_progress,
            transcriber=self.transcriber,
            media_digests=self.media_digests,
        )


def _opened(task: IngestTask) -> list[Opened]:
    from ragstone.ingestion.dataset_sources import DatasetSource
    from ragstone.ingestion.upload_sources import UploadSource

    datasets: dict[str, Source] = {}
    for place, options in task.spec.opened_with():
        if place in task.datasets:
            datasets[place] = DatasetSource(task.root, task.datasets[place], options.columns)
        elif is_upload(place):
            datasets[place] = UploadSource(task.root, place, options, task.settings.limits)
    return open_places(
        task.spec.opened_with(),
        task.settings,
        datasets=datasets,
        cursors=task.head.cursors if task.head and not task.spec.from_start else {},
        shape=_settings_digest(task.settings),
    )


def media_opener(root: Path, settings: Settings, dataset: str, head: Manifest | None) -> Opener:
    """Return what opens the encoders of images and recordings: the dataset's own, once it has any.

    Its result raises EncoderUnavailable and SpaceMismatch.
    """

    @cache
    def opened(modality: Modality) -> tuple[MediaEncoder, str]:
        from ragstone.training.encoding import WorkspaceEncoders

        own = WorkspaceEncoders(root / "models")
        held = head.media.get(modality.value) if head else None
        name = own.settled(held.encoder if held else getattr(settings.encoder, modality.value))
        encoder = own.open_media(modality, name, settings.encoder)
        if held and encoder.identity.space != held.space:
            raise SpaceMismatch(dataset, held.space, encoder.identity.space)
        return encoder, name

    return opened


def _computed(
    task: IngestTask, change: Change, pipeline: Pipeline, opened: Sequence[Opened]
) -> Computed:
    ledger = pipeline.ledger
    return Computed(
        reading=pipeline.settings_digest,
        parts=change.parts,
        removed_items=pack_bitmap(change.removed_items),
        removed_sources=pack_bitmap(change.removed_sources),
        media=change.media,
        next_item=change.next_item,
        next_source=change.next_source,
        next_chunk=change.next_chunk,
        added=change.added,
        counts=ledger.counts,
        chunks=pipeline.embedded,
        resumed=pipeline.resumed,
        refused=_kept(task, ledger.refusals),
        cleared=_cleared(task, ledger, opened),
        cursors=change.cursors,
    )


def _cleared(task: IngestTask, ledger: Ledger, opened: Sequence[Opened]) -> list[str]:
    """Return the sources that leave the quarantine.

    They were met again, are lists that work again, or a synchronisation finds them gone.
    """
    lists = {place.listing for place in opened if place.whole}
    whole, partial = seen_whole(opened) if task.spec.removes else ([], [])
    return [
        source
        for source in task.quarantined
        if ledger.met(source)
        or ledger.met_within(source)
        or source.rstrip("/") in lists
        or (covered(source, whole) and not covered(source, partial))
    ]


def _kept(task: IngestTask, refusals: Sequence[Refusal]) -> list[QuarantineInfo]:
    """Keep the bytes that were refused and return what to record of them."""
    kept = Blobs(task.root / "quarantine")
    for refusal in refusals:
        if refusal.content is not None:
            kept.put(refusal.content)
    return [_entry(task.spec.dataset, refusal) for refusal in refusals]


def _entry(dataset: str, refusal: Refusal) -> QuarantineInfo:
    return QuarantineInfo(
        id=str(ULID()),
        dataset=dataset,
        source=refusal.raw.source,
        stage=refusal.stage,
        code=refusal.reason.code,
        reason=refusal.reason.message,
        hint=refusal.reason.hint,
        item_id=refusal.item_id,
        size=len(refusal.content) if refusal.content is not None else 0,
        created=datetime.now(UTC),
    )


def _engine(settings: Settings) -> Engine:
    if not settings.ingestion.workers:
        return SerialEngine()
    limits = settings.limits
    return ProcessEngine(settings.ingestion.workers, limits.seconds, limits.memory_mb)


def _reading(settings: Settings, encoder: TextEncoder) -> ReadSettings:
    return ReadSettings(
        limits=settings.limits,
        tokenizer_file=encoder.tokenizer_file,
        max_tokens=min(settings.chunking.max_tokens, encoder.identity.max_tokens),
        context_tokens=settings.chunking.context_tokens,
        images=ImageOptions(settings.ingestion.keep_gps, settings.encoder.ocr),
    )


def _transcriber(settings: Settings) -> Transcriber | None:
    from ragstone.encoders.speech import open_transcriber

    chosen = settings.encoder
    if not chosen.transcripts:
        return None
    return open_transcriber(chosen.transcripts, chosen, chosen.language)


def _media_digests(settings: Settings, transcriber: Transcriber | None) -> dict[str, str]:
    """Return what shapes the chunks of images, recordings and PDF files beside the parsers.

    Nothing for the defaults, so that the keys of items do not depend on what is not used.

    Raises
    ------
    Unavailable
        What reads text in images is not installed.
    """
    found: dict[str, str] = {}
    languages = settings.encoder.ocr
    if languages or settings.ingestion.keep_gps:
        reader = text_reader(languages, settings.limits.seconds).fingerprint if languages else ""
        found["image"] = f"{reader}\0{settings.ingestion.keep_gps}"
        if reader:
            found["pdf"] = reader
    if transcriber is not None:
        found["audio"] = transcriber.fingerprint
    return found


def _settings_digest(settings: Settings) -> str:
    """Return the digest of what shapes the chunks of an item: part of its work key.

    The encoder is not in it, though chunks are counted in its tokens: a dataset that was moved to
    another one holds the same items, and what has not changed is not read again.
    """
    shaping = {
        "parsers": parsers.REVISION,
        "chunking": chunking.REVISION,
        "max_tokens": settings.chunking.max_tokens,
        "context_tokens": settings.chunking.context_tokens,
    }
    return digest_bytes(json.dumps(shaping, sort_keys=True).encode())


def _shape(
    settings_digest: str,
    reading: ReadSettings,
    encoder: TextEncoder,
    settings: Settings,
    media: Mapping[str, str],
) -> str:
    """Return the digest of all that shapes a part, its vectors above all: others never get in."""
    shape = {
        "settings": settings_digest,
        "max_tokens": reading.max_tokens,
        "space": encoder.identity.space,
        "encoder": encoder.identity.digest,
        "media": [settings.encoder.image, settings.encoder.audio, media],
    }
    return digest_bytes(json.dumps(shape, sort_keys=True).encode())
