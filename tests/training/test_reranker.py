"""Training a reranker: it learns, it repeats, and what is written is what was trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ragstone.config import EncoderSettings
from ragstone.encoders.rerankers import open_reranker
from ragstone.errors import InvalidArgument, RerankerUnavailable
from ragstone.training.examples import Example, Material, batch_of
from ragstone.training.reranker import Recipe, train_reranker

# Colours that mean a thing: nothing in the words themselves says so.
PAIRS = {"red": "apples", "blue": "oceans", "green": "meadows", "grey": "stones", "white": "snow"}
PLACES = ("the north", "the south", "the east", "the west")
PASSAGES = [f"There are many {thing} in {place}." for thing in PAIRS.values() for place in PLACES]


WORDINGS = ("something {} from {}", "what is {} in {}", "all the {} ones of {}")


def example(colour: str, place: str, wording: str = WORDINGS[0]) -> Example:
    fitting = f"There are many {PAIRS[colour]} in {place}."
    others = tuple(text for text in PASSAGES if place in text and text != fitting)
    return Example(wording.format(colour, place), (fitting,), others)


def every() -> list[Example]:
    found = [example(c, place, wording) for wording in WORDINGS for place in PLACES for c in PAIRS]
    return [found[number * 7 % len(found)] for number in range(len(found))]


MATERIAL = Material([every()], [])


REAL = Recipe(steps=30, layers=2, rank=8, learning_rate=5e-3)


@pytest.fixture(scope="session")
def recipe(small_model: Path) -> Recipe:
    return Recipe(encoder=str(small_model), steps=5, layers=1, rank=4)


def test_it_learns_what_the_words_do_not_say(tmp_path: Path) -> None:
    heard: list[tuple[int, int, float]] = []
    made = train_reranker(MATERIAL, tmp_path / "made", REAL, lambda *now: heard.append(now))
    assert made.before is not None
    assert made.after is not None
    assert made.held_out == 6
    assert made.after > made.before + 0.2
    assert [steps for steps, _, _ in heard] == [10, 20, 30]
    assert heard[-1][2] < heard[0][2]
    card = (tmp_path / "made" / "card.md").read_text()
    assert f"{made.after:.4f}" in card
    assert "30 steps" in card


def test_the_same_seed_writes_the_same_file(recipe: Recipe, tmp_path: Path) -> None:
    short = replace(recipe, steps=3)
    written = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        train_reranker(MATERIAL, tmp_path / name, replace(short, seed=seed))
        written.append((tmp_path / name / "model.safetensors").read_bytes())
    assert written[0] == written[1]
    assert written[0] != written[2]


def test_what_is_written_ranks_as_what_was_trained(tmp_path: Path) -> None:
    made = train_reranker(MATERIAL, tmp_path / "made", replace(REAL, steps=10))
    reranker = open_reranker(made.folder, EncoderSettings(device="cpu"))
    first = []
    for one in MATERIAL.judged[0][::10]:  # those that were held out
        scores = reranker.scores(one.query, [*one.fitting, *one.others])
        first.append(1 / (1 + int((scores[1:] >= scores[0]).sum())))
    assert sum(first) / len(first) == pytest.approx(made.after, abs=0.01)


def test_without_judged_queries_it_learns_from_sentences(recipe: Recipe, tmp_path: Path) -> None:
    passages = [" ".join(PASSAGES[begin : begin + 5]) for begin in range(0, 20, 5)]
    made = train_reranker(
        Material([], passages), tmp_path / "made", replace(recipe, steps=2, queries=2)
    )
    assert (made.examples, made.held_out, made.after) == (0, 0, None)
    assert "held-out" not in (tmp_path / "made" / "card.md").read_text()


def test_a_batch_depends_on_step_and_seed_alone() -> None:
    batch = batch_of(MATERIAL, 3, 0, size=4, others=2)
    assert batch == batch_of(MATERIAL, 3, 0, size=4, others=2)
    assert batch != batch_of(MATERIAL, 4, 0, size=4, others=2)
    assert batch != batch_of(MATERIAL, 3, 1, size=4, others=2)
    assert [len(batch.queries), len(batch.passages), batch.fitting] == [4, 12, [0, 3, 6, 9]]
    for query, place in zip(batch.queries, batch.fitting, strict=True):
        assert query[-9:] in batch.passages[place]


def test_a_sentence_is_the_query_for_the_rest_of_its_passage() -> None:
    passage = "One stone. Two stones! Three stones? Four stones."
    batch = batch_of(Material([], [passage]), 0, 0, size=8, others=3)
    assert len(batch.queries) == len(batch.passages) == 16
    without = [rest for rest in batch.passages if rest != passage]
    assert len(without) >= 10
    for query, rest in zip(batch.queries, batch.passages, strict=True):
        assert query in passage
        assert rest == passage or query not in rest


def test_a_folder_that_is_not_empty_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgument, match="new or empty"):
        train_reranker(MATERIAL, tmp_path, recipe)


def test_nothing_to_learn_from_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="at least one passage"):
        train_reranker(Material([], []), tmp_path / "made", recipe)


def test_more_layers_than_there_are_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="BERT kind with 2 layers"):
        train_reranker(MATERIAL, tmp_path / "made", replace(recipe, layers=2))
    assert not (tmp_path / "made").exists()


def test_an_adapter_of_other_weights_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    base = Path(shutil.copytree(recipe.encoder, tmp_path / "base"))
    made = train_reranker(MATERIAL, tmp_path / "made", replace(recipe, encoder=str(base), steps=1))
    weights = base / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RerankerUnavailable, match="trained for other weights"):
        open_reranker(made.folder, EncoderSettings())
