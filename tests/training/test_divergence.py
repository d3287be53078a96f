"""A training that diverges: it stops, is rolled back, and names the examples at fault."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from ragstone.errors import TrainingDiverged
from ragstone.models.base import Batch, Capability, Config, GenerativeModel, Loss, Phase
from ragstone.training.checkpoints import Checkpoints
from ragstone.training.feeding import TokenData
from ragstone.training.progress import Progress
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

from .language_runs import data, trainer, weights


@dataclass(frozen=True, slots=True, kw_only=True)
class LineConfig(Config):
    family: ClassVar[str] = "line"


class Line(GenerativeModel):
    """A linear map of points to their mean."""

    modality: ClassVar[str] = "points"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.config = LineConfig()
        self.map = nn.Linear(4, 1)

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        points = batch["points"]
        return Loss((self.map(points)[:, 0] - points.mean(1)).square().mean(), {})


class Points:
    """Forty points in order, the last ten held out, and names for the others."""

    digest = "points"

    def __init__(self, bad: int | None = None) -> None:
        self.points = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
        if bad is not None:
            self.points[bad, 2] = math.nan

    def _numbers(self, step: int, size: int) -> list[int]:
        return [(step * size + number) % 30 for number in range(size)]

    def batch(self, step: int, size: int, seed: int) -> Batch:  # noqa: ARG002
        return {"points": self.points[self._numbers(step, size)]}

    def names(self, step: int, size: int, seed: int) -> list[str]:  # noqa: ARG002
        return [f"point {number}" for number in self._numbers(step, size)]

    def validation(self, size: int) -> Iterator[tuple[Batch, int]]:  # noqa: ARG002
        yield {"points": self.points[30:]}, 10


def line(folder: Path, bad: int | None) -> Trainer:
    settings = TrainingSettings(steps=9, batch=5, checkpoint_every=2, precision="float32")
    return Trainer(Line(), Points(bad), settings, folder, device="cpu")


def test_what_diverges_is_told_and_rolled_back(tmp_path: Path) -> None:
    def poison(progress: Progress) -> None:
        if progress.step == 10:
            next(made.model.parameters()).data.fill_(math.inf)

    made = trainer(tmp_path, poison)
    with pytest.raises(TrainingDiverged, match="in step 10 the loss was nan") as caught:
        made.fit()
    assert caught.value.hint.startswith("Take a smaller learning_rate")
    kept = Checkpoints(tmp_path / "checkpoints").newest()[0]
    assert kept is not None
    assert kept.step == caught.value.checkpoint == 7
    for name, values in weights(made).items():
        assert torch.equal(values, kept.tensors[f"model.{name}"]), name
    report = json.loads((tmp_path / "diverged.json").read_text())
    assert report["examples"] == report["alone"] == data().names(10, 8, 0)
    assert (report["step"], report["seed"], report["data"]) == (10, 0, data().digest)
    assert trainer(tmp_path).fit().steps == 30  # and goes on from there


def test_a_rate_that_is_too_big_diverges(tmp_path: Path) -> None:
    rates = {
        "learning_rate": 1e30,
        "matrix_rate": 1e30,
        "warmup": 1,
        "clip": 0.0,
        "optimiser": "adamw",
    }
    with pytest.raises(TrainingDiverged, match=r"What \d+ steps taught it is kept") as caught:
        trainer(tmp_path, checkpoint_every=1, **rates).fit()
    assert str(tmp_path / "diverged.json") in caught.value.hint
    assert len(caught.value.examples) == 8


def test_the_example_at_fault_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="in step 3 the loss was nan") as caught:
        line(tmp_path, bad=17).fit()
    assert caught.value.at_fault == ("point 17",)
    assert caught.value.examples == tuple(f"point {number}" for number in range(15, 20))
    assert caught.value.hint.startswith("These examples alone give that: point 17. Mend or delete")
    assert line(tmp_path / "whole", bad=None).fit().steps == 9


def test_it_diverges_before_there_is_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="Nothing is kept"):
        line(tmp_path, bad=3).fit()
    assert json.loads((tmp_path / "diverged.json").read_text())["checkpoint"] == 0


def test_a_validation_that_is_not_finite_ends_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="in step 8 the loss on what is held out was nan"):
        line(tmp_path, bad=33).fit()
    assert json.loads((tmp_path / "diverged.json").read_text())["examples"] == []


def test_stretches_are_named_by_their_place_and_items() -> None:
    items = [(0, "granite"), (100, "slate"), (105, "tuff"), (200, "chalk")]
    text = TokenData(np.arange(1000), np.arange(50), 10, items)
    seen = set()
    for step in range(14):
        begins = text.batch(step, 7, 3)["tokens"][:, 0].tolist()
        for begin, name in zip(begins, text.names(step, 7, 3), strict=True):
            inside = [
                i
                for (b, i), (e, _) in zip(items, [*items[1:], (1000, "")], strict=True)
                if b < begin + 10 and begin < e
            ]
            assert name == f"tokens {begin:,} to {begin + 10:,} of item {' and '.join(inside)}"
            seen.add(len(inside))
    assert seen >= {1, 2}
