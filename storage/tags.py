"""Tags: names for versions, one small file each: `datasets/<id>/tags/<tag>.json`.

The files are the truth and are few, so they are read when they are asked for.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ragstone.errors import DamagedFile, InvalidArgument, TagExists, UnknownTag
from ragstone.storage.catalog import now
from ragstone.storage.files import (
    digest_bytes,
    make_folder,
    publish_once,
    sync_folder,
    write_durably,
)
from ragstone.storage.manifests import Manifest

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for a version."""

    name: str
    version: int
    digest: str  # of the version's manifest
    message: str
    created: str  # ISO 8601, UTC


class Tags:
    """The tags of all datasets in the workspace `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, dataset_id: str) -> dict[str, Tag]:
        """Return the tags of a dataset, by name.

        Raises
        ------
        DamagedFile
            One cannot be read.
        """
        found = sorted(self._folder(dataset_id).glob("[A-Za-z]*.json"))
        return {tag.name: tag for tag in map(read, found)}

    def set(self, manifest: Manifest, name: str, message: str, *, move: bool) -> Tag:
        """Let `name` mean the version of `manifest`.

        Raises
        ------
        InvalidArgument
            The name could be taken for a number or a time.
        TagExists
            It names another version, and `move` is False.
        """
        if not _NAME.fullmatch(name):
            expected = "a letter, then letters, digits, '.', '_' and '-', at most 100"
            raise InvalidArgument("tag", name, expected)
        known = self.of(manifest.dataset_id).get(name)
        if known and known.version == manifest.version:
            return known
        if known and not move:
            raise TagExists(manifest.dataset, name, known.version)
        tag = Tag(name, manifest.version, manifest.digest, message, now().isoformat())
        make_folder(self._folder(manifest.dataset_id))
        path = self._path(manifest.dataset_id, name)
        values = {**asdict(tag), "checksum": _checksum(asdict(tag))}
        content = json.dumps(values, ensure_ascii=False).encode()
        if known:
            write_durably(path, content)
        else:
            publish_once(path, content)
        return tag

    def remove(self, manifest: Manifest, name: str) -> None:
        """Forget the name; the version stays.

        Raises
        ------
        UnknownTag
            There is none.
        """
        known = self.of(manifest.dataset_id)
        if name not in known:
            raise UnknownTag(manifest.dataset, name, known)
        self._path(manifest.dataset_id, name).unlink()
        sync_folder(self._folder(manifest.dataset_id))

    def _folder(self, dataset_id: str) -> Path:
        return self._root / "datasets" / dataset_id / "tags"

    def _path(self, dataset_id: str, name: str) -> Path:
        return self._folder(dataset_id) / f"{name}.json"


def read(path: Path) -> Tag:
    """Read the tag at `path` and check it against its own checksum.

    Raises
    ------
    DamagedFile
        It cannot be read, is no tag, or its bytes have changed.
    """
    try:
        values = json.loads(path.read_bytes())
        if values.pop("checksum") != _checksum(values):
            raise DamagedFile(path, "its checksum does not fit its content")
        return Tag(**values)
    except OSError as error:
        raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedFile(path, f"it is no tag ({error})") from error


def _checksum(values: dict[str, Any]) -> str:
    return digest_bytes(json.dumps(values, sort_keys=True, ensure_ascii=False).encode())


def as_time(wanted: str) -> datetime | None:
    """Return the moment that is written: ISO 8601, UTC unless it says otherwise; None if none is.

    A date alone is its first moment.
    """
    if not _DATE.match(wanted):
        return None
    try:
        moment = datetime.fromisoformat(wanted)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
