"""Networks of several players: who learns when, how fast, and which weights are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn

from ragstone.models.base import Batch, Capability, Config, GenerativeModel, Loss, Phase
from ragstone.training.checkpoints import Checkpoints
from ragstone.training.progress import Progress
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

from .language_runs import data, trainer

STEPS = 9
SETTINGS = {"steps": STEPS, "batch": 8, "optimiser": "adamw", "warmup": 0, "clip": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayersConfig(Config):
    """Nothing is to be settled."""

    family: ClassVar[str] = "players"


class Players(GenerativeModel):
    """One number follows the steps in two of three, another in the third."""

    modality: ClassVar[str] = "text"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    selects: ClassVar[bool] = False
    rates: ClassVar[dict[str, float]] = {"slow": 0.5}

    def __init__(self) -> None:
        super().__init__()
        self.config = PlayersConfig()
        self.slow, self.fast = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        self.heard: list[int] = []

    @property
    def turns(self) -> int:
        return 3

    def begin(self, step: int) -> None:
        self.heard.append(step)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"slow": [self.slow], "fast": [self.fast]}

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        if phase == "validate":  # it seems ever worse
            return Loss(self.slow.square().sum(), {"slow": float(self.slow)})
        return Loss(-(self.fast if self.heard[-1] % 3 == 2 else self.slow).sum(), {})


def fitted(folder: Path, until: int, heard: list[Progress]) -> Trainer:
    torch.manual_seed(0)
    settings = TrainingSettings.of({**SETTINGS, "evaluate_every": 3})
    made = Trainer(Players(), data(), settings, folder, heard.append)
    made.fit(until)
    return made


def test_each_learns_in_its_turn_at_its_rate(tmp_path: Path) -> None:
    weights = []
    for until in range(1, STEPS + 1):
        model = fitted(tmp_path, until, []).model
        weights.append((float(model.slow.detach()), float(model.fast.detach())))
        assert model.heard == [until - 1]  # it went on
    for step, (before, after) in enumerate(zip([(0.0, 0.0), *weights], weights, strict=False)):
        moved = [after[0] - before[0], after[1] - before[1]]
        assert [change == 0 for change in moved] == [step % 3 == 2, step % 3 != 2]
    rate = TrainingSettings.of(SETTINGS).rate(0)
    assert weights[0][0] == pytest.approx(0.5 * 3e-3 * rate, rel=1e-3)
    plan = Trainer(Players(), data(), TrainingSettings.of(SETTINGS), tmp_path / "plan")
    plan.plan()
    assert plan.model.heard == [0, 1, 2, 3]  # a whole round was timed


def test_the_last_weights_are_kept_where_no_loss_selects(tmp_path: Path) -> None:
    heard: list[Progress] = []
    made = fitted(tmp_path, STEPS, heard)
    losses = made.outcome.validations
    assert sorted(losses.values()) == list(losses.values())
    assert made.outcome.best_step == STEPS
    assert [dict(one.figures) for one in heard] == [
        {"slow": pytest.approx(losses[step] ** 0.5)} for step in (3, 6, 9)
    ]


def test_the_mean_of_the_weights_is_what_it_is_said_to_be(tmp_path: Path) -> None:
    """By its closed form: each step's weights, by what later steps left of them."""
    raw, settings = [], {"steps": 12, "ema": 0.5, "dropout": 0.0}
    begin = trainer(tmp_path / "begin", **settings).model.state_dict()
    raw.append({name: values.clone() for name, values in begin.items()})
    for until in range(1, 13):
        trainer(tmp_path / "run", **settings).fit(until)
        found, _ = Checkpoints(tmp_path / "run" / "checkpoints").newest()
        assert found is not None
        parts = found.tensors.items()
        raw.append({n.removeprefix("model."): v for n, v in parts if n.startswith("model.")})
    past = [min(0.5, (1 + step) / (10 + step)) for step in range(12)]
    assert (past[0], past[-1]) == (0.1, 0.5)
    name = next(iter(begin))
    expected = raw[0][name]
    for weights, left in zip(raw[1:], past, strict=True):
        expected = left * expected + (1 - left) * weights[name]
    torch.testing.assert_close(found.tensors[f"mean.{name}"], expected)
