"""Refuses requests whose Host header is not this server's.

A web page can make its own name resolve to the loopback address (DNS rebinding); the browser then
sends that name as Host, and this is where it ends.
"""

from __future__ import annotations

import ipaddress
import socket

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ragstone.errors import InvalidArgument
from ragstone.server.failures import failure

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


class HostCheck:
    """Middleware that lets loopback names and `host` through; port and case do not matter.

    A server on every address (`0.0.0.0`) also takes this machine's name and any literal address:
    rebinding needs a name.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._any_address = host in _EVERY_ADDRESS
        own = socket.gethostname() if self._any_address else host
        self._names = LOOPBACK | {own.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 when the Host header is missing or foreign, else pass the request on."""
        if scope["type"] in {"http", "websocket"}:
            given = Headers(scope=scope).get("host", "")
            if not self._known(bare_host(given)):
                error = InvalidArgument("Host", given, "the name this server listens on")
                await failure(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _known(self, name: str) -> bool:
        return name in self._names or (self._any_address and _is_address(name))


def bare_host(value: str) -> str:
    """Return the host of a Host header, in lower case, without port and brackets."""
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
