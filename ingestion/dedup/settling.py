"""Settling a change: which of its items are duplicates, of each other or of what is stored.

Done by the owner of the workspace inside the commit, when it is certain what the change follows;
so two jobs that bring the same picture at the same time are told of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pyroaring import BitMap64

from ragstone.ingestion.dedup.base import DuplicateKind, Finder, Pair, Signed
from ragstone.ingestion.dedup.exact import exact_pairs
from ragstone.ingestion.dedup.policy import Keep, Member, Outcome, Policy, applied
from ragstone.ingestion.dedup.semantic import item_vectors, semantic_pairs
from ragstone.ingestion.dedup.stored import StoredItems, from_table, signed, to_table
from ragstone.ingestion.dedup.text import TextFinder, unpacked
from ragstone.ingestion.dedup.vectors import owned
from ragstone.storage.bands import BandTable
from ragstone.storage.duplicates import read_pairs, write_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragstone.storage.changes import Change
    from ragstone.storage.store import Store


@dataclass(slots=True)
class Settling:
    """Marks the duplicates of a change; given to `Store.commit`.

    Parameters
    ----------
    policy
        From now on; None keeps that of the dataset, and new ones get the default.
    """

    store: Store
    policy: Policy | None = None
    found: list[Pair] = field(default_factory=list)  # new ones, afterwards
    outcome: Outcome = field(default_factory=lambda: Outcome((), {}))
    _items: StoredItems = field(init=False)

    def __call__(self, change: Change) -> None:
        """Find new pairs, keep them, and let the policy say what is hidden."""
        head = change.head
        old = {part.id: part for part in head.parts} if head else {}
        self._items = StoredItems(self.store, change.dataset_id, old, change.parts)
        known = from_table(read_pairs(self.store.root, head.pairs)) if head else []
        policy = self.policy or Policy.from_dict(change.policy)
        self.found = self._find(change, known)
        if policy.semantic.keep is not Keep.ALL:
            self.found += self._semantic(change, known, policy.semantic.threshold)
        if self.found:
            table = to_table(self.found)
            change.pairs = [write_pairs(self.store.root, change.folder, table)]
        change.policy = policy.as_dict()
        self.outcome = applied(self._members(change, known), [*known, *self.found], policy)
        change.hidden = BitMap64(self.outcome.hidden)

    def _find(self, change: Change, known: list[Pair]) -> list[Pair]:
        """Return the pairs that the version before does not know."""
        again = _partners(known, change.removed_items)
        stored = self._stored(change) - again
        tables = signed(self._items.new_signatures())
        for name, more in signed(self._items.signatures_of(again)).items():
            tables[name] = _joined(tables[name], more) if name in tables else more
        there = {(pair.first, pair.second, pair.kind) for pair in known}
        return [
            pair
            for (kind, algorithm), new in sorted(tables.items(), key=lambda entry: entry[0])
            for pair in self._pairs(change, kind, algorithm, new, stored)
            if (pair.first, pair.second, pair.kind) not in there
        ]

    def _stored(self, change: Change) -> BitMap64:
        """Return the items of the head that stay, hidden ones among them."""
        rows = self.store.live_sources(change.head, hidden=True)
        return BitMap64(rows["item_key"].to_numpy()) - change.removed_items

    def _pairs(
        self, change: Change, kind: str, algorithm: str, new: Signed, stored: BitMap64
    ) -> list[Pair]:
        if kind == "payload":
            known = _among(self._items.equal_payloads(algorithm, new), stored)
            fresh = set(new.keys.tolist())
            pairs = exact_pairs(_joined(known, new), algorithm)
            return [pair for pair in pairs if fresh & {pair.first, pair.second}]
        finder, content = self._finder(change, kind, algorithm, stored)
        if finder is None:
            return []
        known = Signed(np.empty(0, np.int64), [])
        if kind != "text":
            known = _among(self._items.stored(kind, algorithm), stored)
        return finder.find(new, known, content)

    def _semantic(self, change: Change, known: list[Pair], largest: float) -> list[Pair]:
        """Return the pairs of near vectors: of new items, or of all when nobody has looked yet."""
        old = list(change.head.parts) if change.head else []
        owners, vectors = owned(self.store.root, [*old, *change.parts], change.space)
        before = change.head.next_item if change.head else 0
        here = self._stored(change)
        alive = np.array([key in here or key >= before for key in owners.tolist()], np.bool_)
        keys, means = item_vectors(owners[alive], vectors[alive])
        asked = Policy.from_dict(change.policy).semantic  # of the version before
        start = int(np.searchsorted(keys, before))
        if asked.keep is Keep.ALL or asked.threshold < largest:
            start = 0
        there = {(pair.first, pair.second) for pair in known if pair.kind is DuplicateKind.SEMANTIC}
        pairs = semantic_pairs(keys, means, largest, start, f"cosine-{change.space}")
        return [pair for pair in pairs if (pair.first, pair.second) not in there]

    def _finder(
        self, change: Change, kind: str, algorithm: str, stored: BitMap64
    ) -> tuple[Finder | None, Callable[[int], object]]:
        """Return what finds duplicates by an algorithm, None for one of another release."""

        def candidates(new: Signed, _known: Signed) -> NDArray[np.int64]:
            living = np.fromiter(stored, np.int64, len(stored))
            with self.store.catalog.cursor() as cursor:
                table = BandTable(cursor, change.dataset_id, algorithm)
                return table.candidates(new.keys, *unpacked(new.values), living)

        finder = _media_finder(kind) if kind != "text" else TextFinder(candidates)
        if finder is None or finder.algorithm != algorithm:
            return None, self._items.content
        return finder, self._items.text if kind == "text" else self._items.content

    def _members(self, change: Change, known: list[Pair]) -> dict[int, Member]:
        """Return the items that are in some pair, and in the next version."""
        paired = BitMap64(
            key for pair in (*known, *self.found) for key in (pair.first, pair.second)
        )
        here = self._stored(change)
        before = change.head.next_item if change.head else 0
        fresh = BitMap64(key for key in paired if key >= before) - change.removed_items
        return self._items.members(paired & here | fresh)


def outcome_of(store: Store, reference: str, policy: Policy | None = None) -> Outcome:
    """Return the duplicate groups of a version, by its own policy or by another one."""
    manifest = store.resolve(reference)
    items = StoredItems(store, manifest.dataset_id, {part.id: part for part in manifest.parts}, [])
    pairs = from_table(read_pairs(store.root, manifest.pairs))
    here = BitMap64(store.live_sources(manifest, hidden=True)["item_key"].to_numpy())
    paired = BitMap64(key for pair in pairs for key in (pair.first, pair.second))
    chosen = policy or Policy.from_dict(manifest.policy)
    return applied(items.members(paired & here), pairs, chosen)


def _media_finder(kind: str) -> Finder | None:
    if kind == "image":
        from ragstone.ingestion.dedup.images import ImageFinder

        return ImageFinder()
    if kind == "audio":
        from ragstone.ingestion.dedup.audio import AudioFinder

        return AudioFinder()
    return None


def _partners(pairs: list[Pair], removed: BitMap64) -> BitMap64:
    """Return the items that were linked to others by one that goes."""
    if not removed:
        return BitMap64()
    ends = [{pair.first, pair.second} for pair in pairs]
    return BitMap64(key for both in ends if removed & BitMap64(both) for key in both) - removed


def _joined(one: Signed, other: Signed) -> Signed:
    return Signed(np.concatenate([one.keys, other.keys]), [*one.values, *other.values])


def _among(known: Signed, items: BitMap64) -> Signed:
    keep = [place for place, key in enumerate(known.keys.tolist()) if key in items]
    return Signed(known.keys[keep], [known.values[place] for place in keep])
