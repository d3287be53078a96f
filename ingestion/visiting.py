"""Fetching with manners: robots.txt is kept to, and each host is left alone for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ragstone.config import FetchSettings, LimitSettings
from ragstone.errors import BlockedAddress, FetchFailed, LimitExceeded, Rejected, RobotsDisallowed
from ragstone.ingestion.addresses import Target, parse_url
from ragstone.ingestion.fetching import Fetched, Fetcher
from ragstone.ingestion.pages import page, refused
from ragstone.ingestion.robots import Robots, parse_robots
from ragstone.schemas.records import Raw

_TOO_MANY_REQUESTS = 429


@dataclass(slots=True)
class Visitor:
    """Fetches for one source; remembers what each site asks for."""

    fetcher: Fetcher
    settings: FetchSettings
    _robots: dict[str, Robots | FetchFailed] = field(default_factory=dict)  # by origin
    _ready: dict[str, float] = field(default_factory=dict)  # by host: when it may be asked again

    def raw(self, url: str) -> Raw:
        """Return what `url` gives, or why it gives nothing."""
        try:
            source = parse_url(url, self.settings.ports).url
        except BlockedAddress as problem:
            return refused(url, problem)
        try:
            return page(source, self.fetch(source))
        except Rejected as problem:
            return refused(source, problem)

    def fetch(self, url: str) -> Fetched:
        """Fetch `url`; each address on the way is asked for only with leave of its site.

        Raises
        ------
        RobotsDisallowed
            A site on the way does not want it.
        BlockedAddress, LimitExceeded, FetchFailed
            See `Fetcher.fetch`.
        """
        return self.fetcher.fetch(url, self._admit)

    def robots(self, target: Target) -> Robots:
        """Return what the site of `target` asks for.

        By RFC 9309 a robots.txt that is not there allows all, and one that cannot be had nothing.

        Raises
        ------
        RobotsDisallowed
            It cannot be had.
        """
        if target.origin not in self._robots:
            self._robots[target.origin] = self._asked(target)
        found = self._robots[target.origin]
        if isinstance(found, FetchFailed):
            reason = f"its site does not say whether it may be ({found.message})"
            raise RobotsDisallowed(target.url, reason) from found
        return found

    def _asked(self, target: Target) -> Robots | FetchFailed:
        url = f"{target.origin}/robots.txt"
        try:
            content = self.fetcher.fetch(url, self._pause).content
        except FetchFailed as failure:
            missing = 400 <= failure.status < 500 and failure.status != _TOO_MANY_REQUESTS
            return Robots() if missing else failure
        except LimitExceeded as problem:
            return FetchFailed(url, problem.message)
        return parse_robots(content, self.settings.user_agent)

    def _admit(self, target: Target) -> None:
        rules = self.robots(target) if self.settings.robots else Robots()
        if not rules.allows(target.path):
            raise RobotsDisallowed(target.url, f"the robots.txt of {target.host} does not allow it")
        self._pause(target, min(rules.delay, self.settings.max_delay_seconds))

    def _pause(self, target: Target, seconds: float = 0.0) -> None:
        """Wait until the host has rested, `seconds` or as long as the settings say."""
        clock = self.fetcher.clock
        rest = self._ready.get(target.host, clock.now()) - clock.now()
        if rest > 0:
            clock.sleep(rest)
        self._ready[target.host] = clock.now() + max(seconds, self.settings.delay_seconds)


@contextmanager
def visiting(
    settings: FetchSettings, limits: LimitSettings, fetcher: Fetcher | None
) -> Iterator[Visitor]:
    """Open a visitor with `fetcher`, or with one of its own that is closed at the end."""
    if fetcher is not None:
        yield Visitor(fetcher, settings)
        return
    with Fetcher(settings, limits) as own:
        yield Visitor(own, settings)
