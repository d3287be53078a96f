"""What a quote supports, and what it does not."""

from __future__ import annotations

import pytest

from ragstone.generation.base import Passage
from ragstone.generation.support import SUPPORTED, find_support

TEXT = (
    "The Eiffel Tower was built in 1889 in Paris. It is 330 metres tall.\n"
    "Gustave Eiffel's company designed it. The tower does not move in the wind. "
    "Two million people visited it in 1900."
)
PASSAGE = Passage(1, "chunk", "item", "source", "Eiffel Tower", None, TEXT, 500)


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("The Eiffel Tower was built in 1889 in Paris.", TEXT[:44]),
        ("It is 330  metres\ntall.", "It is 330 metres tall."),
        ("The Eiffel Tower is 330 metres tall.", "It is 330 metres tall."),
        ("Eiffel's company designed the tower.", "Gustave Eiffel's company designed it."),
        ("The tower doesn't move in wind.", "The tower does not move in the wind."),
        ("In 1900, 2,000,000 people were there.", ""),
        ("2 million people visited the tower in 1900.", "Two million people visited it in 1900."),
    ],
)
def test_a_claim_gets_the_sentence_that_says_it(claim: str, quote: str) -> None:
    support = find_support(claim, PASSAGE)
    if quote:
        assert support.score >= SUPPORTED
        assert support.quote == quote == TEXT[support.start : support.end]
    else:  # the number is spelled another way: rather silent than wrong
        assert support.score < SUPPORTED


@pytest.mark.parametrize(
    "claim",
    [
        "The Eiffel Tower was built in 1887 in Paris.",
        "The Eiffel Tower was built in 1889 in Berlin.",
        "The Eiffel Tower was not built in 1889 in Paris.",
        "The tower does move in the wind.",
        "The Eiffel Tower is 331 metres tall.",
        "Gustave Eiffel painted portraits of generals.",
        "Three million people visited it in 1900.",
        "It is.",
        "",
        "...",
    ],
)
def test_what_is_not_said_is_not_supported(claim: str) -> None:
    assert find_support(claim, PASSAGE).score < SUPPORTED


def test_a_part_of_a_sentence_does_not_escape_its_negation() -> None:
    passage = Passage(1, "c", "i", "s", "", None, "It is false, not true, that ice sinks.", 0)
    assert find_support("ice sinks.", passage).score < SUPPORTED


def test_a_claim_over_two_sentences_quotes_both() -> None:
    support = find_support("The tower was built in 1889 and is 330 metres tall.", PASSAGE)
    assert support.score >= SUPPORTED
    assert support.quote == "The Eiffel Tower was built in 1889 in Paris. It is 330 metres tall."


def test_verbatim_scores_one_and_less_scores_less() -> None:
    assert find_support("It is 330 metres tall.", PASSAGE).score == 1
    partly = find_support("The company of Gustave Eiffel designed steel bridges.", PASSAGE)
    assert 0 < partly.score < 1


def test_an_empty_passage_supports_nothing() -> None:
    empty = Passage(1, "c", "i", "s", "", None, "", 0)
    support = find_support("Water boils.", empty)
    assert (support.score, support.quote) == (0, "")
