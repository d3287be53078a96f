"""Runs of training, for people and programs; plain frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ragstone.schemas.models import ModelInfo

# A run is stopped when it ended before its last step without an error: killed, or interrupted.
RunState = Literal["running", "done", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training is going to do."""

    begin: int  # steps that are done
    steps: int
    seconds: float  # that the others may take
    parameters: int
    damaged: tuple[str, ...]  # newer checkpoints that cannot be read, and why


@dataclass(frozen=True, slots=True)
class RunPoint:
    """What was measured after a step."""

    step: int  # steps that were made
    loss: float  # mean of the last ten steps
    gradient_norm: float
    learning_rate: float
    examples_per_second: float
    tokens_per_second: float  # or samples, or pixels: what the network is applied to
    mfu: float | None = None  # part of what the device can do, where that is known
    validation: float | None = None  # where it was validated
    figures: dict[str, float] = field(default_factory=dict)  # of that, by name


@dataclass(frozen=True, slots=True)
class Run:
    """A training.

    Which examples a step read, and in which order, is a function of `data_digest`, `seed` and the
    step.
    """

    run: str  # ULID
    name: str  # that the model is to have
    family: str
    dataset: str
    version: int
    data_digest: str  # BLAKE3 of what was fed to the network
    seed: int
    steps: int  # planned
    parameters: int
    settings: dict[str, Any]  # of network and trainer
    device: str
    state: RunState
    began: datetime
    ended: datetime | None = None
    error: str = ""  # that it failed with
    model: str = ""  # NAME@NUMBER that came of it
    step: int = 0  # steps that were measured
    loss: float | None = None  # the last one
    validation: float | None = None  # the best one


@dataclass(frozen=True, slots=True)
class RunCurve:
    """A run with all that was measured in it, in the order of its steps."""

    run: Run
    points: list[RunPoint]


@dataclass(frozen=True, slots=True)
class RunBegun:
    """A run begins, or goes on after `step` steps: what was measured later is void."""

    dataset_id: str
    run: Run
    step: int


@dataclass(frozen=True, slots=True)
class RunMeasured:
    """Points of a run, in the order of their steps."""

    run: str
    points: list[RunPoint]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """How a run ended."""

    run: str
    state: RunState
    error: str = ""
    model: str = ""  # NAME@NUMBER


RunEvent = RunBegun | RunMeasured | RunEnded


@dataclass(frozen=True, slots=True)
class Trial:
    """One of the trainings of a search for settings."""

    number: int  # from 0
    settings: dict[str, Any]  # that were searched
    run: str = ""  # the last one of it
    steps: int = 0
    loss: float | None = None  # the best on what is held out; None: it diverged


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a search for settings gave."""

    trials: list[Trial]
    best: int  # number of the trial that made the model
    model: ModelInfo
