"""Backups: a consistent copy of a workspace, made while it is served; checked, and restored.

A backup is a folder of its own below the target, named by its time, and is a whole workspace.
`backup.json`, written last, says what every file was; a folder without it is unfinished, and is
neither restored nor built upon. A file that an earlier backup in the same target holds, with the
bytes that are promised, is linked from there and costs no space.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from ragstone.errors import DamagedFile
from ragstone.schemas.api import BackupResult
from ragstone.storage import manifests
from ragstone.storage.backup_record import Earlier, Record, newest, write_record
from ragstone.storage.catalog import CATALOG_FILE, now
from ragstone.storage.copying import (
    Progress,
    Tell,
    check_outside,
    copy_file,
    link_file,
    sync_tree,
)
from ragstone.storage.files import (
    TEMPORARY,
    FileStamp,
    make_folder,
    remove,
    stamp,
    sync_folder,
    verify,
)
from ragstone.storage.maps import MAPS
from ragstone.storage.owner import LOCK_FILE, OWNER_FILE

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_NAME = "%Y-%m-%dT%H-%M-%S.%f"
# What belongs to the process that has the workspace open, or is copied in its own way.
_NOT_COPIED = {OWNER_FILE, LOCK_FILE, CATALOG_FILE, f"{CATALOG_FILE}.wal", "jobs", "blobs"}
_NAMED_BY_MANIFESTS = {"parts", "vectors", "keywords", "duplicates", "versions"}
_MADE_AGAIN = {MAPS}


@dataclass(slots=True)
class _Plan:
    """What there was at the moment of the backup."""

    numbers: dict[str, list[int]] = field(default_factory=dict)  # of versions, by dataset id
    small: dict[str, bytes] = field(default_factory=dict)  # tags and the like, by path
    versions: dict[str, Manifest] = field(default_factory=dict)  # by path of the manifest
    promised: dict[str, FileStamp] = field(default_factory=dict)  # what the manifests name
    unreadable: list[str] = field(default_factory=list)  # manifests


def backup(store: Store, target: Path, on_progress: Tell | None = None) -> BackupResult:
    """Copy the workspace of `store` into a new folder below `target`.

    Others may read and write meanwhile: the copy holds the versions there were when it began.

    Parameters
    ----------
    target
        Of all backups of this workspace; made when missing. A file that the newest finished backup
        there holds is compared with its digest, and linked.
    on_progress
        Called with the bytes done and the bytes in all.

    Raises
    ------
    InvalidArgument
        The target lies in the workspace.
    """
    started = monotonic()
    target = target.absolute()
    check_outside("target", target, store.root)
    make_folder(target)
    moment = now()
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)  # as it is recorded
    folder = target / f"{moment.strftime(_NAME)[:-3]}Z"
    earlier = newest(target)
    folder.mkdir()
    try:
        with store.keeping():
            with store.writing():
                plan = _plan(store.root)
                store.catalog.copy_to(folder / CATALOG_FILE)
            _read_versions(plan, store)
            work = _Copy(store.root, folder, earlier)
            work.run(plan, on_progress)
        sync_tree(folder)
        record = _record(plan, work, moment.isoformat(timespec="milliseconds"))
        write_record(folder, record)
        sync_folder(target)
    except BaseException:
        remove(folder)
        raise
    return BackupResult(
        folder=str(folder),
        created=moment,
        datasets=len(record.datasets),
        versions=record.versions,
        files=len(record.files),
        bytes=sum(file.size for file in record.files.values()),
        copied_bytes=work.copied,
        linked_files=work.linked,
        earlier=str(earlier.folder) if earlier else None,
        damaged=record.damaged,
        seconds=round(monotonic() - started, 3),
    )


def _plan(root: Path) -> _Plan:
    """Take down what there is: names, and files of a few lines; commits wait for it."""
    plan = _Plan()
    for folder in sorted((root / "datasets").glob("*")):
        plan.numbers[folder.name] = manifests.numbers(folder)
        for file in _files(folder, _NAMED_BY_MANIFESTS | _MADE_AGAIN):
            plan.small[_relative(root, file)] = file.read_bytes()
    return plan


def _read_versions(plan: _Plan, store: Store) -> None:
    """Read which files the versions consist of."""
    for dataset_id, numbers in plan.numbers.items():
        for number in numbers:
            file = manifests.version_path(store.root / "datasets" / dataset_id, number)
            path = _relative(store.root, file)
            try:
                plan.versions[path] = store.manifest(dataset_id, number)
            except DamagedFile:
                plan.unreadable.append(path)
            else:
                plan.promised.update(plan.versions[path].files())


def _files(folder: Path, left_out: set[str]) -> list[Path]:
    """Return the files below `folder`, without its entries `left_out` and what is half written."""
    found: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.name in left_out or entry.name.startswith(TEMPORARY):
            continue
        found += [entry] if entry.is_file() else sorted(entry.rglob("*"))
    return [p for p in found if p.is_file() and not p.name.startswith(TEMPORARY)]


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


# ---------------------------------------------------------------- copying


class _Copy:
    """Copies files of the workspace `root` into `folder`, each once."""

    def __init__(self, root: Path, folder: Path, earlier: Earlier | None) -> None:
        self._root = root
        self._folder = folder
        self._earlier = earlier
        self._here: dict[FileStamp, Path] = {}  # immutable files in this backup
        self.stamps: dict[str, FileStamp] = {}
        self.damaged: list[str] = []
        self.copied = 0  # bytes
        self.linked = 0  # files

    def run(self, plan: _Plan, tell: Tell | None) -> None:
        blobs = [p for p in _files(self._root / "blobs", set()) if len(p.name) == 64]
        others = [*plan.versions, *plan.unreadable]
        top = _files(self._root, {*_NOT_COPIED, "datasets"})
        others += [_relative(self._root, path) for path in top]
        total = sum(file.size for file in plan.promised.values())
        total += sum((self._root / path).stat().st_size for path in others)
        progress = Progress(total + sum(path.stat().st_size for path in blobs), tell)
        self._keep(CATALOG_FILE, stamp(self._folder / CATALOG_FILE))
        for path, content in plan.small.items():
            self._make_parent(path).write_bytes(content)
            self._keep(path, stamp(self._folder / path))
        for path in others:
            self._current(path, progress)
        for path, promised in plan.promised.items():
            self._immutable(path, promised)
            progress.add(promised.size)
        for blob in blobs:
            size = blob.stat().st_size
            self._immutable(_relative(self._root, blob), FileStamp(size, blob.name))
            progress.add(size)
        self.damaged += plan.unreadable

    def _current(self, path: str, progress: Progress) -> None:
        """Take over a file as it is now; one that is gone by now belongs to nothing."""
        source = self._root / path
        before = self._earlier.record.files.get(path) if self._earlier else None
        try:
            if before and before.size == source.stat().st_size and before == stamp(source):
                self._immutable(path, before)
            else:
                self._keep(path, copy_file(source, self._make_parent(path)))
        except FileNotFoundError:
            return
        progress.add(self.stamps[path].size)

    def _immutable(self, path: str, promised: FileStamp) -> None:
        """Take over a file whose bytes are known: linked where they are there, else copied."""
        target = self._make_parent(path)
        same = self._here.get(promised)  # Tantivy's files are shared between generations
        if same is None:
            same = self._whole_earlier(path, promised)
        if same and link_file(same, target):
            self.linked += 1
            self.stamps[path] = promised
        else:
            self._copy(path, target, promised)
        if self.stamps.get(path) == promised:
            self._here.setdefault(promised, target)

    def _copy(self, path: str, target: Path, promised: FileStamp) -> None:
        try:
            copied = copy_file(self._root / path, target)
        except FileNotFoundError:
            self.damaged.append(path)
            return
        if copied != promised:
            self.damaged.append(path)
        self._keep(path, copied)

    def _whole_earlier(self, path: str, promised: FileStamp) -> Path | None:
        """Return the file of the earlier backup, when its bytes are those promised."""
        if self._earlier is None or self._earlier.record.files.get(path) != promised:
            return None
        held = self._earlier.folder / path
        try:
            verify(held, promised)
        except DamagedFile:
            return None  # the workspace's own goes into this backup
        return held

    def _keep(self, path: str, copied: FileStamp) -> None:
        self.stamps[path] = copied
        self.copied += copied.size

    def _make_parent(self, path: str) -> Path:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _record(plan: _Plan, work: _Copy, created: str) -> Record:
    newest_versions: dict[str, int] = {}
    for manifest in plan.versions.values():
        newest_versions[manifest.dataset] = manifest.version  # ascending within a dataset
    count = len(plan.versions) + len(plan.unreadable)
    return Record(created, newest_versions, count, work.stamps, sorted(work.damaged))
