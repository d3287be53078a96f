"""Connections that are guarded where they are made.

A name is resolved once, every address it has is checked, and the connection goes to an address
that was checked, never to the name. So a name that means something else a moment later (DNS
rebinding) gains nothing. The name stays what the certificate and the Host header are about.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol

import httpcore

from ragstone.config import FetchSettings
from ragstone.errors import BlockedAddress, FetchFailed
from ragstone.ingestion.addresses import Address, special, unwrapped

_MAX_TRIED = 4  # addresses of one name

Resolve = Callable[[str, int, float], Sequence[str]]  # host, port, seconds -> addresses
Connect = Callable[[str, int, float], httpcore.NetworkStream]  # address, port, seconds


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The time of this machine."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


@dataclass(slots=True)
class Visit:
    """One fetch: the URL it is about, and the time that is left for it."""

    url: str
    seconds: float
    clock: Clock
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = self.clock.now() + self.seconds

    def left(self) -> float:
        """Return the seconds left; raise `FetchFailed` when there are none."""
        left = self._end - self.clock.now()
        if left <= 0:
            raise self.late()
        return left

    def late(self) -> FetchFailed:
        """Return what is raised when the time is over."""
        return FetchFailed(
            self.url,
            f"it took longer than {self.seconds:g} s",
            "Try again later, or raise the setting fetch.seconds.",
        )

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Let what happens within cost the visit no time."""
        began = self.clock.now()
        try:
            yield
        finally:
            self._end += self.clock.now() - began


def resolve_name(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of `host`, in the order in which the system prefers them.

    The system's resolver knows no time limit, so it is asked from a thread that can be left
    behind.

    Raises
    ------
    OSError
        The name has no address; `TimeoutError` when it took longer than `seconds`.
    """
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([str(entry[4][0]) for entry in found])
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, name="ragstone-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def connect_to(address: str, port: int, seconds: float) -> httpcore.NetworkStream:
    """Connect to an IP address; raise `httpcore.ConnectError` or `ConnectTimeout`."""
    return httpcore.SyncBackend().connect_tcp(address, port, timeout=seconds)


class GuardedBackend(httpcore.NetworkBackend):
    """The only place where a fetch connects; not to be shared between threads.

    `visit` is what the connection is for, and has to be set before each request.
    """

    visit: Visit

    def __init__(self, settings: FetchSettings, resolve: Resolve, connect: Connect) -> None:
        self._settings, self._resolve, self._connect = settings, resolve, connect

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # the visit knows better
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Connect to an address of `host` that may be connected to.

        Raises
        ------
        BlockedAddress
            Any of its addresses may not be; then none is connected to.
        FetchFailed
            The name is unknown, or the time is over.
        httpcore.ConnectError, httpcore.ConnectTimeout
            None of its addresses answers, or the resolver is out of order.
        """
        addresses = self._checked(host, port)
        for number, address in enumerate(addresses[:_MAX_TRIED], start=1):
            try:
                stream = self._connect(str(address), port, self.handshake_seconds())
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == min(len(addresses), _MAX_TRIED):
                    raise
            else:
                return _TimedStream(stream, self)
        raise httpcore.ConnectError("the name has no address")

    def handshake_seconds(self) -> float:
        """Return how long a server has to greet: connecting, and once more for TLS."""
        return min(self._settings.connect_seconds, self.visit.left())

    def _checked(self, host: str, port: int) -> list[Address]:
        """Return the addresses of `host`, each once, when all may be connected to."""
        found = dict.fromkeys(map(unwrapped, map(ip_address, self._addresses(host, port))))
        for address in found:
            what = special(address, self._settings.allow_private)
            if what:
                meant = "" if host == str(address) else f" of {host!r}"
                reason = f"the address {address}{meant} is {what}"
                raise BlockedAddress(self.visit.url, reason)
        return list(found)

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            return [str(ip_address(host))]  # nothing to look up
        except ValueError:
            pass
        try:
            return self._resolve(host, port, self.visit.left())
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise httpcore.ConnectError(error.strerror) from error
            reason = f"its host {host!r} is unknown ({error.strerror})"
            raise FetchFailed(self.visit.url, reason, "Check the address.") from error
        except TimeoutError as error:
            raise self.visit.late() from error


class _TimedStream(httpcore.NetworkStream):
    """A connection on which no step takes longer than its visit has left.

    Time limits of single steps are no limit: a server that sends a byte a second keeps to them
    for ever.
    """

    def __init__(self, stream: httpcore.NetworkStream, backend: GuardedBackend) -> None:
        self._stream, self._backend = stream, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        visit = self._backend.visit
        try:
            return self._stream.read(max_bytes, visit.left())
        except httpcore.TimeoutException as error:
            raise visit.late() from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        visit = self._backend.visit
        try:
            self._stream.write(buffer, visit.left())
        except httpcore.TimeoutException as error:
            raise visit.late() from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        seconds = self._backend.handshake_seconds()
        stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        return _TimedStream(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
