"""The one loop that trains every generative model.

A step is a function of weights, data, seed and its number: what it learns from and all its chance
are drawn anew from these. So a training that was killed and goes on from a checkpoint gives, bit
for bit, the losses it would have given.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from time import monotonic
from typing import Any, cast

import torch
from blake3 import blake3
from torch import nn

from ragstone.encoders.devices import choose_device, limit_threads
from ragstone.errors import DamagedFile, InvalidArgument, TrainingDiverged, TrainingStopped
from ragstone.models.base import Batch, GenerativeModel
from ragstone.schemas.runs import Plan
from ragstone.storage.files import make_folder
from ragstone.training.checkpoints import Checkpoint, Checkpoints, unshared
from ragstone.training.divergence import Divergence, alone, names
from ragstone.training.feeding import TrainingData
from ragstone.training.optimising import Optimisers
from ragstone.training.processes import Processes
from ragstone.training.progress import Outcome, Progress, Validation
from ragstone.training.settings import TrainingSettings
from ragstone.training.sharding import parted_all, shard, whole
from ragstone.training.speed import Speedometer

_TRIED = 4  # steps that are timed for an estimate, the first of them aside, at least
_TOLD_EVERY = 10  # steps
_LOSS = "loss"


class Trainer:
    """Trains `model` in place.

    Parameters
    ----------
    folder
        Holds checkpoints; a training that stands there goes on.
    on_progress
        Called every ten steps, and after each validation.
    before_saving
        Called before a checkpoint is written.
    stopping
        Asked after each step whether to stop there, with a checkpoint to go on from.
    run
        Id of the run; a training that goes on keeps the one that it was begun with.

    Raises
    ------
    InvalidArgument
        What stands in the folder is of other data, settings or another model.
    """

    def __init__(
        self,
        model: GenerativeModel,
        data: TrainingData,
        settings: TrainingSettings,
        folder: Path,
        on_progress: Callable[[Progress], None] = lambda _: None,
        device: str = "auto",
        *,
        before_saving: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
        run: str = "",
    ) -> None:
        limit_threads()
        self.device = choose_device(device)
        self.model = model.to(self.device)
        self.data, self._asked, self._folder = data, settings, folder
        self.settings = settings  # with as many steps as there will be
        self._heard, self._before_saving, self.run = on_progress, before_saving, run
        self._stopping = stopping
        self._processes = Processes()
        self._sharded = settings.sharding == "full" and self._processes.count > 1
        if self._sharded:
            shard(self.model, self.device, self._processes.count)
        self._checkpoints = Checkpoints(folder / "checkpoints")
        self._optimisers = Optimisers(model, settings)
        self._parameters = [p for group in model.parameter_groups().values() for p in group]
        self._mean = _copy(model) if settings.ema else {}
        self._best: dict[str, torch.Tensor] = {}
        self._outcome = Outcome()
        self._speed = Speedometer(model, self.device, self._processes.count)
        if settings.batch % (self._processes.count * settings.accumulate):
            expected = f"a multiple of {self._processes.count} processes and {settings.accumulate}"
            raise InvalidArgument("batch", settings.batch, expected)
        step_of = cast("Callable[..., Any]", model.training_step)
        self._step_of = torch.compile(step_of) if settings.compile else step_of
        self._damaged = self._resume()

    @property
    def outcome(self) -> Outcome:
        """What it gave so far."""
        return self._outcome

    # ------------------------------------------------------------ the loop

    def plan(self) -> Plan:
        """Time a few steps, which change nothing, and settle how many fit into the minutes.

        A training that goes on makes the steps that it was begun with.
        """
        seconds, begin = self._seconds_per_step(), self._outcome.steps
        if begin == 0 and self._asked.minutes:
            fitting = max(1, int(self._asked.minutes * 60 / max(seconds, 1e-9)))
            self.settings = replace(self._asked, steps=min(self._asked.steps, fitting))
        steps = self.settings.steps
        damaged = tuple(error.message for error in self._damaged)
        count = self.model.parameters_count
        return Plan(begin, steps, seconds * (steps - begin), count, damaged)

    def _seconds_per_step(self) -> float:
        begun, tried = monotonic(), max(_TRIED, 1 + self.model.turns)
        before = [(buffer, buffer.clone()) for buffer in self.model.buffers()]  # steps change some
        for number in range(tried):
            if number == 1:
                begun = monotonic()
            self._gradients(number, self._batch(number))
            self.model.zero_grad(set_to_none=True)
        seconds = (monotonic() - begun) / (tried - 1)
        for buffer, values in before:
            buffer.copy_(values)
        return seconds

    def fit(self, until: int | None = None) -> Outcome:
        """Train to the end, and leave the best weights in the model.

        Parameters
        ----------
        until
            Stop after so many steps, with a validation and a checkpoint to go on from.

        Raises
        ------
        TrainingStopped
            `stopping` said so.
        TrainingDiverged
            A loss or gradient is not finite any more. The model has the weights of the last
            checkpoint, and the folder a report of the step (`Divergence`).
        """
        outcome, settings = self._outcome, self.settings
        begun, before = monotonic(), outcome.seconds
        first, end = outcome.steps, min(settings.steps, until or settings.steps)
        while outcome.steps < end and not self._out_of_patience():
            step = outcome.steps
            with self._speed.step():
                batch = self._batch(step)
                loss, norm = self._gradients(step, batch)
                if not (math.isfinite(loss) and math.isfinite(norm)):
                    problem = f"the loss was {loss} and the norm of the gradients {norm}"
                    raise self._diverged(step, problem, batch)
                self._optimisers.step(settings.rate(step))
                self._average_weights(step)
            self._speed.read(batch)
            outcome.steps += 1
            outcome.losses.append(loss)
            last = outcome.steps == end
            validated = self._validate() if last or _due(step, settings.evaluate_every) else None
            outcome.seconds = before + monotonic() - begun
            if validated is not None or _due(step, _TOLD_EVERY):
                each = (monotonic() - begun) / (outcome.steps - first)
                self._tell(norm, validated, each * (end - outcome.steps))
            stopped = self._stopping() and not last
            if last or stopped or self._out_of_patience() or _due(step, settings.checkpoint_every):
                self._save()
            if stopped:
                raise TrainingStopped(outcome.steps, end)
        self._take(self._best)
        return outcome

    def _batch(self, step: int) -> Batch:
        return self.data.batch(step, self.settings.batch, self.settings.seed)

    def _gradients(self, step: int, batch: Batch) -> tuple[float, float]:
        """Compute the gradients of a step; return loss and norm of the gradients."""
        settings = self.settings
        self.model.train()
        self.model.begin(step)
        batch = self._processes.share(batch)
        pieces = [
            {name: values.chunk(settings.accumulate)[number] for name, values in batch.items()}
            for number in range(settings.accumulate)
        ]
        total = torch.zeros((), device=self.device)
        for number, piece in enumerate(pieces):
            rng = self._chance(step, number)
            with self._casting():
                loss = self._step_of(self._placed(piece), rng, "train").value / len(pieces)
            loss.backward()
            total += loss.detach()
        if not self._sharded:  # else that is done
            self._processes.average_gradients(self._parameters)
        norm = nn.utils.clip_grad_norm_(self._parameters, settings.clip or math.inf)
        return self._processes.mean(total), float(whole(norm))

    def _chance(self, step: int, piece: int) -> torch.Generator:
        """Return the generator of a piece of a step, and seed torch's own alike."""
        key = f"{self.data.digest} {self.settings.seed} {step} {piece} {self._processes.number}"
        seed = int.from_bytes(blake3(key.encode()).digest()[:7])
        torch.manual_seed(seed)
        return torch.Generator(self.device).manual_seed(seed)

    def _placed(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: values.to(self.device) for name, values in batch.items()}

    def _casting(self) -> AbstractContextManager[Any]:
        precision = self.settings.precision
        # Without AMX a CPU is slower in bfloat16.
        if precision == "bfloat16" or (precision == "auto" and self.device.type == "cuda"):
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    # ------------------------------------------------------------ validation

    @torch.no_grad()
    def validate(self) -> Validation:
        """Return the mean loss, and the means of other figures, over all that is held out."""
        self.model.eval()
        sums: dict[str, float] = {}
        weight = 0
        for number, (batch, own) in enumerate(self.data.validation(self.settings.batch)):
            with self._casting():
                loss = self.model.training_step(
                    self._placed(batch), self._chance(-1, number), "validate"
                )
            for name, value in {**loss.figures, _LOSS: float(loss.value)}.items():
                sums[name] = sums.get(name, 0.0) + value * own
            weight += own
        means = {name: total / weight for name, total in sums.items()}
        return Validation(means.pop(_LOSS), means)

    def _validate(self) -> Validation:
        own = _copy(self.model) if self._mean else {}
        self._take(self._mean)
        found = self.validate()
        if not math.isfinite(found.loss):
            problem = f"the loss on what is held out was {found.loss}"
            raise self._diverged(self._outcome.steps - 1, problem, None)
        if self._outcome.validated(found.loss, selects=self.model.selects):
            self._best = _copy(self.model)
        self._take(own)
        return found

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self._outcome.since_best()

    @torch.no_grad()
    def _average_weights(self, step: int) -> None:
        for name, values in self.model.state_dict().items():
            if name not in self._mean:
                continue
            if values.is_floating_point():
                self._mean[name].lerp_(values, 1 - self.settings.averaging(step))
            else:  # a count
                self._mean[name].copy_(values)

    def _take(self, weights: Mapping[str, torch.Tensor]) -> None:
        if weights:
            self.model.load_state_dict(parted_all(weights, self.model.state_dict()))

    def _tell(self, norm: float, validated: Validation | None, left: float) -> None:
        steps, settings, speed = self._outcome.steps, self.settings, self._speed.speed()
        progress = Progress(
            step=steps,
            steps=settings.steps,
            loss=fmean(self._outcome.losses[-_TOLD_EVERY:]),
            gradient_norm=norm,
            learning_rate=settings.learning_rate * settings.rate(steps - 1),
            per_second=speed.examples,
            tokens_per_second=speed.positions,
            mfu=speed.mfu,
            seconds_left=left,
            validation=validated.loss if validated else None,
            figures=validated.figures if validated else {},
        )
        if self._processes.first:
            self._heard(progress)

    # ------------------------------------------------------------ going on

    def _save(self) -> None:
        tensors = self._tensors() if self._sharded or self._processes.first else {}
        if not self._processes.first:
            return
        self._before_saving()
        head = {"identity": self._identity(), "run": self.run, "steps": self.settings.steps}
        state = {**head, **self._outcome.state()}
        make_folder(self._folder)
        self._checkpoints.save(Checkpoint(self._outcome.steps, unshared(tensors), state))

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Return all that a checkpoint holds, whole, on the first process, and nothing on others.

        A tensor that is parted has to be asked for by all of them.
        """
        parts = {
            "model": self.model.state_dict(),
            "mean": self._mean,
            "best": self._best,
            "optimiser": self._optimisers.tensors(),
        }
        found = {}
        for kind, tensors in parts.items():
            for name, values in tensors.items():
                complete = whole(values)
                if self._processes.first:
                    found[f"{kind}.{name}"] = complete
        return found

    def _resume(self) -> list[DamagedFile]:
        """Take over the newest checkpoint, if any; return what is wrong with newer ones."""
        found, damaged = self._checkpoints.newest()
        if found is None:
            return damaged
        if found.state["identity"] != self._identity():
            expected = "a folder without a training, or one of the same data and settings"
            raise InvalidArgument("folder", str(self._folder), expected)
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for name, values in found.tensors.items():
            kind, _, own = name.partition(".")
            parts.setdefault(kind, {})[own] = values.to(self.device)
        self._take(parts["model"])
        like = self.model.state_dict()
        self._mean, self._best = (parted_all(parts.get(k, {}), like) for k in ("mean", "best"))
        self._optimisers.load(parts.get("optimiser", {}))
        state = found.state
        self.settings = replace(self._asked, steps=state["steps"])
        self.run = state.get("run") or self.run  # there was none in the first checkpoints
        self._outcome = Outcome.of(found.step, state)
        return damaged

    def _diverged(self, step: int, problem: str, batch: Batch | None) -> TrainingDiverged:
        """Keep what there is to know, and take the weights of the last checkpoint.

        Parameters
        ----------
        batch
            Of the step, when it may be at fault.
        """
        examples, bad = [], []
        if batch is not None:
            examples = names(self.data, self.settings, step)
            bad = [examples[number] for number in alone(batch, self._measure)]
        kept, data = self._roll_back(), self.data.digest
        found = Divergence(step, problem, examples, bad, kept, data, self.settings.seed, self.run)
        if self._processes.first:
            found.keep(self._folder)
        return found.error(self._folder)

    def _measure(self, batch: Batch) -> tuple[float, float]:
        """Return the loss of a batch, and the norm of its gradients."""
        self.model.zero_grad(set_to_none=True)
        step = self.model.training_step(self._placed(batch), self._chance(0, 0), "train")
        torch.autograd.backward(step.value)
        norm = nn.utils.clip_grad_norm_(self._parameters, math.inf)
        return float(step.value.detach()), float(whole(norm))

    def _roll_back(self) -> int:
        """Take the weights of the last checkpoint, if any; return how many steps it has made."""
        found, _ = self._checkpoints.newest()
        if found is None:
            return 0
        weights = found.tensors.items()
        self._take({n.removeprefix("model."): v for n, v in weights if n.startswith("model.")})
        return found.step

    def _identity(self) -> dict[str, Any]:
        # How long it may take, how often it is kept and where it is done change no step.
        identical = replace(self._asked, checkpoint_every=0, minutes=0.0, sharding="none")
        return {
            "data": self.data.digest,
            "model": json.loads(self.model.config.to_json()),
            "settings": json.loads(identical.to_json()),
        }


def _due(step: int, every: int) -> bool:
    return every > 0 and (step + 1) % every == 0


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: values.detach().clone() for name, values in model.state_dict().items()}
