"""How fast a training is: steps, examples, positions, and part of what the device can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

import torch

from ragstone.models.base import Batch, GenerativeModel

# Dense bfloat16, without sparsity, in operations per second, as their makers state it. The first
# that the name of the device holds counts.
_PEAKS = {
    "B200": 2.25e15,
    "H100 PCIe": 7.56e14,
    "H100 NVL": 8.35e14,
    "GH200": 9.89e14,
    "H200": 9.89e14,
    "H100": 9.89e14,
    "A100": 3.12e14,
    "A40": 1.5e14,
    "A10G": 7.0e13,
    "A10": 1.25e14,
    "L40S": 3.62e14,
    "L40": 1.81e14,
    "L4": 1.21e14,
    "RTX 4090": 1.65e14,
    "RTX 3090": 7.1e13,
    "MI300X": 1.307e15,
    "MI250X": 3.83e14,
}


def device_name(device: torch.device) -> str:
    """Return what its maker calls a GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak(name: str) -> float | None:
    """Return the operations per second that a device of this name can do, where it is known."""
    return next((most for known, most in _PEAKS.items() if known in name), None)


@dataclass(frozen=True, slots=True)
class Speed:
    """Of the steps that were made since it was last asked for.

    `mfu` is the part of the peak that the training makes use of (Chowdhery and others, 2022).
    """

    examples: float  # per second
    positions: float  # per second
    mfu: float | None


class Speedometer:
    """Times steps; validating and writing checkpoints do not count."""

    def __init__(self, model: GenerativeModel, device: torch.device, devices: int) -> None:
        self._model = model
        most = peak(device_name(device))
        self._peak = devices * most if most else None
        self._forget()

    def _forget(self) -> None:
        self._seconds, self._flops = 0.0, 0.0
        self._examples, self._positions = 0, 0

    @contextmanager
    def step(self) -> Iterator[None]:
        """Time what is done in a `with` block."""
        begun = monotonic()
        yield
        self._seconds += monotonic() - begun

    def read(self, batch: Batch) -> None:
        """Count a batch that was read, over all processes."""
        self._examples += len(next(iter(batch.values())))
        self._positions += self._model.positions(batch)
        if self._peak:
            self._flops += self._model.flops(batch)

    def speed(self) -> Speed:
        """Return the speed since the last call."""
        seconds = max(self._seconds, 1e-9)
        mfu = self._flops / seconds / self._peak if self._peak else None
        found = Speed(self._examples / seconds, self._positions / seconds, mfu)
        self._forget()
        return found
