"""The one guarded fetcher: every byte that comes over HTTP comes through here.

    with Fetcher(settings.fetch, settings.limits) as fetcher:
        page = fetcher.fetch("https://example.com/")

What a stranger's address, server or redirect can do is bounded: where a connection goes
(`addresses`, `connecting`), how long all of it takes, how much arrives (`bodies`), how often it
leads on. No cookies, no credentials, no proxy of the environment.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpcore
import httpx

from ragstone.config import FetchSettings, LimitSettings
from ragstone.errors import BlockedAddress, FetchFailed
from ragstone.ingestion.addresses import Target, parse_url
from ragstone.ingestion.bodies import BodyLimits, read_body
from ragstone.ingestion.connecting import (
    Clock,
    Connect,
    GuardedBackend,
    Resolve,
    SystemClock,
    Visit,
    connect_to,
    resolve_name,
)
from ragstone.ingestion.parsers.base import clean

_ACCEPT = "text/html,application/xhtml+xml,application/pdf;q=0.9,*/*;q=0.8"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_BACK_OFF = 0.5  # seconds before the second try, doubled for each further one
_MAX_REASON = 200  # characters
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]+)", re.IGNORECASE | re.ASCII)

Admit = Callable[[Target], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address gave."""

    url: str  # that answered, after all redirects
    content: bytes
    media_type: str  # in lower case, empty when the server says nothing of use
    charset: str  # likewise


class _TryAgain(Exception):
    """Another try may do better."""

    def __init__(self, failure: FetchFailed, seconds: float = 0.0) -> None:
        super().__init__()
        self.failure, self.seconds = failure, seconds


class Fetcher:
    """Fetches by HTTP within the limits of `settings`; for one thread.

    Connections are kept open between fetches; `close` ends them.

    Parameters
    ----------
    resolve, connect, clock
        How names become addresses, addresses connections, and where time comes from. Whatever
        they are, addresses are checked in between.
    tls
        Which certificates are trusted; by default those of public authorities, or of SSL_CERT_FILE.
    """

    def __init__(
        self,
        settings: FetchSettings,
        limits: LimitSettings,
        *,
        resolve: Resolve = resolve_name,
        connect: Connect = connect_to,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._limits = BodyLimits.of(settings, limits)
        self.clock: Clock = clock or SystemClock()
        self._backend = GuardedBackend(settings, resolve, connect)
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls or _authorities(), network_backend=self._backend
        )

    def fetch(self, url: str, admit: Admit | None = None) -> Fetched:
        """Fetch `url`, following where it leads.

        Parameters
        ----------
        admit
            Called before each request with the URL it goes to, the first one and each that it
            leads on to; it may wait, fetch something else, or raise a `Rejected`. Its time is not
            counted.

        Raises
        ------
        BlockedAddress
            It is, or leads to, an address that nothing is fetched from. No connection was made
            there.
        LimitExceeded
            There is too much of it.
        FetchFailed
            Nothing came of it.
        """
        target = parse_url(url, self._settings.ports)
        visit = Visit(target.url, self._settings.seconds, self.clock)
        for _ in range(self._settings.redirects + 1):
            if admit is not None:
                with visit.halted():
                    admit(target)
            answer = self._persistently(target, visit)
            if isinstance(answer, Fetched):
                return answer
            target = answer
        reason = f"it leads on more than {self._settings.redirects} time(s)"
        raise FetchFailed(url, reason, "Give the address it ends at.")

    def _persistently(self, target: Target, visit: Visit) -> Fetched | Target:
        """Ask again while that may help and there is time; each time waits longer."""
        tries = self._settings.retries + 1
        for number in range(1, tries + 1):
            try:
                return self._exchange(target, visit)
            except _TryAgain as again:
                pause = max(again.seconds, _BACK_OFF * 2 ** (number - 1))
                if number == tries or pause >= visit.left():
                    raise again.failure from again.__cause__
                self.clock.sleep(pause)
        raise AssertionError  # the last try returns or raises

    def _exchange(self, target: Target, visit: Visit) -> Fetched | Target:
        """Make one request; return what came, or where it leads."""
        visit.url = target.url
        visit.left()
        self._backend.visit = visit
        try:
            with self._pool.stream("GET", _url(target), headers=self._headers(target)) as response:
                return self._answer(target, response)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            failure = FetchFailed(target.url, _reason(error))
            raise _TryAgain(failure) from error

    def _headers(self, target: Target) -> list[tuple[str, str]]:
        return [
            ("Host", target.netloc),
            ("User-Agent", self._settings.user_agent),
            ("Accept", _ACCEPT),
            ("Accept-Encoding", "gzip"),
        ]

    def _answer(self, target: Target, response: httpcore.Response) -> Fetched | Target:
        headers = httpx.Headers(response.headers, encoding="latin-1")
        if response.status in _REDIRECTS:
            return self._next(target, headers.get("location", ""))
        if response.status != httpx.codes.OK:
            raise self._refused(target, response.status, headers.get("retry-after", ""))
        declared = headers.get("content-length", "")
        if declared.isdecimal():
            self._limits.check(int(declared))
        encoding = headers.get("content-encoding", "")
        content = read_body(target.url, response.iter_stream(), encoding, self._limits)
        media_type, charset = _content_type(headers.get("content-type", ""))
        return Fetched(target.url, content, media_type, charset)

    def _next(self, target: Target, location: str) -> Target:
        """Return where a redirect leads; it is read as strictly as what a person gives."""
        text = location.encode("latin-1", errors="replace").decode("utf-8", errors="replace")
        if not text.isprintable() or "\\" in text or " " in text:
            # Refused before it is joined: joining would silently drop some of these.
            raise BlockedAddress(target.url, f"it leads to the malformed address {text[:200]!r}")
        if not text:
            raise FetchFailed(target.url, "it leads on, and does not say where to")
        return parse_url(urljoin(target.url, text), self._settings.ports)

    def _refused(self, target: Target, status: int, retry_after: str) -> FetchFailed | _TryAgain:
        phrase = httpx.codes.get_reason_phrase(status)
        reason = f"the server answered {status} {phrase}".rstrip()
        failure = FetchFailed(target.url, reason, _HINTS.get(status, ""), status)
        if status not in _BUSY:
            return failure
        asked = float(retry_after) if retry_after.isdecimal() else 0.0
        return _TryAgain(failure, min(asked, self._settings.max_delay_seconds))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_HINTS = {
    401: "It asks for a login, and Ragstone sends none: download it yourself and take in the file.",
    403: "The server refuses robots, or all strangers: download it yourself and take in the file.",
    404: "Check the address: the page may have moved.",
    410: "The page is gone for good: remove its address.",
}


@cache
def _authorities() -> ssl.SSLContext:
    """Return the trust in public authorities; reading their certificates takes 50 ms."""
    return httpx.create_ssl_context()


def _url(target: Target) -> httpcore.URL:
    """Return the parts as they are: nobody has to read the URL once more."""
    return httpcore.URL(
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port,
        target=target.path.encode(),
    )


def _content_type(header: str) -> tuple[str, str]:
    media_type, _, parameters = header.partition(";")
    media_type = media_type.strip().lower()
    charset = _CHARSET.search(parameters)
    known = _MEDIA_TYPE.fullmatch(media_type) is not None
    return media_type if known else "", charset[1].lower() if charset else ""


def _reason(error: Exception) -> str:
    """Return a library's message as the end of a sentence; parts of it may be the server's."""
    text = clean(str(error))[:_MAX_REASON] or type(error).__name__
    return text[0].lower() + text[1:]
