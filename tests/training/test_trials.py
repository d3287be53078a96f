"""The search for settings: pure functions, and trials that go on exactly."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument
from ragstone.schemas.runs import Tuning
from ragstone.training.progress import Progress
from ragstone.training.searching import Choice, Range, Turn, best, drawn, space, turns

QUICK = {"steps": 27, "context": 16, "width": 16, "layers": 1, "batch": 4, "warmup": 1}
SEARCH = {"learning_rate": "1e-4..1e-1", "layers": "1,2"}


def test_spaces_are_read() -> None:
    assert space("rate", "1e-4..1e-2") == Range(1e-4, 1e-2, whole=False)
    assert space("width", "16..64") == Range(16.0, 64.0, whole=True)
    assert space("width", "64, 128") == Choice(("64", "128"))
    for wrong in ("", "a,,b", "a..b", "3..1", "1..inf", "..5", "nan..2"):
        with pytest.raises(InvalidArgument, match="rate is"):
            space("rate", wrong)


def test_what_is_drawn_is_a_function_of_number_and_seed() -> None:
    spaces = {"rate": space("rate", "1e-4..1e-1"), "width": space("width", "2..5")}
    spaces |= {"drop": space("drop", "0..0.5"), "kind": space("kind", "a,b")}
    assert drawn(spaces, 4, 7) == drawn(dict(reversed(spaces.items())), 4, 7)
    assert drawn(spaces, 4, 7) != drawn(spaces, 5, 7)
    assert drawn(spaces, 4, 7) != drawn(spaces, 4, 8)
    found = [drawn(spaces, number, 0) for number in range(400)]
    decades = Counter(int(float(one["rate"]) * 1e4 >= 10) for one in found)
    assert 0.25 < decades[0] / 400 < 0.42  # a third of the orders of magnitude
    assert {one["width"] for one in found} == {2, 3, 4, 5}
    assert {one["kind"] for one in found} == {"a", "b"}
    assert all(0 <= float(one["drop"]) <= 0.5 for one in found)


def test_turns_are_thirds() -> None:
    assert turns(9, 900) == [Turn(9, 100), Turn(3, 300), Turn(1, 900)]
    assert turns(8, 900) == [Turn(8, 100), Turn(3, 300), Turn(1, 900)]
    assert turns(2, 10) == [Turn(2, 3), Turn(1, 10)]
    assert turns(1, 10) == [Turn(1, 10)]
    assert best({0: 2.0, 1: 1.0, 2: 1.0, 3: 9.0}, 3) == [1, 2, 0]


@pytest.fixture(scope="module")
def stones(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    (folder / "notes").mkdir()
    for number in range(30):
        (folder / "notes" / f"{number}.txt").write_text(f"Note {number}. Granite is dense. " * 9)
    place = folder / "workspace"
    with ragstone.open(place, create=True, encoder=encoder, ingestion={"workers": 0}) as ws:
        ws.ingest([folder / "notes"], "stones")
    return place


def test_a_search_keeps_the_best_trial_and_goes_on_exactly(
    stones: Path, encoder: TextEncoder
) -> None:
    heard = 0

    def stop(progress: Progress) -> None:
        nonlocal heard
        assert progress.trial is not None
        heard += 1
        if heard == 7:
            raise KeyboardInterrupt

    def search(name: str, **more: object) -> Tuning:
        return ws.tune_model("gpt", "stones", name, QUICK, search=SEARCH, trials=5, **more)

    with ragstone.open(stones, encoder=encoder) as ws:
        whole = search("whole")
        with pytest.raises(KeyboardInterrupt):
            search("cut", on_progress=stop)
        with pytest.raises(InvalidArgument, match=r"the one that was begun .*search\.json"):
            ws.tune_model("gpt", "stones", "cut", QUICK, search=SEARCH, trials=4)
        cut = search("cut")
        assert not (stones / "models" / "cut" / ".tuning").exists()
        assert sorted(trial.steps for trial in whole.trials) == [3, 3, 3, 9, 27]
        assert whole.trials[whole.best].steps == whole.model.steps == 27
        assert whole.trials[whole.best].loss == whole.model.loss
        assert (
            whole.model.training["learning_rate"]
            == (whole.trials[whole.best].settings["learning_rate"])
        )
        assert (cut.best, cut.model.digest) == (whole.best, whole.model.digest)
        for one, other in zip(cut.trials, whole.trials, strict=True):
            assert (one.settings, one.steps, one.loss) == (other.settings, other.steps, other.loss)
        runs = {run.run: run for run in ws.runs()}
        assert [runs[trial.run].name for trial in cut.trials] == ["cut"] * 5
        states = Counter(runs[trial.run].state for trial in whole.trials)
        assert states == {"stopped": 4, "done": 1}
        assert runs[whole.model.run].model == "whole@1"
        assert len(runs) == 10


def test_a_trial_that_diverges_is_out(stones: Path, encoder: TextEncoder) -> None:
    wild = {**QUICK, "optimiser": "adamw", "clip": 0.0, "seed": 3}
    with ragstone.open(stones, encoder=encoder) as ws:
        found = ws.tune_model(
            "gpt", "stones", "wild", wild, search={"learning_rate": "1e30,1e-3"}, trials=4
        )
        gone = [trial for trial in found.trials if trial.loss is None]
        assert gone
        assert {trial.settings["learning_rate"] for trial in gone} == {1e30}
        assert found.trials[found.best].settings["learning_rate"] == 1e-3
        states = {run.run: run.state for run in ws.runs()}
        assert {states[trial.run] for trial in gone} == {"failed"}
        with pytest.raises(InvalidArgument, match="some training does not diverge"):
            ws.tune_model("gpt", "stones", "no", wild, search={"learning_rate": "1e30"}, trials=2)


@pytest.mark.parametrize(
    ("search", "more", "told"),
    [
        ({}, {}, "search is None"),
        ({"steps": "3,9"}, {}, "losses must be comparable"),
        ({"tokenizer": "bpe,bytes"}, {}, "losses must be comparable"),
        ({"width": "15,17"}, {}, "width is"),
        ({"speed": "1,2"}, {}, "setting is 'speed'"),
        ({"layers": "1,2"}, {"minutes": 1.0}, "a search counts steps"),
    ],
)
def test_what_cannot_be_searched_is_told(
    stones: Path,
    encoder: TextEncoder,
    search: dict[str, str],
    more: dict[str, float],
    told: str,
) -> None:
    with (
        ragstone.open(stones, encoder=encoder) as ws,
        pytest.raises(InvalidArgument, match=told),
    ):
        ws.tune_model("gpt", "stones", "wrong", {**QUICK, **more}, search=search, trials=3)


def test_a_search_from_the_command_line(stones: Path) -> None:
    words = ["tune-model", "gpt", "stones", "--name", "told", "--trials", "2", "-w", str(stones)]
    words += ["--search", "learning_rate=1e-3..1e-2"]
    words += [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert "told@1: loss" in shown.output
    assert "with learning_rate=" in shown.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert told["model"]["number"] == 2
    assert len(told["trials"]) == 2
