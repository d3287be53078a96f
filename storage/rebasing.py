"""Two writers: a change built on a head that has moved is carried over to the new one, or refused.

It can be carried over when both touched different sources: its rows take the keys that are free
now, and its removals are those that still stand. It is refused when both touched the same source,
when what one refers to is what the other removed, when both brought the same bytes, which the
dataset would then hold twice, or when it went on from rows that the new head does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyroaring import BitMap64

from ragstone.errors import SpaceMismatch, VersionConflict
from ragstone.storage import parts
from ragstone.storage.manifests import Manifest
from ragstone.storage.parts import Shift

if TYPE_CHECKING:
    from ragstone.storage.changes import Change
    from ragstone.storage.store import Store

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Sides:
    """Live sources by name: what the change was built on, what is there now, what it adds."""

    base: dict[str, Row]
    current: dict[str, Row]
    ours: dict[str, Row]
    our_items: dict[int, tuple[str, str]]  # key -> (item_id, work_key)


def rebase(store: Store, change: Change, current: Manifest) -> None:
    """Make `change` one that follows `current`.

    Raises
    ------
    VersionConflict
        Both touched the same; the change has to be made again.
    SpaceMismatch
        The dataset has another embedding space by now.
    """
    if current.space != change.space:
        raise SpaceMismatch(change.name, current.space, change.space)
    for modality, ours in change.media.items():
        theirs = current.media.get(modality, ours)
        if theirs.space != ours.space:
            raise SpaceMismatch(change.name, theirs.space, ours.space)
    sides = _sides(store, change, current)
    if _collide(change, sides) or _read_from_elsewhere(change, current):
        raise VersionConflict(change.name, current.version)
    head = change.head
    shift = Shift(
        item=current.next_item - (head.next_item if head else 0),
        source=current.next_source - (head.next_source if head else 0),
        chunk=current.next_chunk - (head.next_chunk if head else 0),
        base_item=head.next_item if head else 0,
    )
    if shift.item or shift.source or shift.chunk:
        change.parts = [
            parts.shift_part(change.root, part, change.staging, shift) for part in change.parts
        ]
    change.next_item += shift.item
    change.next_source += shift.source
    change.next_chunk += shift.chunk
    _keep_what_is_held(change, sides, shift)
    change.dataset_id, change.head = current.dataset_id, current
    change.keep_duplicates()


def _sides(store: Store, change: Change, current: Manifest) -> _Sides:
    folders = [change.root / part.path for part in change.parts]
    items = [parts.read_table(f, "items", ["item_key", "item_id", "work_key"]) for f in folders]
    return _Sides(
        base=_by_source([store.live_sources(change.head, hidden=True)]),
        current=_by_source([store.live_sources(current, hidden=True)]),
        ours=_by_source([parts.read_table(folder, "sources") for folder in folders]),
        our_items={r["item_key"]: _identity(r) for table in items for r in table.to_pylist()},
    )


def _identity(row: Row) -> tuple[str, str]:
    return row["item_id"], row["work_key"]


def _by_source(tables: list[pa.Table]) -> dict[str, Row]:
    return {row["source"]: row for table in tables for row in table.to_pylist()}


def _collide(change: Change, sides: _Sides) -> bool:
    """Tell whether both sides touched one source, or one needs what the other removed."""
    named = {row["source_key"]: name for name, row in sides.base.items()}
    ours = set(sides.ours) | {named[key] for key in change.removed_sources if key in named}
    theirs = {
        name
        for name in {**sides.base, **sides.current}
        if _place(sides.base, name) != _place(sides.current, name)
    }
    if ours & theirs:
        return True
    live = {row["item_key"] for row in sides.current.values()}
    needed = {row["item_key"] for row in sides.ours.values()} - sides.our_items.keys()
    known = {_identity(row) for row in sides.current.values()}
    known -= {_identity(row) for row in sides.base.values()}
    return not needed <= live or not known.isdisjoint(sides.our_items.values())


def _read_from_elsewhere(change: Change, current: Manifest) -> bool:
    """Tell whether a database was read from where `current` is not: rows between would be lost."""
    before = change.head.cursors if change.head else {}
    return any(before.get(key) != current.cursors.get(key) for key in change.cursors)


def _place(sources: dict[str, Row], name: str) -> tuple[int, int] | None:
    row = sources.get(name)
    return (row["source_key"], row["item_key"]) if row else None


def _keep_what_is_held(change: Change, sides: _Sides, shift: Shift) -> None:
    """Remove the items that no source of either writer holds, and no others; move our own keys."""
    base_source = change.head.next_source if change.head else 0
    for removed, base, by in (
        (change.removed_items, shift.base_item, shift.item),
        (change.removed_sources, base_source, shift.source),
    ):
        own = BitMap64(key for key in removed if key >= base)
        removed -= own
        removed |= BitMap64(key + by for key in own)
    live = [
        row for row in sides.current.values() if row["source_key"] not in change.removed_sources
    ]
    held = {row["item_key"] for row in live}
    held |= {row["item_key"] for row in sides.ours.values() if row["item_key"] < shift.base_item}
    for row in sides.current.values():
        if row["item_key"] in held:
            change.removed_items.discard(row["item_key"])
        else:
            change.removed_items.add(row["item_key"])
