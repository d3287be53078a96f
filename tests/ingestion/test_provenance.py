"""Author, licence, source and date: what each format tells, under one set of names."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import docx
import pytest

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.provenance import iso_date, provenance
from ragstone.schemas.records import Raw

from .hostile import epub, pdf, saved, zipped

BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"


def told(name: str, content: bytes | str) -> dict[str, Any]:
    data = content.encode() if isinstance(content, str) else content
    document = parse(Raw(f"/x/{name}", name), data, LimitSettings())
    return {**document.metadata, **provenance(document.metadata)}


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2024-01-02", "2024-01-02"),
        ("20240102", "2024-01-02"),
        ("2024", "2024"),
        ("2024-01", "2024-01"),
        (1999, "1999"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05+00:00"),
        ("2024:01:02 03:04:05", "2024-01-02T03:04:05"),
        ("Tue, 02 Jan 2024 03:04:05 +0100", "2024-01-02T03:04:05+01:00"),
        ("yesterday", ""),
        ("2024-13-45", ""),
        ("", ""),
        (None, ""),
        (["2024"], ""),
        ("9" * 1_000, ""),
    ],
)
def test_dates(written: object, iso: str) -> None:
    assert iso_date(written) == iso


@pytest.mark.parametrize(
    ("licence", "name"),
    [
        (BY_SA, "CC-BY-SA-4.0"),
        ("http://creativecommons.org/licenses/by/2.0/de/legalcode", "CC-BY-2.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "PDM-1.0"),
        ("© 2024 A. Mason", "© 2024 A. Mason"),
    ],
)
def test_licences(licence: str, name: str) -> None:
    assert provenance({"license": licence}) == {"licence": name}


def test_names_of_many_formats_come_to_the_same_four() -> None:
    assert provenance({"exif": {"Artist": "Ann", "DateTimeOriginal": "2024:01:02 03:04:05"}}) == {
        "author": "Ann",
        "created": "2024-01-02T03:04:05",
    }
    assert provenance({"dc:creator": ["Ann", "Bo", ""], "dc.rights": "free"}) == {
        "author": ["Ann", "Bo"],
        "licence": "free",
    }
    assert provenance({"from": "Ann <ann@example.com>"}) == {"author": "Ann <ann@example.com>"}
    assert provenance({"url": "https://example.com/a"}) == {"source_url": "https://example.com/a"}
    assert provenance({"copyright": "later", "Licence": "first"}) == {"licence": "first"}


def test_nothing_is_made_up_or_lost() -> None:
    assert provenance({}) == {}
    assert provenance({"source": "wikipedia", "url": "javascript:alert(1)", "date": "soon"}) == {}
    assert provenance({"author": 7, "licence": "", "created": None, "exif": "no"}) == {}
    assert provenance({"created": "2024-01-02"}) == {"created": "2024-01-02"}
    assert provenance({"created": "20240102", "licence": BY_SA}) == {
        "created": "2024-01-02",
        "created_raw": "20240102",
        "licence": "CC-BY-SA-4.0",
        "licence_raw": BY_SA,
    }


def test_a_second_time_changes_nothing() -> None:
    metadata: dict[str, Any] = {"created": "20240102", "license": BY_SA, "artist": "Ann"}
    once = {**metadata, **provenance(metadata)}
    assert {**once, **provenance(once)} == once


PAGE = f"""<html lang="de"><head><title>Granit</title>
<meta name="author" content="Ann Mason">
<meta property="article:published_time" content="2024-01-02T03:04:05Z">
<link rel="canonical" href="https://example.com/granit">
</head><body><p>Granit ist hart.
<a rel="license noopener" href="{BY_SA}">CC</a></p></body></html>"""


def test_html_meta_elements_and_links() -> None:
    assert told("a.html", PAGE) == {
        "language": "de",
        "author": "Ann Mason",
        "created": "2024-01-02T03:04:05+00:00",
        "created_raw": "2024-01-02T03:04:05Z",
        "licence": "CC-BY-SA-4.0",
        "licence_raw": BY_SA,
        "source_url": "https://example.com/granit",
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"author": {"name": "Ann"}, "datePublished": "2024-01-02"}', ("Ann", "2024-01-02")),
        ('[{"author": [{"name": "Ann"}, "Bo"]}]', (["Ann", "Bo"], None)),
        ('{"@graph": [{"@type": "Article", "author": "Ann"}]}', ("Ann", None)),
        ('{"author": ', (None, None)),
        ("[" * 100_000, (None, None)),
        ('"text"', (None, None)),
    ],
)
def test_html_linked_data(data: str, expected: tuple[object, object]) -> None:
    page = f"<script type='application/ld+json'>{data}</script><p>Granite is hard."
    found = told("a.html", page)
    assert (found.get("author"), found.get("created")) == expected


def test_books_and_markdown_and_code() -> None:
    package = """<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
    <dc:creator>Ann</dc:creator><dc:rights>CC0</dc:rights><dc:date>2024</dc:date>
    <dc:publisher>Quarry Press</dc:publisher></metadata><manifest><item id='a' href='a.xhtml'
    media-type='application/xhtml+xml'/></manifest><spine><itemref idref='a'/></spine></package>"""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(epub())) as archive:
        members: dict[str, bytes | str] = {n: archive.read(n) for n in archive.namelist()}
    assert told("a.epub", zipped({**members, "b.opf": package})) == {
        "author": "Ann",
        "licence": "CC0",
        "created": "2024",
        "publisher": "Quarry Press",
    }
    head = "---\ntitle: T\nauthor: Ann\ndate: 2024-01-02\nlicense: MIT\nurl: https://a.example/b\n---\n"
    found = told("a.md", head + "# Stones\n")
    assert found["licence"] == found["license"] == "MIT"
    assert (found["author"], found["created"]) == ("Ann", "2024-01-02")
    assert found["source_url"] == "https://a.example/b"
    for name in ("a.py", "a.c"):
        spdx = "# SPDX-License-Identifier: MIT OR Apache-2.0\nx = 1\n"
        assert told(name, spdx)["licence"] == "MIT OR Apache-2.0"


def test_word_and_mail() -> None:
    document = docx.Document()
    document.add_paragraph("Granite")
    document.core_properties.author = "Ann"
    document.core_properties.modified = datetime(2024, 1, 2, tzinfo=UTC)
    found = told("a.docx", saved(document))
    assert found["author"] == "Ann"
    assert found["modified"].startswith("2024-01-02")
    mail = "From: Ann <ann@example.com>\nDate: Tue, 02 Jan 2024 03:04:05 +0100\n\nHello"
    assert told("a.eml", mail)["author"] == "Ann <ann@example.com>"
    assert told("a.eml", mail)["created"] == "2024-01-02T03:04:05+01:00"


XMP = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:cc="http://creativecommons.org/ns#"><rdf:Description><dc:rights><rdf:Alt>
<rdf:li>All yours</rdf:li></rdf:Alt></dc:rights><cc:license rdf:resource="{BY_SA}"/>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_pdf_rights_stand_in_its_xmp_packet() -> None:
    found = told("a.pdf", pdf() + XMP.encode())
    assert (found["licence"], found["rights"]) == ("CC-BY-SA-4.0", "All yours")
    assert "licence" not in told("a.pdf", pdf() + XMP.replace("</rdf:RDF>", "").encode())
