"""Sentences and words as spans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.text import sentence_spans


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
