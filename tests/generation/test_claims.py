"""From a generator's text to sentences and the passages they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.generation.claims import ClaimReader, RawClaim, split_claims


def split(text: str, passages: int = 3) -> list[tuple[str, tuple[int, ...]]]:
    return [(claim.text, claim.cited) for claim in split_claims(text, passages)]


@pytest.mark.parametrize(
    "text",
    [
        "It rains. [1] It pours. [2]",
        "It rains [1]. It pours [2].",
        "It rains.[1] It pours.[2]",
        "It [1] rains. It pours [ 2 ].",
        "- It rains. [1]\n- It pours. [2]",
        "1. It rains. [1]\n2. It pours. [2]",
    ],
)
def test_markers_go_to_their_sentence(text: str) -> None:
    assert split(text) == [("It rains.", (1,)), ("It pours.", (2,))]


@pytest.mark.parametrize("marks", ["[1][2]", "[1, 2]", "[1;2]", "[1] [2]", "[1][2][1]"])
def test_several_markers_are_kept_once_each(marks: str) -> None:
    assert split(f"It rains. {marks} It pours.") == [("It rains.", (1, 2)), ("It pours.", ())]


def test_a_marker_ends_a_sentence_after_an_abbreviation() -> None:
    assert split("He lives in the U.S. [1] The sun shines. [2]") == [
        ("He lives in the U.S.", (1,)),
        ("The sun shines.", (2,)),
    ]


def test_a_fragment_ends_with_its_line() -> None:
    assert split("steam engines [1]\nIce melts. [2]") == [
        ("steam engines", (1,)),
        ("Ice melts.", (2,)),
    ]


def test_brackets_beyond_the_passages_are_text() -> None:
    assert split("In [1998] it rained [2].") == [("In [1998] it rained.", (2,))]
    assert split("It rained [4].", 3) == [("It rained [4].", ())]
    assert split("It rained [0].", 3) == [("It rained [0].", ())]


def test_nothing_gives_no_claims() -> None:
    assert split("") == []
    assert split(" \n\n [1] ") == []


@given(st.text(alphabet="Ab. \n[]12,", max_size=60))
def test_any_text_splits_into_trimmed_lines(text: str) -> None:
    for claim in split_claims(text, 2):
        assert isinstance(claim, RawClaim)
        assert claim.text == " ".join(claim.text.split()) != ""
        assert set(claim.cited) <= {1, 2}


@given(
    st.text(alphabet="Ab. \n[]12,-", max_size=60),
    st.lists(st.integers(1, 5), min_size=1, max_size=60),
)
def test_reading_bit_by_bit_gives_the_same_claims(text: str, lengths: list[int]) -> None:
    reader, claims, at = ClaimReader(2), [], 0
    for length in lengths:
        claims += reader.feed(text[at : at + length])
        at += length
    claims += reader.feed(text[at:])
    assert claims + reader.rest() == split_claims(text, 2)


def test_a_claim_comes_when_the_next_one_begins() -> None:
    reader = ClaimReader(2)
    assert reader.feed("It rains. [1") == []
    assert reader.feed("] ") == []
    assert reader.feed("It") == [RawClaim("It rains.", (1,))]
    assert reader.feed(" pours\n") == [RawClaim("It pours", ())]
    assert reader.rest() == []
