"""`backup.json`: what a backup consists of. A folder without it is no finished backup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ragstone.errors import DamagedFile
from ragstone.storage.files import FileStamp
from ragstone.storage.sealed import pack_stamps, read_sealed, unpack_stamps, write_sealed

BACKUP_FILE = "backup.json"
BACKUP_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """What `backup.json` says."""

    created: str  # ISO 8601, UTC
    datasets: dict[str, int]  # name -> newest version
    versions: int
    files: dict[str, FileStamp]  # by path in the backup
    damaged: list[str]  # files that were not as promised already in the workspace
    format: int = BACKUP_FORMAT


@dataclass(frozen=True, slots=True)
class Earlier:
    """A finished backup that may be linked from."""

    folder: Path
    record: Record


def write_record(folder: Path, record: Record) -> None:
    """Write `backup.json`; the backup is finished with it."""
    values = {
        "format": record.format,
        "created": record.created,
        "datasets": record.datasets,
        "versions": record.versions,
        "damaged": record.damaged,
        "files": pack_stamps(record.files),
    }
    write_sealed(folder / BACKUP_FILE, values)


def read_record(folder: Path) -> Record:
    """Return what the backup at `folder` consists of.

    Raises
    ------
    DamagedFile
        `backup.json` is not there, so the backup was never finished, or it has changed.
    """
    path = folder / BACKUP_FILE
    if not path.exists():
        raise DamagedFile(path, "it is not there: this is no backup, or an unfinished one")
    values = read_sealed(path)
    if values["format"] != BACKUP_FORMAT:
        raise DamagedFile(path, f"format {values['format']} is not known to this release")
    for name in values["files"]:
        if name.startswith("/") or ".." in name.split("/"):
            raise DamagedFile(path, f"{name!r} is no file in a backup")
    return Record(**{**values, "files": unpack_stamps(values["files"])})


def newest(target: Path) -> Earlier | None:
    """Return the newest finished backup below `target`."""
    for folder in sorted(target.glob("*Z"), reverse=True):
        try:
            return Earlier(folder, read_record(folder))
        except DamagedFile:
            continue
    return None
