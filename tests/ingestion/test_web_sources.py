"""Pages and sitemaps of a real site as sources: what they yield, and the manners they keep."""

from __future__ import annotations

import gzip
import re
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.config import FetchSettings, LimitSettings
from ragstone.errors import (
    BlockedAddress,
    FetchFailed,
    InvalidArgument,
    LimitExceeded,
    MalformedInput,
    Rejected,
    RobotsDisallowed,
    SourceUnavailable,
)
from ragstone.ingestion.candidates import load
from ragstone.ingestion.fetching import Fetched, Fetcher
from ragstone.ingestion.object_sources import ObjectSource
from ragstone.ingestion.pages import LISTING, page, page_name
from ragstone.ingestion.parsers import PARSERS, parse
from ragstone.ingestion.remote import open_remote, remote_prefix
from ragstone.ingestion.robots import Rule, parse_robots
from ragstone.ingestion.sitemaps import entries
from ragstone.ingestion.web_sources import SitemapSource, UrlSource
from ragstone.schemas.records import Raw

from .website import Clock, Site, answer, html, redirect, site

__all__ = ["site"]  # a fixture

LIMITS = LimitSettings()
NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def pages_of(site: Site, *paths: str, **settings: Any) -> list[Raw]:
    urls = [site.url + path for path in paths]
    return list(UrlSource(urls, site.settings(**settings), LIMITS).raws())


def sitemap_of(site: Site, path: str = "/sitemap.xml", **settings: Any) -> list[Raw]:
    return list(SitemapSource(site.url + path, site.settings(**settings), LIMITS).raws())


def urlset(site: Site, *paths: str) -> str:
    urls = [path if "://" in path else site.url + path for path in paths]
    inner = "".join(
        f"<url>\n<loc>\n {url}\n</loc><lastmod>2026-01-01</lastmod></url>" for url in urls
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {NS}>{inner}</urlset>'


def index(site: Site, *paths: str) -> str:
    urls = [path if "://" in path else site.url + path for path in paths]
    inner = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"<sitemapindex {NS}>{inner}</sitemapindex>"


def outcome(site: Site, raw: Raw) -> str:
    """Return what became of an address, short enough for a list."""
    path = raw.source.removeprefix(site.url)
    return path if raw.problem is None else f"{path}: {raw.problem.code}"


# ---------------------------------------------------------------- single pages


def test_a_page_becomes_a_document(site: Site) -> None:
    site.pages |= {
        "/rocks/granite": html("<html><title>Granite</title><p>Hard stone.</p></html>"),
        "/notes.md": answer("# Basalt\n\nDark stone.", "Content-Type: text/plain"),
    }
    source = UrlSource(
        [f"{site.url}/rocks/granite#top", f"{site.url}/notes.md"], site.settings(), LIMITS
    )
    assert source.total == 2
    first, second = source.raws()
    host = f"127.0.0.1:{site.port}"
    assert (first.source, first.name) == (f"{site.url}/rocks/granite", f"{host}/rocks/granite.html")
    assert first.metadata == {"content_type": "text/html"}
    assert second.name == f"{host}/notes.md"
    document = parse(first, load(first, LIMITS), LIMITS)
    assert (document.title, document.text) == ("Granite", "Hard stone.")
    assert document.metadata["content_type"] == "text/html"
    assert parse(second, load(second, LIMITS), LIMITS).title == "Basalt"
    assert list(source.raws()) == [first, second]  # the same again


def test_what_cannot_be_had_is_yielded_with_its_problem(site: Site) -> None:
    site.pages |= {
        "/first": html("1"),
        "/moved": redirect("http://169.254.169.254/latest/meta-data/"),
        "/large": answer(bytes(3_000)),
        "/last": html("2"),
    }
    urls = ["/first", "/gone", "/moved", "/large", "/last"]
    found = pages_of(site, *urls, bytes=2_000)
    assert [outcome(site, raw) for raw in found] == [
        "/first",
        "/gone: fetch_failed",
        "/moved: blocked_address",
        "/large: limit_exceeded",
        "/last",
    ]
    assert all((raw.content is None) == (raw.problem is not None) for raw in found)
    hidden = list(UrlSource(["http://\ud800/\0", "nonsense"], FetchSettings(), LIMITS).raws())
    assert [type(raw.problem) for raw in hidden] == [BlockedAddress] * 2
    assert all(raw.source.encode() and "\0" not in raw.source for raw in hidden)


def test_a_redirect_keeps_the_address_that_was_asked(site: Site) -> None:
    site.pages |= {"/old": redirect("/new"), "/new": html("x")}
    (raw,) = pages_of(site, "/old")
    assert (raw.source, raw.metadata["url"]) == (f"{site.url}/old", f"{site.url}/new")


@pytest.mark.parametrize(("url", "media_type", "name"), [
    ("https://a.test/", "text/html", "a.test/index.html"),
    ("https://a.test/b/", "text/html", "a.test/b/index.html"),
    ("https://a.test/b", "text/html", "a.test/b.html"),
    ("https://a.test/b.HTM", "text/html", "a.test/b.HTM"),
    ("https://a.test/index.php", "text/html", "a.test/index.php.html"),
    ("https://a.test/view?id=3.5&x=%2F", "text/html", "a.test/view?id=3.5&x=/.html"),
    ("https://a.test/get?file=1", "application/pdf", "a.test/get?file=1.pdf"),
    ("https://a.test/a.md?raw=1", "text/plain", "a.test/a.md?raw=1.md"),
    ("https://a.test/LICENSE", "text/plain", "a.test/LICENSE.txt"),
    ("https://a.test/x.docx", "application/zip", "a.test/x.docx"),
    ("https://a.test/x.pdf", "application/octet-stream", "a.test/x.pdf"),
    ("https://a.test/x.pdf?v=2", "", "a.test/x.pdf?v=2.pdf"),
    ("https://a.test/photo", "image/jpeg", "a.test/photo.jpg"),
    ("https://a.test/data.csv.gz", "application/gzip", "a.test/data.csv.gz"),
    ("https://a.test/gr%C3%B6%C3%9Fe", "text/html", "a.test/größe.html"),
    ("https://a.test/%2e%2e/%2e%2e%2fetc/x", "text/html", "a.test/etc/x.html"),
    ("https://a.test/a%00%0Ab", "text/html", "a.test/a\ufffd\ufffdb.html"),
])  # fmt: skip
def test_names_end_in_what_parsers_know(url: str, media_type: str, name: str) -> None:
    assert page_name(url, media_type) == name


def test_endings_of_media_types_have_parsers_where_there_are_any() -> None:
    """A type whose ending no parser knew would be read as something else, or refused."""
    for media_type, ending in [("text/html", ".html"), ("application/pdf", ".pdf"),
                               ("text/markdown", ".md"), ("application/json", ".json"),
                               ("text/csv", ".csv"), ("application/xml", ".xml"),
                               ("application/epub+zip", ".epub"), ("message/rfc822", ".eml"),
                               ("application/x-ndjson", ".jsonl")]:  # fmt: skip
        assert page_name("https://a.test/x", media_type) == f"a.test/x{ending}"
        assert ending in PARSERS


@pytest.mark.parametrize(("charset", "encoded"), [
    ("windows-1251", "Гранит — твёрдый камень, базальт тоже.".encode("cp1251")),
    ("shift_jis", "花崗岩は硬い石です。".encode("shift_jis")),
    ("iso-8859-1", "“Größe” — so called".encode("cp1252")),
    ("utf-8", "Größe".encode()),
    ("windows-1251", "Größe".encode()),  # the header is wrong: these bytes are UTF-8
])  # fmt: skip
def test_an_encoding_that_only_the_server_knows(site: Site, charset: str, encoded: bytes) -> None:
    body = b"<html><p>" + encoded + b"</p></html>"
    site.pages["/"] = answer(body, f"Content-Type: text/html; charset={charset}")
    (raw,) = pages_of(site, "/")
    text = parse(raw, load(raw, LIMITS), LIMITS).text
    right = {"iso-8859-1": "cp1252"}.get(charset, charset)
    if text != "Größe":
        assert text == encoded.decode(right)
    assert text in ("Größe", encoded.decode(right))


def test_bytes_are_left_alone_where_they_speak_for_themselves() -> None:
    def content(body: bytes, media_type: str, charset: str) -> bytes | None:
        return page(
            "https://a.test/", Fetched("https://a.test/", body, media_type, charset)
        ).content

    declared = b'<meta charset="windows-1252"><p>Gr\xf6\xdfe'
    for body, media_type, charset in [
        (declared, "text/html", "windows-1251"),
        (b"\xff\xfeG\x00\xdf\x00", "text/html", "windows-1251"),
        (b"%PDF-1.7 \xff\xfe\xfd", "application/pdf", "windows-1251"),
        (b"Gr\xf6\xdfe", "text/html", "no-such-charset"),
        (b"Gr\xf6\xdfe", "text/html", "utf-8"),
        (b"Gr\xf6\xdfe", "text/html", ""),
        (b"Gr\xf6\xdfe", "text/html", "hex"),
    ]:
        assert content(body, media_type, charset) == body
    assert content(b"Gr\xf6\xdfe", "text/html", "latin1") == "\ufeffGröße".encode()


# ---------------------------------------------------------------- manners


def test_robots_are_kept_out_of_what_is_closed(site: Site) -> None:
    site.pages |= {
        "/robots.txt": answer("User-agent: *\nDisallow: /private\nAllow: /private/open\n"),
        "/private/x": html("secret"),
        "/private/open/x": html("open"),
        "/to": redirect("/private/x"),
        "/free": html("free"),
    }
    found = pages_of(site, "/private/x", "/private/open/x", "/to", "/free", "/%70rivate/x")
    assert [outcome(site, raw) for raw in found] == [
        "/private/x: robots_disallowed",
        "/private/open/x",
        "/to: robots_disallowed",
        "/free",
        "/%70rivate/x: robots_disallowed",
    ]
    assert isinstance(found[0].problem, RobotsDisallowed)
    assert "robots.txt of 127.0.0.1 does not allow it" in found[0].problem.message
    assert "fetch.robots" in found[0].problem.hint
    assert site.requests == ["/robots.txt", "/private/open/x", "/to", "/free"]
    assert [outcome(site, raw) for raw in pages_of(site, "/private/x", robots=False)] == [
        "/private/x"
    ]


@pytest.mark.parametrize(("status", "allowed"), [
    ("404 Not Found", True),
    ("403 Forbidden", True),
    ("429 Too Many Requests", False),
    ("500 Internal Server Error", False),
])  # fmt: skip
def test_a_robots_file_that_is_missing_or_broken(site: Site, status: str, *, allowed: bool) -> None:
    site.pages |= {"/robots.txt": answer(b"", status=status), "/": html("x")}
    (raw,) = pages_of(site, "/", retries=0)
    assert (raw.problem is None) == allowed
    if raw.problem is not None:
        assert isinstance(raw.problem, RobotsDisallowed)
        assert f"the server answered {status}" in raw.problem.message
        assert site.requests == ["/robots.txt"]


def test_a_robots_file_that_leads_somewhere_private(site: Site) -> None:
    site.pages |= {"/robots.txt": redirect("http://10.0.0.1/robots.txt"), "/": html("x")}
    (raw,) = pages_of(site, "/")
    assert isinstance(raw.problem, BlockedAddress)


def test_pauses_are_those_the_site_asks_for_within_bounds(site: Site) -> None:
    def slept(rules: str, **settings: Any) -> list[float]:
        site.pages |= {"/robots.txt": answer(rules), "/a": html("a"), "/b": html("b")}
        clock = Clock()
        changed = site.settings(delay_seconds=2, **settings)
        with Fetcher(changed, LIMITS, clock=clock) as fetcher:
            found = list(
                UrlSource([f"{site.url}/{p}" for p in "ab"], changed, LIMITS, fetcher).raws()
            )
        assert [raw.problem for raw in found] == [None, None]
        return clock.slept

    # After robots.txt, and between the pages.
    assert slept("") == [2.0, 2.0]
    assert slept("User-agent: *\nCrawl-delay: 7.5") == [2.0, 7.5]
    assert slept("User-agent: *\nCrawl-delay: 1") == [2.0, 2.0]
    assert slept("User-agent: *\nCrawl-delay: 9000", max_delay_seconds=40) == [2.0, 40.0]
    assert slept("User-agent: *\nCrawl-delay: 9000", robots=False) == [2.0]


ROBOTS = b"""\xef\xbb\xbf# a comment
Sitemap: https://a.test/one.xml
user-agent: other
Disallow: /
User-Agent: ragstone   # us
User-agent: friend/2.0
Disallow: /closed # trailing
Allow: /closed/*.html$
Disallow: /*?session=
Disallow: /a*b*c$
Disallow:
Disallow: /tie
Allow: /tie
Crawl-delay: 3
Nonsense without a colon

User-agent: *
Disallow: /everyone
Sitemap: https://a.test/two.xml
User-agent: Ragstone
Disallow: /gr\xc3\xb6\xc3\x9fe
"""


@pytest.mark.parametrize(("path", "allowed"), [
    ("/", True),
    ("/closed", False),
    ("/closed/x", False),
    ("/closed/x.html", True),
    ("/closed/x.html?q=1", False),
    ("/%63losed", False),
    ("/x?session=1", False),
    ("/x?other=1", True),
    ("/abc", False),
    ("/a-b-b-c", False),
    ("/abcd", True),
    ("/acb", True),
    ("/tie", True),
    ("/everyone", True),
    ("/gr%C3%B6%c3%9fe", False),
])  # fmt: skip
def test_rules_of_robots(path: str, *, allowed: bool) -> None:
    for agent in ("Ragstone", "ragstone/0.1 (me@example.org)"):
        robots = parse_robots(ROBOTS, agent)
        assert robots.allows(path) == allowed
    assert robots.delay == 3.0
    assert robots.sitemaps == ("https://a.test/one.xml", "https://a.test/two.xml")


def test_rules_for_everyone_and_for_others() -> None:
    stranger = parse_robots(ROBOTS, "Stranger")
    assert not stranger.allows("/everyone")
    assert stranger.allows("/closed")
    assert not parse_robots(ROBOTS, "other").allows("/")
    assert not parse_robots(ROBOTS, "FRIEND").allows("/closed")
    assert parse_robots(b"Disallow: /", "x").allows("/")  # a rule for nobody
    assert (
        parse_robots(b"User-agent: x\nCrawl-delay: inf\nUser-agent: x\nCrawl-delay: -1", "x").delay
        == 0
    )
    assert parse_robots(b"\xff\xfe\x00<html>nothing: here", "x").allows("/")
    assert not parse_robots(b"User-agent: x\rDisallow: /y\r", "x").allows("/y")


def test_a_pattern_made_to_be_slow_is_not() -> None:
    """Half a second is thousands of times what it takes; a backtracking matcher takes years."""
    rule = Rule("/" + "a*" * 1_000 + "b$", allow=False)
    began = time.process_time()
    assert not rule.matches("/" + "a" * 2_000)
    assert time.process_time() - began < 0.5


@given(pattern=st.text("ab*", max_size=8), path=st.text("ab", max_size=8), anchored=st.booleans())
def test_patterns_match_as_their_regular_expression_does(
    *, pattern: str, path: str, anchored: bool
) -> None:
    expression = "/" + ".*".join(map(re.escape, pattern.split("*"))) + ("$" if anchored else "")
    rule = Rule(f"/{pattern}" + "$" * anchored, allow=True)
    assert rule.matches(f"/{path}") == bool(re.match(expression, f"/{path}"))


# ---------------------------------------------------------------- sitemaps


def test_a_sitemap_gives_its_pages_in_order_each_once(site: Site) -> None:
    site.pages |= {
        "/sitemap.xml": answer(urlset(site, "/b", "/a", "/gone", "/b", "/p?x=1&amp;y=2")),
        "/robots.txt": answer("User-agent: *\nDisallow: /a"),
        "/b": html("b"),
        "/p?x=1&y=2": html("p"),
    }
    source = SitemapSource(f"{site.url}/sitemap.xml", site.settings(), LIMITS)
    assert source.total is None
    found = [outcome(site, raw) for raw in source.raws()]
    assert found == ["/b", "/a: robots_disallowed", "/gone: fetch_failed", "/p?x=1&y=2"]


def test_an_index_leads_to_its_sitemaps_packed_and_plain(site: Site) -> None:
    listed = f"\ufeff{site.url}/c\n\n {site.url}/d \n"
    site.pages |= {
        "/index.xml": answer(index(site, "/1.xml.gz", "/list.txt", "/index.xml", "/lost.xml")),
        "/1.xml.gz": answer(gzip.compress(urlset(site, "/a", "/b").encode())),
        "/list.txt": answer(listed, "Content-Type: text/plain"),
        **{f"/{name}": html(name) for name in "abcd"},
    }
    found = sitemap_of(site, "/index.xml")
    assert [outcome(site, raw) for raw in found] == [
        "/a", "/b", "/c", "/d", "/lost.xml: fetch_failed",
    ]  # fmt: skip
    assert found[-1].metadata == {LISTING: True}


def test_a_site_says_in_robots_where_its_sitemaps_are(site: Site) -> None:
    site.pages |= {
        "/robots.txt": answer(f"Sitemap: {site.url}/x.xml\nSitemap: {site.url}/x.xml"),
        "/x.xml": answer(urlset(site, "/a")),
        "/sitemap.xml": answer(urlset(site, "/b")),
        "/a": html("a"),
        "/b": html("b"),
    }
    assert [outcome(site, raw) for raw in sitemap_of(site, "")] == ["/a"]
    site.pages["/robots.txt"] = answer("")
    assert [outcome(site, raw) for raw in sitemap_of(site, "/")] == ["/b"]
    site.pages["/robots.txt"] = answer(b"", status="503 Service Unavailable")
    (raw,) = sitemap_of(site, "/", retries=0)
    assert isinstance(raw.problem, RobotsDisallowed)
    assert raw.metadata == {LISTING: True}


def test_a_sitemap_speaks_for_its_own_site_only(site: Site) -> None:
    with Site("127.0.0.2", site.port) as other:
        site.pages |= {
            "/sitemap.xml": answer(index(site, f"{other.url}/s.xml", "/own.xml")),
            "/own.xml": answer(urlset(site, f"{other.url}/page", "http://10.0.0.1/", "/a")),
            "/a": html("a"),
        }
        found = sitemap_of(site, allow_private=["127.0.0.0/8"])
        assert [outcome(site, raw) for raw in found] == [
            f"{other.url}/s.xml: blocked_address",
            f"{other.url}/page: blocked_address",
            "http://10.0.0.1/: blocked_address",
            "/a",
        ]
        assert other.callers() == 0
    assert found[1].problem is not None
    assert "speaks for that site only" in found[1].problem.message


def test_sitemaps_are_followed_so_deep_and_so_many(site: Site) -> None:
    site.pages |= {f"/{n}.xml": answer(index(site, f"/{n + 1}.xml")) for n in range(9)}
    (raw,) = sitemap_of(site, "/0.xml")
    assert outcome(site, raw) == "/3.xml: blocked_address"
    site.pages["/0.xml"] = answer(index(site, *(f"/leaf-{n}.xml" for n in range(9))))
    site.pages |= {f"/leaf-{n}.xml": answer(urlset(site)) for n in range(9)}
    (raw,) = sitemap_of(site, "/0.xml", pages=5)
    assert isinstance(raw.problem, LimitExceeded)
    assert "number of sitemaps" in raw.problem.message
    assert sitemap_of(site, "/0.xml", pages=10) == []


def test_more_pages_than_allowed(site: Site) -> None:
    paths = [f"/{n}" for n in range(5)]
    site.pages |= {path: html(path) for path in paths}
    site.pages["/sitemap.xml"] = answer(urlset(site, *paths, *paths))
    assert [outcome(site, raw) for raw in sitemap_of(site, pages=5)] == paths
    *found, last = sitemap_of(site, pages=4)
    assert [outcome(site, raw) for raw in found] == paths[:4]
    assert isinstance(last.problem, LimitExceeded)
    assert "fetch.pages" in last.problem.hint
    assert (last.source, last.metadata) == (f"{site.url}/sitemap.xml", {LISTING: True})


BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize("content", [
    b"", b"<", b"<html><body>no sitemap</body></html>", b"\x00\x01\x02", b"just words\n",
    b"\x1f\x8b broken", gzip.compress(b"<urlset>")[:-8],
    f"<urlset {NS}><url><loc>https://a.test/".encode(),
    f"<!DOCTYPE x [<!ENTITY e0 'ha'>{BOMB}]><html>&e11;</html>".encode(),
    b"<a>" * 5_000,
])  # fmt: skip
def test_what_is_no_sitemap_is_refused(site: Site, content: bytes) -> None:
    site.pages["/sitemap.xml"] = answer(content)
    (raw,) = sitemap_of(site)
    assert isinstance(raw.problem, MalformedInput)
    assert raw.metadata == {LISTING: True}


def test_a_sitemap_that_breaks_off_gives_what_it_had(site: Site) -> None:
    whole = urlset(site, "/a", "/b")
    site.pages |= {"/sitemap.xml": answer(whole[: whole.rindex("<url>") + 3]), "/a": html("a")}
    assert [outcome(site, raw) for raw in sitemap_of(site)] == [
        "/a", "/sitemap.xml: malformed_input",
    ]  # fmt: skip


def test_entities_bring_in_nothing(tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("https://a.test/secret")
    for entity in (f'SYSTEM "{(tmp_path / "secret").as_uri()}"', '"https://a.test/inner"'):
        content = (
            f"<!DOCTYPE urlset [<!ENTITY e {entity}>]><urlset {NS}>"
            "<url><loc>&e;</loc></url><url><loc>https://a.test/x</loc></url></urlset>"
        )
        assert [entry.url for entry in entries(content.encode(), LIMITS)] == ["https://a.test/x"]
    bombed = (
        f"<!DOCTYPE urlset [<!ENTITY e0 'ha'>{BOMB}]><urlset {NS}>"
        "<url><loc>https://a.test/&e11;</loc></url></urlset>"
    )
    with suppress(MalformedInput):  # by newer versions of libxml2; older ones just leave it out
        assert [entry.url for entry in entries(bombed.encode(), LIMITS)] == ["https://a.test/"]


def test_a_packed_sitemap_that_is_a_bomb() -> None:
    with pytest.raises(LimitExceeded):
        list(entries(gzip.compress(b" " * 40 * 2**20), LIMITS))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(content: bytes) -> None:
    parse_robots(content, "Ragstone").allows("/x")
    for start in (b"", b"<urlset>", b"<urlset><url><loc>", b"http://a.test/\n", b"\x1f\x8b\x08"):
        try:
            found = list(entries(start + content, LIMITS))
        except (MalformedInput, LimitExceeded):
            continue
        assert all(entry.url.encode() for entry in found)


# ---------------------------------------------------------------- which source a place is


@pytest.mark.parametrize(("where", "kind"), [
    ("https://example.com/", UrlSource),
    ("HTTP://example.com/a.pdf", UrlSource),
    ("http:\\\\127.0.0.1\\", UrlSource),  # to be refused with its reason, not taken for a path
    ("https://example.com/sitemap.xml", SitemapSource),
    ("https://example.com/a/post-sitemap2.xml.gz", SitemapSource),
    ("https://example.com/sitemap_index.XML", SitemapSource),
    ("sitemap:https://example.com/", SitemapSource),
    ("Sitemap:https://example.com/map", SitemapSource),
    ("memory://bucket/x", ObjectSource),
    ("papers", type(None)),
    ("/srv/papers/sitemap.xml", type(None)),
    ("C:/papers", type(None)),
    ("//host/share", type(None)),
    ("sqlite:///x.db", type(None)),
    ("postgresql://host/x", type(None)),
])  # fmt: skip
def test_a_place_is_opened_as_what_it_is(where: str, kind: type[Any]) -> None:
    assert type(open_remote(where, FetchSettings(), LIMITS)) is kind


@pytest.mark.parametrize("where", [
    "file:///etc/passwd", "file:/etc/passwd", "ftp://a.test/x", "sftp://a.test/x", "gopher://a/",
    "smb://a/x", "FILE:///etc/passwd", "zip://x::https://a.test/y.zip", "zip://x::/etc/a.zip",
    "simplecache::s3://bucket/x", "memory://x::file:///etc/passwd", "github://a:b@main/x",
])  # fmt: skip
def test_a_place_of_another_kind_is_refused(where: str) -> None:
    with pytest.raises(InvalidArgument, match="source is"):
        open_remote(where, FetchSettings(), LIMITS)


def test_what_the_sources_of_a_place_begin_with() -> None:
    for where, prefix in [
        ("HTTPS://Example.com/a#b", "https://example.com/a"),
        ("http://127.1/", "http://127.1/"),
        ("s3://bucket/docs/", "s3://bucket/docs"),
        ("s3://bucket/docs/**/*.md", "s3://bucket/docs"),
        ("s3://bucket", "s3://bucket"),
    ]:
        assert remote_prefix(where) == prefix


def test_an_object_store_without_its_package() -> None:
    """One of the three is missing on any machine that has only what Ragstone itself needs."""
    packages = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
    missing = [name for name, package in packages.items() if find_spec(package) is None]
    if not missing:
        pytest.skip("s3fs, gcsfs and adlfs are all installed")
    for name in missing:
        with pytest.raises(SourceUnavailable, match=f"the package {packages[name]}") as caught:
            open_remote(f"{name}://bucket/x", FetchSettings(), LIMITS)
        assert f"pip install {packages[name]}" in caught.value.hint


def test_errors_survive_the_way_to_another_process() -> None:
    for error in (
        BlockedAddress("http://x/", "it is so"),
        RobotsDisallowed("http://x/", "it is so"),
        FetchFailed("http://x/", "it is so", status=404),
    ):
        restore, (kind, arguments, state) = error.__reduce__()
        again: Rejected = restore(kind, arguments, state)
        assert (type(again), again.as_dict()) == (type(error), error.as_dict())
