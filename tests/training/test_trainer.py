"""The trainer: exact when it goes on, whole when a file is damaged, and it learns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ragstone.errors import DamagedFile, InvalidArgument
from ragstone.storage.files import remove
from ragstone.training.checkpoints import Checkpoint, Checkpoints
from ragstone.training.feeding import TokenData
from ragstone.training.progress import Progress
from ragstone.training.settings import TrainingSettings

from .language_runs import QUICK, data, trainer, weights

RUN = Path(__file__).with_name("language_runs.py")


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_it_learns(tmp_path: Path, optimiser: str) -> None:
    heard: list[Progress] = []
    made = trainer(tmp_path, heard.append, steps=150, optimiser=optimiser, learning_rate=1e-2)
    before = made.validate().loss
    outcome = made.fit()
    assert outcome.best < before / 2
    assert made.validate().loss == pytest.approx(
        outcome.best, abs=1e-6
    )  # the best weights are left
    assert len(outcome.losses) == outcome.steps == 150
    assert heard[-1].step == 150
    assert heard[-1].validation == pytest.approx(outcome.validations[150])


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"accumulate": 4}, {"schedule": "wsd"}])
def test_it_goes_on_exactly(tmp_path: Path, settings: dict[str, object]) -> None:
    whole = trainer(tmp_path / "whole", **settings)
    expected = whole.fit()

    class Stopped(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.step == 20:
            raise Stopped

    with pytest.raises(Stopped):
        trainer(tmp_path / "cut", stop, **settings).fit()
    again = trainer(tmp_path / "cut", **settings)
    outcome = again.fit()
    assert outcome.losses == expected.losses
    assert outcome.validations == expected.validations
    for name, values in weights(whole).items():
        assert torch.equal(values, weights(again)[name]), name


def test_it_survives_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, str(RUN), str(tmp_path)]
    settings = json.dumps({"steps": 60})
    with subprocess.Popen([*command, settings], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        while int(killed.stdout.readline()) < 30:
            pass
        killed.send_signal(signal.SIGKILL)
    assert not (tmp_path / "losses.json").exists()
    subprocess.run([*command, settings], check=True, stdout=subprocess.DEVNULL)
    whole = tmp_path / "whole"
    subprocess.run([*command[:2], str(whole), settings], check=True, stdout=subprocess.DEVNULL)
    found, expected = (json.loads((f / "losses.json").read_text()) for f in (tmp_path, whole))
    assert found == expected


def launched(count: int, folder: Path, **settings: object) -> list[float]:
    """Train in so many processes; return the losses of the steps."""
    # Dropout falls differently in each process, and Muon counts in bfloat16; without these, only
    # the order of sums differs.
    chosen = {"steps": 12, "dropout": 0.0, "optimiser": "adamw", "ema": 0.5, "evaluate_every": 4}
    command = [sys.executable]
    if count > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    subprocess.run(
        [*command, str(RUN), str(folder), json.dumps({**chosen, "accumulate": 2, **settings})],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=600,
    )
    losses: list[float] = json.loads((folder / "losses.json").read_text())
    assert len(losses) == 12
    return losses


def test_several_processes_learn_as_one(tmp_path: Path) -> None:
    alone = launched(1, tmp_path / "1")
    assert launched(2, tmp_path / "2") == pytest.approx(alone, abs=1e-5)
    parted = launched(2, tmp_path / "parted", sharding="full")
    assert parted == pytest.approx(alone, abs=1e-5)
    first, other = (
        Checkpoints(tmp_path / name / "checkpoints").newest()[0] for name in ("1", "parted")
    )
    assert first is not None
    assert other is not None
    assert other.step == first.step == 12
    assert other.state["validations"] == pytest.approx(first.state["validations"], abs=1e-5)
    assert set(other.tensors) == set(first.tensors)
    for name, values in first.tensors.items():
        assert torch.allclose(other.tensors[name], values, atol=1e-5), name
    for begun, count in (("parted", 1), ("1", 2)):  # whole and parted go on from the other
        remove(tmp_path / begun / "checkpoints" / "00000012")
        (tmp_path / begun / "losses.json").unlink()
        went_on = launched(count, tmp_path / begun, sharding="full")
        assert went_on == pytest.approx(alone, abs=1e-5)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.newest() == (None, [])
    for step in (7, 14, 21):
        checkpoints.save(Checkpoint(step, {"w": torch.full((2,), float(step))}, {"loss": step}))
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["00000014", "00000021"]
    newest = tmp_path / "c" / "00000021" / "state.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    found, damaged = checkpoints.newest()
    assert found is not None
    assert (found.step, found.tensors["w"].tolist(), found.state) == (14, [14, 14], {"loss": 14})
    assert [type(error) for error in damaged] == [DamagedFile]
    (tmp_path / "c" / "00000014" / "state.json").write_text("{")
    found, damaged = checkpoints.newest()
    assert found is None
    assert [str(error.path.name) for error in damaged] == ["state.safetensors", "00000014"]


def test_other_data_or_settings_do_not_go_on(tmp_path: Path) -> None:
    trainer(tmp_path).fit()
    assert trainer(tmp_path, checkpoint_every=3).fit().steps == 30
    for other in ({"learning_rate": 0.1}, {"seed": 9}):
        with pytest.raises(InvalidArgument, match="one of the same data and settings"):
            trainer(tmp_path, **other).fit()
    with pytest.raises(InvalidArgument, match="one of the same data and settings"):
        trainer(tmp_path, seed=0, data_seed=4).fit()


def test_it_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    outcome = trainer(
        tmp_path, steps=200, learning_rate=0.0, matrix_rate=0.0, evaluate_every=5, patience=2
    ).fit()
    assert outcome.steps == 15  # the first is the best, and two more are waited for
    assert outcome.best_step == 5


def test_a_plan_changes_no_step(tmp_path: Path) -> None:
    made, other = trainer(tmp_path / "a"), trainer(tmp_path / "b")
    plan = made.plan()
    assert (plan.begin, plan.steps, plan.damaged) == (0, 30, ())
    assert plan.seconds > 0
    assert made.fit().losses == other.fit().losses


def test_steps_fit_into_the_minutes_and_stay_what_they_were(tmp_path: Path) -> None:
    """However quick the machine is when it goes on: the schedule depends on the steps."""
    whole = trainer(tmp_path / "whole", minutes=1e-9)
    assert whole.plan().steps == 1
    slow = {"steps": 10**9, "minutes": 0.02, "checkpoint_every": 1, "evaluate_every": 0}

    class Stopped(Exception):
        pass

    def stop(_: Progress) -> None:
        raise Stopped

    cut = trainer(tmp_path / "cut", stop, **slow)
    planned = cut.plan().steps
    assert 10 < planned < 10**9
    with pytest.raises(Stopped):
        cut.fit()
    again = trainer(tmp_path / "cut", **{**slow, "minutes": 1000.0})
    plan = again.plan()
    assert (plan.begin, plan.steps) == (9, planned)
    assert again.fit().steps == planned


def test_what_ended_early_stays_ended(tmp_path: Path) -> None:
    settings = {"steps": 200, "learning_rate": 0.0, "matrix_rate": 0.0, "evaluate_every": 5}
    first = trainer(tmp_path, patience=2, **settings).fit()
    again = trainer(tmp_path, patience=2, **settings).fit()
    assert (again.steps, again.losses) == (first.steps, first.losses)


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    trainer(tmp_path).fit()
    newest = tmp_path / "checkpoints" / "00000030" / "state.safetensors"
    newest.write_bytes(b"")
    plan = trainer(tmp_path).plan()
    assert plan.begin == 28
    assert len(plan.damaged) == 1
    assert "state.safetensors" in plan.damaged[0]


def test_each_pass_takes_each_stretch_once() -> None:
    text = TokenData(np.arange(1000), np.arange(50), 10)
    seen = [text.batch(step, 7, 3)["tokens"] for step in range(14)]  # 98 stretches of a pass
    begins = torch.cat(seen)[:, 0].tolist()
    assert len(set(begins)) == 98
    assert len({begin % 10 for begin in begins}) == 1
    batch = text.batch(5, 7, 3)
    assert torch.equal(batch["targets"], batch["tokens"] + 1)
    assert torch.equal(batch["tokens"], text.batch(5, 7, 3)["tokens"])
    assert not torch.equal(batch["tokens"], text.batch(5, 7, 4)["tokens"])


def test_validation_takes_every_token_once() -> None:
    text = TokenData(np.arange(1000), np.arange(50), 10)
    found = [(batch["targets"].flatten().tolist(), weight) for batch, weight in text.validation(3)]
    assert [target for targets, _ in found for target in targets] == list(range(1, 50))
    assert [weight for _, weight in found] == [30, 10, 9]


def test_too_little_text_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="it has 15 tokens to train on"):
        TokenData(np.arange(15), np.arange(50), 10)


def test_rates_rise_and_fall() -> None:
    cosine = TrainingSettings(steps=100, warmup=10)
    assert cosine.rate(0) == pytest.approx(0.1, abs=0.01)
    assert cosine.rate(10) > 0.95
    assert cosine.rate(99) == pytest.approx(0.1, abs=0.01)
    steady = TrainingSettings(steps=100, warmup=10, schedule="wsd")
    assert steady.rate(79) == 1
    assert steady.rate(90) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimiser": "sgd"},
        {"sharding": "some"},
        {"batch": 7, "accumulate": 2},
        {"ema": 1},
        {"steps": 0},
        {"speed": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        TrainingSettings.of({**QUICK, **wrong})


def test_data_has_a_digest() -> None:
    assert data(0).digest == data(0).digest != data(1).digest
