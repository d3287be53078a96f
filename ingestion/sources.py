"""Where raw objects come from: files, folders, archives, tables, databases, other datasets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ragstone.config import LimitSettings
from ragstone.errors import UnknownSource
from ragstone.ingestion.file_sources import FileSource
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.parsers.templates import text_fields
from ragstone.ingestion.passwords import check_address
from ragstone.ingestion.tabular import path_text
from ragstone.schemas.records import Raw, RowColumns

if TYPE_CHECKING:
    from ragstone.config import FetchSettings

# A scheme has two letters at least: `c:` is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DATASET = "dataset"  # of the same workspace: dataset:NAME@VERSION
_UPLOAD = "upload"  # into the same workspace: upload:ULID
_DATABASES = ("sqlite", "postgresql", "postgres")
# Others are told by the `/` after them.
_KNOWN = (_DATASET, _UPLOAD, *_DATABASES, "sitemap", "http", "https")


class Source(Protocol):
    """Yields the raw objects of one place, always in the same order."""

    @property
    def total(self) -> int | None:
        """How many there are, when that is known without reading them."""
        ...

    def raws(self) -> Iterator[Raw]:
        """Yield each object once."""
        ...


def open_source(
    where: str | Path,
    options: SourceOptions | RowColumns | None = None,
    *,
    limits: LimitSettings | None = None,
    fetch: FetchSettings | None = None,
    datasets: Mapping[str, Source] | None = None,
) -> Source:
    """Open a place by the form of its name.

    Parameters
    ----------
    where
        Path of a file, a folder or an archive; `sqlite:///PATH` or `postgresql://…`;
        `dataset:NAME@VERSION`, `upload:ULID`; or the address of something remote.
    options
        How to read it. Columns alone are short for options with these columns.
    limits
        What an archive may unpack to, and a remote object may cost.
    fetch
        What may be fetched from other machines.
    datasets
        What the workspace itself has and may be read: versions of other datasets, by
        `dataset:NAME@VERSION`, and uploads, by `upload:ULID`.

    Raises
    ------
    UnknownSource
        Nothing is there.
    InvalidArgument
        The options do not fit what is there: no table has a text column, a glob is none; or the
        address holds a password.
    """
    check_address(str(where))
    if not isinstance(options, SourceOptions):
        options = SourceOptions(columns=options)
    if options.columns is not None:
        text_fields(options.columns.text)  # raises when a template is none
    limits = limits or LimitSettings()
    scheme = scheme_of(where)
    if scheme is None:
        return _open_path(where, options, limits)
    if scheme in (_DATASET, _UPLOAD):
        return _open_own(str(where), datasets or {})
    if is_database(where):
        from ragstone.ingestion.sql_sources import open_database

        return open_database(str(where), options)
    return _open_remote(str(where), fetch, limits)


def scheme_of(where: str | Path) -> str | None:
    """Return the scheme of an address in small letters, None for the path of a file or folder."""
    match = _SCHEME.match(where) if isinstance(where, str) else None
    if match is None:
        return None
    scheme = match[1].lower()
    known = scheme.partition("+")[0] in _KNOWN or match.string.startswith("/", match.end())
    return scheme if known else None


def is_database(where: str | Path) -> bool:
    """Tell whether a place is a database."""
    return (scheme_of(where) or "").partition("+")[0] in _DATABASES


def is_page(where: str) -> bool:
    """Tell whether a place is one document of the web, not a sitemap."""
    if scheme_of(where) not in ("http", "https"):
        return False
    from ragstone.ingestion import remote

    return remote.is_page(where)


def absolute_place(where: str | Path) -> str:
    """Return a place for whoever has another current folder; addresses stay as they are."""
    scheme = scheme_of(where)
    if scheme is None:
        return str(Path(where).expanduser().absolute())
    if scheme == "sqlite":
        from ragstone.ingestion.databases import sqlite_path

        return f"sqlite:///{sqlite_path(str(where))}"
    return str(where)


def source_prefix(where: str | Path, options: SourceOptions | None = None) -> str:
    """Return what all sources of a place begin with; then come `/`, `!`, `#`, or nothing more.

    It tells which sources of a dataset are of this place, and holds no password. The pages of a
    sitemap have no such beginning: they are anywhere on its site, so `sitemap:URL` stands for them.
    """
    scheme = scheme_of(where)
    if scheme is None:
        return path_text(Path(where).expanduser().resolve())
    if scheme == _DATASET:
        return str(where).partition("@")[0]
    if scheme == _UPLOAD:
        return str(where)
    if not is_database(where):
        from ragstone.ingestion.remote import remote_prefix

        return remote_prefix(str(where))
    from ragstone.ingestion.databases import sqlite_path
    from ragstone.ingestion.passwords import safe_url
    from ragstone.ingestion.sql_sources import base_of

    if scheme == "sqlite":
        place = f"sqlite:///{path_text(sqlite_path(str(where)).resolve())}"
    else:
        place = safe_url(str(where))
    return base_of(place, options or SourceOptions())


def _open_path(where: str | Path, options: SourceOptions, limits: LimitSettings) -> Source:
    from ragstone.ingestion.dataset_sources import open_export
    from ragstone.ingestion.huggingface_sources import open_huggingface
    from ragstone.ingestion.idx_sources import open_idx

    path = Path(where).expanduser()
    try:
        path = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UnknownSource(str(where)) from error
    for found in (
        open_export(path, options),
        open_huggingface(path, options),
        open_idx(path, limits),
    ):
        if found is not None:
            return found
    source = FileSource(path, options, limits)
    source.check_columns()
    return source


def _open_own(where: str, datasets: Mapping[str, Source]) -> Source:
    """Return what the workspace has, which the caller has opened."""
    if where not in datasets:
        raise UnknownSource(where)
    return datasets[where]


def _open_remote(where: str, fetch: FetchSettings | None, limits: LimitSettings) -> Source:
    """Open what another machine has."""
    from ragstone.config import FetchSettings
    from ragstone.ingestion.remote import open_remote

    settings = fetch or FetchSettings()
    source: Source | None = open_remote(where, settings, limits)
    if source is None:
        raise UnknownSource(where)
    return source
