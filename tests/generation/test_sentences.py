"""Sentences of passages, and which of them read well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.generation.base import Passage
from ragstone.generation.sentences import complete, sentences, wordy


def passage(text: str) -> Passage:
    return Passage(1, "chunk", "item", "source", "", None, text, 0)


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(passage(text))]


def test_sentences_end_at_stops_and_blank_lines() -> None:
    assert texts("Title\n\nOne is here. Two\nis there.") == [
        "Title",
        "One is here.",
        "Two\nis there.",
    ]


def test_lines_of_lists_stand_alone_without_their_bullets() -> None:
    assert texts("Choose:\n- first thing\n- second thing\n 2) third") == [
        "Choose:",
        "first thing",
        "second thing",
        "third",
    ]


def test_table_rows_and_headings_stand_alone() -> None:
    assert texts("Intro text\n| a | b |\n| 1 | 2 |\n## More\nrest") == [
        "Intro text",
        "| a | b |",
        "| 1 | 2 |",
        "More\nrest",
    ]


def test_free_standing_stops_end_sentences_without_capitals() -> None:
    assert texts("a study of wings . it was made in 1960 . results") == [
        "a study of wings .",
        "it was made in 1960 .",
        "results",
    ]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("Water boils at 100 degrees.", True),
        ("“Water boils at once,” she said.", True),
        ("How versions work", False),
        ("water boils at 100 degrees.", False),
        ("| Water boils at last.", False),
        ("Granite resists frost.", True),
        ("Granite resists frost", False),
        ("Too short.", False),
        ("1.2 3.4 5.6 7.8 9.0 a b c d.", False),
        ("Word " * 100 + "end.", False),
        ("`code` is not a sentence here.", False),
        ("水在海平面一百度时沸腾。", True),
    ],
)
def test_complete_sentences_are_told_from_fragments(text: str, reads: bool) -> None:  # noqa: FBT001
    (found,) = sentences(passage(text))
    assert complete(found) is reads


def test_a_line_of_words_is_wordy_without_a_stop() -> None:
    (found,) = sentences(passage("steam engines use boiling water"))
    assert wordy(found)
    assert not complete(found)


@given(st.text(alphabet="aB .\n-|1。#é"))
def test_offsets_are_true_ordered_and_trimmed(text: str) -> None:
    end = 0
    for sentence in sentences(passage(text)):
        assert sentence.start >= end
        assert sentence.text == text[sentence.start : sentence.end]
        assert sentence.text == sentence.text.strip() != ""
        end = sentence.end
