"""Parts: immutable tables of items, sources and chunks, with the vectors of the chunks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ulid import ULID

from ragstone.errors import DamagedFile
from ragstone.schemas.arrow import CHUNKS, ITEMS, PART_FORMAT, SOURCES
from ragstone.storage.files import TEMPORARY, make_folder, publish_folder, stamp, sync_folder
from ragstone.storage.manifests import PartRef

TABLES = {"items": ITEMS, "sources": SOURCES, "chunks": CHUNKS}


@dataclass(slots=True)
class PartRows:
    """Rows on their way into a part, keyed by the columns of `schemas.arrow`."""

    items: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[dict[str, Any]] = field(default_factory=list)


def write_part(
    root: Path, folder: Path, rows: PartRows, space: str, vectors: NDArray[np.float32]
) -> PartRef:
    """Write `rows` as a new part below `folder` (a dataset of the workspace `root`), durably.

    `vectors` has shape (len(rows.chunks), dimension), in the order of the chunks, and is kept as
    float16.
    """
    identity = str(ULID())
    parts = folder / "parts"
    make_folder(parts)
    temporary = parts / f"{TEMPORARY}{identity}"
    temporary.mkdir()
    for name, schema in TABLES.items():
        table = pa.Table.from_pylist(getattr(rows, name), schema=schema)
        pq.write_table(table, temporary / f"{name}.parquet", compression="zstd")
    np.save(temporary / vector_file(space), vectors.astype(np.float16), allow_pickle=False)
    description = {
        "format": PART_FORMAT,
        "id": identity,
        "space": space,
        "dimension": int(vectors.shape[1]),
        "items": len(rows.items),
        "sources": len(rows.sources),
        "chunks": len(rows.chunks),
    }
    (temporary / "part.json").write_text(json.dumps(description), encoding="utf-8")
    written = sorted(temporary.iterdir())
    stamps = {path.name: stamp(path) for path in written}
    final = parts / identity
    publish_folder(temporary, final, written)
    sync_folder(folder)
    path = final.relative_to(root).as_posix()
    return PartRef(identity, path, len(rows.items), len(rows.chunks), stamps)


def vector_file(space: str) -> str:
    """Return the name of the file with the vectors of `space`."""
    return f"vectors-{space}.npy"


def read_table(part: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table `name` ("items", "sources", "chunks") of the part at `part`.

    Raises
    ------
    DamagedFile
        The file is missing or no Parquet file any more.
    """
    path = part / f"{name}.parquet"
    try:
        return pq.read_table(path, columns=list(columns) if columns else None)
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedFile(path, str(error)) from error


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
