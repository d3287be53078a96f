"""Which addresses may be fetched: URLs read strictly, and IP addresses that are public.

Whatever two programs could read differently is refused, not repaired: user info, backslashes,
white space, numbers in place of an IPv4 address. What a name stands for is checked by
`connecting`, at the moment of the connection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpx
import idna

from ragstone.errors import BlockedAddress

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL = 4_096  # characters; servers commonly refuse 8,192 bytes
_MAX_HOST = 253
_URL = re.compile(r"(https?)://([^/?#]+)([^#]*)(?:#.*)?", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# The URL standard reads a host whose last label is a number as an IPv4 address, in any base.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# The special-purpose registries of IANA, in their wording where it is short. What a block would
# allow within itself (2001:4:112::/48 …) serves no documents.
_SPECIAL_4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a provider",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "the services of a cloud's host",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "kept for protocols",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_SPECIAL_6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::/96": "an IPv4 address in disguise",
    "::ffff:0:0:0/96": "an IPv4 address in disguise",
    "64:ff9b:1::/48": "a local translator to IPv4",
    "100::/64": "discarded",
    "2001::/32": "a Teredo tunnel",
    "2001::/23": "kept for protocols",
    "2001:db8::/32": "documentation",
    "2002::/16": "a 6to4 tunnel",
    "3fff::/20": "documentation",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_BLOCKS: tuple[tuple[Network, str], ...] = (
    *((IPv4Network(block), what) for block, what in _SPECIAL_4.items()),
    *((IPv6Network(block), what) for block, what in _SPECIAL_6.items()),
)
_PUBLIC_6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # how networks without IPv4 reach all of IPv4
_ISATAP = (0x00005EFE, 0x02005EFE)  # third quarter of an address that tunnels to its fourth


@dataclass(frozen=True)
class Target:
    """A URL that has been read strictly; no fragment, no user info."""

    scheme: str
    host: str  # ASCII in lower case; an IPv6 address without its brackets
    port: int
    path: str  # with the query, percent-encoded

    @cached_property
    def netloc(self) -> str:
        """Host and, unless it is the usual one, port: what stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @cached_property
    def origin(self) -> str:
        """The URL without its path."""
        return f"{self.scheme}://{self.netloc}"

    @cached_property
    def url(self) -> str:
        """The one way to write this URL."""
        return self.origin + self.path


def parse_url(text: str, ports: Collection[int]) -> Target:
    """Read a URL that may be fetched.

    Raises
    ------
    BlockedAddress
        It is no http or https URL, can be read in more than one way, or names another port than
        `ports`.
    """
    if len(text) > _MAX_URL:
        raise BlockedAddress(text, f"it is longer than {_MAX_URL:,} characters")
    if not text.isprintable() or " " in text or "\\" in text:
        raise BlockedAddress(text, "it holds white space, a backslash or invisible characters")
    match = _URL.fullmatch(text)
    if match is None:
        raise BlockedAddress(text, _no_url(text))
    scheme = match[1].lower()
    host, port = _host_and_port(text, match[2], DEFAULT_PORTS[scheme])
    if port not in ports:
        raise BlockedAddress(text, f"port {port} is not allowed")
    return _agreed(text, Target(scheme, host, port, match[3] or "/"))


def same_site(host: str, of: str) -> bool:
    """Tell whether `host` is the site of the host `of`, or below it; `www.` aside."""
    site = of.removeprefix("www.")
    return host == site or host.endswith(f".{site}")


def _no_url(text: str) -> str:
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[0].lower() in ("http:", "https:"):
        return "it is not of the form https://HOST/PATH"
    return f"its scheme is {scheme[0][:-1]!r}, not http or https"


def _host_and_port(text: str, authority: str, default: int) -> tuple[str, int]:
    if "@" in authority:
        raise BlockedAddress(text, "it holds a user name, which can pass for a host")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise BlockedAddress(text, "its host and port are not well-formed")
    host = _ipv6(text, match[1][1:-1]) if match[1].startswith("[") else _name(text, match[1])
    return host, int(match[2] or default)


def _ipv6(text: str, host: str) -> str:
    try:
        return str(IPv6Address(host))
    except ValueError as error:
        raise BlockedAddress(text, "its host is no IPv6 address") from error


def _name(text: str, host: str) -> str:
    """Return a host name or IPv4 address in ASCII, without the dot of the root."""
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise BlockedAddress(text, "its host is no internationalised name") from error
    host = host.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise BlockedAddress(text, "its host is no name")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError as error:
            reason = "its host is a number in place of four, which hides the address"
            raise BlockedAddress(text, reason) from error
    return host


def _agreed(text: str, target: Target) -> Target:
    """Return `target` with its path encoded, when another reader sees the same host and port."""
    try:
        url = httpx.URL(target.url)
    except httpx.InvalidURL as error:
        raise BlockedAddress(text, str(error)) from error
    port = url.port or DEFAULT_PORTS[url.scheme]
    if (url.scheme, url.raw_host.decode("ascii"), port) != (
        target.scheme,
        target.host,
        target.port,
    ):
        raise BlockedAddress(text, "it can be read in two ways")
    return Target(target.scheme, target.host, target.port, url.raw_path.decode("ascii"))


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv4-mapped one is to the operating system."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def special(address: Address, allowed: Iterable[Network]) -> str:
    """Return what keeps `address` from being public, nothing when it may be connected to.

    An IPv6 address that reaches an IPv4 address inside it is as good as that one is.
    """
    address = unwrapped(address)
    if any(address in network for network in allowed):
        return ""
    for block, what in _BLOCKS:
        if address in block:
            return what
    if isinstance(address, IPv4Address):
        return ""
    return _special_6(address, allowed)


def _special_6(address: IPv6Address, allowed: Iterable[Network]) -> str:
    inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64:
        return special(inner, allowed)
    if address not in _PUBLIC_6:
        return "not public"
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "an ISATAP tunnel"
    return ""
