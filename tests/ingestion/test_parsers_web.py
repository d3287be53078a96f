"""HTML, XML and data files."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, LimitExceeded, MalformedInput
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.parsers.tables import sniff_delimiter
from ragstone.schemas.records import BlockKind, Document, Raw

LIMITS = LimitSettings()
HEADING, PARAGRAPH, TABLE, LIST, CODE = (
    BlockKind.HEADING,
    BlockKind.PARAGRAPH,
    BlockKind.TABLE,
    BlockKind.LIST,
    BlockKind.CODE,
)


def read(name: str, content: bytes | str, limits: LimitSettings = LIMITS) -> Document:
    data = content.encode() if isinstance(content, str) else content
    return parse(Raw(source=f"/x/{name}", name=name), data, limits)


def shown(document: Document) -> list[tuple[BlockKind, int, str]]:
    return [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]


PLAIN_PAGE = """<!DOCTYPE html><html lang="en"><head><title>The  Page</title>
<meta name="author" content="A. Mason"><style>p {}</style><script>var hidden = 1</script></head>
<body><h1>Stones</h1>loose <b>bold</b>text<p>One<br>two&nbsp;three <i>four</i>.</p><div>In a div
<p>and below</p>tail</div><ul><li>a<ul><li>b</li></ul></li><li><p>c</p></li></ul>
<table><caption>Cap</caption><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2<br>3</td></tr></table>
<pre>x = 1
  y</pre><p hidden>secret</p><p style="display: none">secret</p><h3>End</h3></body></html>"""


def test_a_plain_page_is_shown_whole_and_in_order() -> None:
    document = read("a.html", PLAIN_PAGE)
    assert shown(document) == [
        (HEADING, 1, "Stones"),
        (PARAGRAPH, 0, "loose boldtext"),
        (PARAGRAPH, 0, "One\ntwo three four."),
        (PARAGRAPH, 0, "In a div"),
        (PARAGRAPH, 0, "and below"),
        (PARAGRAPH, 0, "tail"),
        (LIST, 0, "a\n  b\nc"),
        (TABLE, 0, "Cap\nk | v\n1 | 2 3"),
        (CODE, 0, "x = 1\n  y"),
        (HEADING, 3, "End"),
    ]
    assert document.title == "The Page"
    assert document.metadata == {"language": "en", "author": "A. Mason"}


def test_an_article_is_taken_out_of_its_page() -> None:
    sentences = "Granite is a hard stone that cools slowly far below the ground, masons say. " * 6
    paragraphs = "".join(f"<p>{sentences} Part {n}.</p>" for n in range(4))
    page = (
        "<html><head><title>Granite</title></head><body><header>Shop Login</header><nav>"
        f"<a href='/'>Home</a> <a href='/a'>About us</a></nav><article><h1>Granite</h1>"
        f"<h2>Origin</h2>{paragraphs}"
        "</article><aside>Buy our stones</aside><footer>All rights reserved</footer></body></html>"
    )
    document = read("a.html", page)
    assert document.text.count("cools slowly") == 24
    assert (HEADING, 2, "Origin") in shown(document)
    for furniture in ("Login", "About us", "Buy our stones", "All rights"):
        assert furniture not in document.text


def test_a_page_with_furniture_but_without_article_is_shown_whole() -> None:
    document = read("a.html", "<html><body><nav>Menu</nav><p>Hi</p></body></html>")
    assert "Hi" in document.text


def test_layout_tables_are_their_contents() -> None:
    data = "<table><tr><td>1</td><td>2</td></tr></table>"
    page = f"<table><tr><td><h2>Head</h2><p>text</p></td><td>{data}</td></tr></table>"
    assert [text for *_, text in shown(read("a.html", page))] == ["Head", "text", "1 | 2"]


@pytest.mark.parametrize("encoding", ["utf-8", "koi8-r", "utf-16"])
def test_html_encodings(encoding: str) -> None:
    page = f'<html><head><meta charset="{encoding}"></head><body><p>Ночь, улица</p></body></html>'
    assert read("a.html", page.encode(encoding)).text == "Ночь, улица"


def test_content_wins_over_the_ending() -> None:
    page = (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html><html><body><p>x</p></body></html>'
    )
    for name in ("a.xml", "a.txt", "a", "a.xls"):
        assert read(name, page).media_type == "text/html"
    assert read("a.md", page).media_type == "text/markdown"
    assert read("a.txt", "<?xml version='1.0'?><a>x</a>").media_type == "application/xml"
    image = b"\x89PNG\r\n\x1a\n" + bytes(50)
    for name in ("a.txt", "a.pdf", "a.html"):
        with pytest.raises(MalformedInput, match="PNG"):
            read(name, image)


@pytest.mark.parametrize("tag", ["div", "b", "ul><li", "table><tr><td", "span><p"])
def test_endless_nesting_of_html_ends(tag: str) -> None:
    page = "<html><body><p>seen</p>" + f"<{tag}>" * 50_000 + "deep</body></html>"
    try:
        assert "seen" in read("a.html", page).text
    except MalformedInput as error:
        assert "HTML" in str(error)  # noqa: PT017


def test_pages_without_text() -> None:
    for page in (
        "<html></html>",
        "<!doctype html>",
        "<html><body><script>x</script></body></html>",
    ):
        with pytest.raises(EmptyInput):
            read("a.html", page)


def test_xml_shows_texts_and_section_titles() -> None:
    source = """<?xml version="1.0"?><article xmlns="urn:x"><front>
    <article-title>Stones</article-title></front><body><sec><title>Kinds</title><p>Hard
    <i>and</i> soft.</p><sec><title>Hard</title>
    <p>Granite</p></sec></sec><table><tr><td>1</td></tr></table></body><!-- no --></article>"""
    document = read("a.xml", source)
    assert shown(document) == [
        (HEADING, 1, "Stones"),
        (HEADING, 1, "Kinds"),
        (PARAGRAPH, 0, "Hard and soft."),
        (HEADING, 2, "Hard"),
        (PARAGRAPH, 0, "Granite"),
        (PARAGRAPH, 0, "1"),
    ]
    assert document.title == "Stones"


def test_xml_bombs() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><a><b>seen</b>&e11;</a>'
    try:
        assert len(read("a.xml", bomb).text) < 100
    except MalformedInput as error:
        assert "XML" in str(error)  # noqa: PT017
    with pytest.raises(MalformedInput, match="XML"):
        read("a.xml", "<a>" * 100_000 + "x" + "</a>" * 100_000)


def test_xml_reads_no_other_file() -> None:
    entity = '<!ENTITY f SYSTEM "file:///etc/hostname">'
    source = f'<?xml version="1.0"?><!DOCTYPE a [{entity}]><a>x &f; y</a>'
    assert read("a.xml", source).text in ("x y", "x &f; y")


def test_broken_xml_says_where() -> None:
    with pytest.raises(MalformedInput, match="line 1"):
        read("a.xml", "<a><b></a>")


def test_json_values_stand_with_their_paths() -> None:
    value = {"name": "granite", "tags": ["hard", "grey"], "origin": {"depth": 5, "none": None}}
    assert read("a.json", json.dumps(value)).text == (
        "name: granite\n\ntags: hard, grey\n\norigin.depth: 5"
    )
    listed = read("a.json", json.dumps([{"a": 1, "b": [{"c": True}]}, {"a": 2}]))
    assert [text for *_, text in shown(listed)] == ["a: 1\nb.1.c: true", "a: 2"]


def test_json_refusals() -> None:
    with pytest.raises(MalformedInput, match="JSON"):
        read("a.json", '{"a": ')
    with pytest.raises(MalformedInput, match="nested deeper than 100"):
        read("a.json", "[" * 200_000)
    with pytest.raises(EmptyInput):
        read("a.json", "{}")


def test_a_lone_surrogate_of_json_can_be_stored() -> None:
    document = read("a.json", r'{"a": "x\ud800y\u0000z"}')
    assert document.text == "a: x\ufffdy\ufffdz"


def test_json_lines_with_a_few_broken_ones() -> None:
    lines = [f'{{"n": {n}}}' for n in range(20)]
    document = read("a.jsonl", "\n".join([*lines, "{broken"]))
    assert len(document.blocks) == 20
    assert document.metadata == {"broken_lines": 1}
    with pytest.raises(MalformedInput, match="line 1"):
        read("a.ndjson", "no\njson\n")
    assert len(read("a.json", "\n".join(lines)).blocks) == 20


def test_csv_names_its_columns_in_a_heading() -> None:
    document = read("a.csv", 'stone;kg\r\ngranite;"2\n3"\r\n\r\nopal;\r\n')
    assert shown(document) == [(HEADING, 1, "stone | kg"), (TABLE, 0, "granite | 2 3\nopal |")]
    assert [kind for kind, *_ in shown(read("b.csv", "1,2\n3,4\n"))] == [TABLE]
    assert len(read("c.csv", "a,b\n" + "1,2\n" * 1_000).blocks) == 6


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb c, d\n1\t2, 3\n", "\t"),
        ("a|b\n", "|"),
        ("single\ncolumn\n", ","),
        ("", ","),
    ],
)
def test_delimiters_are_found_out(sample: str, delimiter: str) -> None:
    assert sniff_delimiter(sample) == delimiter


def test_parquet_as_one_document() -> None:
    target = io.BytesIO()
    parquet.write_table(pa.table({"stone": ["granite", None], "kg": [2, 3]}), target)
    document = read("table", target.getvalue())
    assert shown(document) == [(HEADING, 1, "stone | kg"), (TABLE, 0, "granite | 2\n | 3")]
    with pytest.raises(MalformedInput, match="Parquet"):
        read("a.parquet", target.getvalue()[:-20])


def test_text_limits_hold_while_writing() -> None:
    with pytest.raises(LimitExceeded, match="characters"):
        read("a.csv", "ab,cd\n" * 1_000, LimitSettings(characters=500))
