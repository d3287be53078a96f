"""Sentences and words as spans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.text import find_words, sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        (
            "Dr. J. Smith paid 3.14 e.g. in coins. Done.",
            ["Dr. J. Smith paid 3.14 e.g. in coins.", "Done."],
        ),
        ("Wait... what? Yes", ["Wait... what?", "Yes"]),
        ("no stop here\n\nnew paragraph", ["no stop here", "new paragraph"]),
        ("漢字。仮名！終わり", ["漢字。", "仮名！", "終わり"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_only_the_given_stretch_is_looked_at() -> None:
    text = "Before. In here. After."
    assert [text[a:b] for a, b in sentence_spans(text, 8, 16)] == ["In here."]


@given(st.text())
def test_sentences_cover_all_but_white_space_in_order(text: str) -> None:
    position = 0
    for start, end in sentence_spans(text):
        assert start >= position
        assert not text[position:start].strip()
        assert text[start:end].strip() == text[start:end] != ""
        position = end
    assert not text[position:].strip()


@pytest.mark.parametrize(
    ("wanted", "text", "found"),
    [
        ("slate, since 1300", "Roofs of Slate\n since 1300.", "Slate\n since 1300"),
        ("(1300).", "since 1300, or 1301", "1300"),
        ("130", "since 1300", None),
        ("late", "slate and late ones", "late"),
        ("well-known", "a well known stone", "well known"),
        ("slate roofs", "slate covers roofs", None),
        ("花崗岩", "これは花崗岩です。", "花崗岩"),
        ("a.c", "abc", None),
        ("?!", "what?!", None),
        ("", "slate", None),
    ],
)
def test_words_are_found_whole_and_in_order(wanted: str, text: str, found: str | None) -> None:
    span = find_words(wanted, text)
    assert (span and text[slice(*span)]) == found
