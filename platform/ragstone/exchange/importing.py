"""Import: an export becomes a version, with the vectors it brought.

A source of the export takes the place of the dataset's source of the same name, as in ingestion;
sources that the export does not name stay. Everything is checked before anything is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ragstone.changes import check_name
from ragstone.errors import DamagedFile, SpaceMismatch
from ragstone.exchange.layout import (
    EXPORT_FILE,
    ITEM_COLUMNS,
    ITEMS_FOLDER,
    Export,
    original_digest,
    read_export_file,
)
from ragstone.exchange.reading import CHUNK_FIELDS, Chunks, item_batches
from ragstone.ingestion.dedup.policy import Policy
from ragstone.ingestion.dedup.settling import Settling
from ragstone.ingestion.ledger import Ledger
from ragstone.schemas.api import ImportResult
from ragstone.storage.copying import Progress, Tell
from ragstone.storage.files import FileStamp, digest_bytes, verify
from ragstone.storage.manifests import MediaSpace
from ragstone.storage.parts import PartRows
from ragstone.storage.projection import content_digest

if TYPE_CHECKING:
    from ragstone.storage.changes import Change
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_PART_CHUNKS = 4_096  # after which a part is written
_PART_BYTES = 64 * 2**20  # of text, content and signatures
_IDENTITY = ["sources", "item_id", "work_key", "original", "size"]
_ITEM_FIELDS = ["item_id", "media_type", "modality", "title", "size", "metadata", "work_key"]

Row = dict[str, Any]


def import_version(
    store: Store,
    folder: Path,
    dataset: str,
    *,
    message: str = "",
    on_progress: Tell | None = None,
) -> ImportResult:
    """Take the export at `folder` into `dataset`, as one new version.

    A new dataset holds exactly what was exported: its content digest is the same, and so are the
    results of vector search; its policy on duplicates is that of the export. In one that is there,
    each source of the export replaces the source of the same name, and its own policy stands.

    Parameters
    ----------
    on_progress
        Called with the bytes done and the bytes in all; every byte is read twice.

    Raises
    ------
    InvalidArgument
        The folder is no export of this format, or its policy is none.
    SpaceMismatch
        The dataset is there, with vectors of another embedding space: of texts, images or
        recordings.
    DamagedFile
        A file of the export is not what it was; it is named, and nothing was changed.
    """
    started = monotonic()
    check_name(dataset)
    export = read_export_file(folder)
    settle = _settling(store, export)
    for held in store.heads():
        if held.dataset == dataset:
            _check_spaces(held, export)
    progress = Progress(2 * export.bytes, on_progress)
    _check(folder, export, progress)
    with store.change(dataset, export.space) as change:
        _take_spaces(change, export)
        work = _Importing(store, change, folder, export, progress)
        work.run()
        head = change.head
        if not change.empty:
            text = message or _message(export)
            head = store.commit(change, text, export.settings, settle=settle)
    return ImportResult(
        dataset=dataset,
        version=head.version if head else 0,
        content=head.content if head else export.content,
        origin=export.reference,
        origin_digest=export.digest,
        items=work.ledger.counts,
        chunks=work.chunks,
        originals=work.originals,
        seconds=round(monotonic() - started, 3),
    )


def _message(export: Export) -> str:
    return f"import of {export.reference}" + (f": {export.message}" if export.message else "")


def _settling(store: Store, export: Export) -> Callable[[Change], None]:
    """Return what marks the duplicates: by the export's policy where the dataset has none."""
    policy = Policy.from_dict(export.policy)

    def settle(change: Change) -> None:
        Settling(store, None if change.head else policy)(change)

    return settle


# ---------------------------------------------------------------- checking


def _check_spaces(head: Manifest, export: Export) -> None:
    """Refuse an export whose texts, images or recordings are embedded in other spaces."""
    if head.space != export.space:
        raise SpaceMismatch(head.dataset, head.space, export.space)
    for modality, brought in export.media.items():
        held = head.media.get(modality)
        if held and held.space != brought.space:
            raise SpaceMismatch(head.dataset, held.space, brought.space)


def _check(folder: Path, export: Export, progress: Progress) -> None:
    """Compare every file with its digest, and the rows with the digest of the version's data."""
    for name, promised in export.files.items():
        verify(folder / name, promised)
        progress.add(promised.size)
    tables = [
        _check_items(folder, batch, progress) for batch in item_batches(folder, export, _IDENTITY)
    ]
    rows = sum(len(table) for table in tables)
    if content_digest(pa.concat_tables(tables)) != export.content:
        problem = f"its digest is not that of the {rows} sources in the items"
        raise DamagedFile(folder / EXPORT_FILE, problem)


def _check_items(folder: Path, batch: pa.RecordBatch, progress: Progress) -> pa.Table:
    """Check the originals of some items; return source, item_id and work_key of each source."""
    for path, item_id, size in zip(
        *(batch[name].to_pylist() for name in ("original", "item_id", "size")), strict=True
    ):
        if path is None:
            continue
        if original_digest(path) != item_id:
            raise DamagedFile(folder / path, "it is not named by the digest of its item")
        verify(folder / path, FileStamp(size, item_id))
        progress.add(size)
    owners = pc.list_parent_indices(batch["sources"])
    sources = pc.struct_field(batch["sources"].flatten(), "source")
    named = {name: batch[name].take(owners) for name in ("item_id", "work_key")}
    return pa.table({"source": sources, **named})


# ---------------------------------------------------------------- taking in


def _take_spaces(change: Change, export: Export) -> None:
    """Let the next version have the spaces of the export, besides those of the dataset."""
    if change.head:
        _check_spaces(change.head, export)  # it may have moved since the first look
    for modality, brought in export.media.items():
        change.media.setdefault(modality, MediaSpace(brought.space, brought.encoder))


@dataclass(slots=True)
class _Importing:
    store: Store
    change: Change
    folder: Path
    export: Export
    progress: Progress
    ledger: Ledger = field(init=False)
    chunks: int = 0
    originals: int = 0
    _rows: PartRows = field(default_factory=PartRows)
    _vectors: dict[str, list[NDArray[np.float16]]] = field(  # by embedding space
        default_factory=lambda: defaultdict(list)
    )
    _bytes: int = 0

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.change, self.store.live_sources(self.change.head, hidden=True))

    def run(self) -> None:
        """Write the parts of the next version."""
        columns = [column.name for column in ITEM_COLUMNS]
        chunks = Chunks(self.folder, self.export)
        number = 0
        for batch in item_batches(self.folder, self.export, columns):
            new: dict[int, int] = {}  # row of the item in the export -> its key
            for row in batch.to_pylist():
                self.progress.add(row["size"])
                key = self._item(row)
                if key is not None:
                    new[number] = key
                number += 1
            self._take_chunks(chunks, chunks.below(number), new)
            if len(self._rows.chunks) >= _PART_CHUNKS or self._bytes >= _PART_BYTES:
                self._flush()
        if self._rows.sources:
            self._flush()
        self.ledger.settle()

    def _item(self, row: Row) -> int | None:
        """Take over an item with its sources; return its key when its rows are new."""
        identity = row["item_id"], row["work_key"]
        sources = [
            entry
            for entry in row["sources"]
            if not self.ledger.unchanged(entry["source"], *identity)
        ]
        if not sources:
            return None
        new = None if self.ledger.duplicate(*identity) else self._add_item(row)
        key = new
        for entry in sources:
            number = self.change.next_source
            owner = self.ledger.accept(entry["source"], *identity, key)
            self._rows.sources.append({**entry, "source_key": number, "item_key": owner})
            self.change.next_source += 1
            key = None  # what follows are further sources of the same item
        return new

    def _add_item(self, row: Row) -> int:
        key = self.change.next_item
        self.change.next_item += 1
        if row["original"] is not None:
            self._take_original(row)
        elif digest_bytes(row["content"] or b"") != row["item_id"]:
            raise DamagedFile(self.folder / ITEMS_FOLDER, f"item {row['item_id']} has other bytes")
        fields = {name: row[name] for name in (*_ITEM_FIELDS, "chunks", "text", "content")}
        self._rows.items.append({**fields, "item_key": key})
        signatures = row["signatures"]
        self._rows.signatures += [{**signature, "item_key": key} for signature in signatures]
        self._bytes += len(row["text"]) + len(row["content"] or b"")
        self._bytes += sum(len(signature["value"]) for signature in signatures)
        return key

    def _take_original(self, row: Row) -> None:
        path = self.folder / row["original"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
        if self.store.blobs.put(content) != row["item_id"]:
            raise DamagedFile(path, "its bytes have changed since the export")
        self.originals += 1

    def _take_chunks(self, of: Chunks, tables: Iterable[pa.Table], new: dict[int, int]) -> None:
        for table in tables:
            owners = table["item"].to_numpy()
            keep = np.flatnonzero(np.isin(owners, list(new)))
            chosen = table.take(keep)
            rows = chosen.select(CHUNK_FIELDS).to_pylist()
            for owner, row in zip(owners[keep], rows, strict=True):
                row["item_key"] = new[int(owner)]
                row["chunk_key"] = self.change.next_chunk
                self.change.next_chunk += 1
                self._rows.chunks.append(row)
            for space, vectors in of.vectors(chosen).items():
                self._vectors[space].append(vectors)

    def _flush(self) -> None:
        # Every float16 is a float32, so what is written is what was exported.
        found = {
            space: np.concatenate(rows).astype(np.float32) for space, rows in self._vectors.items()
        }
        texts = found.pop(self.export.space, np.empty((0, self.export.dimension), np.float32))
        self.chunks += len(self._rows.chunks)
        self.change.add_part(self._rows, texts, found)
        self._rows, self._bytes = PartRows(), 0
        self._vectors.clear()
