"""How fast a training is: counted as it is, against what the device can do."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ragstone.models.base import GenerativeModel
from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.recurrent import LSTM, LSTMConfig
from ragstone.training import speed
from ragstone.training.speed import Speedometer, peak


def _batch(examples: int, time: int) -> dict[str, torch.Tensor]:
    tokens = torch.zeros((examples, time), dtype=torch.int64)
    return {"tokens": tokens, "targets": tokens}


@pytest.mark.parametrize("time", [32, 512])
def test_the_estimate_of_a_transformer_is_what_torch_counts(time: int) -> None:
    model = GPT(GPTConfig(vocabulary=100, context=512, width=64, layers=3, heads=4))
    batch = _batch(2, time)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        loss = model.training_step(batch, torch.Generator(), "train").value
        torch.autograd.backward(loss)
    assert model.flops(batch) == pytest.approx(counted.get_total_flops(), rel=0.01)


def test_what_is_looked_up_is_not_counted() -> None:
    model = LSTM(LSTMConfig(vocabulary=100, width=8, embedding=4))
    looked_up = 400
    assert model.flops(_batch(2, 5)) == 6 * (model.parameters_count - looked_up) * 10


def test_positions_are_those_of_the_longest_part() -> None:
    batch = {"label": torch.zeros(3), "wave": torch.zeros(3, 100)}
    assert GenerativeModel.positions(LSTM(LSTMConfig(vocabulary=2)), batch) == 300


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA A10G", 70e12),
        ("cpu", None),
        ("NVIDIA GeForce GT 710", None),
    ],
)
def test_peaks_of_known_devices(name: str, most: float | None) -> None:
    assert peak(name) == most


def test_speeds_are_of_the_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(speed, "monotonic", lambda: now)
    monkeypatch.setattr(speed, "device_name", lambda _: "NVIDIA L4")
    model = LSTM(LSTMConfig(vocabulary=100, width=8, embedding=4))
    batch = _batch(2, 5)
    meter = Speedometer(model, torch.device("cpu"), 2)
    for _ in range(4):
        with meter.step():
            now += 0.5
        meter.read(batch)
        now += 100.0  # a validation
    found = meter.speed()
    assert (found.examples, found.positions) == (4.0, 20.0)
    assert found.mfu == pytest.approx(2 * model.flops(batch) / (2 * 121e12))
    assert meter.speed().examples == 0.0
