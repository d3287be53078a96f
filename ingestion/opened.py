"""The places of a job, opened: what was seen of each, and from where to go on the next time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from ragstone.ingestion.file_sources import FileSource
from ragstone.ingestion.options import Cursor, SourceOptions
from ragstone.ingestion.pages import LISTING
from ragstone.ingestion.passwords import check_address
from ragstone.ingestion.sources import Source, is_page, open_source, source_prefix
from ragstone.ingestion.sql_sources import SqlSource
from ragstone.ingestion.upload_sources import UploadSource
from ragstone.storage.files import digest_bytes

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.schemas.records import Raw

Reading = tuple[str, SourceOptions]  # a place, and how it is read


@dataclass(slots=True)
class Opened:
    """A source that notes what was seen of it.

    Parameters
    ----------
    prefix
        What its source objects begin with, see `Ledger.remove_unmet`; empty for pages, of which
        none can be gone: each is met.
    cursor
        The name under which the last value of its cursor is kept; empty when none is.
    """

    source: Source
    prefix: str = ""
    cursor: str = ""
    whole: bool = False  # the last call of `raws` came to the end, and no list was missing

    @property
    def listing(self) -> str:
        """The source of the list itself, when it is refused; without `/` at its end."""
        return self.prefix.removeprefix("sitemap:").rstrip("/")

    @property
    def total(self) -> int | None:
        """As its source says."""
        return self.source.total

    def raws(self) -> Iterator[Raw]:
        """Yield each object of its source."""
        self.whole = False
        missing = False
        for raw in self.source.raws():
            missing |= raw.problem is not None and LISTING in raw.metadata
            yield raw
        self.whole = not missing


def open_places(
    readings: Iterable[Reading],
    settings: Settings,
    *,
    datasets: Mapping[str, Source],
    cursors: Mapping[str, Cursor],
    shape: str,
) -> list[Opened]:
    """Open the places of a job, in their order.

    Pages that follow on each other become one source, so that each host is asked for its
    robots.txt once, and left alone between two of them.

    Parameters
    ----------
    datasets
        As in `open_source`.
    cursors
        Last values that were read, of the version that the job builds on.
    shape
        Digest of the settings that shape chunks: under others, a database is read from its
        beginning, as every other place is.

    Raises
    ------
    UnknownSource, InvalidArgument, SourceUnavailable, DatabaseUnavailable
        See `open_source`.
    """
    opened: list[Opened] = []
    for pages, together in groupby(readings, lambda reading: is_page(reading[0])):
        if pages:
            opened.append(_pages([place for place, _ in together], settings))
            continue
        for place, options in together:
            name = _cursor_name(place, options, shape)
            after = cursors.get(name) if name else options.after
            source = open_source(
                place,
                replace(options, after=after),
                limits=settings.limits,
                fetch=settings.fetch,
                datasets=datasets,
            )
            opened.append(Opened(source, _prefix(source, place, options), name))
    return opened


def seen_whole(places: Iterable[Opened]) -> tuple[list[str], list[str]]:
    """Return the prefixes of places that were seen whole, and those of the others.

    A place that is read from a cursor on is never seen whole. Nor is an upload: nobody takes files
    out of one but an erasure, and what else came with an erased file stays.
    """
    whole: list[str] = []
    partial: list[str] = []
    for place in places:
        has_cursor = isinstance(place.source, SqlSource) and place.source.has_cursor
        lacking = has_cursor or isinstance(place.source, UploadSource)
        if place.prefix:
            (whole if place.whole and not lacking else partial).append(place.prefix)
    return whole, partial


def last_cursors(places: Iterable[Opened]) -> dict[str, Cursor]:
    """Return how far the databases were read that have a cursor.

    One that broke off counts as not read: of several rows with one value, some may be missing.
    """
    found: dict[str, Cursor] = {}
    for place in places:
        if place.whole and place.cursor and isinstance(place.source, SqlSource):
            last = place.source.last_cursor
            if last is not None:
                found[place.cursor] = last
    return found


def _pages(urls: list[str], settings: Settings) -> Opened:
    from ragstone.ingestion.web_sources import UrlSource  # loads much that files do without

    for url in urls:
        check_address(url)
    return Opened(UrlSource(urls, settings.fetch, settings.limits))


def _cursor_name(place: str, options: SourceOptions, shape: str) -> str:
    """Return the name of what is read from a cursor on; none when the caller says from where."""
    if options.cursor is None or options.after is not None:
        return ""
    return digest_bytes(json.dumps([place, options.to_dict(), shape], sort_keys=True).encode())


def _prefix(source: Source, place: str, options: SourceOptions) -> str:
    """Return what the objects of an opened place begin with.

    Those of a folder of files lie below it; `FOLDER#…` are rows of a dataset that the folder was,
    and is not taken for while it is damaged.
    """
    prefix = source_prefix(place, options)
    below = isinstance(source, FileSource) and source.is_folder
    return f"{prefix.rstrip('/')}/" if below else prefix
