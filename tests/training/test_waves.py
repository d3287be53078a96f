"""Recordings of a workspace: what a model of sound learns of them, says, and how it is measured."""

from __future__ import annotations

import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument
from ragstone.models.sampling import Sampler
from ragstone.models.waves import WaveCodec, as_loud, wav
from ragstone.schemas.models import ModelInfo, Sample
from ragstone.training.clips import ClipData, Clips
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

RATE = 4_000
TONES = {"low": 250.0, "high": 900.0}  # Hz
TENTHS = {"low": (3, 4), "high": (1, 2)}  # of a second: how long they sound
TOLD = {"label": "tone", "speaker": "who"}
QUICK = {
    **TOLD, "steps": 40, "batch": 4, "frame": 8, "width": 16, "fine": 16, "conditions": 8,
    "depth": 3, "cycles": 1, "window": 16, "warmup": 5, "learning_rate": 0.01,
}  # fmt: skip


def tone(name: str, seed: int) -> np.ndarray:
    """Return a tone that fades, with a little noise."""
    chance = np.random.default_rng(seed)
    shortest, longest = TENTHS[name]
    time = np.arange(chance.integers(RATE * shortest // 10, RATE * longest // 10)) / RATE
    sound = np.sin(2 * np.pi * TONES[name] * time + chance.uniform(0, 6)) * np.exp(-4 * time)
    return np.rint(8_000 * (sound + 0.01 * chance.normal(size=len(time)))).astype(np.int16)


def write_tones(folder: Path, count: int = 48) -> None:
    rows = ["file_name,tone,who"]
    for number in range(count):
        name, who = ("low", "high")[number % 2], ("ann", "bob")[number // 2 % 2]
        (folder / f"{number:02}.wav").write_bytes(wav(tone(name, number), RATE))
        rows.append(f"{number:02}.wav,{name},{who}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def tones(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    sources = tmp_path_factory.mktemp("tones")
    write_tones(sources)
    (sources / "broken.wav").write_bytes(wav(tone("low", 99), RATE)[:-700])
    path = tmp_path_factory.mktemp("waves") / "workspace"
    ws = ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0})
    ws.ingest([sources], "tones")
    return ws


@pytest.fixture(scope="module")
def trained(tones: Workspace) -> ModelInfo:
    return tones.train_model("wavenet", "tones", settings={**QUICK, "steps": 150})


def samples_of(made: Sample) -> tuple[np.ndarray, int]:
    with wave.open(BytesIO(made.media)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def test_it_learns_from_the_recordings_that_came_in(tones: Workspace, trained: ModelInfo) -> None:
    data = trained.data
    whole = sum(len(tone(("low", "high")[n % 2], n)) for n in range(48))
    assert data.tokens + data.validation_tokens == whole  # the damaged one never came in
    assert data.validation_bytes == data.validation_tokens > 0
    assert (trained.config["labels"], trained.config["speakers"]) == (2, 2)
    assert trained.tokenizer == "mu-law, 256 levels, 4,000 Hz, 2 labels, 2 speakers"
    assert trained.bits_per_byte == pytest.approx(trained.loss * 1.4427, rel=1e-3)
    assert trained.bits_per_byte < 6.5  # of 7.2 for levels drawn by how often they are
    assert "mu-law" in (tones.path / "models" / "tones" / "1" / "card.md").read_text()


def test_it_says_what_it_is_asked_for(tones: Workspace, trained: ModelInfo) -> None:
    made = tones.sample("tones@1", conditions={"label": "high", "speaker": "bob"})
    samples, rate = samples_of(made)
    assert (made.media_type, rate, made.text) == ("audio/wav", RATE, "")
    assert 64 <= len(samples) <= trained.config["longest"]
    assert made == tones.sample("tones@1", conditions={"label": "high", "speaker": "bob"})
    other = tones.sample("tones@1", conditions=made.conditions, sampler=Sampler(seed=1))
    assert other.media != made.media
    for name, (shortest, longest) in TENTHS.items():
        lengths = [samples_of(said(tones, name, seed))[0].size / RATE for seed in range(6)]
        assert shortest / 10 <= np.median(lengths) <= longest / 10


def said(ws: Workspace, label: str, seed: int) -> Sample:
    return ws.sample("tones@1", conditions={"label": label}, sampler=Sampler(seed=seed))


def test_what_cannot_be_asked_is_told(tones: Workspace, trained: ModelInfo) -> None:
    assert trained.number == 1
    for conditions, expected in (
        ({"label": "loud"}, "high, low"),
        ({"speaker": "eve"}, "ann, bob"),
        ({"colour": "red"}, "label or speaker"),
    ):
        with pytest.raises(InvalidArgument, match=expected):
            tones.sample("tones@1", conditions=conditions)
    with pytest.raises(InvalidArgument, match="temperature and seed"):
        tones.sample("tones@1", sampler=Sampler(top_k=5))


def test_it_is_measured_by_a_recogniser(tones: Workspace, trained: ModelInfo) -> None:
    found = tones.evaluate_model("tones@1", samples=8)
    assert found.loss == pytest.approx(trained.loss, rel=1e-4)
    measures = found.measures
    assert measures["recognised_held_out"] == 1.0  # two tones far apart
    assert 0 <= measures["recognised"] <= 1
    assert 0.1 <= measures["seconds_held_out"] <= 0.4
    assert 0.1 <= measures["seconds"] <= 0.4
    assert "recognised" not in tones.evaluate_model("tones@1", samples=0).measures


def test_the_rate_can_be_chosen_and_labels_left_out(tones: Workspace) -> None:
    settings = {**QUICK, "label": "", "speaker": "", "rate": "2000", "steps": 2, "seconds": "0.25"}
    made = tones.train_model("wavenet", "tones", "plain", settings)
    assert (made.config["labels"], made.config["longest"]) == (1, 500)
    samples, rate = samples_of(tones.sample("plain"))
    assert rate == 2_000
    assert len(samples) <= 500
    with pytest.raises(InvalidArgument, match="a model that was told of it"):
        tones.sample("plain", conditions={"label": "low"})
    assert "recognised" not in tones.evaluate_model("plain", samples=2).measures


def test_the_same_training_gives_the_same_model(tones: Workspace) -> None:
    made = [tones.train_model("wavenet", "tones", "twice", {**QUICK, "steps": 3}) for _ in range(2)]
    assert made[0].digest == made[1].digest


def test_data_that_does_not_suit_is_told(
    tones: Workspace, encoder: TextEncoder, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match=r"a field of the metadata.*tone"):
        tones.train_model("wavenet", "tones", "x", {"label": "digit"})
    with pytest.raises(InvalidArgument, match="samples a second"):
        tones.train_model("wavenet", "tones", "x", {"rate": 10})
    (tmp_path / "note.txt").write_text("No sound at all.")
    tones.ingest([tmp_path / "note.txt"], "notes")
    with pytest.raises(InvalidArgument, match="items of this kind"):
        tones.train_model("wavenet", "notes", "x")
    for number in range(3):
        clip = tone("low", number)[: 10 + number]
        (tmp_path / f"{number}.wav").write_bytes(wav(clip, RATE))
    tones.ingest([tmp_path], "short")
    with pytest.raises(InvalidArgument, match="shorter than 64 samples"):
        tones.train_model("wavenet", "short", "x")
    assert encoder


def test_commands(tones: Workspace, trained: ModelInfo, tmp_path: Path) -> None:
    out, ws = tmp_path / "high.wav", ["-w", str(tones.path)]
    tones.close()
    command = ["sample", trained.name, "--condition", "label=high", "--condition", "speaker=ann"]
    refused = CliRunner().invoke(app, [*command, *ws])
    assert refused.exit_code
    assert "--out FILE" in refused.output
    done = CliRunner().invoke(app, [*command, "--out", str(out), *ws])
    assert done.exit_code == 0, done.output
    with wave.open(str(out)) as file:
        assert file.getframerate() == RATE
    settings = [f"--set={name}={value}" for name, value in {**QUICK, "steps": 2}.items()]
    done = CliRunner().invoke(app, ["train", "wavenet", "tones", "--name", "again", *settings, *ws])
    assert done.exit_code == 0, done.output
    assert "again@1: loss" in done.output


def test_levels_lie_close_where_it_is_soft() -> None:
    codec = WaveCodec(rate=RATE)
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(codec.encode(codec.decode(every)), every)
    soft, loud = np.asarray([10, 30_000], np.int16)
    back = codec.decode(codec.encode(np.asarray([soft, loud, 0, -32_768], np.int16)))
    assert abs(back[0] - soft) <= 4
    assert abs(back[1] - loud) <= 700
    assert list(back[2:]) == [pytest.approx(0, abs=3), -32_767]


def test_soft_recordings_are_made_as_loud_as_others() -> None:
    soft = np.asarray([0, 30, -60, 15], np.int16)
    assert as_loud(soft).tolist() == [0, 14_500, -29_000, 7_250]
    assert as_loud(np.asarray([0, -32_768], np.int16)).tolist() == [0, -29_000]
    assert as_loud(np.zeros(3, np.int16)).tolist() == [0, 0, 0]


def test_batches_are_a_function_of_data_seed_and_step() -> None:
    lengths = np.arange(64, 164)
    begins = np.cumsum(lengths) - lengths
    levels = np.arange(lengths.sum()).astype(np.uint8)
    zeros = np.zeros(100, np.int64)
    clips = Clips(
        levels=levels, begins=begins, lengths=lengths, labels=np.arange(100) % 7, speakers=zeros
    )
    data, again = (ClipData(clips, clips) for _ in range(2))
    assert data.digest == again.digest
    seen = []
    for step in range(25):
        batch, other = data.batch(step, 4, 3), again.batch(step, 4, 3)
        assert all(torch.equal(batch[name], other[name]) for name in batch)
        seen += batch["lengths"].tolist()
        for row, length in zip(batch["levels"], batch["lengths"].tolist(), strict=True):
            begin = begins[length - 64]
            assert row[:length].tolist() == levels[begin : begin + length].tolist()
    assert sorted(seen) == lengths.tolist()  # each once in a pass
    assert data.batch(25, 4, 3)["lengths"].tolist() != seen[:4]
    assert data.batch(0, 4, 4)["lengths"].tolist() != seen[:4]
    assert sum(weight for _, weight in data.validation(8)) == lengths.sum()
    assert data.batch(0, 150, 0)["lengths"].shape == (150,)  # more than there are
