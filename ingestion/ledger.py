"""The ledger of a job: what the dataset holds, and what each source object becomes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ragstone.errors import Rejected
from ragstone.schemas.api import ItemCounts
from ragstone.schemas.tagging import work_key_as_read

if TYPE_CHECKING:
    import pyarrow as pa

    from ragstone.schemas.records import Raw
    from ragstone.storage.changes import Change


@dataclass(frozen=True, slots=True)
class Held:
    """A source object in the dataset."""

    source_key: int
    item_key: int
    item_id: str
    work_key: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source object on its way to quarantine."""

    raw: Raw
    stage: str
    reason: Rejected
    item_id: str  # empty when the bytes could not be read
    content: bytes | None


@dataclass(slots=True)
class Ledger:
    """Decides by content; counts what happened.

    `live` has the columns source_key, source, item_key, item_id and work_key, one row per source
    object of the head version.
    """

    change: Change
    live: pa.Table
    counts: ItemCounts = field(default_factory=ItemCounts)
    refusals: list[Refusal] = field(default_factory=list)
    _sources: dict[str, Held] = field(default_factory=dict)
    _items: dict[tuple[str, str], int] = field(default_factory=dict)  # (id, work key) -> key
    _holders: Counter[int] = field(default_factory=Counter)  # item key -> its sources
    _refused: dict[str, Refusal] = field(default_factory=dict)
    _expected: set[tuple[str, str]] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _sorted: list[str] | None = None  # of what was seen

    def __post_init__(self) -> None:
        for row in self.live.to_pylist():
            source = row.pop("source")
            held = self._sources[source] = Held(**row)
            # As it is read again, and as it is: the later one is its own identity.
            self._items[held.item_id, work_key_as_read(held.work_key)] = held.item_key
            self._items[held.item_id, held.work_key] = held.item_key
            self._holders[held.item_key] += 1

    def first_sight(self, source: str) -> bool:
        """Return False when this job has met `source` already."""
        known = source in self._seen
        self._seen.add(source)
        return not known

    def identities(self) -> dict[int, tuple[str, str]]:
        """Return (item id, work key) of each item by its key."""
        return {key: identity for identity, key in self._items.items()}

    def met(self, source: str) -> bool:
        """Return True when this job has met `source`."""
        return source in self._seen

    def met_within(self, source: str) -> bool:
        """Return True when this job has met an object in the folder, archive or table `source`."""
        if self._sorted is None or len(self._sorted) != len(self._seen):
            self._sorted = sorted(self._seen)
        for mark in ("/", "!", "#"):
            place = bisect_left(self._sorted, source + mark)
            if place < len(self._sorted) and self._sorted[place].startswith(source + mark):
                return True
        return False

    def unchanged(self, source: str, item_id: str, work_key: str) -> bool:
        """Return True, and count it, when the dataset holds exactly this."""
        held = self._sources.get(source)
        same = (
            held is not None
            and held.item_id == item_id
            and work_key in {held.work_key, work_key_as_read(held.work_key)}
        )
        if same:
            self._count("unchanged")
        return same

    def duplicate(self, item_id: str, work_key: str) -> bool:
        """Return True when the same bytes are in the dataset, or were met in this job."""
        identity = (item_id, work_key)
        known = identity in self._items or identity in self._expected
        self._expected.add(identity)
        return known

    def accept(self, source: str, item_id: str, work_key: str, item_key: int | None) -> int | None:
        """Record a source object and return the key of its item.

        `item_key` is the key of a new item, None for a duplicate; then None comes back when the
        first of the same bytes was refused.
        """
        new = item_key is not None
        if item_key is None:
            item_key = self._items.get((item_id, work_key))
            if item_key is None:
                return None
        replaced = self._release(source)
        self._items[item_id, work_key] = item_key
        self._holders[item_key] += 1
        self._sources[source] = Held(self.change.next_source, item_key, item_id, work_key)
        self._count("updated" if replaced else "added" if new else "duplicate")
        return item_key

    def refuse(self, refusal: Refusal) -> None:
        """Record a source object that goes to quarantine; what it was before stays."""
        self._refused[refusal.item_id] = refusal
        self.refusals.append(refusal)
        self._count("quarantined")

    def earlier_refusal(self, item_id: str) -> Rejected:
        """Return why the first object with the same bytes was refused."""
        return self._refused[item_id].reason

    def remove_unmet(self, places: Sequence[str], partial: Sequence[str] = ()) -> None:
        """Let go of the source objects that `places` have no longer.

        What lies in a folder, an archive or a table that could not be read stays.

        Parameters
        ----------
        places
            What `ingestion.sources.source_prefix` gives of those that were seen whole; with `/` at
            the end, only what lies below.
        partial
            The same of places that may hold more than was seen: all that is theirs stays.
        """
        unread = [refusal.raw.source for refusal in self.refusals]
        stays = [*partial, *unread]
        for source in sorted(self._sources.keys() - self._seen):
            if covered(source, places) and not covered(source, stays):
                self._release(source)
                del self._sources[source]
                self._count("removed")

    def settle(self) -> None:
        """Remove the items that no source holds any more; only the end of a job can tell."""
        gone = [key for key, holders in self._holders.items() if not holders]
        self.change.removed_items.update(gone)

    def _release(self, source: str) -> bool:
        held = self._sources.get(source)
        if held is None:
            return False
        self.change.removed_sources.add(held.source_key)
        self._holders[held.item_key] -= 1
        return True

    def _count(self, what: str) -> None:
        self.counts = replace(self.counts, **{what: getattr(self.counts, what) + 1})


def covered(source: str, places: Iterable[str]) -> bool:
    """Tell whether a source object is one of `places`, or lies in one."""
    return any(source == place or _lies_in(source, place) for place in places)


def _lies_in(source: str, place: str) -> bool:
    if place.startswith("sitemap:"):
        return _of_site(source, place.removeprefix("sitemap:"))
    if place.startswith("dataset:"):
        return source.startswith(f"{place.partition('@')[0]}#")
    if place.endswith("/"):
        return source.startswith(place)
    return source.startswith(place) and source[len(place) : len(place) + 1] in {"/", "#", "!"}


def _of_site(source: str, sitemap: str) -> bool:
    """Tell whether a source object is a page for which a sitemap can speak."""
    from ragstone.ingestion.addresses import same_site  # loads much that files do without

    if not source.startswith(("http:", "https:")):
        return False
    try:
        host, of = urlsplit(source).hostname, urlsplit(sitemap).hostname
    except ValueError:  # what is no address has no pages
        return False
    return host is not None and of is not None and same_site(host, of)
