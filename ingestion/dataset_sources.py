"""Other datasets as sources: a version of one in this workspace, or one that was exported."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ragstone.config import LimitSettings
from ragstone.errors import (
    DamagedFile,
    InvalidArgument,
    MalformedInput,
    Rejected,
    UnreadableInput,
)
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.pages import LISTING
from ragstone.ingestion.parsers.base import clean
from ragstone.ingestion.parsers.rows import parse_row
from ragstone.ingestion.parsers.templates import cell_text
from ragstone.schemas.records import Modality, Raw, RowColumns
from ragstone.storage import manifests, parts
from ragstone.storage.blobs import Blobs
from ragstone.storage.erasures import Erasures
from ragstone.storage.manifests import Manifest

EXPORT_FILE = "ragstone.json"
_FIELDS = ["item_id", "modality", "title", "text", "metadata", "content"]
_BATCH = 64  # items in memory at a time, with their texts
_SEEN = (Modality.IMAGE, Modality.AUDIO)

Row = dict[str, Any]


class DatasetSource:
    """The live sources of one version of a dataset, with the bytes they had then.

    Nothing but immutable files is read. Each source is `dataset:NAME#SOURCE`, whatever the
    version, so that a later version takes the place of an earlier one; names, metadata and
    captions are those of the version.

    Parameters
    ----------
    root
        Of the workspace.
    manifest
        Of the version; what was erased since is left out.
    columns
        The text columns of rows that do not show theirs.
    """

    def __init__(self, root: Path, manifest: Manifest, columns: RowColumns | None = None) -> None:
        self._root = root
        self._manifest = Erasures(root).applied(manifest)
        self._blobs = Blobs(root / "blobs")
        self._rows = OwnRows(columns)

    @property
    def total(self) -> int | None:
        """Number of sources."""
        return int(self._sources().num_rows)

    def raws(self) -> Iterator[Raw]:
        """Yield each source, part by part, those of one item together.

        Raises
        ------
        DamagedFile
            A part cannot be read.
        """
        sources = self._sources()
        removed = _keys(self._manifest.removed_items)
        owners = sources["item_key"].to_numpy()
        for part in self._manifest.parts:
            items = parts.read_table(self._root / part.path, "items", ["item_key", *_FIELDS])
            items = items.filter(pa.array(~np.isin(items["item_key"].to_numpy(), removed)))
            for batch in items.to_batches(_BATCH):
                for item in batch.to_pylist():
                    begin, end = np.searchsorted(owners, [item["item_key"], item["item_key"] + 1])
                    yield from self._of(item, sources.slice(begin, end - begin).to_pylist())

    def _of(self, item: Row, sources: Iterable[Row]) -> Iterator[Raw]:
        for row in sources:
            raw = Raw(f"dataset:{self._manifest.dataset}#{row['source']}", row["name"])
            if item["content"] is not None:
                yield self._rows.raw(raw, item)
            else:
                yield self._whole(raw, item)

    def _whole(self, raw: Raw, item: Row) -> Raw:
        try:
            content = self._blobs.get(item["item_id"])
        except DamagedFile as damage:
            return Raw(raw.source, raw.name, problem=UnreadableInput(damage.message))
        return _with_item(raw, item, content=content)

    def _sources(self) -> pa.Table:
        """Return the live sources: source_key, source, name and item_key, by the item's key."""
        names = ["source_key", "source", "name", "item_key"]
        tables = [parts.TABLES["sources"].empty_table().select(names)]
        for part in self._manifest.parts:
            tables.append(parts.read_table(self._root / part.path, "sources", names))
        table = pa.concat_tables(tables)
        gone = ~np.isin(table["source_key"].to_numpy(), _keys(self._manifest.removed_sources))
        table = table.filter(pa.array(gone))
        order = [("item_key", "ascending"), ("source_key", "ascending")]
        return table.sort_by(order).combine_chunks()


class ExportSource:
    """A folder that `ragstone export` made; its items are read anew, with what they came with.

    Parameters
    ----------
    promised
        Names of the files with its items, be they there or not.
    columns
        As in `DatasetSource`.
    """

    def __init__(
        self, folder: Path, promised: Iterable[str], columns: RowColumns | None = None
    ) -> None:
        self._folder = folder
        there = (path.name for path in (folder / "data").glob("*.parquet"))
        self._files = [folder / "data" / name for name in sorted({*promised, *there})]
        self._rows = OwnRows(columns)

    @property
    def total(self) -> int | None:
        """Unknown: an item may have several sources."""
        return None

    def raws(self) -> Iterator[Raw]:
        """Yield each source of each item; a file that cannot be read on with the reason.

        That one has `pages.LISTING` in its metadata.
        """
        columns = [*_FIELDS, "sources", "original"]
        for path in self._files:
            try:
                with parquet.ParquetFile(path) as file:
                    for batch in file.iter_batches(_BATCH, columns=columns):
                        for item in batch.to_pylist():
                            yield from self._of(item)
            except (OSError, pa.ArrowException) as error:
                problem = MalformedInput("Parquet", clean(str(error)[:200]))
                yield Raw(str(path), path.name, metadata={LISTING: True}, problem=problem)

    def _of(self, item: Row) -> Iterator[Raw]:
        for row in item["sources"]:
            raw = Raw(f"{self._folder}#{row['source']}", row["name"])
            if item["original"] is None:
                yield self._rows.raw(raw, item)
            else:
                yield self._whole(raw, item)

    def _whole(self, raw: Raw, item: Row) -> Raw:
        path = (self._folder / item["original"]).resolve()
        if not path.is_relative_to(self._folder):
            problem = UnreadableInput("the row names a file that is not in the folder")
            return Raw(raw.source, raw.name, problem=problem)
        return _with_item(raw, item, path=path)


def open_export(path: Path, options: SourceOptions) -> ExportSource | None:
    """Open a folder that `ragstone export` made; None when it is none.

    Raises
    ------
    InvalidArgument
        What it says of itself cannot be read: it must not be taken for a folder of another kind.
    """
    try:
        values = json.loads((path / EXPORT_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        expected = f"an export whose {EXPORT_FILE} can be read ({error})"
        raise InvalidArgument("sources", str(path), expected) from error
    if not isinstance(values, dict) or not {"dataset", "content"} <= values.keys():
        return None
    if not isinstance(values.get("files"), dict):
        return None
    promised = [PurePosixPath(name) for name in values["files"]]
    items = [name.name for name in promised if name.parts[:1] == ("data",)]
    return ExportSource(path, items, options.columns)


@dataclass(slots=True)
class OwnRows:
    """Makes rows of items that were rows: finds out which columns were their text."""

    given: RowColumns | None
    _last: RowColumns | None = field(default=None, init=False)

    def raw(self, raw: Raw, item: Row) -> Raw:
        """Return a row with its bytes, to be read as it was."""
        columns = self._columns(item, raw.name)
        if columns is None:
            reason = "it is not known which columns were its text; name them again"
            return Raw(raw.source, raw.name, problem=MalformedInput("row", reason))
        return Raw(raw.source, raw.name, content=item["content"] or b"", columns=columns)

    def _columns(self, item: Row, name: str) -> RowColumns | None:
        if self.given is not None:
            return self.given
        if self._last is not None and _fits(item, self._last):
            return self._last
        found = _guess(item, name)
        if found is not None and _fits(item, found):
            self._last = found
            return found
        return None


def _guess(item: Row, name: str) -> RowColumns | None:
    """Return the columns that are no metadata: those found in the text, in its order; the name."""
    try:
        row, metadata = json.loads(item["content"] or b""), json.loads(item["metadata"])
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    values = {k: clean(cell_text(v)).strip() for k, v in row.items() if k not in metadata}
    found = {k: item["text"].find(value) for k, value in values.items() if value}
    naming = sorted((k for k, value in values.items() if value == name), key=lambda k: found[k])
    named = naming[0] if naming and (found[naming[0]] < 0 or len(found) > 1) else None
    text = sorted((k for k, at in found.items() if at >= 0 and k != named), key=lambda k: found[k])
    return RowColumns(tuple(text), named) if text else None


def _fits(item: Row, columns: RowColumns) -> bool:
    """Tell whether the row reads with these columns as it did."""
    try:
        document = parse_row(item["content"] or b"", columns, LimitSettings())
    except Rejected:
        return False
    return (document.text, document.title) == (item["text"], item["title"])


def _with_item(
    raw: Raw, item: Mapping[str, Any], *, path: Path | None = None, content: bytes | None = None
) -> Raw:
    """Return `raw` with the bytes of an item, and what was known of it beside them."""
    metadata = json.loads(item["metadata"])
    found = metadata.pop("found_text", {"start": None})  # to be found again, or not
    caption = item["text"][: found["start"]].strip() if item["modality"] in _SEEN else ""
    return Raw(raw.source, raw.name, path, content, None, metadata, caption)


def _keys(packed: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    keys = manifests.unpack_bitmap(packed)
    return np.fromiter(keys, np.int64, len(keys))
