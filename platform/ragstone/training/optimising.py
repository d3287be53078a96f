"""Optimisers for the parameter groups of a model, and their state as tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from ragstone.models.base import GenerativeModel
from ragstone.training.settings import TrainingSettings
from ragstone.training.sharding import parted


class Optimisers:
    """One optimiser for each parameter group that has parameters."""

    def __init__(self, model: GenerativeModel, settings: TrainingSettings) -> None:
        self._each: dict[str, tuple[Optimizer, float]] = {}
        for name, parameters in model.parameter_groups().items():
            if parameters:
                optimiser, rate = _optimiser(name, parameters, settings)
                self._each[name] = optimiser, rate * model.rates.get(name, 1.0)

    def step(self, rate: float) -> None:
        """Change the weights by their gradients, and clear these.

        Parameters
        ----------
        rate
            Part of the learning rates: `TrainingSettings.rate`.
        """
        for optimiser, most in self._each.values():
            for group in optimiser.param_groups:
                group["lr"] = most * rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return their whole state."""
        return {
            f"{name}.{number}.{key}": torch.as_tensor(value)
            for name, (optimiser, _) in self._each.items()
            for number, state in optimiser.state_dict()["state"].items()
            for key, value in state.items()
        }

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take over the state that `tensors` gave."""
        for name, (optimiser, _) in self._each.items():
            state: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in sorted(tensors.items()):  # all processes ask for them in one order
                own, number, field = key.split(".", 2)
                if own == name:
                    like = optimiser.param_groups[0]["params"][int(number)]
                    state.setdefault(int(number), {})[field] = parted(value, like)
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def _optimiser(
    name: str, parameters: list[nn.Parameter], settings: TrainingSettings
) -> tuple[Optimizer, float]:
    if name == "matrices" and settings.optimiser == "muon":
        muon = Muon(parameters, lr=settings.matrix_rate, weight_decay=settings.weight_decay)
        return muon, settings.matrix_rate
    # Norms, biases and token vectors are not drawn to 0.
    decay = settings.weight_decay if name == "matrices" else 0.0
    rate, betas = settings.learning_rate, (settings.beta1, settings.beta2)
    return AdamW(parameters, lr=rate, betas=betas, weight_decay=decay, fused=True), rate
