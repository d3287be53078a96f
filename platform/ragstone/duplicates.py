"""Duplicates of a dataset, for people: groups with what is kept, the policy, and calibration."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyroaring import BitMap64

from ragstone.comparison import field_changes, text_change
from ragstone.errors import InvalidArgument, UnknownId, UnknownSource
from ragstone.ingestion.dedup import semantic
from ragstone.ingestion.dedup.base import DuplicateKind, Pair
from ragstone.ingestion.dedup.policy import KEEP_ALL, Keep, Outcome, Policy
from ragstone.ingestion.dedup.settling import Settling, outcome_of
from ragstone.ingestion.dedup.stored import from_table
from ragstone.ingestion.dedup.vectors import vectors_by_item
from ragstone.listing import MAX_OFFSET, MAX_PAGE, item_row
from ragstone.retrieval.question import check_number
from ragstone.schemas.api import (
    CalibrationReport,
    DuplicateGroup,
    DuplicateKindCount,
    DuplicateMember,
    DuplicatePair,
    DuplicatePreview,
    DuplicateReport,
    ItemComparison,
    ThresholdInfo,
)
from ragstone.storage.composing import listed
from ragstone.storage.duplicates import read_pairs
from ragstone.storage.manifests import unpack_bitmap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ragstone.ingestion.dedup.groups import Group
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

    Encode = Callable[[Sequence[str], Manifest], NDArray[np.float32]]

_MOST_LABELLED = 20_000  # pairs of a file that are embedded
_LABELLED = "a CSV file with the columns text_a, text_b and label (0 or 1)"


def report(store: Store, reference: str, *, limit: int = 50, offset: int = 0) -> DuplicateReport:
    """Return the duplicate groups of a version, the largest first; see `Workspace.duplicates`."""
    manifest, outcome = store.resolve(reference), outcome_of(store, reference)
    items = _Items(store, manifest, outcome)
    page = _largest(outcome.groups)[offset : offset + limit]
    return _report(manifest, Policy.from_dict(manifest.policy), outcome, items, page)


def preview(
    store: Store, reference: str, new: Policy, kind: str | None, limit: int, offset: int
) -> DuplicatePreview:
    """Return what `new` would make of a version; see `Workspace.preview_duplicates`.

    The pairs that are stored are grouped anew; none is looked for.
    """
    if kind is not None and kind not in set(DuplicateKind):
        raise InvalidArgument("kind", kind, f"one of {', '.join(DuplicateKind)}")
    check_number("limit", limit, 1, MAX_PAGE)
    check_number("offset", offset, 0, MAX_OFFSET - 1)
    manifest = store.resolve(reference)
    outcome = outcome_of(store, reference, new)
    before = unpack_bitmap(manifest.hidden) if manifest.hidden else BitMap64()
    items, after = _Items(store, manifest, outcome), BitMap64(outcome.hidden)
    chosen = [group for group in outcome.groups if kind in (None, group.kind.value)]
    page = _largest(chosen)[offset : offset + limit]
    return DuplicatePreview(
        report=_report(manifest, new, outcome, items, page),
        total=len(chosen),
        items=manifest.items + len(before) - len(after),
        hidden=_ids(store, manifest, after - before),
        shown=_ids(store, manifest, before - after),
        newly_hidden=len(after - before),
        shown_again=len(before - after),
    )


def compare(store: Store, first: str, second: str) -> ItemComparison:
    """Return in what two items differ; see `Workspace.compare_items`."""
    one, other = (item_row(store, item) for item in (first, second))
    texts = [store.item_text(row["dataset_id"], row["item_key"]) for row in (one, other)]
    before, after = ({**row, "name": ""} for row in (one, other))
    return ItemComparison(
        first=one["item_id"],
        second=other["item_id"],
        fields=field_changes(before, after),
        text=text_change(*texts),
    )


def _largest(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-len(group.members), group.id))


def _report(
    manifest: Manifest, policy: Policy, outcome: Outcome, items: _Items, page: Iterable[Group]
) -> DuplicateReport:
    return DuplicateReport(
        dataset=manifest.dataset,
        version=manifest.version,
        policy=policy.as_dict(),
        kinds=_counts(outcome, items),
        groups=[_group(group, outcome, items, with_pairs=False) for group in page],
    )


def _ids(store: Store, manifest: Manifest, keys: BitMap64) -> list[str]:
    """Return the ids of the first items with these keys."""
    sql = (
        f"SELECT any_value(item_id) FROM items WHERE dataset_id = ? "  # noqa: S608
        f"AND item_key IN ({listed(keys) or 'NULL'}) GROUP BY item_key ORDER BY item_key LIMIT ?"
    )
    rows = store.catalog.rows(sql, [manifest.dataset_id, MAX_PAGE])
    return [str(row[0]) for row in rows]


def show(store: Store, reference: str, group: str) -> DuplicateGroup:
    """Return one group with every pair that connects it.

    Raises
    ------
    UnknownId
        The version has no such group.
    """
    manifest, outcome = store.resolve(reference), outcome_of(store, reference)
    found = [one for one in outcome.groups if one.id == group]
    if not found:
        raise UnknownId(group, f"duplicate group of {manifest.dataset}@{manifest.version}")
    return _group(found[0], outcome, _Items(store, manifest, outcome), with_pairs=True)


def policy(store: Store, reference: str) -> Policy:
    """Return the policy of a version."""
    return Policy.from_dict(store.resolve(reference).policy)


def changed_policy(
    old: Policy, keep: Mapping[str, str], thresholds: Mapping[str, float], *, undo: bool
) -> Policy:
    """Return `old` with other rules for some kinds.

    Raises
    ------
    InvalidArgument
        A kind, a way of keeping, or a threshold is none.
    """
    new = KEEP_ALL if undo else old
    for kind in dict.fromkeys([*keep, *thresholds]):
        if kind not in set(DuplicateKind):
            raise InvalidArgument("kind", kind, f"one of {', '.join(DuplicateKind)}")
        way = keep.get(kind)
        if way is not None and way not in set(Keep):
            name = f"keep of {kind}"
            raise InvalidArgument(name, way, f"one of {', '.join(Keep)}")
        rule = Keep(way) if way is not None else None
        new = new.with_rule(DuplicateKind(kind), rule, thresholds.get(kind))
    return new


def set_policy(store: Store, dataset: str, new: Policy, message: str) -> None:
    """Commit a version that hides what `new` says; nothing is read again.

    Raises
    ------
    UnknownDataset
        There is none.
    """
    with store.writing(), store.change(dataset) as change:
        head = change.head
        assert head is not None
        if new.as_dict() == head.policy:
            return
        default = "dedup policy: " + ", ".join(
            f"{kind} {rule['keep']}" for kind, rule in new.as_dict().items()
        )
        store.commit(change, message or default, head.settings, settle=Settling(store, new))


# ---------------------------------------------------------------- calibration


def calibrate(
    store: Store, reference: str, pairs: Path | None, encode: Encode, precision: float
) -> CalibrationReport:
    """Return precision and recall of semantic thresholds; see `Workspace.calibrate_duplicates`."""
    manifest = store.resolve(reference)
    if pairs is None:
        keys, vectors = vectors_by_item(store.root, manifest)
        known = from_table(read_pairs(store.root, manifest.pairs))
        near = [pair for pair in known if pair.kind is DuplicateKind.TEXT]
        cosines, labels = semantic.sampled_pairs(keys, vectors, near)
    else:
        cosines, labels = _labelled(pairs, manifest, encode)
    found = semantic.calibrate(cosines, labels, precision)
    rows = [ThresholdInfo(t.distance, t.called, t.precision, t.recall) for t in found.thresholds]
    proposed = found.proposed.distance if found.proposed else None
    return CalibrationReport(
        manifest.dataset,
        manifest.version,
        manifest.space,
        found.pairs,
        found.duplicates,
        precision,
        rows,
        proposed,
    )


def _labelled(
    path: Path, manifest: Manifest, encode: Encode
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read `text_a`, `text_b` and `label` (1 for duplicates) of a CSV file, and embed them."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            _check_columns(path, table.fieldnames or ())
            rows = list(islice(table, _MOST_LABELLED))
        texts = [[row[name] for row in rows] for name in ("text_a", "text_b")]
        labels = np.array([int(row["label"]) > 0 for row in rows], np.bool_)
    except OSError as error:
        raise UnknownSource(str(path)) from error
    except ValueError as error:
        raise InvalidArgument("pairs", str(path), _LABELLED) from error
    one, other = (encode(side, manifest) for side in texts)
    return (one * other).sum(axis=1).astype(np.float64), labels


def _check_columns(path: Path, names: Collection[str]) -> None:
    if not {"text_a", "text_b", "label"} <= set(names):
        raise InvalidArgument("pairs", str(path), _LABELLED)


# ---------------------------------------------------------------- for people


class _Items:
    """Names and sizes of the items in some groups."""

    def __init__(self, store: Store, manifest: Manifest, outcome: Outcome) -> None:
        keys = BitMap64(key for group in outcome.groups for key in group.members)
        columns = "any_value(i.item_id), min_by(s.name, s.source), min(s.source), any_value(i.size)"
        sql = (
            f"SELECT item_key, {columns} FROM items i "  # noqa: S608
            "JOIN sources s USING (dataset_id, item_key) "
            f"WHERE dataset_id = ? AND item_key IN ({listed(keys) or 'NULL'}) GROUP BY item_key"
        )
        rows = store.catalog.rows(sql, [manifest.dataset_id])
        self.of = {int(row[0]): row[1:] for row in rows}

    def size(self, key: int) -> int:
        """Return the bytes of an item."""
        return int(self.of[key][3])


def _counts(outcome: Outcome, items: _Items) -> list[DuplicateKindCount]:
    hidden: Counter[DuplicateKind] = Counter()
    saved: Counter[DuplicateKind] = Counter()
    for key, verdict in outcome.hidden.items():
        hidden[verdict.kind] += 1
        saved[verdict.kind] += items.size(key)
    found = Counter(group.kind for group in outcome.groups)
    members = Counter(group.kind for group in outcome.groups for _ in group.members)
    return [
        DuplicateKindCount(kind.value, found[kind], members[kind], hidden[kind], saved[kind])
        for kind in DuplicateKind
        if found[kind]
    ]


def _group(group: Group, outcome: Outcome, items: _Items, *, with_pairs: bool) -> DuplicateGroup:
    members = []
    for key in group.members:
        item_id, name, source, size = items.of[key]
        verdict = outcome.hidden.get(key)
        kept_by = items.of[verdict.kept][0] if verdict else ""
        distance = verdict.distance if verdict else None
        members.append(DuplicateMember(item_id, name, source, size, not verdict, kept_by, distance))
    pairs = [_pair(pair, items) for pair in group.pairs] if with_pairs else []
    hidden = [key for key in group.members if key in outcome.hidden]
    saved = sum(items.size(key) for key in hidden)
    return DuplicateGroup(group.id, group.kind.value, members, len(hidden), saved, pairs)


def _pair(pair: Pair, items: _Items) -> DuplicatePair:
    first, second = items.of[pair.first][0], items.of[pair.second][0]
    return DuplicatePair(first, second, pair.distance, pair.algorithm, pair.evidence)
