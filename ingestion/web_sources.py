"""Pages of the web as sources: by their addresses, or by a sitemap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ragstone.config import FetchSettings, LimitSettings
from ragstone.errors import BlockedAddress, LimitExceeded, Rejected
from ragstone.ingestion.addresses import Target, parse_url, same_site
from ragstone.ingestion.fetching import Fetcher
from ragstone.ingestion.pages import refused
from ragstone.ingestion.sitemaps import Entry, entries
from ragstone.ingestion.visiting import Visitor, visiting
from ragstone.schemas.records import Raw

_MAX_DEPTH = 3  # of sitemaps that name sitemaps; the protocol has two levels


class UrlSource:
    """The documents at `urls`, in this order.

    Parameters
    ----------
    fetcher
        The one to use, which stays open; by default each call of `raws` has its own.
    """

    def __init__(
        self,
        urls: Sequence[str],
        settings: FetchSettings,
        limits: LimitSettings,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._urls = tuple(urls)
        self._settings, self._limits, self._fetcher = settings, limits, fetcher

    @property
    def total(self) -> int | None:
        """Number of addresses."""
        return len(self._urls)

    def raws(self) -> Iterator[Raw]:
        """Yield what each address gives; what cannot be had with its problem."""
        with visiting(self._settings, self._limits, self._fetcher) as visitor:
            for url in self._urls:
                yield visitor.raw(url)


class SitemapSource:
    """The pages that a site's sitemap names, in its order.

    Parameters
    ----------
    url
        A sitemap, a sitemap index, or the root of a site: then the sitemaps that its robots.txt
        names, else /sitemap.xml.
    fetcher
        See `UrlSource`.
    """

    def __init__(
        self,
        url: str,
        settings: FetchSettings,
        limits: LimitSettings,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._url = url
        self._settings, self._limits, self._fetcher = settings, limits, fetcher

    @property
    def total(self) -> int | None:
        """Only the sitemap knows."""
        return None

    def raws(self) -> Iterator[Raw]:
        """Yield each page once, up to the setting `fetch.pages`.

        A sitemap that cannot be had, or not whole, is yielded with its problem, and with
        `pages.LISTING` in its metadata.
        """
        with visiting(self._settings, self._limits, self._fetcher) as visitor:
            try:
                start = parse_url(self._url, self._settings.ports)
            except BlockedAddress as blocked:
                yield refused(self._url, blocked, listing=True)
                return
            walk = _Walk(start, self._settings, self._limits, visitor)
            for found in walk.pages():
                yield found if isinstance(found, Raw) else visitor.raw(found)


@dataclass(slots=True)
class _Walk:
    """One way through the sitemaps of a site, depth first, each sitemap and page once."""

    start: Target
    settings: FetchSettings
    limits: LimitSettings
    visitor: Visitor
    _sitemaps: set[str] = field(default_factory=set)
    _pages: set[str] = field(default_factory=set)

    def pages(self) -> Iterator[str | Raw]:
        """Yield addresses of pages, and what cannot be followed with its problem."""
        try:
            roots = self._roots()
        except Rejected as problem:
            yield refused(self.start.url, problem, listing=True)
            return
        pending = [(url, 1) for url in reversed(roots)]
        while pending:
            url, depth = pending.pop()
            if len(self._sitemaps) == self.settings.pages:
                yield self._too_many("sitemaps")
                return
            self._sitemaps.add(url)
            deeper: list[str] = []
            for entry in self._entries(url):
                if isinstance(entry, Raw):
                    yield entry
                elif entry.is_sitemap:
                    yield from self._enter(entry.url, depth + 1, deeper)
                elif len(self._pages) == self.settings.pages and entry.url not in self._pages:
                    yield self._too_many("pages")
                    return
                else:
                    yield from self._page(entry.url)
            pending.extend((url, depth + 1) for url in reversed(deeper))

    def _roots(self) -> list[str]:
        if self.start.path != "/":
            return [self.start.url]
        named = self.visitor.robots(self.start).sitemaps
        return list(dict.fromkeys(named)) or [f"{self.start.origin}/sitemap.xml"]

    def _entries(self, url: str) -> Iterator[Entry | Raw]:
        """Yield what the sitemap at `url` names; last, when it breaks off, itself."""
        try:
            yield from entries(self.visitor.fetch(url).content, self.limits)
        except Rejected as problem:
            yield refused(url, problem, listing=True)

    def _enter(self, url: str, depth: int, deeper: list[str]) -> Iterator[Raw]:
        """Note a sitemap that is to be followed, or yield it with the reason why it is not."""
        if url in self._sitemaps or url in deeper:
            return
        if depth > _MAX_DEPTH:
            reason = f"sitemaps are followed {_MAX_DEPTH} levels deep"
        elif not self._is_of_site(url):
            reason = f"a sitemap of {self.start.host} speaks for that site only"
        else:
            deeper.append(url)
            return
        hint = "Take this sitemap in by its own address, if it is wanted."
        yield refused(url, BlockedAddress(url, reason, hint), listing=True)

    def _page(self, url: str) -> Iterator[str | Raw]:
        if url in self._pages:
            return
        self._pages.add(url)
        if self._is_of_site(url):
            yield url
            return
        reason = f"a sitemap of {self.start.host} speaks for that site only"
        hint = "Take it in by its own address, if it is wanted."
        yield refused(url, BlockedAddress(url, reason, hint))

    def _is_of_site(self, url: str) -> bool:
        try:
            host = parse_url(url, self.settings.ports).host
        except BlockedAddress:
            return True  # to be refused with its own reason
        return same_site(host, self.start.host)

    def _too_many(self, what: str) -> Raw:
        limit = self.settings.pages
        problem = LimitExceeded(f"The number of {what}", limit + 1, limit, "fetch.pages")
        return refused(self.start.url, problem, listing=True)
