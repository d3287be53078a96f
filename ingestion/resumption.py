"""Going on with a job that was cut off: its finished parts are taken over, not made again.

A part counts when its files are whole, its keys follow on those before, and each of its source
objects still has the bytes it was made from. From the first part that does not, all are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.errors import DamagedFile, Rejected
from ragstone.ingestion.candidates import load
from ragstone.storage import files, parts
from ragstone.storage.files import digest_bytes

if TYPE_CHECKING:
    from ragstone.config import LimitSettings
    from ragstone.ingestion.ledger import Ledger
    from ragstone.schemas.records import Raw
    from ragstone.storage.changes import Change
    from ragstone.storage.manifests import PartRef

Identity = tuple[str, str]  # item id, work key
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StagedPart:
    """A finished part with the rows that say what became of which source object."""

    ref: PartRef
    items: dict[int, Identity]  # by key
    sources: list[Row]  # source_key, source and item_key, in the order of the keys
    chunk_keys: list[int]


def usable(
    change: Change,
    ledger: Ledger,
    staged: Sequence[PartRef],
    raws: Iterable[Raw],
    limits: LimitSettings,
) -> list[StagedPart]:
    """Return the parts of `staged` that can be taken over into `change`."""
    read = list(_whole(change, staged))
    if not read:
        return []
    wanted = {row["source"] for part in read for row in part.sources}
    found = _current(raws, wanted, limits)
    known = ledger.identities()
    for number, part in enumerate(read):
        known |= part.items
        if any(_changed(row, known, found) for row in part.sources):
            return read[:number]
    return read


def _changed(row: Row, known: dict[int, Identity], found: dict[str, str]) -> bool:
    """Tell whether a source object is no longer what it was; note what it was in its row."""
    row["identity"] = known.get(row["item_key"])
    return row["identity"] is None or found.get(row["source"]) != row["identity"][0]


def take_over(change: Change, ledger: Ledger, part: StagedPart) -> None:
    """Let `change` hold a finished part, and `ledger` count its source objects once more."""
    fresh = set(part.items)
    for row in part.sources:
        key = row["item_key"] if row["item_key"] in fresh else None  # its first source object
        fresh.discard(row["item_key"])
        ledger.first_sight(row["source"])
        item_id, work_key = row["identity"]
        ledger.accept(row["source"], item_id, work_key, key)
        change.next_source += 1
    change.next_item += len(part.items)
    change.next_chunk += len(part.chunk_keys)
    change.added += len(part.items)
    change.parts.append(part.ref)


def _whole(change: Change, staged: Sequence[PartRef]) -> Iterator[StagedPart]:
    """Yield the parts up to the first whose files or keys are not as they should be."""
    item, source, chunk = change.next_item, change.next_source, change.next_chunk
    for ref in staged:
        folder = change.root / ref.path
        try:
            for name, stamp in ref.files.items():
                files.verify(folder / name, stamp)
            part = _read(ref, folder)
        except DamagedFile:
            return
        sources = [row["source_key"] for row in part.sources]
        if (
            list(part.items) != list(range(item, item + len(part.items)))
            or sources != list(range(source, source + len(sources)))
            or part.chunk_keys != list(range(chunk, chunk + len(part.chunk_keys)))
        ):
            return
        yield part
        item, source = item + len(part.items), source + len(sources)
        chunk += len(part.chunk_keys)


def _read(ref: PartRef, folder: Path) -> StagedPart:
    items = parts.read_table(folder, "items", ["item_key", "item_id", "work_key"]).to_pylist()
    sources = parts.read_table(folder, "sources", ["source_key", "source", "item_key"])
    chunks = parts.read_table(folder, "chunks", ["chunk_key"])
    return StagedPart(
        ref,
        {row["item_key"]: (row["item_id"], row["work_key"]) for row in items},
        sources.to_pylist(),
        chunks["chunk_key"].to_pylist(),
    )


def _current(raws: Iterable[Raw], wanted: set[str], limits: LimitSettings) -> dict[str, str]:
    """Return the digests of the bytes that the source objects `wanted` have now."""
    found: dict[str, str] = {}
    for raw in raws:
        if raw.source not in wanted or raw.source in found:
            continue
        try:
            found[raw.source] = digest_bytes(load(raw, limits))
        except Rejected:
            found[raw.source] = ""
        if len(found) == len(wanted):
            break
    return found
