"""From manifests to catalog rows: what DuckDB knows of a dataset is made here and nowhere else.

A row lives from the version that `added` it to the one that `removed` it. A version that was
restored begins rows anew, so a key may have several, one after the other.
"""

from __future__ import annotations

import logging
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from ragstone.errors import DamagedFile
from ragstone.storage import manifests, parts
from ragstone.storage.bands import BandTable
from ragstone.storage.catalog import Catalog
from ragstone.storage.erasures import Erasures
from ragstone.storage.manifests import Manifest, PartRef

_ITEM_COLUMNS = (
    "item_key",
    "item_id",
    "media_type",
    "modality",
    "title",
    "size",
    "metadata",
    "work_key",
    "chunks",
)
_CHUNK_COLUMNS = (
    "chunk_key",
    "chunk_id",
    "item_key",
    "ordinal",
    "start",
    "end",
    "page",
    "heading",
    "tokens",
    "modality",
    "from_ms",
    "to_ms",
)
PROJECTED = ("versions", "items", "sources", "chunks", "signatures", "minhash_bands", "datasets")

logger = logging.getLogger(__name__)


def catch_up(catalog: Catalog, root: Path, erasures: Erasures) -> list[str]:
    """Bring the catalog to what the manifests say; return what was done, in words.

    A dataset with a damaged manifest or part gets as far as it can be read; the others are not
    held up, and `doctor` names the damage.
    """
    done: list[str] = []
    for folder in sorted((root / "datasets").glob("*")):
        try:
            _catch_up(catalog, root, folder, erasures, done)
        except DamagedFile as error:
            logger.warning("%s; the versions from there on are left out", error)
    return done


def _catch_up(
    catalog: Catalog, root: Path, folder: Path, erasures: Erasures, done: list[str]
) -> None:
    """Bring one dataset up to date; what was done is added to `done`."""
    published = manifests.numbers(folder)
    known = _known(catalog, folder.name)
    if not published or (known.keys() == set(published) and _same_head(folder, known)):
        return
    if not known.keys() < set(published):
        forget(catalog, folder.name)
        known = {}
    previous: Manifest | None = None
    for number in published:
        manifest = erasures.applied(manifests.read(manifests.version_path(folder, number)))
        if number not in known:
            apply(catalog, root, manifest, previous)
            done.append(f"version {number} of {manifest.dataset}")
        previous = manifest


def _known(catalog: Catalog, dataset_id: str) -> dict[int, str]:
    sql = "SELECT version, digest FROM versions WHERE dataset_id = ?"
    return {int(number): str(digest) for number, digest in catalog.rows(sql, [dataset_id])}


def _same_head(folder: Path, known: dict[int, str]) -> bool:
    head = max(known)
    return manifests.read(manifests.version_path(folder, head)).digest == known[head]


def forget(catalog: Catalog, dataset_id: str) -> None:
    """Take the projection of a dataset out of the catalog; its files stay."""
    with catalog.transaction() as cursor:
        for table in PROJECTED:
            cursor.execute(f"DELETE FROM {table} WHERE dataset_id = ?", [dataset_id])  # noqa: S608


def apply(catalog: Catalog, root: Path, manifest: Manifest, previous: Manifest | None) -> None:
    """Record the version `manifest`, whose parent is `previous`, in one transaction."""
    old_parts = {part.id for part in previous.parts} if previous else set()
    with catalog.transaction() as cursor:
        if previous is None:
            cursor.execute(
                "INSERT INTO datasets VALUES (?, ?, ?)",
                [manifest.dataset_id, manifest.dataset, manifest.created_at],
            )
        fresh = [part for part in manifest.parts if part.id not in old_parts]
        turned = _turned(manifest, previous)
        known = _known_parts(cursor, manifest) if turned else set()
        for part in fresh:
            if part.id not in known:
                _insert_part(cursor, root, part, manifest)
        if turned:
            _turn_back(cursor, manifest)
        else:
            _mark_removed(cursor, manifest, previous)
        _insert_version(cursor, manifest, previous)


def _turned(manifest: Manifest, previous: Manifest | None) -> bool:
    """Tell whether something comes back: the version was restored, or duplicates were shown."""
    if previous is None or manifest.origin:
        return previous is not None
    gone = manifests.unpack_bitmap(previous.removed_items)
    return not gone <= manifests.unpack_bitmap(manifest.removed_items)


def _known_parts(cursor: duckdb.DuckDBPyConnection, manifest: Manifest) -> set[str]:
    """Return the parts whose rows are there from an earlier version of the dataset."""
    sql = "SELECT DISTINCT part FROM sources WHERE dataset_id = ?"
    return {row[0] for row in cursor.execute(sql, [manifest.dataset_id]).fetchall()}


def _turn_back(cursor: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """End the rows that do not live in this version, and begin again those that do."""
    named = pa.table({"part": pa.array([part.id for part in manifest.parts], pa.string())})
    cursor.register("named", named)
    for table, key, removed in (
        ("items", "item_key", manifest.removed_items),
        ("sources", "source_key", manifest.removed_sources),
    ):
        gone = pa.array(list(manifests.unpack_bitmap(removed)), pa.int64())
        cursor.register("gone", pa.table({"key": gone}))
        live = f"part IN (SELECT part FROM named) AND {key} NOT IN (SELECT key FROM gone)"  # noqa: S608
        cursor.execute(
            f"UPDATE {table} SET removed = ? "  # noqa: S608
            f"WHERE dataset_id = ? AND removed IS NULL AND NOT ({live})",
            [manifest.version, manifest.dataset_id],
        )
        cursor.execute(
            f"INSERT INTO {table} SELECT * REPLACE (?::BIGINT AS added, NULL::BIGINT AS removed) "  # noqa: S608
            f"FROM {table} WHERE dataset_id = ? AND {live} "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY added DESC) = 1 "
            "AND removed IS NOT NULL",
            [manifest.version, manifest.dataset_id],
        )
        cursor.unregister("gone")
    cursor.unregister("named")


def _insert_version(
    cursor: duckdb.DuckDBPyConnection, manifest: Manifest, previous: Manifest | None
) -> None:
    values = {
        "dataset_id": manifest.dataset_id,
        "version": manifest.version,
        "digest": manifest.digest,
        "content": manifest.content,
        "parent": previous.version if previous else None,
        "message": manifest.message,
        "created": manifest.created_at,
        "items": manifest.items,
        "chunks": manifest.chunks,
        "added": manifest.added,
        "removed": manifest.removed,
        "space": manifest.space,
    }
    marks = ", ".join("?" for _ in values)
    sql = f"INSERT INTO versions ({', '.join(values)}) VALUES ({marks})"  # noqa: S608
    cursor.execute(sql, list(values.values()))


def _insert_part(
    cursor: duckdb.DuckDBPyConnection, root: Path, part: PartRef, manifest: Manifest
) -> None:
    folder = root / part.path
    items = parts.read_table(folder, "items", _ITEM_COLUMNS)
    sources = parts.read_table(folder, "sources")
    chunks = parts.read_table(folder, "chunks", _CHUNK_COLUMNS)
    _insert(cursor, "items", items, manifest, part=part.id)
    _insert(cursor, "sources", sources, manifest, part=part.id)
    _insert(cursor, "chunks", chunks, manifest, versioned=False)
    if "signatures.parquet" in part.files:  # not in format 1
        signatures = parts.read_table(folder, "signatures")
        texts = pc.equal(signatures["kind"], "text")
        others = signatures.filter(pc.invert(texts))
        if len(others):
            _insert(cursor, "signatures", others, manifest, versioned=False)
        _insert_bands(cursor, signatures.filter(texts), manifest)


def _insert_bands(
    cursor: duckdb.DuckDBPyConnection, signatures: pa.Table, manifest: Manifest
) -> None:
    """Record what near-duplicates of texts are found by.

    A signature is little-endian uint64: the digest of the set of shingles, then the band keys.
    """
    for algorithm in pc.unique(signatures["algorithm"]).to_pylist():
        rows = signatures.filter(pc.equal(signatures["algorithm"], algorithm))
        packed = b"".join(rows["value"].to_pylist())
        values = np.frombuffer(packed, "<u8").astype(np.uint64).reshape(len(rows), -1)
        table = BandTable(cursor, manifest.dataset_id, algorithm)
        table.add(rows["item_key"].to_numpy(), values[:, 0], values[:, 1:])


def _insert(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    table: pa.Table,
    manifest: Manifest,
    *,
    part: str | None = None,
    versioned: bool = True,
) -> None:
    constants: dict[str, object] = {"dataset_id": manifest.dataset_id}
    if part is not None:
        constants["part"] = part
    if versioned:
        constants["added"] = manifest.version
    columns = [f'"{column}"' for column in table.column_names]
    targets = ", ".join([*constants, *columns])
    values = ", ".join(["?" for _ in constants] + columns)
    cursor.register("incoming", table)
    sql = f"INSERT INTO {name} ({targets}) SELECT {values} FROM incoming"  # noqa: S608
    cursor.execute(sql, list(constants.values()))
    cursor.unregister("incoming")


def _mark_removed(
    cursor: duckdb.DuckDBPyConnection, manifest: Manifest, previous: Manifest | None
) -> None:
    for table, key, now, then in (
        ("items", "item_key", manifest.removed_items, previous and previous.removed_items),
        ("sources", "source_key", manifest.removed_sources, previous and previous.removed_sources),
    ):
        keys = manifests.unpack_bitmap(now) - manifests.unpack_bitmap(then or "")
        if keys:
            cursor.register("gone", pa.table({"key": pa.array(list(keys), pa.int64())}))
            cursor.execute(
                f"UPDATE {table} SET removed = ? WHERE dataset_id = ? "  # noqa: S608
                f"AND removed IS NULL AND {key} IN (SELECT key FROM gone)",
                [manifest.version, manifest.dataset_id],
            )
            cursor.unregister("gone")


def content_digest(live: pa.Table) -> str:
    """Return the digest of a version's data: its (source, item_id, work_key) rows, sorted.

    Equal for equal data, whatever the history, the machine or the number of workers.
    """
    rows = live.select(["source", "item_id", "work_key"]).sort_by("source")
    null = pa.scalar("\0", pa.string())
    lines = pc.binary_join_element_wise(
        *(rows[name].cast(pa.string()) for name in rows.column_names), null
    )
    hasher = blake3()
    for line in lines:
        hasher.update(line.as_py().encode() + b"\n")
    return hasher.hexdigest()
