"""Translators of a workspace: pairs of fields are fed, trained on, translated with and measured."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, MissingExtra
from ragstone.models.encdec import IGNORED, EncDec, EncDecConfig
from ragstone.models.sampling import Sampler
from ragstone.schemas.models import ModelInfo
from ragstone.training.cards import card
from ragstone.training.feeding_pairs import Padding, Pair, PairData
from ragstone.training.measures.pairs import nearness
from ragstone.training.progress import Progress
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

END = 0
QUICK = {
    "target": "en",
    "tokens": 400,
    "steps": 300,
    "batch": 32,
    "warmup": 20,
    "width": 32,
    "heads": 2,
    "layers": 1,
    "decoder_layers": 1,
    "context": 40,
    "dropout": 0.0,
}
WORDS = dict(
    pair.split(":")
    for pair in (
        "mann:man hund:dog kind:child turm:tower stein:stone steht:stands wartet:waits haus:house "
        "baum:tree wald:wood bach:brook gruen:green alt:old klein:small nah:near fern:far "
        "und:and oder:or rot:red weg:path berg:hill dach:roof wand:wall tor:gate"
    ).split()
)


# ---------------------------------------------------------------- batches


def some_pairs(count: int = 200, seed: int = 0) -> list[Pair]:
    """Return texts of 1 to 12 tokens; the target is the source, turned round and longer by one."""
    chance = np.random.default_rng(seed)
    sources = [chance.integers(1, 9, chance.integers(1, 13)) for _ in range(count)]
    return [(source, np.append(source[::-1], 9)) for source in sources]


def feed(context: int = 20) -> PairData:
    return PairData(some_pairs(), some_pairs(30, seed=1), Padding(END, context))


def texts_of(data: PairData, steps: range, size: int, seed: int = 0) -> list[tuple[int, ...]]:
    batches = [data.batch(step, size, seed) for step in steps]
    return [
        tuple(source[: length - 1])
        for batch in batches
        for source, length in zip(batch["source"].tolist(), batch["lengths"].tolist(), strict=True)
    ]


def test_a_batch_is_padded_and_ends_both_texts() -> None:
    pairs = [(np.array([5, 6]), np.array([7])), (np.array([5]), np.array([8, 7, 6, 5, 4]))]
    batch = Padding(END, 5).batch(pairs)
    assert batch["source"].tolist() == [[5, 6, END], [5, END, END]]
    assert batch["lengths"].tolist() == [3, 2]
    assert batch["tokens"].tolist() == [[END, 7, END, END, END], [END, 8, 7, 6, 5]]
    # The fifth token is beyond the context.
    assert batch["targets"].tolist() == [[7, END, *[IGNORED] * 3], [8, 7, 6, 5, END]]


def test_each_pass_takes_each_pair_once_in_another_order() -> None:
    data, every = feed(), sorted(tuple(source) for source, _ in some_pairs())
    first, second = (texts_of(data, range(n, n + 20), 10) for n in (0, 20))
    assert sorted(first) == sorted(second) == every
    assert first != second
    assert texts_of(data, range(20), 10, seed=1) != first
    assert texts_of(feed(), range(20), 10) == first
    assert len(texts_of(data, range(1), 300)) == 300  # more than there are: some come twice


def test_texts_of_like_length_are_together() -> None:
    data = feed()
    batches = [data.batch(step, 10, 0) for step in range(20)]
    real = sum(int(batch["lengths"].sum()) for batch in batches)
    assert real / sum(batch["source"].numel() for batch in batches) > 0.9
    widths = [batch["source"].shape[1] for batch in batches]
    assert widths != sorted(widths)  # and short ones do not come first


def test_what_is_held_out_weighs_by_its_targets() -> None:
    data = feed()
    found = list(data.validation(7))
    assert sum(len(batch["source"]) for batch, _ in found) == 30
    assert sum(weight for _, weight in found) == sum(len(t) + 1 for _, t in some_pairs(30, seed=1))
    assert feed().digest == data.digest
    other = PairData(some_pairs(), some_pairs(29, seed=1), Padding(END, 20))
    assert other.digest != data.digest
    with pytest.raises(InvalidArgument, match="0 to validate by"):
        PairData(some_pairs(), [], Padding(END, 20))


class Killed(Exception):
    """Stands for the end of a process."""


def test_a_training_that_was_killed_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    settings = TrainingSettings.of({"steps": 30, "batch": 32, "checkpoint_every": 7})

    def trainer(folder: Path, die_at: int = 0) -> Trainer:
        torch.manual_seed(1)
        config = EncDecConfig(vocabulary=10, context=20, width=16, heads=2, layers=1)

        def heard(progress: Progress) -> None:
            if progress.step == die_at:
                raise Killed

        return Trainer(EncDec(config), feed(), settings, folder, heard, "cpu")

    whole = trainer(tmp_path / "whole").fit()
    with pytest.raises(Killed):
        trainer(tmp_path / "killed", die_at=20).fit()
    again = trainer(tmp_path / "killed")
    assert again.plan().begin == 14
    outcome = again.fit()
    assert outcome.losses == whole.losses
    assert outcome.validations == whole.validations


# ---------------------------------------------------------------- a workspace


def rows(count: int = 300) -> list[dict[str, str]]:
    """Sentences of three to five German words, and their English ones in the same order."""
    chance = np.random.default_rng(7)
    texts = [chance.choice(list(WORDS), chance.integers(3, 6)).tolist() for _ in range(count)]
    return [{"de": " ".join(t), "en": " ".join(WORDS[word] for word in t)} for t in texts]


@pytest.fixture(scope="module")
def talk(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows())))
    with (folder / "pairs.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["de", "en"])
        table.writeheader()
        table.writerows(rows(60))
    ws = ragstone.open(folder / "ws", create=True, encoder=encoder, ingestion={"workers": 0})
    for kind in ("jsonl", "csv"):
        ws.ingest([folder / f"pairs.{kind}"], kind, text="de")
    return ws


@pytest.fixture(scope="module")
def trained(talk: Workspace) -> ModelInfo:
    return talk.train_model("encdec", "jsonl", "talk", QUICK)


def test_pairs_of_a_table_teach_a_translator(talk: Workspace, trained: ModelInfo) -> None:
    assert (trained.family, trained.material) == ("encdec", {"target": "en", "tokens": 400})
    assert trained.loss < 1.0  # of 3.2 for words that are alike
    data = trained.data
    per_byte = data.validation_tokens / data.validation_bytes
    assert trained.bits_per_byte == pytest.approx(trained.loss * per_byte * 1.4427, rel=1e-3)
    assert "| target | en |" in card(trained).replace("`", "")
    text = "hund und baum"
    found = talk.sample("talk", text)
    assert (found.prompt, found.text, found.model) == (text, "dog and tree", "talk@1")
    assert talk.sample("talk", text, beams=4).text == "dog and tree"
    short = talk.sample("talk", text, beams=4, tokens=2).text
    assert short == talk.sample("talk", text, tokens=2).text
    assert 0 < len(short) < len("dog and tree")
    hot = {talk.sample("talk", text, sampler=Sampler(temperature=9, seed=n)).text for n in (1, 2)}
    assert len(hot) == 2


def test_translations_are_measured_on_what_was_held_out(
    talk: Workspace, trained: ModelInfo
) -> None:
    found = talk.evaluate_model("talk", samples=30)
    assert found.loss == pytest.approx(trained.loss, rel=1e-5)
    bleu, chrf = found.measures.items()
    assert "BLEU nrefs:1" in bleu[0]
    assert "tok:13a" in bleu[0]
    assert "chrF2 nrefs:1" in chrf[0]
    assert 20 < bleu[1] < 100.001
    assert bleu[0] in card(talk.model("talk"))
    assert talk.evaluate_model("talk", samples=0).measures == {}
    assert talk.evaluate_model("talk", "csv", samples=5).data == "csv@1"


def test_bleu_and_chrf_are_those_of_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ["the dog stands near the old wall", "a child waits"]
    assert list(nearness(right, right).values()) == pytest.approx([100, 100])
    assert max(nearness(["x y z"] * 2, right).values()) < 12
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    with pytest.raises(MissingExtra, match="Measuring translations needs") as error:
        nearness(right, right)
    assert 'pip install "ragstone[measures]"' in error.value.hint


def test_a_csv_table_and_its_other_direction_will_do(talk: Workspace) -> None:
    settings = {**QUICK, "steps": "2", "source": "en", "target": "text"}
    made = talk.train_model("encdec", "csv", "back", settings)
    size = sum(len(row["de"].encode()) for row in rows(60))
    assert 0 < made.data.validation_bytes < size / 3
    assert made.training["batch"] == 32
    assert made.training["schedule"] == "wsd"  # the family's own


def test_a_wrong_field_is_named_with_those_that_there_are(talk: Workspace) -> None:
    for settings in ({}, {"target": "fr"}, {"source": "en", "target": "en"}):
        with pytest.raises(InvalidArgument, match="text, en") as error:
            talk.train_model("encdec", "csv", "none", settings)
        assert "--text" in str(error.value)
    with pytest.raises(InvalidArgument, match="1 to 39 tokens"):
        talk.sample("talk", "")
    with pytest.raises(InvalidArgument, match="1 to 39 tokens"):
        talk.sample("talk", "hund " * 50)


@pytest.mark.usefixtures("trained")
def test_the_command_line_trains_and_translates(talk: Workspace) -> None:
    place = str(talk.path)
    talk.close()
    settings = {**QUICK, "steps": 2}

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "-w", place])
        assert result.exit_code == 0, result.output
        return result.output

    pairs = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    assert "few@1: loss" in call("train", "encdec", "csv", "--name", "few", *pairs)
    assert call("sample", "talk", "hund und baum") == "dog and tree\n"
    assert "dog and tree" in call("sample", "talk", "hund und baum", "--beams", "4")
    texts = {call("sample", "talk", "baum", "--temperature", "9", "--seed", str(n)) for n in (1, 2)}
    assert len(texts) == 2
