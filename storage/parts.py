"""Parts: immutable tables of items, sources and chunks, with the vectors of the chunks.

Each embedding space has a file of its own. It holds the vectors of the chunks that the encoder of
that space embeds, in their order: chunks with words, images, or windows of recordings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ulid import ULID

from ragstone.errors import DamagedFile
from ragstone.schemas.arrow import CHUNKS, ITEMS, PART_FORMAT, SIGNATURES, SOURCES
from ragstone.schemas.synthetic import MARK, model_of
from ragstone.storage.files import TEMPORARY, make_folder, publish_folder, stamp, write_array
from ragstone.storage.manifests import PartRef

TABLES = {"items": ITEMS, "sources": SOURCES, "chunks": CHUNKS, "signatures": SIGNATURES}
_SINCE_FORMAT_2 = {"modality": "text", "from_ms": None, "to_ms": None}
_EMBEDDED_BY = ["chunk_key", "modality", "tokens"]


@dataclass(slots=True)
class PartRows:
    """Rows on their way into a part, keyed by the columns of `schemas.arrow`."""

    items: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[dict[str, Any]] = field(default_factory=list)
    signatures: list[dict[str, Any]] = field(default_factory=list)


Vectors = Mapping[str, NDArray[np.float16]]  # by space, each of shape (chunks in it, dimension)
Tables = dict[str, pa.Table]  # by the names in TABLES


def write_part(root: Path, folder: Path, rows: PartRows, vectors: Vectors) -> PartRef:
    """Write `rows` as a new part in `folder` (below the workspace `root`), durably."""
    tables = {
        name: pa.Table.from_pylist(getattr(rows, name), schema=schema)
        for name, schema in TABLES.items()
    }
    return write_tables(root, folder, str(ULID()), tables, vectors)


def write_tables(
    root: Path, folder: Path, identity: str, tables: Tables, vectors: Vectors
) -> PartRef:
    """Write the part `identity` in a folder of its own in `folder`, durably."""
    make_folder(folder)
    name = str(ULID())
    temporary = folder / f"{TEMPORARY}{name}"
    temporary.mkdir()
    for table, content in tables.items():
        pq.write_table(content, temporary / f"{table}.parquet", compression="zstd")
    for space, rows in vectors.items():
        write_array(temporary / vector_file(space), rows)
    counts = {table: content.num_rows for table, content in tables.items()}
    dimensions = {space: int(rows.shape[1]) for space, rows in vectors.items()}
    description = _description(identity, dimensions, counts)
    (temporary / "part.json").write_text(description, encoding="utf-8")
    written = sorted(temporary.iterdir())
    stamps = {path.name: stamp(path) for path in written}
    final = folder / name
    publish_folder(temporary, final, written)
    path = final.relative_to(root).as_posix()
    items, chunks = tables["items"].num_rows, tables["chunks"].num_rows
    return PartRef(identity, path, items, chunks, stamps, _synthetic(tables["items"]))


def _synthetic(items: pa.Table) -> int:
    """Count the items that a model made."""
    marked = items["metadata"].filter(pc.match_substring(items["metadata"], f'"{MARK}"'))
    return sum(bool(model_of(json.loads(metadata))) for metadata in marked.to_pylist())


def write_vectors(
    root: Path, folder: Path, part: PartRef, space: str, vectors: NDArray[np.float16]
) -> PartRef:
    """Write the rows of `part` with the texts' vectors of another space, in a new folder.

    The tables and the vectors of images and recordings are linked, not copied, and keep their
    stamps.
    """
    make_folder(folder)
    name = str(ULID())
    temporary = folder / f"{TEMPORARY}{name}"
    temporary.mkdir()
    others = [s for s in spaces_of(part) if modality_of(s) != "text"]
    stay = [file for file in part.files if file.endswith(".parquet")] + list(
        map(vector_file, others)
    )
    for file in stay:
        os.link(root / part.path / file, temporary / file)
    write_array(temporary / vector_file(space), vectors)
    tables = [file.removesuffix(".parquet") for file in stay if file.endswith(".parquet")]
    counts = {name: pq.read_metadata(temporary / f"{name}.parquet").num_rows for name in tables}
    dimensions = {s: read_vectors(temporary, s).shape[1] for s in [space, *others]}
    description = _description(part.id, dimensions, counts)
    (temporary / "part.json").write_text(description, encoding="utf-8")
    written = [temporary / vector_file(space), temporary / "part.json"]
    stamps = {file: part.files[file] for file in stay} | {p.name: stamp(p) for p in written}
    final = folder / name
    publish_folder(temporary, final, written)
    return replace(part, path=final.relative_to(root).as_posix(), files=stamps)


def _description(identity: str, dimensions: dict[str, int], counts: dict[str, int]) -> str:
    """Return what `part.json` says."""
    fixed = {"format": PART_FORMAT, "id": identity, "spaces": dimensions}
    return json.dumps({**fixed, **counts})


def read_tables(root: Path, part: PartRef) -> Tables:
    """Return all tables of a part; in format 1 it has no signatures.

    Raises
    ------
    DamagedFile
        A file is missing or no Parquet file any more.
    """
    named = {file.removesuffix(".parquet") for file in part.files if file.endswith(".parquet")}
    return {name: read_table(root / part.path, name) for name in TABLES if name in named}


def link_part(root: Path, part: PartRef, folder: Path) -> PartRef:
    """Give a part a second place in `folder`, durably, and return how it is named there."""
    make_folder(folder)
    name = str(ULID())
    temporary = folder / f"{TEMPORARY}{name}"
    temporary.mkdir()
    for file in part.files:
        os.link(root / part.path / file, temporary / file)
    publish_folder(temporary, folder / name, [])
    return replace(part, path=(folder / name).relative_to(root).as_posix())


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much the keys of rows move that are at or above `base`."""

    item: int
    source: int
    chunk: int
    base_item: int  # keys below are of earlier versions and stay


def shift_part(root: Path, part: PartRef, folder: Path, by: Shift) -> PartRef:
    """Write a part again with other keys, because other rows have taken them meanwhile."""
    tables = read_tables(root, part)
    for name in tables.keys() & {"items", "signatures"}:
        tables[name] = _moved(tables[name], "item_key", by.item, by.base_item)
    for name, key, far in (("sources", "source_key", by.source), ("chunks", "chunk_key", by.chunk)):
        table = _moved(tables[name], key, far, 0)
        tables[name] = _moved(table, "item_key", by.item, by.base_item)
    vectors = {s: np.array(read_vectors(root / part.path, s)) for s in spaces_of(part)}
    return write_tables(root, folder, part.id, tables, vectors)


def _moved(table: pa.Table, column: str, by: int, base: int) -> pa.Table:
    keys = table[column].to_numpy()
    moved = pa.array(np.where(keys >= base, keys + by, keys), pa.int64())
    number = table.schema.get_field_index(column)
    return table.set_column(number, table.schema.field(number), moved)


def vector_file(space: str) -> str:
    """Return the name of the file with the vectors of `space`."""
    return f"vectors-{space}.npy"


def space_in(file: str) -> str:
    """Return the embedding space in the name of a file with vectors."""
    return file.removeprefix("vectors-").removesuffix(".npy")


def spaces_of(part: PartRef) -> list[str]:
    """Return the embedding spaces that a part has vectors of."""
    return sorted(space_in(name) for name in part.files if name.startswith("vectors-"))


def modality_of(space: str) -> str:
    """Return what the encoder of an embedding space embeds: text, image or audio."""
    modality, dot, _ = space.partition(".")
    return modality if dot else "text"


def embedded_in(chunks: pa.Table, space: str) -> NDArray[np.bool_]:
    """Return which of `chunks` (with modality and tokens) have a vector in `space`, shape (n,)."""
    modality = modality_of(space)
    found: NDArray[np.bool_]
    if modality == "text":
        found = chunks["tokens"].to_numpy() > 0
    else:
        found = pc.equal(chunks["modality"], modality).to_numpy(zero_copy_only=False)
    return found


def read_embedded(folder: Path, space: str) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Return the vectors of a part in `space`, with the keys of their chunks.

    Shapes (n,) and (n, dimension).

    Raises
    ------
    DamagedFile
        A file is damaged, or there are more or fewer vectors than chunks to embed.
    """
    chunks = read_table(folder, "chunks", _EMBEDDED_BY)
    keys = chunks["chunk_key"].to_numpy()[embedded_in(chunks, space)]
    vectors = read_vectors(folder, space)
    if len(keys) != len(vectors):
        path = folder / vector_file(space)
        raise DamagedFile(path, f"it holds {len(vectors)} vectors, not {len(keys)}")
    return keys, vectors


def read_table(part: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table `name` ("items", "sources", "chunks") of the part at `part`.

    Raises
    ------
    DamagedFile
        The file is missing or no Parquet file any more.
    """
    path = part / f"{name}.parquet"
    asked = list(columns) if columns else None
    try:
        if name == "chunks" and asked and "modality" not in pq.read_schema(path).names:
            asked = [column for column in asked if column not in _SINCE_FORMAT_2]
        table = pq.read_table(path, columns=asked)
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedFile(path, str(error)) from error
    if name == "chunks" and "modality" not in table.column_names:
        table = _as_texts(table, columns)
    return table


def _as_texts(chunks: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """Give chunks of format 1 what they lack of `columns`: they are texts that nobody hears."""
    for name, value in _SINCE_FORMAT_2.items():
        if columns is None or name in columns:
            kind = CHUNKS.field(name).type
            chunks = chunks.append_column(name, pa.repeat(pa.scalar(value, kind), len(chunks)))
    return chunks.select(columns) if columns else chunks


def read_item(part: Path, item_key: int) -> dict[str, Any]:
    """Return the row of one item, text and content included."""
    path = part / "items.parquet"
    try:
        found = pq.read_table(path, filters=[("item_key", "=", item_key)])
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedFile(path, str(error)) from error
    if found.num_rows != 1:
        raise DamagedFile(path, f"item {item_key} is there {found.num_rows} times")
    return dict(found.to_pylist()[0])


def read_vectors(part: Path, space: str) -> NDArray[np.float16]:
    """Return the vectors of the chunks of a part, float16 of shape (chunks, dimension)."""
    path = part / vector_file(space)
    try:
        vectors: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DamagedFile(path, str(error)) from error
    return vectors
