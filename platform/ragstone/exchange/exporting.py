"""Export: one version as a folder that others can read, with the originals, and can be imported.

Rows go part by part, so memory holds one part and the names of all sources, whatever the size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ragstone.errors import DamagedFile
from ragstone.exchange.dataset_card import card
from ragstone.exchange.layout import (
    CHUNKS_FOLDER,
    EXPORT_FILE,
    ITEM_COLUMNS,
    ITEMS_FOLDER,
    Export,
    MediaVectors,
    chunk_columns,
    original_path,
    schema_of,
    vector_columns,
    write_export_file,
)
from ragstone.exchange.shards import SHARD_BYTES, Shards
from ragstone.exchange.tables import ByItem, live_sources, signatures, vectors, without
from ragstone.schemas.api import ExportResult
from ragstone.storage import parts
from ragstone.storage.copying import Progress, Tell, check_target, copy_file, new_folder
from ragstone.storage.files import FileStamp, stamp, verify, write_durably

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest, PartRef
    from ragstone.storage.store import Store


def export_version(
    store: Store,
    reference: str,
    folder: Path,
    *,
    licence: str = "unknown",
    shard_bytes: int = SHARD_BYTES,
    on_progress: Tell | None = None,
) -> ExportResult:
    """Write a version ("D", "D@V") to `folder`, which is new, or empty.

    Parameters
    ----------
    licence
        Of the data, for the dataset card: an identifier of the Hugging Face hub, such as "cc0-1.0".
    shard_bytes
        Size after which a Parquet file ends and the next begins.
    on_progress
        Called with the bytes done and the bytes in all.

    Raises
    ------
    UnknownDataset, UnknownVersion, InvalidArgument
        There is no such version, or something is in the folder.
    DamagedFile
        A file of the version is not what it was; nothing is left in `folder`.
    """
    started = monotonic()
    folder = folder.absolute()
    check_target("folder", folder, store.root)
    with store.keeping(), new_folder(folder) as temporary:
        manifest = store.resolve(reference)
        work = _Exporting(store, manifest, temporary, Progress(_total(store, manifest)))
        work.progress.tell = on_progress
        export = work.run(licence, shard_bytes)
    own = (folder / EXPORT_FILE).stat().st_size
    return ExportResult(
        dataset=export.dataset,
        version=export.version,
        digest=export.digest,
        content=export.content,
        folder=str(folder),
        items=export.items,
        chunks=export.chunks,
        originals=export.originals,
        files=export.originals + len(export.files) + 1,
        bytes=export.bytes + own,
        seconds=round(monotonic() - started, 3),
    )


def _total(store: Store, manifest: Manifest) -> int:
    """Return the bytes to read: of the parts, and of the items."""
    ((items,),) = store.catalog.rows(
        "SELECT coalesce(sum(size), 0)::BIGINT FROM items WHERE dataset_id = ? "
        "AND added <= ? AND (removed IS NULL OR removed > ?)",
        [manifest.dataset_id, manifest.version, manifest.version],
    )
    return int(items) + sum(f.size for part in manifest.parts for f in part.files.values())


@dataclass(frozen=True, slots=True)
class _Survey:
    """What a version holds, as far as it must be known before the first row is written."""

    parts: list[PartRef]  # in the order of their keys
    sources: ByItem
    dimension: int  # of the vectors of texts; 0 when there are none
    media: dict[str, MediaVectors]


@dataclass(slots=True)
class _Exporting:
    store: Store
    manifest: Manifest
    folder: Path
    progress: Progress
    originals: dict[str, int] = field(default_factory=dict)  # path -> bytes
    modalities: Counter[str] = field(default_factory=Counter)
    items: int = 0
    chunks: int = 0

    def run(self, licence: str, shard_bytes: int) -> Export:
        """Write everything, `ragstone.json` last."""
        survey = self._survey()
        chunk_schema = schema_of(chunk_columns(survey.dimension, survey.media))
        items = Shards(self.folder / ITEMS_FOLDER, schema_of(ITEM_COLUMNS), shard_bytes)
        chunks = Shards(self.folder / CHUNKS_FOLDER, chunk_schema, shard_bytes)
        try:
            for part in survey.parts:
                self._write_part(part, survey, items, chunks)
            written = [*items.close(), *chunks.close()]
        except BaseException:
            items.abandon()
            chunks.abandon()
            raise
        files = {path.relative_to(self.folder).as_posix(): stamp(path) for path in written}
        export = self._describe(licence, survey, files)
        readme = self.folder / "README.md"
        write_durably(readme, card(export).encode())
        files["README.md"] = stamp(readme)
        write_export_file(self.folder, export)
        return export

    def _survey(self) -> _Survey:
        """Check the parts, and look what they hold."""
        root, manifest = self.store.root, self.manifest
        first: dict[str, int] = {}
        dimensions: dict[str, int] = {}  # by space
        tables = []
        for part in manifest.parts:
            for name, promised in part.files.items():
                verify(root / part.path / name, promised)
            keys = parts.read_table(root / part.path, "items", ["item_key"])["item_key"]
            first[part.id] = min(keys.to_pylist(), default=0)
            tables.append(parts.read_table(root / part.path, "sources"))
            for space in parts.spaces_of(part):
                found = parts.read_vectors(root / part.path, space)
                if len(found):
                    dimensions[space] = int(found.shape[1])
        media = {
            modality: MediaVectors(held.space, held.encoder, dimensions.get(held.space, 0))
            for modality, held in sorted(manifest.media.items())
        }
        return _Survey(
            parts=sorted(manifest.parts, key=lambda part: first[part.id]),
            sources=live_sources(tables, manifest),
            dimension=dimensions.get(manifest.space, 0),
            media=media,
        )

    def _write_part(self, part: PartRef, survey: _Survey, items: Shards, chunks: Shards) -> None:
        path = self.store.root / part.path
        table = without(parts.read_table(path, "items"), "item_key", self.manifest.removed_items)
        table = table.sort_by("item_key")
        keys = table["item_key"].to_numpy()
        self._write_chunks(part, table, survey, chunks)
        named = survey.sources.of_items(keys)
        firsts = [entries[0]["name"] if entries else "" for entries in named.to_pylist()]
        originals = self._copy_originals(table, firsts)
        table = table.append_column("sources", named)
        table = table.append_column("original", pa.array(originals, pa.string()))
        signed = signatures(self.store.root, part).of_items(keys)
        table = table.append_column("signatures", signed)
        columns = schema_of(ITEM_COLUMNS)
        items.write(table.select(columns.names).cast(columns))
        self.modalities.update(table["modality"].to_pylist())
        self.items += table.num_rows
        self.progress.add(sum(file.size for file in part.files.values()))

    def _write_chunks(
        self, part: PartRef, items: pa.Table, survey: _Survey, chunks: Shards
    ) -> None:
        """Write the chunks of `items` (by key), which take the next rows of the items."""
        table = parts.read_table(self.store.root / part.path, "chunks")
        owners, keys = table["item_key"].to_numpy(), items["item_key"].to_numpy()
        order = np.lexsort((table["chunk_key"].to_numpy(), owners))
        order = order[np.isin(owners[order], keys)]
        if not len(order):
            return
        table = table.take(order)
        rows = np.searchsorted(keys, owners[order])
        table = table.append_column("item", pa.array(self.items + rows, pa.int64()))
        table = table.append_column("item_id", items["item_id"].take(rows))
        chosen = table["chunk_key"].to_numpy()
        named = vector_columns(self.manifest.space, survey.dimension, survey.media)
        for name, (space, dimension) in named.items():
            found = vectors(self.store.root, part, chosen, space, dimension)
            table = table.append_column(name, found)
        columns = schema_of(chunk_columns(survey.dimension, survey.media))
        chunks.write(table.select(columns.names).cast(columns))
        self.chunks += table.num_rows

    def _copy_originals(self, items: pa.Table, names: list[str]) -> list[str | None]:
        """Copy the blobs of `items`; return where each is, None for a row with its content."""
        copied: list[str | None] = []
        rows = items.select(["item_id", "size"]).to_pylist()
        inside = items["content"].is_valid().to_pylist()
        for row, name, has_content in zip(rows, names, inside, strict=True):
            self.progress.add(row["size"])
            if has_content:
                copied.append(None)
                continue
            path = original_path(row["item_id"], name)
            copied.append(path)
            if path not in self.originals:
                self.originals[path] = self._copy_blob(row["item_id"], self.folder / path)
        return copied

    def _copy_blob(self, item_id: str, target: Path) -> int:
        target.parent.mkdir(parents=True, exist_ok=True)
        blob = self.store.blobs.path(item_id)
        try:
            copied = copy_file(blob, target)
        except FileNotFoundError as error:
            raise DamagedFile(blob, "it is not there") from error
        if copied.blake3 != item_id:
            raise DamagedFile(blob, "its bytes have changed since they were written")
        return copied.size

    def _describe(self, licence: str, survey: _Survey, files: dict[str, FileStamp]) -> Export:
        manifest = self.manifest
        return Export(
            dataset=manifest.dataset,
            version=manifest.version,
            digest=manifest.digest,
            content=manifest.content,
            message=manifest.message,
            created=manifest.created,
            settings=manifest.settings,
            space=manifest.space,
            dimension=survey.dimension,
            items=self.items,
            chunks=self.chunks,
            sources=len(survey.sources.keys),
            modalities=dict(sorted(self.modalities.items())),
            originals=len(self.originals),
            original_bytes=sum(self.originals.values()),
            licence=licence,
            files=files,
            media=survey.media,
            policy=manifest.policy,
        )
