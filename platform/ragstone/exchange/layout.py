"""What an export is: its files, its columns, and `ragstone.json`, which says what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from ragstone.errors import DamagedFile, InvalidArgument
from ragstone.storage.files import FileStamp
from ragstone.storage.sealed import pack_stamps, read_sealed, unpack_stamps, write_sealed

EXPORT_FILE = "ragstone.json"
EXPORT_FORMAT = 2  # 1 has texts alone, and no signatures; it is not read
ITEMS_FOLDER = "data"
CHUNKS_FOLDER = "chunks"
ORIGINALS_FOLDER = "originals"

_SUFFIX = re.compile(r"\.[a-z0-9]{1,12}")
_ORIGINAL = re.compile(r"originals/[0-9a-f]{2}/([0-9a-f]{64})(?:\.[a-z0-9]{1,12})?")
_FILE = re.compile(r"README\.md|(?:data|chunks)/train-\d{5}-of-\d{5}\.parquet")
_SPACE = re.compile(r"(?:(image|audio)\.)?[a-z0-9-]{1,100}")  # it becomes part of a file's name


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an exported table."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False


SOURCE = pa.struct(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
    ]
)

SIGNATURE = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("algorithm", pa.string(), nullable=False),
        pa.field("value", pa.large_binary(), nullable=False),
    ]
)

ITEM_COLUMNS = (
    Column("item_id", pa.string(), "BLAKE3 of the original bytes, hex"),
    Column("title", pa.string(), "title, empty when the item has none"),
    Column("text", pa.large_string(), "the whole text; offsets of chunks count its code points"),
    Column("media_type", pa.string(), "media type of the original"),
    Column("modality", pa.string(), "text, image, audio or table"),
    Column("size", pa.int64(), "bytes of the original"),
    Column("metadata", pa.string(), "a JSON object"),
    Column("sources", pa.list_(SOURCE), "where the item came from: source, and name for people"),
    Column("work_key", pa.string(), "digest of the bytes and of the settings that shaped chunks"),
    Column("chunks", pa.int32(), "number of its chunks"),
    Column(
        "original", pa.string(), "file with the original bytes; null for a row of a table", True
    ),
    Column("content", pa.large_binary(), "the original bytes of a row of a table, else null", True),
    Column("signatures", pa.list_(SIGNATURE), "what its duplicates are found by"),
)


@dataclass(frozen=True, slots=True)
class MediaVectors:
    """Where the images, or the recordings, of an export are embedded."""

    space: str
    encoder: str
    dimension: int  # 0 when there are no vectors


def vector_column(modality: str) -> str:
    """Return the column with the vectors of images or recordings."""
    return f"{modality}_vector"


def vector_columns(
    space: str, dimension: int, media: Mapping[str, MediaVectors]
) -> dict[str, tuple[str, int]]:
    """Return the embedding space and the dimension of each column with vectors.

    `space` and `dimension` are those of texts.
    """
    named = {vector_column(name): (held.space, held.dimension) for name, held in media.items()}
    return {"vector": (space, dimension), **dict(sorted(named.items()))}


def chunk_columns(dimension: int, media: Mapping[str, MediaVectors]) -> tuple[Column, ...]:
    """Return the columns of the chunks; `dimension` is of the vectors of texts."""
    return (
        Column("chunk_id", pa.string(), "digest of the item, the place and the text, hex"),
        Column("item", pa.int64(), "row of its item in the items, from 0"),
        Column("item_id", pa.string(), "id of its item"),
        Column("ordinal", pa.int32(), "place among the chunks of the item, from 0"),
        Column("modality", pa.string(), "text, image, or audio for a window of a recording"),
        Column("start", pa.int64(), "first code point in the text"),
        Column("end", pa.int64(), "the code point after its last"),
        Column("page", pa.int32(), "page, slide or sheet, from 1", True),
        Column("heading", pa.string(), "title and headings above it, embedded together with it"),
        Column("tokens", pa.int32(), "tokens of heading and text"),
        Column("text", pa.large_string(), "the text, verbatim"),
        Column("from_ms", pa.int64(), "first millisecond in a recording; null without one", True),
        Column("to_ms", pa.int64(), "the millisecond after its last", True),
        Column(
            "vector",
            vectors_type(dimension),
            "unit vector of heading and text, in the embedding space below; null without words",
            True,
        ),
        *(
            Column(
                vector_column(modality),
                vectors_type(held.dimension),
                f"unit vector of its {modality}, in the space `{held.space}`; null without one",
                True,
            )
            for modality, held in sorted(media.items())
        ),
    )


def vectors_type(dimension: int) -> pa.DataType:
    """Return the type of a column with vectors; of 0 dimensions it has nulls alone."""
    return pa.list_(pa.float16(), dimension or -1)


def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    """Return the Arrow schema of `columns`."""
    return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in columns])


@dataclass(frozen=True, slots=True)
class Export:
    """What `ragstone.json` says."""

    dataset: str
    version: int
    digest: str  # of the version's manifest
    content: str  # digest of the data alone
    message: str
    created: str  # ISO 8601, UTC
    settings: str  # digest of what shaped the chunks
    space: str
    dimension: int  # of the vectors; 0 when there are none
    items: int
    chunks: int
    sources: int
    modalities: dict[str, int]
    originals: int  # files
    original_bytes: int
    licence: str
    files: dict[str, FileStamp]  # without the originals: their names are their digests
    media: dict[str, MediaVectors]  # by modality
    policy: dict[str, Any]  # which duplicates the version hides; empty when nobody looked for any
    format: int = EXPORT_FORMAT

    @property
    def reference(self) -> str:
        """The version as one names it."""
        return f"{self.dataset}@{self.version}"

    @property
    def bytes(self) -> int:
        """Size of all files but `ragstone.json`."""
        return self.original_bytes + sum(file.size for file in self.files.values())


def write_export_file(folder: Path, export: Export) -> None:
    """Write `ragstone.json`; the export is complete with it."""
    write_sealed(folder / EXPORT_FILE, {**asdict(export), "files": pack_stamps(export.files)})


def read_export_file(folder: Path) -> Export:
    """Return what the export at `folder` holds.

    Raises
    ------
    InvalidArgument
        The folder is no export, or one of another release.
    DamagedFile
        `ragstone.json` has changed.
    """
    path = folder / EXPORT_FILE
    if not path.is_file():
        expected = f"a folder that ragstone export made ({EXPORT_FILE} is not in it)"
        raise InvalidArgument("folder", str(folder), expected)
    values = read_sealed(path)
    _check_format(folder, values.get("format"))
    try:
        media = {name: MediaVectors(**held) for name, held in values["media"].items()}
        stamps = unpack_stamps(values["files"])
        export = Export(**{**values, "files": stamps, "media": media})
        _check_spaces(path, export)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DamagedFile(path, f"it does not say what an export holds ({error})") from error
    for name in export.files:
        if not _FILE.fullmatch(name):
            raise DamagedFile(path, f"{name!r} is no file of an export")
    return export


def _check_format(folder: Path, found: object) -> None:
    if found == EXPORT_FORMAT:
        return
    expected = f"an export of format {EXPORT_FORMAT} (it is of format {found!r}"
    if found == 1:
        expected += ", which has no images, recordings or signatures: export the version again"
    raise InvalidArgument("folder", str(folder), f"{expected})")


def _check_spaces(path: Path, export: Export) -> None:
    """Refuse names that could reach other files, and spaces of another modality."""
    named = {"text": export.space, **{name: held.space for name, held in export.media.items()}}
    for modality, space in named.items():
        match = _SPACE.fullmatch(space)
        if not match or (match[1] or "text") != modality:
            raise DamagedFile(path, f"{space!r} is no embedding space of {modality}")


def original_path(item_id: str, name: str) -> str:
    """Return where the original of an item goes; `name` is that of its first source."""
    suffix = PurePosixPath(name).suffix.lower()
    safe = suffix if _SUFFIX.fullmatch(suffix) else ""
    return f"{ORIGINALS_FOLDER}/{item_id[:2]}/{item_id}{safe}"


def original_digest(path: str) -> str | None:
    """Return the digest in the name of an original; None when it is no such name."""
    match = _ORIGINAL.fullmatch(path)
    return match[1] if match else None


def shards(export: Export, folder: str) -> list[str]:
    """Return the Parquet files of a table, in order."""
    return sorted(name for name in export.files if name.startswith(f"{folder}/"))
