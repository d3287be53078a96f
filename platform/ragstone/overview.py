"""The workspace at a glance: what there is, what it takes, what happened last, how good search is.

Everything is counted by the catalog, but for files that it does not know of; walking over these is
kept for a moment.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from ragstone.schemas.api import DatasetOverview, Overview, QualityPoint, StorageUse
from ragstone.storage.catalog import CATALOG_FILE, utc

if TYPE_CHECKING:
    from ragstone.jobs.desk import JobDesk
    from ragstone.storage.store import Store

_JOBS = 8  # the newest
_POINTS = 200  # evaluations of the trend, the newest
_WALKED = ("datasets", "uploads", "models", "jobs")
_KEPT_SECONDS = 30.0  # a walk over 100,000 files takes a second
_PATIENCE = 0.15  # seconds to wait for a walk


class Overviewing:
    """A look at everything; a base of `Workspace`, which has the store."""

    _store: Store
    _jobs: JobDesk
    _sizes: Sizes

    def overview(self) -> Overview:
        """Return what there is, what it takes on the disk, and what happened last.

        Sizes of datasets are those of their newest version's items. Storage: `originals` and
        `quarantine` are bytes as the catalog knows them, each content once; the other areas are
        files as they lie there, up to half a minute ago, once they are counted.
        """
        datasets = _datasets(self._store)
        modalities: Counter[str] = Counter()
        for one in datasets:
            modalities.update(one.modalities)
        return Overview(
            datasets=datasets,
            modalities=dict(modalities.most_common()),
            storage=_storage(self._store, self._sizes),
            jobs=self._jobs.listed(None, None, limit=_JOBS),
            running=len(self._jobs.listed(None, "running"))
            + len(self._jobs.listed(None, "queued")),
            quarantined=sum(one.quarantined for one in datasets),
            quality=_quality(self._store),
        )


def _datasets(store: Store) -> list[DatasetOverview]:
    heads = {head.dataset_id: head for head in store.heads()}
    refused = dict(_rows(store, "SELECT dataset, count(*) FROM quarantine GROUP BY ALL"))
    counts: dict[str, dict[str, int]] = {dataset_id: {} for dataset_id in heads}
    sizes: Counter[str] = Counter()
    rows = _rows(
        store,
        "SELECT i.dataset_id, i.modality, count(*), sum(i.size)::BIGINT "
        "FROM items i JOIN (SELECT unnest(?) AS dataset_id, unnest(?) AS version) h "
        "USING (dataset_id) "
        "WHERE i.added <= h.version AND (i.removed IS NULL OR i.removed > h.version) "
        "GROUP BY ALL ORDER BY ALL",
        [list(heads), [head.version for head in heads.values()]],
    )
    for dataset_id, modality, number, size in rows:
        counts[dataset_id][modality] = number
        sizes[dataset_id] += size
    return [
        DatasetOverview(
            name=head.dataset,
            version=head.version,
            items=head.items,
            chunks=head.chunks,
            bytes=sizes[dataset_id],
            modalities=counts[dataset_id],
            quarantined=refused.get(head.dataset, 0),
            changed=head.created_at,
        )
        for dataset_id, head in sorted(heads.items(), key=lambda pair: pair[1].dataset)
    ]


def _quality(store: Store) -> list[QualityPoint]:
    """Return one number of each evaluation that is kept, the oldest first."""
    names = {head.dataset_id: head.dataset for head in store.heads()}
    rows = _rows(
        store,
        "SELECT * FROM (SELECT evaluation, dataset_id, created, "
        "CAST(result->>'version' AS BIGINT) AS version, "
        "CAST(result->'modes'->'hybrid'->>'ndcg@10' AS DOUBLE) AS ndcg, "
        "CAST(json_extract_string(result, '$.runs[#-1].measures.f1.value') AS DOUBLE) AS f1 "
        "FROM evaluations ORDER BY evaluation DESC LIMIT ?) "
        "WHERE coalesce(ndcg, f1) IS NOT NULL ORDER BY evaluation",
        [_POINTS],
    )
    return [
        QualityPoint(
            evaluation=evaluation,
            dataset=names[dataset_id],
            version=version,
            created=utc(created),
            measure="ndcg@10" if ndcg is not None else "f1",
            value=f1 if ndcg is None else ndcg,
        )
        for evaluation, dataset_id, created, version, ndcg, f1 in rows
        if dataset_id in names
    ]


def _storage(store: Store, sizes: Sizes) -> list[StorageUse]:
    originals = _sum(store, "SELECT DISTINCT item_id, size FROM items")
    refused = _sum(store, "SELECT DISTINCT item_id, size FROM quarantine")
    catalog = sum(path.stat().st_size for path in store.root.glob(f"{CATALOG_FILE}*"))
    areas = {"originals": originals, **sizes.of(store.root), "quarantine": refused}
    areas["catalog"] = catalog
    return [StorageUse(area, size) for area, size in areas.items() if size]


def _sum(store: Store, sql: str) -> int:
    ((total,),) = store.catalog.rows(f"SELECT coalesce(sum(size), 0)::BIGINT FROM ({sql})")  # noqa: S608
    return int(total)


def _rows(store: Store, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    return store.catalog.rows(sql, list(values))


class Sizes:
    """The bytes of the files in some folders of a workspace, counted anew every half a minute.

    Nobody waits long for a large one: until it is counted, what was found before is returned.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._walk: Thread | None = None
        self._found: dict[str, int] = {}
        self._until = 0.0

    def of(self, root: Path) -> dict[str, int]:
        """Return the bytes below each of the folders that have been counted."""
        with self._lock:
            if self._walk is None and monotonic() >= self._until:
                self._walk = Thread(target=self._count, args=[root], name="sizes", daemon=True)
                self._walk.start()
            walk = self._walk
        if walk is not None:
            walk.join(_PATIENCE)
        return {name: self._found[name] for name in _WALKED if name in self._found}

    def _count(self, root: Path) -> None:
        try:
            for name in _WALKED:
                self._found[name] = _below(root / name)
        finally:
            self._until = monotonic() + _KEPT_SECONDS
            self._walk = None


def _below(folder: Path) -> int:
    """Return the bytes of all files below `folder`, each once whatever names it has."""
    return sum({status[:2]: status[2] for status in _statuses(str(folder))}.values())


def _statuses(folder: str) -> Iterator[tuple[int, int, int]]:
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        status = entry.stat(follow_symlinks=False)
                        yield status.st_dev, status.st_ino, status.st_size
        except FileNotFoundError:  # a job has just ended, or there is none of these yet
            continue
