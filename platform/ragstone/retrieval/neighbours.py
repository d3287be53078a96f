"""The chunks around a chunk, in its item: what one reads on when a passage stops too early."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragstone.schemas.finding import Neighbour

if TYPE_CHECKING:
    from ragstone.storage.keyword_index import KeywordIndex
    from ragstone.storage.store import Store

_AROUND = (
    "SELECT c.chunk_key, n.chunk_key, n.ordinal < c.ordinal FROM chunks c "
    "JOIN chunks n USING (dataset_id, item_key) WHERE c.dataset_id = ? "
    "AND list_contains(?, c.chunk_key) AND n.ordinal <> c.ordinal "
    "AND n.ordinal BETWEEN c.ordinal - ? AND c.ordinal + ? ORDER BY n.ordinal"
)


@dataclass(frozen=True, slots=True)
class Around:
    """The chunks before and after one, in reading order."""

    before: list[Neighbour] = field(default_factory=list)
    after: list[Neighbour] = field(default_factory=list)


def around(
    store: Store, index: KeywordIndex, dataset_id: str, keys: Collection[int], most: int
) -> dict[int, Around]:
    """Return up to `most` chunks on each side of each of the chunks `keys`.

    They live and go with their item, so the index that holds one holds its neighbours.
    """
    if not most or not keys:
        return {}
    pairs = store.catalog.rows(_AROUND, [dataset_id, list(keys), most, most])
    rows = index.fetch(sorted({other for _, other, _ in pairs}))
    return _collected(pairs, rows)


def _collected(
    pairs: Sequence[tuple[int, int, bool]], rows: Mapping[int, Mapping[str, Any]]
) -> dict[int, Around]:
    found: dict[int, Around] = {}
    for key, other, earlier in pairs:
        side = found.setdefault(key, Around())
        (side.before if earlier else side.after).append(_neighbour(rows[other]))
    return found


def _neighbour(row: Mapping[str, Any]) -> Neighbour:
    return Neighbour(
        chunk_id=row["chunk_id"],
        text=row["text"],
        heading=row["heading"],
        page=row["page"],
        start=row["start"],
        end=row["end"],
        from_ms=row.get("from_ms"),
        to_ms=row.get("to_ms"),
    )
