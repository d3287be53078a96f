"""gc: old versions are given up by age and count, and what no kept version names is deleted.

`datasets/<id>/collected.json` says which versions were given up; writing it is the commit. Their
manifests, and then the files that only they named, are deleted after it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.errors import DamagedFile, InvalidArgument
from ragstone.schemas.api import Collection
from ragstone.storage import manifests, maps, parts, recovery, uploads
from ragstone.storage.blobs import Blobs
from ragstone.storage.catalog import now
from ragstone.storage.files import remove, sync_folder
from ragstone.storage.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

COLLECTED_FILE = "collected.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collected:
    """A version that was given up."""

    version: int
    digest: str
    parent: str | None
    message: str
    created: str
    collected: str  # when it was given up; ISO 8601, UTC


def collected(folder: Path) -> dict[int, Collected]:
    """Return the versions given up of the dataset at `folder`, by number."""
    path = folder / COLLECTED_FILE
    if not path.exists():
        return {}
    entries = [Collected(**entry) for entry in read_sealed(path)["versions"]]
    return {entry.version: entry for entry in entries}


@dataclass(frozen=True, slots=True)
class Policy:
    """Which versions to keep: the newest of a dataset and tagged ones always, and these."""

    newest: int | None = None  # so many of each dataset
    days: float | None = None  # those not older

    def __post_init__(self) -> None:
        if self.newest is not None and self.newest < 1:
            raise InvalidArgument("keep", self.newest, "a number from 1")
        if self.days is not None and self.days < 0:
            raise InvalidArgument("days", self.days, "a number from 0")

    def gives_up(self, history: list[Manifest], tagged: set[int], moment: datetime) -> list[int]:
        """Return the numbers of the versions in `history` (ascending) that need not be kept."""
        if self.newest is None and self.days is None:
            return []
        old = history[: -(self.newest or 1)]
        if self.days is not None:
            limit = moment - timedelta(days=self.days)
            old = [manifest for manifest in old if manifest.created_at < limit]
        return [manifest.version for manifest in old if manifest.version not in tagged]


def collect(
    store: Store, policy: Policy, datasets: Iterable[str] | None = None, *, dry_run: bool
) -> Collection:
    """Give up versions, of all datasets or of those named, and delete what nobody needs.

    Raises
    ------
    UnknownDataset, WorkspaceInUse, DamagedFile
        Nothing was changed. (While a manifest cannot be read nobody knows what it names.)
    """
    heads = store.heads() if datasets is None else [store.head(name) for name in datasets]
    with store.exclusive():
        _check_known(store)
        given_up = {head.dataset_id: _given_up(store, policy, head) for head in heads}
        doomed = _doomed(store, given_up)
        report = Collection(
            dry_run=dry_run,
            versions=[
                f"{head.dataset}@{number}" for head in heads for number in given_up[head.dataset_id]
            ],
            files=len(doomed),
            bytes=_freed(doomed),
            answers=_answers(store, given_up),
        )
        if not dry_run:
            try:
                _delete(store, given_up, doomed)
            except BaseException as error:
                store.must_be_opened_again(f"gc could not delete all it gave up: {error}")
                raise
        return report


def _check_known(store: Store) -> None:
    """Refuse while the catalog lacks a version: what it needs would look like nobody's.

    And while it cannot be read what was given up before, since the list is written anew.
    """
    for folder in (store.root / "datasets").glob("*"):
        collected(folder)
        sql = "SELECT version FROM versions WHERE dataset_id = ?"
        known = {row[0] for row in store.catalog.rows(sql, [folder.name])}
        if known != set(manifests.numbers(folder)):
            raise DamagedFile(folder, "the catalog does not know all of its versions")


def _given_up(store: Store, policy: Policy, head: Manifest) -> list[int]:
    tagged = {tag.version for tag in store.tags.of(head.dataset_id).values()}
    return policy.gives_up(store.history(head.dataset_id), tagged, now())


def _doomed(store: Store, given_up: dict[str, list[int]]) -> list[Path]:
    """Return all files and folders that only the versions given up, or nobody, needs."""
    named: set[str] = set()
    kept_items: set[str] = set()
    for folder in (store.root / "datasets").glob("*"):
        gone = set(given_up.get(folder.name, ()))
        for manifest in store.history(folder.name):
            if manifest.version not in gone:
                named |= manifest.folders() | maps.named(store.root, manifest)
        kept_items |= _items(store, folder.name, gone)
    kept_items |= staged_items(store.root)
    unnamed = [
        path
        for path in recovery.candidates(store.root)
        if path.relative_to(store.root).as_posix() not in named
    ]
    blobs = [store.blobs.path(digest) for digest in store.blobs if digest not in kept_items]
    left = [*_forgotten_quarantine(store), *uploads.unclaimed(store.catalog, store.root)]
    return [*unnamed, *blobs, *left]


def _items(store: Store, dataset_id: str, gone: set[int]) -> set[str]:
    """Return the ids of the items that live in a kept version of a dataset."""
    kept = [m.version for m in store.history(dataset_id) if m.version not in gone]
    numbers = ", ".join(map(str, kept)) or "NULL"
    rows = store.catalog.rows(
        "SELECT DISTINCT item_id FROM items i WHERE dataset_id = ? AND EXISTS ("  # noqa: S608
        f"SELECT 1 FROM versions v WHERE v.dataset_id = i.dataset_id AND v.version IN ({numbers}) "
        "AND v.version >= i.added AND (i.removed IS NULL OR v.version < i.removed))",
        [dataset_id],
    )
    return {str(row[0]) for row in rows}


def staged_items(root: Path) -> set[str]:
    """Return the ids of the items in the parts of interrupted jobs."""
    folders = [path.parent for path in (root / "jobs").glob("*/parts/*/items.parquet")]
    tables = [parts.read_table(folder, "items", ["item_id"]) for folder in folders]
    return {item_id for table in tables for item_id in table["item_id"].to_pylist()}


def _forgotten_quarantine(store: Store) -> list[Path]:
    """Return the bytes in quarantine that no entry names any more."""
    kept = Blobs(store.root / "quarantine")
    known = {row[0] for row in store.catalog.rows("SELECT DISTINCT item_id FROM quarantine")}
    return [kept.path(digest) for digest in kept if digest not in known]


def _freed(doomed: Iterable[Path]) -> int:
    """Return the bytes that deleting frees: of files with no name left elsewhere."""
    links: Counter[tuple[int, int]] = Counter()
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    for path in doomed:
        for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
            status = file.stat()
            identity = status.st_dev, status.st_ino
            if file.is_file():
                links[identity] += 1
                sizes[identity] = status.st_nlink, status.st_size
    return sum(size for key, (names, size) in sizes.items() if links[key] == names)


def _answers(store: Store, given_up: dict[str, list[int]]) -> int:
    """Return how many stored answers could not be replayed any more."""
    count = 0
    for dataset_id, numbers in given_up.items():
        if numbers:
            listed = ", ".join(map(str, numbers))
            sql = f"SELECT count(*) FROM answers WHERE dataset_id = ? AND version IN ({listed})"  # noqa: S608
            count += store.catalog.rows(sql, [dataset_id])[0][0]
    return count


def _delete(store: Store, given_up: dict[str, list[int]], doomed: list[Path]) -> None:
    for dataset_id, numbers in given_up.items():
        if numbers:
            folder = store.root / "datasets" / dataset_id
            _record(folder, [store.manifest(dataset_id, number) for number in numbers])
            finish(folder)
            store.reproject(dataset_id)
    for path in doomed:
        remove(path)


def _record(folder: Path, given_up: list[Manifest]) -> None:
    """Write down what is given up; from here on it is."""
    moment = now().isoformat(timespec="seconds")
    fresh = [
        Collected(m.version, m.digest, m.parent, m.message, m.created, moment) for m in given_up
    ]
    entries = sorted([*collected(folder).values(), *fresh], key=lambda entry: entry.version)
    write_sealed(folder / COLLECTED_FILE, {"versions": [asdict(entry) for entry in entries]})


def finish(folder: Path) -> list[int]:
    """Delete the manifests of versions that were given up; return their numbers."""
    numbers = sorted(collected(folder).keys() & set(manifests.numbers(folder)))
    for number in numbers:
        manifests.version_path(folder, number).unlink()
    if numbers:
        sync_folder(folder / "versions")
    return numbers


def finish_all(root: Path) -> None:
    """Finish what a crash interrupted, in all datasets; to be called before they are read.

    Where the list is damaged, nothing is deleted and nobody is held up; `doctor` names it.
    """
    for folder in sorted((root / "datasets").glob("*")):
        try:
            finish(folder)
        except DamagedFile as error:
            logger.warning("%s; versions that gc gave up may still be there", error)
