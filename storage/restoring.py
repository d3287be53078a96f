"""Restoring: a backup is checked file by file, and becomes a workspace again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from time import monotonic

from ragstone.errors import DamagedFile
from ragstone.schemas.api import BackupCheck, Finding, RestoreResult
from ragstone.storage.backup_record import BACKUP_FILE, Record, read_record
from ragstone.storage.copying import (
    Progress,
    Tell,
    check_target,
    copy_file,
    link_file,
    new_folder,
)
from ragstone.storage.files import FileStamp, verify
from ragstone.storage.sealed import RESPELT, respelt

_Identity = tuple[int, int]  # of a file, whatever its name: device and inode
_LATER = "Use another backup; the next one made beside it takes this file from the workspace."
_HARMLESS = "Everything can be restored; yet the disk that changed it is not to be trusted."
_BEFORE = "It was so in the workspace already; ragstone doctor says what can be done."


def verify_backup(folder: Path, on_progress: Tell | None = None) -> BackupCheck:
    """Compare every file of the backup at `folder` with its digest.

    Raises
    ------
    DamagedFile
        It is no finished backup.
    """
    record = read_record(folder)
    size = _size(record)
    progress, checked = Progress(size, on_progress), dict[_Identity, FileStamp]()
    findings = [Finding("backup", path, "it was damaged", _BEFORE) for path in record.damaged]
    if respelt(folder / BACKUP_FILE):
        findings.append(Finding("backup", BACKUP_FILE, RESPELT, _HARMLESS))
    for path, promised in record.files.items():
        try:
            _check(folder / path, promised, checked)
        except DamagedFile as error:
            findings.append(Finding("backup", path, error.message, _LATER))
        progress.add(promised.size)
    created = datetime.fromisoformat(record.created)
    return BackupCheck(str(folder), created, len(record.files), size, findings)


def restore_backup(folder: Path, target: Path, on_progress: Tell | None = None) -> RestoreResult:
    """Make the workspace `target` from the backup at `folder`; it shares no bytes with it.

    Parameters
    ----------
    target
        A folder that is empty, or not there yet. It appears when all is in it.

    Raises
    ------
    InvalidArgument
        There is something at `target`.
    DamagedFile
        The backup is not finished, or a file is not what it was; nothing was written.
    """
    started = monotonic()
    folder, target = folder.absolute(), target.absolute()
    record = read_record(folder)
    check_target("target", target, folder)
    size = _size(record)
    progress = Progress(size, on_progress)
    with new_folder(target) as temporary:
        made: dict[_Identity, tuple[FileStamp, Path]] = {}
        for path, promised in record.files.items():
            _restore(folder / path, temporary / path, promised, made)
            progress.add(promised.size)
    return RestoreResult(
        backup=str(folder),
        workspace=str(target),
        created=datetime.fromisoformat(record.created),
        datasets=len(record.datasets),
        versions=record.versions,
        files=len(record.files),
        bytes=size,
        damaged=record.damaged,
        later_forgets=_later_forgets(folder),
        seconds=round(monotonic() - started, 3),
    )


def _size(record: Record) -> int:
    return sum(file.size for file in record.files.values())


def _check(path: Path, promised: FileStamp, checked: dict[_Identity, FileStamp]) -> None:
    """Compare a file with what was promised; under several names it is read once."""
    identity = _identity(path)
    if checked.get(identity) != promised:
        verify(path, promised)
        checked[identity] = promised


def _restore(
    path: Path, target: Path, promised: FileStamp, made: dict[_Identity, tuple[FileStamp, Path]]
) -> None:
    """Copy a file; what is one file under several names in the backup is one here too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    identity = _identity(path)
    known, same = made.get(identity, (None, target))
    if known == promised and link_file(same, target):
        return
    copied = copy_file(path, target)
    if copied != promised:
        raise DamagedFile(path, "its bytes have changed since the backup")
    made[identity] = promised, target


def _identity(path: Path) -> _Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
    return status.st_dev, status.st_ino


def _later_forgets(folder: Path) -> list[str]:
    """Return the receipts, in later backups beside this one, of erasures it knows nothing of."""
    known = {path.name for path in folder.glob("forgets/*.json")}
    beside = (path.parent for path in folder.parent.glob(f"*/{BACKUP_FILE}"))
    later = (other for other in beside if other.name > folder.name)
    found = {path.stem for other in later for path in other.glob("forgets/*.json")}
    return sorted(name for name in found if f"{name}.json" not in known)
