"""Questions about invented towns: what a reader and a verifier can learn in seconds."""

from __future__ import annotations

import pytest

from ragstone.training.questions import Question

TOWNS = ("Arden", "Borlo", "Cando", "Delmo", "Erith", "Fanto", "Gorno", "Holte", "Irvan", "Jasto")
STONES = ("granite", "basalt", "marble", "slate", "gneiss", "chalk", "tuff", "flint")


def _question(number: int, *, answered: bool) -> Question:
    town, stone = TOWNS[number % len(TOWNS)], STONES[number % len(STONES)]
    other = TOWNS[(number + 3) % len(TOWNS)]
    year = 1700 + 7 * number
    passage = (
        f"In {year} the quarry of {town} was opened. The houses of {town} are made of {stone}."
    )
    asked = town if answered else other
    start = passage.index(stone)
    return Question(
        text=f"What are the houses of {asked} made of?",
        passage=passage,
        article=f"Town {number}",
        spans=((start, start + len(stone)),) if answered else (),
    )


@pytest.fixture(scope="session")
def questions() -> list[Question]:
    """Of 80 articles, three of four answered by their passage."""
    return [_question(number, answered=bool(number % 4)) for number in range(80)]
