"""Static encoders made from others: the same each time, nearer to the teacher with texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ragstone.cli.app import app
from ragstone.config import EncoderSettings
from ragstone.encoders.distilling import MAX_TEXTS, distill
from ragstone.encoders.fitting import agreement, bags, fitted, reduced, token_weights
from ragstone.encoders.static import StaticEncoder
from ragstone.encoders.text import open_text_encoder
from ragstone.errors import EncoderUnavailable, InvalidArgument

WORDS = "the cat sat on mat a dog ran in park query passage stone water fire air".split()


def texts(count: int = 200) -> list[str]:
    chosen = np.random.default_rng(0)
    return [" ".join(chosen.choice(WORDS, chosen.integers(2, 12))) for _ in range(count)]


def opened(folder: Path) -> StaticEncoder:
    encoder = open_text_encoder(EncoderSettings(name=str(folder)))
    assert isinstance(encoder, StaticEncoder)
    return encoder


def test_the_folder_is_an_encoder(plain_model: Path, tmp_path: Path) -> None:
    made = distill(str(plain_model), tmp_path / "fast", dimension=16)
    encoder = opened(tmp_path / "fast")
    assert (made.tokens, made.dimension, made.texts, made.after) == (
        len(json.loads((plain_model / "tokenizer.json").read_text())["model"]["vocab"]),
        16,
        0,
        None,
    )
    assert encoder.identity.name == "fast"
    assert (encoder.identity.dimension, encoder.identity.max_tokens) == (16, 48)
    assert encoder.encode_queries(["the cat"]).shape == (1, 16)
    assert encoder.tokenizer_file.read_bytes() == (plain_model / "tokenizer.json").read_bytes()


def test_the_same_teacher_gives_the_same_space(plain_model: Path, tmp_path: Path) -> None:
    spaces = set()
    for number in range(2):
        folder = tmp_path / str(number) / "fast"
        distill(str(plain_model), folder, texts=texts(), dimension=16)
        spaces.add(opened(folder).identity)
    assert len(spaces) == 1


def test_a_fit_to_texts_comes_nearer_to_the_teacher(plain_model: Path, tmp_path: Path) -> None:
    made = distill(str(plain_model), tmp_path / "fast", texts=texts(400), dimension=32)
    assert made.before is not None
    assert made.after is not None
    assert (made.texts, made.held_out) == (380, 20)
    assert made.after > made.before
    card = (tmp_path / "fast" / "card.md").read_text()
    assert "fitted to its vectors of 380 texts" in card
    assert f"by {made.after:.4f}, and by {made.before:.4f} without the fit" in card


def test_nothing_but_the_folder_is_written(plain_model: Path, tmp_path: Path) -> None:
    (tmp_path / "fast").mkdir()  # an empty one will do
    distill(str(plain_model), tmp_path / "fast", dimension=8)
    assert [path.name for path in tmp_path.iterdir()] == ["fast"]
    assert sorted(path.name for path in (tmp_path / "fast").iterdir()) == [
        "card.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_progress_is_told(plain_model: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    distill(
        str(plain_model),
        tmp_path / "fast",
        texts=texts(),
        dimension=8,
        on_progress=lambda *event: told.append(event),
    )
    stages = list(dict.fromkeys(what for what, _, _ in told))
    assert stages == ["reading tokens", "reading texts", "fitting"]
    assert ("reading texts", 200, 200) in told


def test_of_too_many_texts_some_are_left_out_evenly(
    plain_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragstone.encoders.distilling.MAX_TEXTS", 150)
    made = distill(str(plain_model), tmp_path / "fast", texts=texts(400), dimension=8)
    assert made.texts + made.held_out == 134  # every third
    assert MAX_TEXTS == 12_000


@pytest.mark.parametrize("dimension", [0, 7, 34])
def test_a_dimension_that_does_not_fit_is_refused(
    dimension: int, plain_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match="an even number from 2 to 32"):
        distill(str(plain_model), tmp_path / "fast", dimension=dimension)


def test_a_folder_that_holds_something_is_refused(plain_model: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InvalidArgument, match="new or empty"):
        distill(str(plain_model), tmp_path, dimension=8)
    assert (tmp_path / "letter.txt").read_text() == "mine"


@pytest.mark.parametrize("given", [["the cat"] * 59, ["", " "] * 50])
def test_too_few_texts_are_refused(given: list[str], plain_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="at least 60 texts"):
        distill(str(plain_model), tmp_path / "fast", texts=given, dimension=8)


def test_a_teacher_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="neither a folder nor a model"):
        distill("nobody/no-such-model", tmp_path / "fast")
    assert not (tmp_path / "fast").exists()


# ---------------------------------------------------------------- the algebra


def test_frequent_tokens_weigh_less() -> None:
    weights = token_weights(30_000)[:, 0]
    assert np.all(np.diff(weights) > 0)
    assert weights[0] < 0.01
    assert weights[-1] > 0.9


def test_a_fit_finds_the_table_that_made_the_targets() -> None:
    chosen = np.random.default_rng(0)
    truth = chosen.normal(size=(40, 8)).astype(np.float32)
    counted = bags([list(chosen.integers(0, 40, 12)) for _ in range(2_000)], 40)
    sums = counted @ truth
    targets = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    start = truth + chosen.normal(size=truth.shape).astype(np.float32)
    moved = fitted(start, counted, targets)
    assert agreement(moved, counted, targets) > agreement(start, counted, targets) + 0.05


def test_all_dimensions_keep_all_similarities() -> None:
    table = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    turned = reduced(table, 6)
    np.testing.assert_allclose(turned @ turned.T, table @ table.T, atol=1e-4)
    assert np.all(np.diff(np.square(turned).sum(axis=0)) <= 0)


def test_a_token_counts_as_often_as_it_is_there() -> None:
    np.testing.assert_array_equal(bags([[1, 1, 2], [0]], 3).toarray(), [[0, 2, 1], [1, 0, 0]])


# ---------------------------------------------------------------- the verb


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["distill", *map(str, words)])
    return done.exit_code, done.output


def test_the_verb_reads_lines_and_prints_what_came_of_them(
    plain_model: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "texts.txt"
    lines.write_text("\n\n".join(texts()))
    status, said = run(
        plain_model, "--out", tmp_path / "fast", "--texts", lines, "--dimension", "8", "--json"
    )
    assert status == 0
    made = json.loads(said.splitlines()[-1])
    assert made["folder"] == str(tmp_path / "fast")
    assert (made["texts"], made["held_out"]) == (190, 10)


def test_the_verb_reads_jsonl(plain_model: Path, tmp_path: Path) -> None:
    lines = tmp_path / "texts.jsonl"
    rows = [{"title": "stone", "text": text} for text in texts(80)]
    lines.write_text("\n".join(map(json.dumps, rows)))
    status, said = run(
        plain_model, "--out", tmp_path / "fast", "--texts", lines, "--dimension", "8"
    )
    assert status == 0
    assert "8 dimensions" in said
    assert "4 held-out texts correlate" in said


@pytest.mark.parametrize("content", ['{"title": "x"}', "[1]", "no JSON"])
def test_a_file_of_something_else_is_refused(
    content: str, plain_model: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "texts.jsonl"
    lines.write_text(content)
    status, said = run(plain_model, "--out", tmp_path / "fast", "--texts", lines)
    assert status == 2
    assert "a file of texts" in said
