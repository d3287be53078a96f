"""Formats whose text is their source, and the decoding below all of them."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.config import LimitSettings
from ragstone.errors import (
    EmptyInput,
    LimitExceeded,
    MalformedInput,
    NotText,
    Rejected,
    UnsupportedFormat,
)
from ragstone.ingestion.parsers import PARSERS, REVISION, parse
from ragstone.ingestion.parsers.decode import decode
from ragstone.schemas.records import BlockKind, Document, Raw

LIMITS = LimitSettings()
HEADING, PARAGRAPH = BlockKind.HEADING, BlockKind.PARAGRAPH


def read(name: str, content: bytes | str, limits: LimitSettings = LIMITS) -> Document:
    data = content.encode() if isinstance(content, str) else content
    return parse(Raw(source=f"/x/{name}", name=name), data, limits)


def shown(document: Document) -> list[tuple[BlockKind, int, str]]:
    return [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]


def test_plain_text_is_its_source_and_paragraphs_are_blocks() -> None:
    source = "\n First,\n still first.\r\n\r\nSecond.\n \t\n\n  Third\n"
    document = read("a.txt", source)
    assert document.text == source
    assert [text for *_, text in shown(document)] == ["First,\n still first.", "Second.", "Third"]
    assert document.metadata == {}
    assert document.title == ""


@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-16-le", "utf-16-le"),
        ("utf-32", "utf-32-le"),
        ("cp1252", "cp1252"),
    ],
)
def test_encodings(encoding: str, stored: str | None) -> None:
    text = "Ein größeres Stück: “café” – naïve façade. It costs 5 €. " * 3
    document = read("a.txt", text.encode(encoding))
    assert document.text == text
    assert document.metadata.get("encoding") == stored


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Съешь же ещё этих мягких французских булок, да выпей чаю. "),
        ("shift_jis", "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"),
        ("cp1250", "Zażółć gęślą jaźń. Pójdź, kińże tę chmurność w głąb flaszy! "),
    ],
)
def test_legacy_encodings_are_guessed(encoding: str, text: str) -> None:
    found, guessed = decode((text * 20).encode(encoding))
    assert found == text * 20, guessed


def test_a_declared_encoding_wins_over_the_guess_but_not_over_utf8() -> None:
    assert decode("Ночь".encode("koi8-r"), "koi8-r")[0] == "Ночь"
    assert decode("Ночь".encode(), "koi8-r") == ("Ночь", "utf-8")
    assert decode("naïve".encode("cp1252"), "no such encoding")[0] == "naïve"


def test_one_damaged_byte_does_not_make_utf8_another_encoding() -> None:
    text = "Größe und Straße überall, müßig zu sagen. " * 9
    document = read("a.txt", text.encode() + b"\xff")
    assert document.text == text + "\ufffd"


@pytest.mark.parametrize("content", [bytes(range(256)) * 8, b"\x00\x01\x02" * 100])
def test_binary_bytes_are_no_text(content: bytes) -> None:
    with pytest.raises(NotText):
        read("a.txt", content)
    with pytest.raises(UnsupportedFormat, match=r"A \.bin file"):
        read("a.bin", content)
    with pytest.raises(UnsupportedFormat, match="without an ending"):
        read("blob", content)


def test_zero_bytes_never_reach_the_text_and_offsets_stay() -> None:
    document = read("a.txt", b"before\x00after" + b" more text" * 20)
    assert document.text.startswith("before\ufffdafter more")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(PARSERS)))
def test_any_bytes_under_any_ending_make_a_document_or_a_reason(content: bytes, end: str) -> None:
    try:
        document = read("file" + end, content)
    except Rejected:
        return
    document.text.encode()
    assert "\x00" not in document.text
    assert all(document.text[b.start : b.end].strip() for b in document.blocks)


def test_nothing_and_white_space_are_empty() -> None:
    for content in (b"", b" \n\t\r\n", "\ufeff".encode()):
        with pytest.raises(EmptyInput):
            read("a.txt", content)


def test_limits_on_bytes_and_characters() -> None:
    with pytest.raises(LimitExceeded, match="size in bytes is 11"):
        read("a.txt", "x" * 11, LimitSettings(bytes=10))
    with pytest.raises(LimitExceeded, match="characters"):
        read("a.md", "x" * 11, LimitSettings(characters=10))


def test_unknown_endings_with_text_are_text() -> None:
    assert read("Makefile", "all: build").text == "all: build"
    assert read("notes.xyz", "words").media_type == "text/plain"


def test_markdown_blocks_are_exact_stretches_of_the_source() -> None:
    source = (
        "---\ntitle: 'The Book'\nauthor: A. Writer\ndate: 2024-01-02\n---\n\n# One\n\nText *a*\r\n"
        "more.\n\n- a\n  - b\n\n    still b\n- c\n\n> quoted\n\nTwo\n---\n\n```py\nx = 1\n\ny = 2\n"
        "```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n    indented\n"
    )
    document = read("a.md", source)
    assert document.text == source
    assert document.title == "The Book"
    assert document.metadata == {"author": "A. Writer", "created": "2024-01-02"}
    assert shown(document)[1:] == [
        (HEADING, 1, "# One"),
        (PARAGRAPH, 0, "Text *a*\r\nmore."),
        (BlockKind.LIST, 0, "- a\n  - b\n\n    still b\n- c"),
        (PARAGRAPH, 0, "> quoted"),
        (HEADING, 2, "Two\n---"),
        (BlockKind.CODE, 0, "```py\nx = 1\n\ny = 2\n```"),
        (BlockKind.TABLE, 0, "| a | b |\n|---|---|\n| 1 | 2 |"),
        (BlockKind.CODE, 0, "    indented"),
    ]


def test_a_long_text_above_a_line_of_signs_is_no_heading_and_no_title() -> None:
    formula = "The concentration is determined by " + 12 * "the rate of binding, " + "X\n="
    short = read("a.md", "Short\n=\n\ntext")
    assert (short.title, shown(short)[0]) == ("Short", (HEADING, 1, "Short\n="))
    document = read("a.md", f"Before.\n\n{formula}\n\nAfter.")
    assert document.title == ""
    assert shown(document) == [
        (PARAGRAPH, 0, "Before."),
        (PARAGRAPH, 0, formula),
        (PARAGRAPH, 0, "After."),
    ]
    long = "# " + 30 * "a heading, "
    assert shown(read("a.md", long))[0][0] is HEADING  # its mark leaves no doubt


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_markdown_with_any_line_end(end: str) -> None:
    document = read("a.md", end.join(["# A", "", "b", "c", "", "## D", "e"]))
    assert document.title == "A"
    texts = [text for *_, text in shown(document)]
    assert texts == ["# A", f"b{end}c", "## D", "e"]


@pytest.mark.parametrize(
    ("name", "source", "headings"),
    [
        (
            "a.rst",
            "Title\n=====\n\nx\n\nPart\n----\n\ny\n",
            [(1, "Title\n====="), (2, "Part\n----")],
        ),
        ("a.org", "* One\nx\n** Two\ny", [(1, "* One"), (2, "** Two")]),
        ("a.adoc", "= One\n\nx\n\n== Two\ny", [(1, "= One"), (2, "== Two")]),
        (
            "a.tex",
            "x\n\\section{One}\ny\n\\subsubsection*{Two}\nz",
            [(1, "\\section{One}"), (3, "\\subsubsection*{Two}")],
        ),
    ],
)
def test_light_markup_headings(name: str, source: str, headings: list[tuple[int, str]]) -> None:
    document = read(name, source)
    assert document.text == source
    found = shown(document)
    assert [(level, text) for kind, level, text in found if kind is HEADING] == headings
    assert document.title in ("One", "Title")
    assert sum(kind is PARAGRAPH for kind, *_ in found) >= 2


def test_python_is_cut_at_definitions_with_their_nesting() -> None:
    source = (
        '"""Measures stones.\n\nMore."""\n\nimport os\n\n@decorated\nclass Größe(Base):\n'
        '    """A stone."""\n\n    async def weigh(self):\n        """Weigh it."""\n'
        "        é = 'ü'; return é\n\n\ndef last(): pass\n"
    )
    document = read("a.py", source)
    assert document.text == source
    assert document.title == "Measures stones."
    headings = [(level, text) for kind, level, text in shown(document) if kind is HEADING]
    assert [level for level, _ in headings] == [1, 2, 1]
    assert [text.split()[-1] for _, text in headings] == ["Größe", "weigh", "last"]
    assert all(
        block.end <= later.start
        for block, later in zip(document.blocks, document.blocks[1:], strict=False)
    )
    body = "".join(text for *_, text in shown(document))
    assert "".join(body.split()) == "".join(source.split())


def test_python_that_does_not_compile_is_text() -> None:
    document = read("a.py", "def broken(:\n    pass\n\nprint 'x'\n")
    assert [kind for kind, *_ in shown(document)] == [BlockKind.CODE, BlockKind.CODE]


def test_code_and_settings_are_code() -> None:
    document = read("a.toml", "[a]\nb = 1\n\n[c]\n")
    assert [kind for kind, *_ in shown(document)] == [BlockKind.CODE, BlockKind.CODE]


def test_subtitles_lose_their_times_and_keep_the_speaker() -> None:
    source = (
        "WEBVTT\n\nNOTE a remark\n\n1\n00:01.000 --> 00:04.000 align:left\n<v Ann>Hello <i>you</i>"
        "\n\n00:00:05.000 --> 00:00:06.000\nBye.\n"
    )
    assert read("a.vtt", source).text == "Ann: Hello you\n\nBye."
    assert read("a.srt", "1\r\n00:00:01,000 --> 00:00:02,000\r\nOne.\r\n").text == "One."


def test_gzip_is_opened_once() -> None:
    packed = gzip.compress(b"# Title\n\ntext")
    assert read("a.md.gz", packed).title == "Title"
    assert read("a.md.gz", packed + packed).text.count("Title") == 2
    with pytest.raises(UnsupportedFormat, match="inside a gzip"):
        read("a.txt.gz.gz", gzip.compress(packed))
    with pytest.raises(MalformedInput, match="too early"):
        read("a.txt.gz", packed[:-9])
    with pytest.raises(EmptyInput):
        read("a.txt.gz", gzip.compress(b""))


def test_gzip_bomb_is_stopped_by_ratio_and_by_size() -> None:
    bomb = gzip.compress(b"0" * (64 * 2**20))
    with pytest.raises(LimitExceeded, match="Unpacked over packed"):
        read("a.txt.gz", bomb)
    with pytest.raises(LimitExceeded, match="unpacked size"):
        read("a.txt.gz", bomb, LimitSettings(bytes=2**20))


def test_every_parser_stands_under_an_ending_or_type() -> None:
    assert all(ending.startswith(".") and ending == ending.lower() for ending in PARSERS)
    assert REVISION
