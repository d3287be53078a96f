"""The guarded fetcher against a real server: where it goes, what it gives up on, what it brings."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.config import FetchSettings, LimitSettings
from ragstone.errors import BlockedAddress, FetchFailed, LimitExceeded, Rejected
from ragstone.ingestion.addresses import parse_url, special, unwrapped
from ragstone.ingestion.connecting import connect_to, resolve_name
from ragstone.ingestion.fetching import Fetched, Fetcher

from .website import Clock, Site, answer, html, redirect, site

__all__ = ["site"]  # a fixture

LIMITS = LimitSettings()
PUBLIC = "93.184.215.14"


class Watched:
    """Stands between a fetcher and the network: notes each address, answers names from a list.

    What it lets through is a real connection to `site`, whatever the address was.
    """

    def __init__(self, site: Site, answers: Sequence[Sequence[str]] = ()) -> None:
        self.site = site
        self.answers = [list(answer) for answer in answers]
        self.asked: list[str] = []
        self.connected: list[str] = []

    def resolve(self, host: str, port: int, seconds: float) -> list[str]:
        assert seconds > 0
        self.asked.append(host)
        return self.answers.pop(0) if self.answers else resolve_name(host, port, seconds)

    def connect(self, address: str, port: int, seconds: float) -> httpcore.NetworkStream:
        assert port == self.site.port
        self.connected.append(address)
        return connect_to("127.0.0.1", port, seconds)

    def fetcher(self, **settings: Any) -> Fetcher:
        changed = FetchSettings.model_validate({"ports": [self.site.port], **settings})
        return Fetcher(changed, LIMITS, resolve=self.resolve, connect=self.connect, clock=Clock())


def fetch(site: Site, path: str, limits: LimitSettings = LIMITS, **settings: Any) -> Fetched:
    with Fetcher(site.settings(**settings), limits) as fetcher:
        return fetcher.fetch(site.url + path)


# ---------------------------------------------------------------- where no connection is made

# Each means the loopback address, or another that is not public, to some program or other.
DISGUISED = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://2130706433:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.000.000.001:{port}/",
    "http://127.8.9.10:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b::a9fe:a9fe]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[fe80::1%lo]:{port}/",
    "http://[fd00::1]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[2a00:1450::5efe:127.0.0.1]:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "http://127。0。0。1:{port}/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "http://168.63.129.16:{port}/",
    "http://100.100.100.200:{port}/",
    "http://10.0.0.1:{port}/",
    "http://172.31.255.255:{port}/",
    "http://192.168.0.1:{port}/",
    "http://198.18.0.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://user:password@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.com/",
    "http://example.com:{port}#@127.0.0.1/\\",
    "http:\\\\127.0.0.1:{port}\\",
    "http:/\\127.0.0.1:{port}/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\.example.com/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\n:{port}/",
    "http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: example.com",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1\u200b:{port}/",
    "http://127.0.0.1:{port}/\ud800",
    "http://127.0.0.1\uff1a{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://[::1:{port}/",
    "http://::1:{port}/",
    "http://127.0.0.1:{port}:{port}/",
    "http://127.0.0.1:٨٠/",
    "http://127.0.0.1:-{port}/",
    "http://127.0.0.1:/",
    "http://127.0.0.1..:{port}/",
    "http://.127.0.0.1:{port}/",
    "http://:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http//127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/",
    "file:///etc/passwd",
    "file://127.0.0.1:{port}/etc/passwd",
    "gopher://127.0.0.1:{port}/_GET",
    "ftp://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/",
    "ldap://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "javascript:fetch('http://127.0.0.1:{port}/')",
    "data:text/html,x",
    "http+unix://127.0.0.1:{port}/",
    "\uff48ttp://127.0.0.1:{port}/",
    "",
]


@pytest.mark.parametrize("url", DISGUISED)
def test_no_connection_to_what_is_not_public(site: Site, url: str) -> None:
    watched = Watched(site)
    with (
        watched.fetcher() as fetcher,
        pytest.raises(BlockedAddress, match="is not fetched"),
    ):
        fetcher.fetch(url.format(port=site.port))
    assert watched.connected == []
    # The same through the real way to connect, on which nothing of this test stands.
    real = FetchSettings.model_validate({"ports": [site.port]})
    with Fetcher(real, LIMITS) as fetcher, pytest.raises(BlockedAddress):
        fetcher.fetch(url.format(port=site.port))
    assert site.callers() == 0


def test_the_same_site_is_reached_once_it_is_allowed(site: Site) -> None:
    site.pages["/"] = html("hello")
    assert fetch(site, "/").content == b"hello"
    assert site.callers() == 1
    # A mapped address is to the operating system the one that is allowed.
    with Fetcher(site.settings(), LIMITS) as fetcher:
        assert fetcher.fetch(f"http://[::ffff:127.0.0.1]:{site.port}/").content == b"hello"


@pytest.mark.parametrize("url", [
    "http://127.1:{port}/",
    "http://0x7f000001:{port}/",
    "http://2130706433:{port}/",
    "http://017700000001:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\",
    "http://127.0.0.1:{port}/ ",
])  # fmt: skip
def test_a_disguise_is_refused_even_where_the_address_is_allowed(site: Site, url: str) -> None:
    """What two programs read differently is not fetched, whoever is right."""
    with Fetcher(site.settings(), LIMITS) as fetcher, pytest.raises(BlockedAddress):
        fetcher.fetch(url.format(port=site.port))
    site.pages["/"] = answer(b"", status="302 Found").replace(
        b"\r\n\r\n", f"\r\nLocation: {url.format(port=site.port)}x\r\n\r\n".encode()
    )
    with pytest.raises(BlockedAddress):
        fetch(site, "/")
    assert site.requests == ["/"]


@pytest.mark.parametrize("location", ["/\t/x", "\\x", "/ x", "/\u200b"])
def test_a_malformed_redirect_is_not_mended(site: Site, location: str) -> None:
    site.pages["/"] = redirect(location)  # in UTF-8, as servers that break the rules do
    with pytest.raises(BlockedAddress, match="leads to the malformed address") as caught:
        fetch(site, "/", retries=0)
    assert caught.value.message.isprintable()
    assert site.requests == ["/"]


def test_what_is_allowed_opens_nothing_else(site: Site) -> None:
    with Site("127.0.0.2", site.port) as other, Fetcher(site.settings(), LIMITS) as fetcher:
        with pytest.raises(BlockedAddress, match=r"the address 127\.0\.0\.2 is loopback"):
            fetcher.fetch(other.url)
        assert other.callers() == 0


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 65535])
def test_other_ports_are_not_connected_to(port: int) -> None:
    with Fetcher(FetchSettings(), LIMITS) as fetcher:
        with pytest.raises(BlockedAddress, match=f"port {port} is not allowed") as caught:
            fetcher.fetch(f"http://example.com:{port}/")
        assert "fetch.ports" in caught.value.hint
        with pytest.raises(BlockedAddress, match=r"port (0|70000) is not allowed"):
            fetcher.fetch("http://example.com:70000/")


@pytest.mark.parametrize("location", [
    "http://127.0.0.2:{port}/secret",
    "//127.0.0.2:{port}/secret",
    "http://0x7f.0.0.2:{port}/secret",
    "http://user@127.0.0.2:{port}/secret",
    "http:\\\\127.0.0.2:{port}\\secret",
    "\\\\127.0.0.2:{port}\\secret",
    "/\t/127.0.0.2:{port}/secret",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "http://[::1]:{port}/secret",
    "http://127.0.0.1:22/",
    "file:///etc/passwd",
    "gopher://127.0.0.2:{port}/",
])  # fmt: skip
@pytest.mark.parametrize("status", ["301 Moved", "307 Temporary"])
def test_a_redirect_is_checked_as_a_first_address_is(
    site: Site, location: str, status: str
) -> None:
    site.pages["/"] = redirect(location.format(port=site.port), status)
    with Site("127.0.0.2", site.port) as other:
        other.pages["/secret"] = html("secret")
        with pytest.raises(BlockedAddress):
            fetch(site, "/")
        assert (site.callers(), other.callers()) == (1, 0)


def test_a_name_that_changes_its_meaning_gains_nothing(site: Site) -> None:
    site.pages["/"] = html("rebound")
    watched = Watched(site, [[PUBLIC], ["127.0.0.1"]])
    with watched.fetcher() as fetcher:
        assert fetcher.fetch(f"http://rebinding.test:{site.port}/").content == b"rebound"
        # Asked once, and connected to the very address that was checked.
        assert (watched.asked, watched.connected) == (["rebinding.test"], [PUBLIC])
        assert f"Host: rebinding.test:{site.port}\r\n" in site.heads[0]
    with watched.fetcher() as fetcher, pytest.raises(BlockedAddress, match="of 'rebinding"):
        fetcher.fetch(f"http://rebinding.test:{site.port}/")
    assert watched.connected == [PUBLIC]


@pytest.mark.parametrize("bad", ["10.0.0.1", "::1", "fe80::1%1", "::ffff:10.0.0.1", "0.0.0.1"])
def test_one_bad_address_spoils_the_name(site: Site, bad: str) -> None:
    for found in ([PUBLIC, bad], [bad, PUBLIC]):
        watched = Watched(site, [found])
        with watched.fetcher() as fetcher, pytest.raises(BlockedAddress):
            fetcher.fetch(f"http://mixed.test:{site.port}/")
        assert watched.connected == []


def test_a_name_that_leads_home_after_a_redirect(site: Site) -> None:
    site.pages["/"] = redirect(f"http://second.test:{site.port}/")
    watched = Watched(site, [[PUBLIC], ["192.168.1.1"]])
    with watched.fetcher() as fetcher, pytest.raises(BlockedAddress, match="of 'second"):
        fetcher.fetch(f"http://first.test:{site.port}/")
    assert watched.connected == [PUBLIC]


def test_the_next_address_is_tried_when_one_does_not_answer(site: Site) -> None:
    site.pages["/"] = html("found")
    watched = Watched(site, [["2606:2800:21f::1", PUBLIC, PUBLIC]])

    def connect(address: str, port: int, seconds: float) -> httpcore.NetworkStream:
        stream = watched.connect(address, port, seconds)
        if ":" in address:
            stream.close()
            raise httpcore.ConnectError
        return stream

    settings = FetchSettings(ports=(site.port,))
    with Fetcher(settings, LIMITS, resolve=watched.resolve, connect=connect) as fetcher:
        fetcher.fetch(f"http://dual.test:{site.port}/")
    assert watched.connected == ["2606:2800:21f::1", PUBLIC]


def test_the_environment_names_no_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/"] = html("direct")
    with Site() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert fetch(site, "/").content == b"direct"
        assert proxy.callers() == 0


@pytest.mark.parametrize(("address", "what"), [
    (PUBLIC, ""),
    ("1.1.1.1", ""),
    ("172.32.0.1", ""),
    ("2606:4700:4700::1111", ""),
    ("64:ff9b::1.1.1.1", ""),
    ("::ffff:1.1.1.1", ""),
    ("100.64.0.1", "shared by a provider"),
    ("172.16.0.1", "private"),
    ("192.0.0.192", "kept for protocols"),
    ("240.0.0.1", "reserved"),
    ("2001:db8::1", "documentation"),
    ("5f00::1", "not public"),
    ("4000::1", "not public"),
    ("::ffff:10.1.1.1", "private"),
    ("64:ff9b::10.1.1.1", "private"),
])  # fmt: skip
def test_special_addresses(address: str, what: str) -> None:
    assert special(ip_address(address), ()) == what


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_special(address: Any) -> None:
    """Two lists kept by different people; ours may refuse more, never less."""
    if not special(address, ()):
        address = unwrapped(address)
        assert not address.is_private
        assert not address.is_multicast
        assert not address.is_loopback


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_blocked(text: str) -> None:
    for url in (text, f"http://{text}", f"https://example.com/{text}", f"http://{text}@x/"):
        try:
            target = parse_url(url, (80, 443))
        except BlockedAddress:
            continue
        assert target.url.isascii()
        assert parse_url(target.url, (80, 443)) == target


@pytest.mark.parametrize(("text", "url"), [
    ("HTTP://Example.COM", "http://example.com/"),
    ("https://example.com:443/a/../b?q=1#part", "https://example.com/b?q=1"),
    ("http://example.com:443/", "http://example.com:443/"),
    ("https://example.com.?q=ü", "https://example.com/?q=%C3%BC"),
    ("https://bücher.example/größe", "https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe"),
    ("http://1.1.1.1/", "http://1.1.1.1/"),
    ("http://[2606:4700:4700:0:0:0:0:1111]/", "http://[2606:4700:4700::1111]/"),
    ("http://a_b.example.com/%7Euser", "http://a_b.example.com/%7Euser"),
])  # fmt: skip
def test_a_url_has_one_form(text: str, url: str) -> None:
    assert parse_url(text, (80, 443)).url == url


# ---------------------------------------------------------------- what comes back


def test_a_page_comes_with_its_type(site: Site) -> None:
    site.pages["/a?b=1"] = answer(
        "é".encode("latin-1"), 'Content-Type: Text/HTML; Charset="Latin1"'
    )
    got = fetch(site, "/a?b=1#part", user_agent="Ragstone (mail@example.org)")
    assert got == Fetched(f"{site.url}/a?b=1", b"\xe9", "text/html", "latin1")
    head = site.heads[0]
    assert f"Host: 127.0.0.1:{site.port}\r\n" in head
    assert "User-Agent: Ragstone (mail@example.org)\r\n" in head
    assert "Accept-Encoding: gzip\r\n" in head
    assert "Cookie" not in head
    assert "Authorization" not in head


@pytest.mark.parametrize("header", ["Content-Type: nonsense", "Content-Type: ", "X-Nothing: 1"])
def test_a_type_that_says_nothing(site: Site, header: str) -> None:
    site.pages["/"] = answer("x", header)
    assert (fetch(site, "/").media_type, fetch(site, "/").charset) == ("", "")


def test_redirects_are_followed_so_far(site: Site) -> None:
    site.pages |= {f"/{n}": redirect(f"{n + 1}") for n in range(5)}
    site.pages["/5"] = html("there")
    got = fetch(site, "/0", redirects=5)
    assert (got.url, got.content) == (f"{site.url}/5", b"there")
    with pytest.raises(FetchFailed, match=r"leads on more than 4 time\(s\)"):
        fetch(site, "/0", redirects=4)
    site.pages["/loop"] = redirect("/loop")
    with pytest.raises(FetchFailed, match="leads on more than"):
        fetch(site, "/loop")
    site.pages["/nowhere"] = answer(b"", status="302 Found")
    with pytest.raises(FetchFailed, match="does not say where to"):
        fetch(site, "/nowhere")


def test_a_redirect_to_a_path_beyond_ascii(site: Site) -> None:
    site.pages["/"] = answer(b"", status="302 Found").replace(
        b"\r\n\r\n", "\r\nLocation: /größe\r\n\r\n".encode()
    )
    site.pages["/gr%C3%B6%C3%9Fe"] = html("large")
    assert fetch(site, "/").content == b"large"


def test_connections_are_kept_and_no_cookies(site: Site) -> None:
    site.pages |= {
        "/1": answer("one", "Set-Cookie: session=secret"),
        "/2": answer("two"),
    }
    with Fetcher(site.settings(), LIMITS) as fetcher:
        assert fetcher.fetch(f"{site.url}/1").content == b"one"
        assert fetcher.fetch(f"{site.url}/2").content == b"two"
    assert "ookie" not in site.heads[1]
    assert site.callers() == 1


def test_chunks_and_packed_bodies(site: Site) -> None:
    packed = gzip.compress(b"first ") + gzip.compress(b"second") + b"\x00" * 8
    pieces = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    chunked = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in pieces) + b"0\r\n\r\n"
    site.pages |= {
        "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Encoding: gzip\r\n\r\n" + chunked,
        "/packed": answer(packed, "Content-Encoding: x-gzip"),
        "/plain": answer(b"plain", "Content-Encoding: identity"),
        "/nothing": answer(b"", "Content-Encoding: gzip"),
        "/large": answer(gzip.compress(b"ab" * 2**20), "Content-Encoding: gzip"),
    }
    assert fetch(site, "/chunked").content == b"first second"
    assert fetch(site, "/packed").content == b"first second"
    assert fetch(site, "/plain").content == b"plain"
    assert fetch(site, "/nothing").content == b""
    assert fetch(site, "/large").content == b"ab" * 2**20


# ---------------------------------------------------------------- what is given up on


def test_too_large_is_noticed_before_it_has_come(site: Site) -> None:
    def endless(connection: socket.socket, _: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(bytes(2**16))

    site.pages |= {
        "/announced": answer(b"", length=10**15),
        "/sent": answer(bytes(2_000)),
        "/endless": endless,
    }
    with pytest.raises(LimitExceeded, match=r"1,000,000,000,000,000, over the limit of 1,000") as e:
        fetch(site, "/announced", bytes=1_000)
    assert "fetch.bytes" in e.value.hint
    with pytest.raises(LimitExceeded, match="Its size in bytes is 2,000"):
        fetch(site, "/sent", bytes=1_000)
    with pytest.raises(LimitExceeded, match="over the limit of 1,000,000"):
        fetch(site, "/endless", bytes=1_000_000)
    with pytest.raises(LimitExceeded) as tighter:
        fetch(site, "/sent", LimitSettings(bytes=500))
    assert "limits.bytes" in tighter.value.hint
    assert len(fetch(site, "/sent", bytes=2_000).content) == 2_000


def test_a_bomb_is_given_up_while_it_unpacks(site: Site) -> None:
    bomb = gzip.compress(bytes(40 * 2**20))
    site.pages |= {
        "/": answer(bomb, "Content-Encoding: gzip"),
        "/twice": answer(gzip.compress(bomb), "Content-Encoding: gzip, gzip"),
    }
    with pytest.raises(LimitExceeded, match="Its size in bytes") as caught:
        fetch(site, "/", bytes=2**20)
    assert caught.value.message.startswith("Its size in bytes is 1,")  # a step beyond, not 40 MiB
    with pytest.raises(LimitExceeded, match="Unpacked over packed size"):
        fetch(site, "/")
    with pytest.raises(FetchFailed, match="packed by 'gzip, gzip', which was not asked for"):
        fetch(site, "/twice")


def test_damaged_packing(site: Site) -> None:
    packed = gzip.compress(b"some words that are long enough to be packed" * 9)
    site.pages |= {
        "/short": answer(packed[:-9], "Content-Encoding: gzip"),
        "/wrong": answer(packed[:20] + b"?" + packed[21:], "Content-Encoding: gzip"),
        "/not": answer(b"plain", "Content-Encoding: gzip"),
        "/other": answer(b"plain", "Content-Encoding: br"),
    }
    with pytest.raises(FetchFailed, match="ends too early"):
        fetch(site, "/short")
    for path in ("/wrong", "/not"):
        with pytest.raises(FetchFailed, match="damaged"):
            fetch(site, path)
    with pytest.raises(FetchFailed, match="packed by 'br'"):
        fetch(site, "/other")


def drip(first: bytes) -> Callable[[socket.socket, int], None]:
    """Return who sends a byte now and then, until nobody listens any more."""

    def send(connection: socket.socket, _: int) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    return send


@pytest.mark.parametrize("first", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",  # a body that drips
    b"HTTP/1.1 200 OK\r\nX-Long: ",  # headers that do
    b"HTTP/1.1 ",
])  # fmt: skip
def test_slow_drips_end_with_the_time(site: Site, first: bytes) -> None:
    site.pages["/"] = drip(first)
    with pytest.raises(FetchFailed, match=r"took longer than 0\.3 s") as caught:
        fetch(site, "/", seconds=0.3)
    assert "fetch.seconds" in caught.value.hint


def test_silence_ends_with_the_time(site: Site) -> None:
    site.pages["/"] = lambda connection, _: connection.recv(1) and None
    with pytest.raises(FetchFailed, match=r"took longer than 0\.2 s"):
        fetch(site, "/", seconds=0.2, retries=5)
    assert len(site.requests) == 1


def test_a_resolver_that_does_not_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])
    with (
        Fetcher(site.settings(seconds=0.1), LIMITS) as fetcher,
        pytest.raises(FetchFailed, match=r"took longer than 0\.1 s"),
    ):
        fetcher.fetch(f"http://slow.test:{site.port}/")


def test_an_unknown_name(site: Site) -> None:
    def resolve(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    clock = Clock()
    with (
        Fetcher(site.settings(), LIMITS, resolve=resolve, clock=clock) as fetcher,
        pytest.raises(FetchFailed, match=r"its host 'nobody\.test' is unknown"),
    ):
        fetcher.fetch(f"http://nobody.test:{site.port}/")
    assert clock.slept == []


@pytest.mark.parametrize(("status", "hint"), [
    ("404 Not Found", "Check the address"),
    ("410 Gone", "remove its address"),
    ("401 Unauthorized", "login"),
    ("403 Forbidden", "refuses robots"),
    ("204 No Content", "browser"),
    ("300 Multiple Choices", "browser"),
    ("501 Not Implemented", "browser"),
    ("799 Odd", "browser"),
])  # fmt: skip
def test_an_answer_that_is_no_page_is_not_asked_for_again(
    site: Site, status: str, hint: str
) -> None:
    site.pages["/"] = answer(b"" if status.startswith("204") else b"no", status=status)
    code = status.split()[0]
    with pytest.raises(FetchFailed, match=f"the server answered {code}") as caught:
        fetch(site, "/")
    assert hint in caught.value.hint
    assert caught.value.status == int(code)
    assert site.requests == ["/"]


def tried(site: Site, **settings: Any) -> tuple[Fetched | Rejected, list[float]]:
    """Fetch the root; return what came of it and how long was waited between the tries."""
    clock = Clock()
    with Fetcher(site.settings(**settings), LIMITS, clock=clock) as fetcher:
        try:
            return fetcher.fetch(site.url), clock.slept
        except Rejected as rejected:
            return rejected, clock.slept


def test_a_busy_server_is_asked_again(site: Site) -> None:
    busy = answer("busy", status="503 Service Unavailable")
    site.pages["/"] = [busy, answer(b"", status="500 Internal Server Error"), html("at last")]
    got, slept = tried(site)
    assert isinstance(got, Fetched)
    assert (got.content, slept) == (b"at last", [0.5, 1.0])

    site.pages["/"] = busy
    failure, slept = tried(site, retries=3)
    assert isinstance(failure, FetchFailed)
    assert failure.message.endswith("the server answered 503 Service Unavailable")
    assert (failure.retryable, slept) == (True, [0.5, 1.0, 2.0])
    assert len(site.requests) == 3 + 4


def test_a_busy_server_may_say_how_long(site: Site) -> None:
    def busy(seconds: str) -> bytes:
        return answer(b"", f"Retry-After: {seconds}", status="429 Too Many Requests")

    site.pages["/"] = [busy("7"), busy("Wed, 21 Oct 2015 07:28:00 GMT"), html("at last")]
    assert tried(site)[1] == [7.0, 1.0]
    site.pages["/"] = [busy("9" * 400), html("at last")]
    assert tried(site, max_delay_seconds=10)[1] == [10.0]
    site.pages["/"] = busy("25")  # more than there is time for
    failure, slept = tried(site, seconds=20)
    assert isinstance(failure, FetchFailed)
    assert (failure.status, slept) == (429, [])


def test_a_connection_that_breaks_is_tried_again(site: Site) -> None:
    site.pages["/"] = [
        lambda *_: None,
        answer(b"half", "Connection: close", length=8),
        html("whole"),
    ]
    got, slept = tried(site)
    assert isinstance(got, Fetched)
    assert (got.content, slept) == (b"whole", [0.5, 1.0])


def test_a_body_shorter_than_announced_is_no_page(site: Site) -> None:
    site.pages["/"] = answer(b"half", "Connection: close", length=8)
    failure, _ = tried(site, retries=0)
    assert isinstance(failure, FetchFailed)
    assert "incomplete" in failure.message or "without sending complete" in failure.message
    site.pages["/"] = answer(b"more than it says", "Connection: close", length=4)
    got, _ = tried(site, retries=0)
    assert isinstance(got, Fetched)
    assert got.content == b"more"


@pytest.mark.parametrize("nonsense", [
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
])  # fmt: skip
def test_what_is_no_http_is_no_page(site: Site, nonsense: bytes) -> None:
    site.pages["/"] = lambda connection, _: connection.sendall(nonsense)
    failure, slept = tried(site, retries=1)
    assert isinstance(failure, FetchFailed)
    assert slept == [0.5]


def test_nobody_listens() -> None:
    with Site() as gone:
        settings = gone.settings()
    clock = Clock()
    with (
        Fetcher(settings, LIMITS, clock=clock) as fetcher,
        pytest.raises(FetchFailed, match="refused"),
    ):
        fetcher.fetch(gone.url)
    assert clock.slept == [0.5, 1.0]


def test_each_address_on_the_way_is_asked_for_leave(site: Site) -> None:
    site.pages |= {"/": redirect("/next"), "/next": html("x"), "/other": html("y")}
    asked: list[str] = []
    with Fetcher(site.settings(seconds=5), LIMITS, clock=Clock()) as fetcher:

        def admit(target: Any) -> None:
            asked.append(target.path)
            fetcher.clock.sleep(60)  # costs the fetch none of its time
            assert fetcher.fetch(f"{site.url}/other").content == b"y"

        assert fetcher.fetch(site.url, admit).content == b"x"
    assert asked == ["/", "/next"]


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for stone.test with its key, valid for a day."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program is not installed")
    file = tmp_path_factory.mktemp("tls") / "stone.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", "key.pem", "-out", "cert.pem", "-days", "1", "-subj", "/CN=stone.test",
         "-addext", "subjectAltName=DNS:stone.test"],
        check=True, capture_output=True, cwd=file.parent,
    )  # fmt: skip
    file.write_text((file.parent / "key.pem").read_text() + (file.parent / "cert.pem").read_text())
    return file


def test_the_certificate_is_about_the_name(site: Site, certificate: Path) -> None:
    names: list[str | None] = []
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    served.sni_callback = lambda _, name, __: names.append(name)
    site.socket = served.wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)
    site.pages["/"] = html("sealed")
    trusted = ssl.create_default_context(cafile=str(certificate.with_name("cert.pem")))

    watched = Watched(site, [[PUBLIC]] * 3)
    settings = FetchSettings(ports=(site.port,), retries=0)
    ways: dict[str, Any] = {"resolve": watched.resolve, "connect": watched.connect}
    with Fetcher(settings, LIMITS, tls=trusted, **ways) as fetcher:
        assert fetcher.fetch(f"https://stone.test:{site.port}/").content == b"sealed"
        assert names == ["stone.test"]
        with pytest.raises(FetchFailed, match=r"(?i)hostname mismatch"):
            fetcher.fetch(f"https://other.test:{site.port}/")
    with (
        Fetcher(settings, LIMITS, **ways) as stranger,
        pytest.raises(FetchFailed, match=r"(?i)self.signed"),
    ):
        stranger.fetch(f"https://stone.test:{site.port}/")
    assert watched.connected == [PUBLIC] * 3
    assert site.requests == ["/"]


def test_a_server_that_never_shakes_hands(site: Site) -> None:
    """Plain HTTP waits for a request; a TLS greeting is none, and is never answered."""
    settings = site.settings(connect_seconds=0.2, retries=0)
    with Fetcher(settings, LIMITS) as fetcher, pytest.raises(FetchFailed, match=r"(?i)timed out"):
        fetcher.fetch(site.url.replace("http:", "https:"))
