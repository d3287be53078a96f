"""Questions that lean on earlier ones, and the questions that they become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.generation.followup import Turn, self_contained, subject

TOWER = Turn("Who designed the Eiffel Tower?", "Gustave Eiffel's company designed the tower.")
GRANITE = Turn("What is granite made of?", "Granite is made of quartz, feldspar and mica.")
WATER = Turn("At what temperature does water boil?", "Water boils at 100 degrees.")
NORMANS = Turn("Who were the Normans?", "The Normans were people of Norse origin.")
PLACE = Turn("Where did the Normans settle?", "They settled in France.")
WHICH = Turn("Which stone resists frost best?", "Granite resists frost best.")
MODEL = Turn("How tall is the Eiffel Tower?", "It is 330 metres tall.")


@pytest.mark.parametrize(
    ("question", "turn", "rewritten"),
    [
        ("Where does it form?", GRANITE, "Where does granite form?"),
        ("What are its crystals like?", GRANITE, "What are granite's crystals like?"),
        ("Does it change on a mountain?", WATER, "Does water change on a mountain?"),
        ("Where did they come from?", NORMANS, "Where did the Normans come from?"),
        ("What was their language?", NORMANS, "What was the Normans' language?"),
        ("When was he born?", TOWER, "When was Gustave Eiffel born?"),
        ("What was his trade?", TOWER, "What was Gustave Eiffel's trade?"),
        ("How tall is it?", TOWER, "How tall is the Eiffel Tower?"),
        ("Why does it resist?", WHICH, "Why does Granite resist?"),
        ("How many people live there?", PLACE, "How many people live in France?"),
        ("They came from where?", NORMANS, "The Normans came from where?"),
        ("What about basalt?", GRANITE, "What is basalt made of?"),
        ("And basalt?", GRANITE, "What is basalt made of?"),
        ("And on a mountain?", WATER, "At what temperature does water boil on a mountain?"),
        ("Why?", WATER, "Why does water boil?"),
        ("When exactly?", MODEL, "When is the Eiffel Tower?"),
        ("And where does it form?", GRANITE, "And where does granite form?"),
        ("why", Turn("Does granite resist frost?", ""), "Why does granite resist frost?"),
        ("When?", TOWER, "When: Who designed the Eiffel Tower?"),
    ],
)
def test_a_question_that_leans_is_made_whole(question: str, turn: Turn, rewritten: str) -> None:
    assert self_contained(question, [turn]) == rewritten


@pytest.mark.parametrize(
    "question",
    [
        "What is basalt?",
        "What does basalt contain and how does it form?",
        "Is it true that basalt floats?",
        "Is there a difference between basalt and lava?",
        "basalt",
        "Which rocks are volcanic?",
        "",
        "   ",
    ],
)
def test_a_question_that_stands_alone_stays(question: str) -> None:
    assert self_contained(question, [GRANITE]) == question
    assert self_contained(question, []) == question


def test_an_earlier_turn_helps_where_the_last_has_no_subject() -> None:
    turns = [Turn("frost", ""), GRANITE]
    assert self_contained("Where does it form?", turns) == "Where does granite form?"


def test_without_a_first_question_nothing_is_made_up() -> None:
    assert self_contained("Where does it form?", []) == "Where does it form?"
    assert self_contained("Where does it form?", [Turn("frost", "")]) == "Where does it form?"


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What is the boiling point of water?", "the boiling point of water"),
        ("How tall is the Eiffel Tower?", "the Eiffel Tower"),
        ("Does granite resist frost?", "granite"),
        ("When did the speed of light change?", "the speed of light"),
        ("Who wrote the Doomsday Book?", "the Doomsday Book"),
        ("Was Normandy settled by Norsemen?", "Normandy"),
        ("frost", ""),
        ("Why?", ""),
    ],
)
def test_what_a_question_is_about(question: str, about: str) -> None:
    assert subject(question) == about


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_question(question: str, earlier: str, answer: str) -> None:
    turns = [Turn(earlier, answer)]
    made = self_contained(question, turns)
    assert bool(made.strip()) == bool(question.strip())
    assert self_contained(question, turns) == made
