"""Stems, numbers, names and negations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.generation.words import Weights, names, negated, numbers, stems


@pytest.mark.parametrize(
    "words",
    [
        "provide provides provided providing",
        "plan plans planned planning",
        "study studies",
        "boil boils boiled boiling",
        "class classes",
        "vector vectors vector's",
    ],
)
def test_forms_of_a_word_have_one_stem(words: str) -> None:
    assert len(set(stems(words))) == 1


@pytest.mark.parametrize("pair", ["process profess", "norman normandy", "ring rings", "bus busy"])
def test_different_words_stay_apart_and_plurals_do_not(pair: str) -> None:
    assert len(set(stems(pair))) == (1 if pair == "ring rings" else 2)


def test_stop_words_are_left_out_and_order_kept() -> None:
    assert stems("What is the name of the rose?") == ["nam", "ros"]
    assert stems("who is it") == []


def test_scripts_without_spaces_become_pairs() -> None:
    assert stems("数据平台") == ["数据", "据平", "平台"]
    assert set(stems("平台")) <= set(stems("数据平台"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,200.50 and 1200.5", {"1200.5"}),
        ("in 1990-1995", {"1990", "1995"}),
        ("50% of $3.5m", {"50", "3.5"}),
        ("the 10th century", {"10"}),
        ("version 3.11.2", {"3.11.2"}),
        ("two hundred", {"2", "100"}),
        ("12,000,000 people", {"12000000"}),
        ("BM25 and v2", set()),
        ("one of them", set()),
        ("0.50", {"0.5"}),
    ],
)
def test_numbers_have_one_spelling(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def test_names_are_capitalised_words_inside() -> None:
    assert names("Paris is in France, The IBM said.") == {"franc", "ibm"}
    assert names("Paris") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Salt does not lower it.", True),
        ("It doesn't.", True),
        ("It can’t be.", True),
        ("Nothing is known.", True),
        ("Notable knots.", False),
        ("It is so.", False),
    ],
)
def test_negation_is_seen(text: str, expected: bool) -> None:  # noqa: FBT001
    assert negated(text) is expected


def test_rare_words_weigh_more() -> None:
    weights = Weights([["a", "b"], ["a", "c"], ["a"]])
    assert weights.of("unknown") > weights.of("b") > weights.of("a") > 0
    assert weights.coverage(["a", "b"], ["b"]) > weights.coverage(["a", "b"], ["a"])


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef")))
def test_coverage_is_a_share(wanted: list[str], given_: list[str]) -> None:
    weights = Weights([wanted, given_])
    share = weights.coverage(wanted, given_)
    assert 0 <= share <= 1
    assert weights.coverage(wanted, wanted) == (1 if wanted else 0)
    assert weights.coverage(wanted, [*given_, "z"]) == share


@given(st.text())
def test_any_text_has_words(text: str) -> None:
    assert all(stems(text))
    assert all(numbers(text))
    assert isinstance(negated(text), bool)
