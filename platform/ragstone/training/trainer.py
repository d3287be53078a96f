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
from ragstone.errors import DamagedFile, InvalidArgument, TrainingDiverged
from ragstone.models.base import Batch, GenerativeModel
from ragstone.storage.files import make_folder
from ragstone.training.checkpoints import Checkpoint, Checkpoints
from ragstone.training.divergence import Divergence, alone, names
from ragstone.training.feeding import TrainingData
from ragstone.training.optimising import Optimisers
from ragstone.training.processes import Processes
from ragstone.training.progress import Outcome, Plan, Progress
from ragstone.training.settings import TrainingSettings

_TRIED = 4  # steps that are timed for an estimate, the first of them aside
_TOLD_EVERY = 10  # steps


class Trainer:
    """Trains `model` in place.

    Parameters
    ----------
    folder
        Holds checkpoints; a training that stands there goes on.
    on_progress
        Called every ten steps, and after each validation.

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
    ) -> None:
        limit_threads()
        self._device = choose_device(device)
        self.model = model.to(self._device)
        self._data, self._asked, self._folder = data, settings, folder
        self.settings = settings  # with as many steps as there will be
        self._heard = on_progress
        self._processes = Processes()
        self._checkpoints = Checkpoints(folder / "checkpoints")
        self._optimisers = Optimisers(model, settings)
        self._parameters = [p for group in model.parameter_groups().values() for p in group]
        self._mean = _copy(model) if settings.ema else {}
        self._best: dict[str, torch.Tensor] = {}
        self._outcome = Outcome()
        if settings.batch % (self._processes.count * settings.accumulate):
            expected = f"a multiple of {self._processes.count} processes and {settings.accumulate}"
            raise InvalidArgument("batch", settings.batch, expected)
        step_of = cast("Callable[..., Any]", model.training_step)
        self._step_of = torch.compile(step_of) if settings.compile else step_of
        self._damaged = self._resume()

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
        begun = monotonic()
        for number in range(_TRIED):
            if number == 1:
                begun = monotonic()
            self._gradients(number)
            self.model.zero_grad(set_to_none=True)
        return (monotonic() - begun) / (_TRIED - 1)

    def fit(self) -> Outcome:
        """Train to the end, and leave the best weights in the model.

        Raises
        ------
        TrainingDiverged
            A loss or gradient is not finite any more. The model has the weights of the last
            checkpoint, and the folder a report of the step (`Divergence`).
        """
        outcome, settings = self._outcome, self.settings
        begun, before = monotonic(), outcome.seconds
        self._told = outcome.steps, begun
        while outcome.steps < settings.steps and not self._out_of_patience():
            step = outcome.steps
            loss, norm = self._gradients(step)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                problem = f"the loss was {loss} and the norm of the gradients {norm}"
                raise self._diverged(step, problem, step)
            self._optimisers.step(settings.rate(step))
            self._average_weights()
            outcome.steps += 1
            outcome.losses.append(loss)
            last = outcome.steps == settings.steps
            validated = self._validate() if last or _due(step, settings.evaluate_every) else None
            outcome.seconds = before + monotonic() - begun
            if validated is not None or _due(step, _TOLD_EVERY):
                self._tell(norm, validated)
            if last or self._out_of_patience() or _due(step, settings.checkpoint_every):
                self._save()
        self._take(self._best)
        return outcome

    def _gradients(self, step: int) -> tuple[float, float]:
        """Compute the gradients of a step; return loss and norm of the gradients."""
        settings = self.settings
        self.model.train()
        batch = self._processes.share(self._data.batch(step, settings.batch, settings.seed))
        pieces = [
            {name: values.chunk(settings.accumulate)[number] for name, values in batch.items()}
            for number in range(settings.accumulate)
        ]
        total = torch.zeros((), device=self._device)
        for number, piece in enumerate(pieces):
            rng = self._chance(step, number)
            with self._casting():
                loss = self._step_of(self._placed(piece), rng, "train").value / len(pieces)
            loss.backward()
            total += loss.detach()
        self._processes.average_gradients(self._parameters)
        limit = settings.clip or math.inf
        norm = nn.utils.clip_grad_norm_(self._parameters, limit)
        return self._processes.mean(total), float(norm)

    def _chance(self, step: int, piece: int) -> torch.Generator:
        """Return the generator of a piece of a step, and seed torch's own alike."""
        key = f"{self._data.digest} {self.settings.seed} {step} {piece} {self._processes.number}"
        seed = int.from_bytes(blake3(key.encode()).digest()[:7])
        torch.manual_seed(seed)
        return torch.Generator(self._device).manual_seed(seed)

    def _placed(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: values.to(self._device) for name, values in batch.items()}

    def _casting(self) -> AbstractContextManager[Any]:
        precision = self.settings.precision
        # Without AMX a CPU is slower in bfloat16.
        if precision == "bfloat16" or (precision == "auto" and self._device.type == "cuda"):
            return torch.autocast(self._device.type, torch.bfloat16)
        return nullcontext()

    # ------------------------------------------------------------ validation

    @torch.no_grad()
    def validate(self) -> float:
        """Return the mean loss over all that is held out."""
        self.model.eval()
        total, weight = 0.0, 0
        for number, (batch, own) in enumerate(self._data.validation(self.settings.batch)):
            with self._casting():
                loss = self.model.training_step(
                    self._placed(batch), self._chance(-1, number), "validate"
                )
            total += float(loss.value) * own
            weight += own
        return total / weight

    def _validate(self) -> float:
        own = _copy(self.model) if self._mean else {}
        self._take(self._mean)
        found = self.validate()
        if not math.isfinite(found):
            problem = f"the loss on what is held out was {found}"
            raise self._diverged(self._outcome.steps - 1, problem, None)
        if self._outcome.validated(found):
            self._best = _copy(self.model)
        self._take(own)
        return found

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self._outcome.since_best()

    @torch.no_grad()
    def _average_weights(self) -> None:
        for name, values in self.model.state_dict().items():
            if name in self._mean:
                self._mean[name].lerp_(values, 1 - self.settings.ema)

    def _take(self, weights: Mapping[str, torch.Tensor]) -> None:
        if weights:
            self.model.load_state_dict(dict(weights))

    def _tell(self, norm: float, validated: float | None) -> None:
        steps, settings = self._outcome.steps, self.settings
        loss = fmean(self._outcome.losses[-_TOLD_EVERY:])
        (told, then), now = self._told, monotonic()
        self._told = steps, now
        rate = settings.learning_rate * settings.rate(steps - 1)
        speed = settings.batch * (steps - told) / max(1e-9, now - then)
        if self._processes.first:
            self._heard(Progress(steps, settings.steps, loss, norm, rate, speed, validated))

    # ------------------------------------------------------------ going on

    def _save(self) -> None:
        if not self._processes.first:
            return
        outcome = self._outcome
        tensors = {f"model.{name}": values for name, values in self.model.state_dict().items()}
        tensors |= {f"mean.{name}": values for name, values in self._mean.items()}
        tensors |= {f"best.{name}": values for name, values in self._best.items()}
        tensors |= {f"optimiser.{name}": v for name, v in self._optimisers.tensors().items()}
        state = {
            "identity": self._identity(),
            "steps": self.settings.steps,
            "validations": outcome.validations,
            "best": outcome.best if outcome.validations else None,
            "best_step": outcome.best_step,
            "seconds": outcome.seconds,
            "losses": outcome.losses,
        }
        make_folder(self._folder)
        self._checkpoints.save(Checkpoint(outcome.steps, _unshared(tensors), state))

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
            parts.setdefault(kind, {})[own] = values.to(self._device)
        self._take(parts["model"])
        self._mean, self._best = parts.get("mean", {}), parts.get("best", {})
        self._optimisers.load(parts.get("optimiser", {}))
        state = found.state
        self.settings = replace(self._asked, steps=state["steps"])
        self._outcome = Outcome(
            steps=found.step,
            losses=list(state["losses"]),
            validations={int(step): value for step, value in state["validations"].items()},
            best=math.inf if state["best"] is None else state["best"],
            best_step=state["best_step"],
            seconds=state["seconds"],
        )
        return damaged

    def _diverged(self, step: int, problem: str, fed: int | None) -> TrainingDiverged:
        """Keep what there is to know, and take the weights of the last checkpoint.

        Parameters
        ----------
        fed
            Step whose examples are at fault, or it is not known which are.
        """
        examples, bad = [], []
        if fed is not None:
            batch = self._data.batch(fed, self.settings.batch, self.settings.seed)
            examples = names(self._data, self.settings, fed)
            bad = [examples[number] for number in alone(batch, self._measure)]
        kept, data = self._roll_back(), self._data.digest
        found = Divergence(step, problem, examples, bad, kept, data, self.settings.seed)
        if self._processes.first:
            found.keep(self._folder)
        return found.error(self._folder)

    def _measure(self, batch: Batch) -> tuple[float, float]:
        """Return the loss of a batch, and the norm of its gradients."""
        self.model.zero_grad(set_to_none=True)
        step = self.model.training_step(self._placed(batch), self._chance(0, 0), "train")
        torch.autograd.backward(step.value)
        return float(step.value.detach()), float(nn.utils.clip_grad_norm_(self._parameters, math.inf))

    def _roll_back(self) -> int:
        """Take the weights of the last checkpoint, if any; return how many steps it has made."""
        found, _ = self._checkpoints.newest()
        if found is None:
            return 0
        weights = found.tensors.items()
        self._take({n.removeprefix("model."): v for n, v in weights if n.startswith("model.")})
        return found.step

    def _identity(self) -> dict[str, Any]:
        return {
            "data": self._data.digest,
            "model": json.loads(self.model.config.to_json()),
            # How long it may take and how often it is looked at changes no step.
            "settings": json.loads(replace(self._asked, checkpoint_every=0, minutes=0.0).to_json()),
        }


def _due(step: int, every: int) -> bool:
    return every > 0 and (step + 1) % every == 0


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: values.detach().clone() for name, values in model.state_dict().items()}


def _unshared(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors that no two names share: the format refuses them."""
    seen: set[int] = set()
    found = {}
    for name, values in tensors.items():
        pointer = values.data_ptr()
        found[name] = values.clone() if pointer in seen and pointer else values
        seen.add(pointer)
    return found
