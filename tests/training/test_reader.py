"""Training a reader: it learns, it repeats, and what is written is what was trained."""

from __future__ import annotations

import gc
import json
import shutil
from dataclasses import replace
from pathlib import Path
from weakref import ref

import pytest

from ragstone.encoders.base import TextEncoder
from ragstone.encoders.readers import Reader, find_reader
from ragstone.errors import InvalidArgument, ReaderUnavailable
from ragstone.generation.base import Passage
from ragstone.generation.evidence import weigh
from ragstone.training.pairs import Batches, PairRecipe
from ragstone.training.questions import Question, held_out
from ragstone.training.reader import READER_RECIPE, train_reader
from ragstone.training.reader_files import TrainedReader

QUICK = replace(READER_RECIPE, epochs=6, batch=12, rank=8, learning_rate=2e-3, held_out=20)


@pytest.fixture(scope="session")
def recipe(small_model: Path) -> PairRecipe:
    return PairRecipe(str(small_model), epochs=1, batch=8, rank=4, held_out=20)


@pytest.fixture(scope="session")
def trained(
    questions: list[Question], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedReader, list[tuple[int, int, float]]]:
    heard: list[tuple[int, int, float]] = []
    folder = tmp_path_factory.mktemp("reader") / "made"
    made = train_reader(questions, folder, QUICK, ["towns"], lambda *now: heard.append(now))
    return made, heard


def test_it_learns(trained: tuple[TrainedReader, list[tuple[int, int, float]]]) -> None:
    made, heard = trained
    assert heard[-1][2] < heard[0][2] / 2
    assert made.f1 > 0.8
    card = (Path(made.folder) / "card.md").read_text()
    assert f"{made.f1:.4f}" in card
    assert "* towns" in card


def test_what_is_written_reads_as_what_was_trained(
    trained: tuple[TrainedReader, object], questions: list[Question]
) -> None:
    reader = Reader(trained[0].folder)
    right = 0
    asked = [one for one in questions if one.spans and held_out(one.article, 20)]
    for one in asked:
        span = reader.read(one.text, [one.passage])[0]
        right += one.passage[span.start : span.end] in one.answers
        assert 0 <= reader.chance(span.score) <= 1
    assert right >= 0.7 * len(asked)
    assert reader.chance(9) > reader.chance(-9)


def test_one_that_is_trained_again_is_read_with_and_the_old_one_let_go(
    trained: tuple[TrainedReader, object], tmp_path: Path, encoder: TextEncoder
) -> None:
    folder = tmp_path / "made"
    shutil.copytree(trained[0].folder, folder)
    passage = Passage(1, "chunk", "item", "towns.txt", "", None, "The tower was built in 1300.", 0)
    first = find_reader(str(folder))
    assert first is not None
    before = weigh("When was the tower built?", (passage,), encoder, first)
    config = json.loads((folder / "config.json").read_text())
    changed = {**config, "slope": 0.0, "offset": 5.0}  # sure of everything
    (folder / "config.json").write_text(json.dumps(changed))
    second = find_reader(str(folder))
    assert second is not None
    assert second.id != first.id
    after = weigh("When was the tower built?", (passage,), encoder, second)
    assert after.chance > 0.9 > before.chance
    old = ref(first)
    del first
    gc.collect()
    assert old() is None


def test_a_long_text_is_read_in_windows(
    trained: tuple[TrainedReader, object], questions: list[Question]
) -> None:
    reader = Reader(trained[0].folder)
    one = next(q for q in questions if q.spans)
    long = "There is nothing to be read here, and nobody reads it. " * 60 + one.passage
    span = reader.read(one.text, [long])[0]
    assert len(long) - len(one.passage) <= span.start < span.end <= len(long)


def test_texts_are_read_as_well_together_as_alone(
    trained: tuple[TrainedReader, object], questions: list[Question]
) -> None:
    reader = Reader(trained[0].folder)
    texts = [one.passage * (1 + n % 3) for n, one in enumerate(questions[:12])]
    together = reader.read("What are the houses made of?", texts)
    for text, span in zip(texts, together, strict=True):
        alone = reader.read("What are the houses made of?", [text])[0]
        assert (span.start, span.end) == (alone.start, alone.end)
        assert span.score == pytest.approx(alone.score, abs=1e-3)


def test_odd_texts_are_read(trained: tuple[TrainedReader, object]) -> None:
    reader = Reader(trained[0].folder)
    assert reader.read("What?", []) == []
    spans = reader.read("What? " * 300, ["", " ", "Ünïcödé 石 stones.", "\x00"])
    assert all(span.start <= span.end for span in spans)
    assert (spans[0].start, spans[0].end) == (0, 0)


def test_the_same_seed_writes_the_same_file(
    questions: list[Question], recipe: PairRecipe, tmp_path: Path
) -> None:
    written = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        train_reader(questions[:30], tmp_path / name, replace(recipe, seed=seed))
        written.append((tmp_path / name / "model.safetensors").read_bytes())
    assert written[0] == written[1]
    assert written[0] != written[2]


def test_a_folder_that_is_not_empty_is_refused(
    questions: list[Question], recipe: PairRecipe, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgument, match="new or empty"):
        train_reader(questions, tmp_path, recipe)


def test_nothing_to_learn_from_is_refused(recipe: PairRecipe, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="several articles"):
        train_reader([], tmp_path / "made", recipe)


def test_what_is_no_reader_is_refused(tmp_path: Path, small_model: Path) -> None:
    with pytest.raises(ReaderUnavailable, match="neither a folder nor"):
        Reader(str(tmp_path / "nothing"))
    with pytest.raises(ReaderUnavailable, match="it is no ragstone-reader"):
        Reader(str(small_model))


def test_batches_hold_every_example_once_in_a_pass() -> None:
    lengths = [number % 17 for number in range(101)]
    batches = Batches(lengths, 8, seed=0)
    steps = batches.steps(1)
    assert sorted(n for step in range(steps) for n in batches[step]) == list(range(101))
    assert sorted(n for step in range(steps) for n in batches[steps + step]) == list(range(101))
    assert batches[3] == Batches(lengths, 8, seed=0)[3]
    assert batches[3] != Batches(lengths, 8, seed=1)[3]
    assert batches[0] != batches[steps]
