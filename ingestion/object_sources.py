"""Object stores as sources, through fsspec: one object, a folder, or all that match a pattern.

    s3://bucket/reports/          everything below, hidden objects aside
    gs://bucket/2026/**/*.pdf     what matches
    az://container/notes.md       one object

Keys and endpoints come from where the store's own tools look for them (environment, files, the
machine's role), never from the address.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from ragstone.config import LimitSettings
from ragstone.errors import FetchFailed, InvalidArgument, LimitExceeded, Rejected, SourceUnavailable
from ragstone.ingestion.pages import refused
from ragstone.ingestion.parsers.base import clean
from ragstone.schemas.records import Raw

# Which package opens what. Protocols that reach into a machine or a network (file, sftp, smb,
# hdfs, github …) are left out on purpose, http goes through the guarded fetcher, and chains
# (zip://…::s3://…) would bring all of them back.
PROTOCOLS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "memory": "fsspec",  # of this process: for tests and notebooks
}
# What the stores' libraries raise beside OSError; looked up only in what is loaded.
_FAILURES = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
)
_WHERE = re.compile(r"([a-z][a-z0-9]*)://([^/\\?*\[\]@:#]+)(/.*)?", re.DOTALL)
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class _Object:
    path: str  # bucket/key
    name: str  # below the root
    size: int | None  # bytes, when the store says


class ObjectSource:
    """What an object store holds at `where`, in the order of the paths.

    Raises
    ------
    InvalidArgument
        `where` is no address of an object store.
    SourceUnavailable
        The package for this kind of store is not installed.
    """

    def __init__(self, where: str, limits: LimitSettings) -> None:
        match = _WHERE.fullmatch(where)
        if match is None or match[1] not in PROTOCOLS or "::" in where or not where.isprintable():
            expected = f"STORE://BUCKET/PATH without user, port or chain, by {', '.join(PROTOCOLS)}"
            raise InvalidArgument("source", where, expected)
        self._where, self._limits = where, limits
        self._protocol = match[1]
        self._path = f"{match[2]}{match[3] or ''}"
        self._kind = _store_kind(where, match[1])

    @property
    def total(self) -> int | None:
        """Number of objects; None when they cannot be listed."""
        return None if isinstance(self._listing, Rejected) else len(self._listing)

    def raws(self) -> Iterator[Raw]:
        """Yield each object, what cannot be had with its problem.

        A store that cannot be listed is yielded itself, with `pages.LISTING` in its metadata.
        """
        if isinstance(self._listing, Rejected):
            yield refused(self._where, self._listing, listing=True)
            return
        for found in self._listing:
            source, name = self._url(found), clean(found.name)
            try:
                yield Raw(source=source, name=name, content=self._content(found))
            except Rejected as problem:
                yield Raw(source=source, name=name, problem=problem)

    @cached_property
    def _store(self) -> Any:
        # Each source asks anew: a listing kept from an earlier one would hide what has changed.
        return self._kind(skip_instance_cache=True, use_listings_cache=False)

    @cached_property
    def _listing(self) -> list[_Object] | Rejected:
        """What is there; found out once, so that a job goes over one list however often."""
        try:
            found = sorted(self._found(), key=lambda entry: entry.path)
        except _failures() as error:
            return FetchFailed(self._where, _reason(error), _HINT)
        if not found:
            return FetchFailed(self._where, "nothing is there", "Check bucket and path.")
        return found

    def _found(self) -> Iterator[_Object]:
        """Yield the objects, without hidden ones and the placeholders of folders."""
        path = self._path.rstrip("/")
        if _PATTERN.search(path):
            root = _fixed_part(path)
            entries = self._store.glob(path, detail=True)
        else:
            info = self._store.info(path)
            is_folder = info["type"] == "directory"
            root = path if is_folder else str(PurePosixPath(path).parent)
            entries = self._store.find(path, detail=True) if is_folder else {path: info}
        root = root.strip("/")
        for key, info in entries.items():
            name = key.strip("/").removeprefix(root).lstrip("/")
            hidden = any(step.startswith(".") for step in name.split("/"))
            if info["type"] == "file" and name and not key.endswith("/") and not hidden:
                yield _Object(key.strip("/"), name, info.get("size"))

    def _url(self, found: _Object) -> str:
        return clean(f"{self._protocol}://{found.path}")

    def _content(self, found: _Object) -> bytes:
        """Return the bytes of an object; one that is too large is not asked for.

        Raises
        ------
        LimitExceeded, FetchFailed
            They are too many, or cannot be had.
        """
        limit = self._limits.bytes
        if found.size == 0:
            return b""  # no range of it exists
        size = found.size or 0
        if size <= limit:
            try:
                # One byte more than allowed tells that an object has grown since it was listed.
                content = bytes(self._store.cat_file(found.path, start=0, end=limit + 1))
            except _failures() as error:
                raise FetchFailed(self._url(found), _reason(error), _HINT) from error
            size = len(content)
            if size <= limit:
                return content
        raise LimitExceeded("Its size in bytes", size, limit, "limits.bytes")


def store_root(where: str) -> str:
    """Return what the sources of an object store begin with: the part that is no pattern."""
    protocol, _, path = where.partition("://")
    path = path.rstrip("/")
    return f"{protocol}://{_fixed_part(path) if _PATTERN.search(path) else path}"


_HINT = "Check the keys that the store's own tools use, the permissions, and bucket and path."


def _store_kind(where: str, protocol: str) -> Any:
    import fsspec

    try:
        return fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        raise SourceUnavailable(where, PROTOCOLS[protocol]) from error


def _failures() -> tuple[type[Exception], ...]:
    """Return what a store raises when it does not give what was asked."""
    found = [
        getattr(sys.modules[module], name) for module, name in _FAILURES if module in sys.modules
    ]
    return (OSError, ValueError, *found)


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    kind = type(error).__name__
    return clean(f"{kind}: {lines[0][:200]}" if lines else kind)


def _fixed_part(pattern: str) -> str:
    """Return the folders of a pattern before the first that is not spelled out."""
    steps = pattern.split("/")
    first = next(number for number, step in enumerate(steps) if _PATTERN.search(step))
    return "/".join(steps[:first])
