"""Thoughts of a model, told from what it says, however the text is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.errors import GeneratorNonsense
from ragstone.generation.output import THINK, THOUGHT, Spoken, readable

PARTS = st.lists(st.sampled_from([THINK, THOUGHT, "<", "<thi", "</", "think>", "It rains.", " "]))


def spoken(pieces: list[str]) -> str:
    reader = Spoken()
    return "".join([*(reader.feed(piece) for piece in pieces), reader.rest()])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>Water? Ice?</think>It rains.", ["It rains."]),
        ("It rains. <think>Why?</think>It pours.", ["It rains. ", "It pours."]),
        ("It rains.<think>and then", ["It rains."]),
        ("It rains.</think>It pours.", ["It rains.", "It pours."]),
        ("<think>a<think>b</think>It rains.", ["It rains."]),
        ("1 < 2, <thin and </thinking", ["1 < 2, <thin and </thinking"]),
        ("It rains. <thi", ["It rains. <thi"]),
        ("<think></think>", []),
    ],
)
def test_thoughts_are_taken_out_wherever_the_text_is_cut(text: str, said: list[str]) -> None:
    for cut in range(len(text) + 1):
        assert [line for line in spoken([text[:cut], text[cut:]]).split("\n") if line] == said
    assert spoken(list(text)) == spoken([text])


@given(PARTS, st.integers(1, 9))
def test_any_text_gives_the_same_in_any_pieces(parts: list[str], size: int) -> None:
    text = "".join(parts)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    said = spoken(pieces)
    assert said == spoken([text])
    assert THINK not in said
    assert THOUGHT not in said


@pytest.mark.parametrize("text", ["<think>It rains. It pours.", "<think>It rains.</thi"])
def test_a_model_that_only_thinks_has_said_nothing(text: str) -> None:
    with pytest.raises(GeneratorNonsense, match=r"ended in its thoughts; .*max_new_tokens"):
        list(readable(list(text), "pebble", ()))
    with pytest.raises(GeneratorNonsense, match="not a single word"):
        list(readable(["<think>It rains.</think>", " ?!"], "pebble", ()))


def test_thoughts_stay_in_what_is_kept() -> None:
    pieces = ["<thi", "nk>It pours.</think>", "It rains."]
    assert [piece for piece in readable(pieces, "pebble", ()) if piece] == pieces
