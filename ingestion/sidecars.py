"""What is written beside images and recordings: captions and metadata in files of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ragstone.errors import InvalidArgument, Rejected
from ragstone.ingestion.parsers.base import clean
from ragstone.ingestion.parsers.decode import decode
from ragstone.ingestion.parsers.templates import cell_text
from ragstone.ingestion.tabular import Table, is_table
from ragstone.schemas.records import Raw

MEDIA_ENDINGS = frozenset(
    ".png .jpg .jpeg .jpe .webp .gif .tif .tiff .bmp .heic .heif .avif .pbm .pgm .ppm .pnm .wav "
    ".flac .ogg .oga .opus .mp3 .m4a .aac .aif .aiff .wma".split()
)
_SIDECARS = (".txt", ".json")
_LONGEST = 2**20  # bytes; what is longer is a document of its own
_FOLDER_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FOLDER_KEY = "file_name"
_KEYS = (_FOLDER_KEY, "filename", "file", "image", "audio", "path", "name")
_CAPTIONS = ("caption", "captions", "text")

Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written about one file."""

    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.text or self.metadata)


def captioned(raw: Raw, *captions: Caption) -> Raw:
    """Return `raw` with all that is written about it: texts one below the other, each once.

    What a later caption says in its metadata does not replace what an earlier one says.
    """
    found = [caption for caption in captions if caption]
    if not found:
        return raw
    texts = dict.fromkeys(text for text in (raw.caption, *(c.text for c in found)) if text)
    metadata = dict(raw.metadata)
    for caption in found:
        metadata = {**caption.metadata, **metadata}
    return replace(raw, caption="\n".join(texts), metadata=metadata)


def caption_of(row: Mapping[str, Any], without: Iterable[str] = ()) -> Caption:
    """Return what a row says: its caption column, and the other columns as metadata."""
    left_out = set(without)
    column = next((name for name in _CAPTIONS if name in row and name not in left_out), None)
    text = clean(cell_text(row[column])).strip() if column is not None else ""
    metadata = {
        clean(str(key)): value
        for key, value in row.items()
        if key not in left_out and key != column and value not in (None, "")
    }
    return Caption(text, metadata)


class Sidecars:
    """Captions beside the files of a folder or an archive: `a.txt` and `a.json` of `a.jpg`.

    A sidecar that is too long, no text, or no JSON object is none: it stays an object of its own,
    to be taken in or rejected for its own reason.

    Parameters
    ----------
    names
        All files there are, relative, with `/`.
    read
        Returns the bytes of one of them; raises `Rejected` when they cannot be had.
    """

    def __init__(self, names: Iterable[str], read: Read) -> None:
        self._read = read
        self._known: dict[str, Caption | None] = {}
        self._names: set[str] = set()
        media: set[str] = set()
        for name in names:
            stem, ending = _split(name)
            if ending in MEDIA_ENDINGS:
                media.add(stem)
            elif ending in _SIDECARS:
                self._names.add(name)
        self._names = {name for name in self._names if _split(name)[0] in media}

    def is_sidecar(self, name: str) -> bool:
        """Tell whether `name` is no object but says something about one."""
        return name in self._names and self._caption(name) is not None

    def may_be_sidecar(self, name: str) -> bool:
        """Tell the same without reading it."""
        return name in self._names

    def of(self, name: str) -> Iterator[Caption]:
        """Yield what is written beside `name`."""
        stem, ending = _split(name)
        if ending in MEDIA_ENDINGS:
            for beside in (f"{stem}{end}" for end in _SIDECARS):
                if beside in self._names and (caption := self._caption(beside)):
                    yield caption

    def _caption(self, name: str) -> Caption | None:
        if name not in self._known:
            try:
                self._known[name] = _sidecar(name, self._read(name))
            except (Rejected, OSError):
                self._known[name] = None  # it is yielded itself, and then says why
        return self._known[name]


def _sidecar(name: str, content: bytes) -> Caption | None:
    if len(content) > _LONGEST:
        return None
    text = decode(content)[0]
    if name.lower().endswith(".txt"):
        return Caption(clean(text).strip())
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return caption_of(values) if isinstance(values, dict) else None


def _split(name: str) -> tuple[str, str]:
    """Return a path without its ending, and the ending in small letters.

    By hand: this runs for every member of an archive, and `pathlib` takes ten times as long.
    """
    stem, dot, ending = name.rpartition(".")
    if not dot or "/" in ending or stem.endswith("/") or not stem:
        return name, ""
    return stem, f".{ending.lower()}"


class CaptionTable:
    """A table whose rows say something about files, found by the end of their path.

    Several rows about one file give a caption of several lines, in their order; a column in which
    they differ becomes a list.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], key: str) -> None:
        collected: dict[str, list[Caption]] = {}
        for row in rows:
            name = _normal(cell_text(row.get(key)))
            if name:
                collected.setdefault(name, []).append(caption_of(row, [key]))
        self._captions = {name: _merged(captions) for name, captions in collected.items()}

    def __len__(self) -> int:
        return len(self._captions)

    def of(self, path: str) -> Caption:
        """Return what is said about the file at `path`: of names that end it, the longest."""
        parts = _normal(path).split("/")
        for start in range(len(parts)):
            found = self._captions.get("/".join(parts[start:]))
            if found is not None:
                return found
        return Caption()

    def exactly(self, path: str) -> Caption:
        """Return what is said about the file at `path`, relative to the table's folder."""
        return self._captions.get(_normal(path), Caption())


def read_captions(path: Path) -> CaptionTable:
    """Read the table of captions at `path`.

    Raises
    ------
    InvalidArgument
        It is no table, or has no column of file names.
    """
    expected = "a CSV, TSV, JSON lines or Parquet file"
    if not path.is_file() or not is_table(path):
        raise InvalidArgument("captions", str(path), expected)
    table = Table(path)
    columns = table.columns()
    key = next((name for name in _KEYS if name in columns), None)
    if key is None:
        there = ", ".join(columns) or "none"
        expected = f"{expected} with one of the columns {', '.join(_KEYS)}; it has: {there}"
        raise InvalidArgument("captions", str(path), expected)
    return CaptionTable(_typed(table), key)


class FolderTables:
    """The tables `metadata.csv`, `.jsonl` and `.parquet` in folders of images or recordings.

    They follow the ImageFolder convention of Hugging Face: a column `file_name` holds paths below
    the folder of the table. A table without it is a file as any other.
    """

    def __init__(self, names: Iterable[str], open_table: Callable[[str], Table | None]) -> None:
        self._tables: dict[str, CaptionTable] = {}
        self._names: set[str] = set()
        names = list(names)
        found = [name for name in names if name.rpartition("/")[2] in _FOLDER_TABLES]
        media = [name for name in names if found and _split(name)[1] in MEDIA_ENDINGS]
        for name in found:
            folder = name.rpartition("/")[0]
            if not any(not folder or other.startswith(f"{folder}/") for other in media):
                continue
            table = open_table(name)
            if table is not None and _FOLDER_KEY in table.columns():
                self._names.add(name)
                self._tables[folder or "."] = CaptionTable(_typed(table), _FOLDER_KEY)

    def is_table(self, name: str) -> bool:
        """Tell whether `name` is no object but a table about others."""
        return name in self._names

    def of(self, name: str) -> Iterator[Caption]:
        """Yield what the tables in the folders above `name` say about it, the nearest first."""
        if not self._tables:
            return
        path = PurePosixPath(name)
        for parent in path.parents:
            table = self._tables.get(parent.as_posix())
            if table is not None:
                yield table.exactly(path.relative_to(parent).as_posix())


def _typed(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows, captions as they stand."""
    return table.objects(verbatim=frozenset((*_KEYS, *_CAPTIONS)))


def _merged(captions: list[Caption]) -> Caption:
    text = "\n".join(dict.fromkeys(c.text for c in captions if c.text))
    if len(captions) == 1:
        return Caption(text, captions[0].metadata)
    collected: dict[str, list[Any]] = {}
    for caption in captions:
        for key, value in caption.metadata.items():
            values = collected.setdefault(key, [])
            if value not in values:
                values.append(value)
    return Caption(text, {key: v[0] if len(v) == 1 else v for key, v in collected.items()})


def _normal(path: str) -> str:
    parts = path.strip().replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))
