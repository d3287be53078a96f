"""How good the recordings are that a model made: whether they are understood, and how long."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.wavenet import WaveNet
from ragstone.models.waves import WaveCodec
from ragstone.training.clips import ClipData, Clips
from ragstone.training.measures.recognising import Recogniser

Waves = list[NDArray[np.int16]]


def measure(model: WaveNet, codec: WaveCodec, data: ClipData, samples: int) -> dict[str, float]:
    """Return measures of a model's clips by name.

    `seconds`, `seconds_spread`: mean and deviation of the length; `..._held_out` the same of what
    is held out. Where there is more than one label: `recognised`, the share of clips whose label a
    recogniser finds that was trained on the clips that the model learnt from; `recognised_held_out`
    the same of what is held out, which neither has seen. Labels and speakers are taken in turn.
    """
    real = waves_of(codec, data.held_out)
    found = {f"{name}_held_out": value for name, value in _lengths(real, codec.rate).items()}
    if samples:
        labels, speakers = _in_turn(codec, samples)
        made = spoken(model, codec, labels, speakers)
        found |= _lengths(made, codec.rate)
    if len(codec.labels) > 1:
        recogniser = Recogniser(waves_of(codec, data.training), data.training.labels, codec.rate)
        found["recognised_held_out"] = recogniser.share(real, data.held_out.labels)
        if samples:
            found["recognised"] = recogniser.share(made, labels)
    return found


def waves_of(codec: WaveCodec, clips: Clips) -> Waves:
    """Return the samples of each clip, int16 (its length,)."""
    return [codec.decode(clips.levels_of(number)) for number in range(len(clips))]


def spoken(
    model: WaveNet,
    codec: WaveCodec,
    labels: NDArray[np.int64],
    speakers: NDArray[np.int64],
    temperature: float = 1.0,
) -> Waves:
    """Return a clip of a model for each label and speaker, int64 (clips,), int16 (its length,)."""
    seeds = range(len(labels))
    told = torch.from_numpy(labels), torch.from_numpy(speakers)
    return [codec.decode(levels.numpy()) for levels in model.sample(*told, seeds, temperature)]


def _in_turn(codec: WaveCodec, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    numbers = np.arange(count)
    labels = len(codec.labels)
    return numbers % labels, numbers // labels % len(codec.speakers)


def _lengths(waves: Waves, rate: int) -> dict[str, float]:
    seconds = np.asarray([len(wave) for wave in waves]) / rate
    return {"seconds": float(seconds.mean()), "seconds_spread": float(seconds.std())}
