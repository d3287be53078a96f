"""Duplicates as a version holds them: signatures from the catalog, pairs from files, members."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64

from ragstone.ingestion.dedup.base import DuplicateKind, Pair, Signed
from ragstone.ingestion.dedup.policy import Member
from ragstone.ingestion.signals import quality_score
from ragstone.schemas.arrow import PAIRS, SIGNATURES
from ragstone.schemas.synthetic import model_of
from ragstone.storage import parts
from ragstone.storage.composing import listed

if TYPE_CHECKING:
    from ragstone.storage.manifests import PartRef
    from ragstone.storage.store import Store

_OPEN_PARTS = 16  # whose items are in memory while pairs are verified


def to_table(pairs: Iterable[Pair]) -> pa.Table:
    """Return `pairs` as they are stored."""
    rows = [
        {
            "first": pair.first,
            "second": pair.second,
            "kind": pair.kind.value,
            "distance": pair.distance,
            "algorithm": pair.algorithm,
            "evidence": json.dumps(pair.evidence, sort_keys=True),
        }
        for pair in pairs
    ]
    return pa.Table.from_pylist(rows, schema=PAIRS)


def from_table(table: pa.Table) -> list[Pair]:
    """Return the pairs in `table`."""
    return [
        Pair(
            row["first"],
            row["second"],
            DuplicateKind(row["kind"]),
            row["distance"],
            row["algorithm"],
            json.loads(row["evidence"]),
        )
        for row in table.to_pylist()
    ]


def signed(signatures: pa.Table) -> dict[tuple[str, str], Signed]:
    """Return signatures by kind and algorithm; `signatures` is as in a part."""
    found = {}
    names = signatures.select(["kind", "algorithm"]).group_by(["kind", "algorithm"]).aggregate([])
    for name in names.to_pylist():
        kind, algorithm = name["kind"], name["algorithm"]
        same = pc.and_(
            pc.equal(signatures["kind"], kind), pc.equal(signatures["algorithm"], algorithm)
        )
        rows = signatures.filter(same)
        found[kind, algorithm] = Signed(rows["item_key"].to_numpy(), rows["value"].to_pylist())
    return found


@dataclass(slots=True)
class StoredItems:
    """Rows of items, in the catalog or in parts that are not in it yet.

    Parameters
    ----------
    old
        Parts of the version that a change follows, by id.
    new
        Parts of the change itself.
    """

    store: Store
    dataset_id: str
    old: Mapping[str, PartRef]
    new: list[PartRef]
    _rows: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)  # by part path
    _place: dict[int, str] = field(default_factory=dict)  # item key -> part path

    # ------------------------------------------------------------ signatures

    def new_signatures(self) -> pa.Table:
        """Return the signatures in the new parts."""
        tables = [
            parts.read_table(self.store.root / part.path, "signatures")
            for part in self.new
            if "signatures.parquet" in part.files
        ]
        return pa.concat_tables([SIGNATURES.empty_table(), *tables])

    def signatures_of(self, items: BitMap64) -> pa.Table:
        """Return the signatures of items of earlier versions, from their parts."""
        tables = [SIGNATURES.empty_table()]
        wanted = pa.array(list(items), pa.int64())
        for path in {self._part_of(key) for key in items}:
            if (self.store.root / path / "signatures.parquet").exists():
                table = parts.read_table(self.store.root / path, "signatures")
                tables.append(table.filter(pc.is_in(table["item_key"], wanted)))
        return pa.concat_tables(tables)

    def equal_payloads(self, algorithm: str, new: Signed) -> Signed:
        """Return the stored items whose payload is one of `new`."""
        values = pa.table({"value": pa.array(set(new.values), pa.binary())})
        sql = (
            "SELECT item_key, value FROM signatures SEMI JOIN wanted USING (value) "
            "WHERE dataset_id = ? AND kind = 'payload' AND algorithm = ?"
        )
        with self.store.catalog.cursor() as cursor:
            cursor.register("wanted", values)
            found = cursor.execute(sql, [self.dataset_id, algorithm]).to_arrow_table()
            cursor.unregister("wanted")
        return Signed(found["item_key"].to_numpy(), found["value"].to_pylist())

    def stored(self, kind: str, algorithm: str) -> Signed:
        """Return all stored signatures of a kind by an algorithm."""
        found = self.store.catalog.table(
            "SELECT item_key, value FROM signatures "
            "WHERE dataset_id = ? AND kind = ? AND algorithm = ?",
            [self.dataset_id, kind, algorithm],
        )
        return Signed(found["item_key"].to_numpy(), found["value"].to_pylist())

    # ------------------------------------------------------------ contents

    def text(self, key: int) -> str:
        """Return the text of an item."""
        return str(self._row(key)["text"])

    def content(self, key: int) -> bytes:
        """Return the original bytes of an item."""
        row = self._row(key)
        if row["content"] is not None:
            return bytes(row["content"])
        return self.store.blobs.get(row["item_id"])

    def _row(self, key: int) -> dict[str, Any]:
        path = self._part_of(key)
        if path not in self._rows:
            while len(self._rows) >= _OPEN_PARTS:
                self._rows.pop(next(iter(self._rows)))
            columns = ["item_key", "item_id", "text", "content"]
            rows = parts.read_table(self.store.root / path, "items", columns).to_pylist()
            self._rows[path] = {row["item_key"]: row for row in rows}
        return self._rows[path][key]

    def _part_of(self, key: int) -> str:
        """Return where the rows of an item are."""
        if not self._place:
            for part in self.new:
                table = parts.read_table(self.store.root / part.path, "items", ["item_key"])
                self._place.update(dict.fromkeys(table["item_key"].to_pylist(), part.path))
            rows = self.store.catalog.rows(
                "SELECT DISTINCT item_key, part FROM items WHERE dataset_id = ?", [self.dataset_id]
            )
            known = {key: self.old[part].path for key, part in rows if part in self.old}
            self._place = {**known, **self._place}
        return self._place[key]

    # ------------------------------------------------------------ members

    def members(self, items: BitMap64) -> dict[int, Member]:
        """Return what policies know of `items`."""
        found: dict[int, Member] = {}
        if not items:
            return found
        columns = "any_value(item_id), min(source), any_value(CAST(metadata AS VARCHAR))"
        sql = (
            f"SELECT item_key, {columns} FROM items "  # noqa: S608
            "JOIN (SELECT dataset_id, item_key, source FROM sources) USING (dataset_id, item_key) "
            f"WHERE dataset_id = ? AND item_key IN ({listed(items)}) GROUP BY item_key"
        )
        rows = self.store.catalog.rows(sql, [self.dataset_id])
        for key, item_id, source, metadata in rows:
            found[key] = _member(item_id, source, metadata)
        for part in self.new:
            found |= self._new_members(part, items)
        return found

    def _new_members(self, part: PartRef, items: BitMap64) -> dict[int, Member]:
        folder = self.store.root / part.path
        first: dict[int, str] = {}
        for row in parts.read_table(folder, "sources", ["item_key", "source"]).to_pylist():
            known = first.get(row["item_key"], row["source"])
            first[row["item_key"]] = min(known, row["source"])
        table = parts.read_table(folder, "items", ["item_key", "item_id", "metadata"])
        wanted = np.isin(table["item_key"].to_numpy(), np.fromiter(items, np.int64, len(items)))
        rows = table.filter(pa.array(wanted)).to_pylist()
        return {
            row["item_key"]: _member(row["item_id"], first[row["item_key"]], row["metadata"])
            for row in rows
        }


def _member(item_id: str, source: str, metadata: str) -> Member:
    values = json.loads(metadata)
    quality, time = quality_score(values), _seconds(values.get("created"))
    return Member(item_id, source, quality, time, bool(model_of(values)))


def _seconds(moment: object) -> float:
    """Return an ISO 8601 time in seconds since 1970; 0 when it is none."""
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
