"""Sound as a network reads it: levels of the mu-law (ITU-T G.711, 1972), and who says what."""

from __future__ import annotations

import json
import wave
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument

LABEL, SPEAKER = "label", "speaker"
_FILE = "waves.json"
_FULL = 32_767  # of a sample of 16 bits
_LOUDEST = 29_000  # of a recording, made as loud as others


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveCodec:
    """Turns samples into levels and back; it knows what the labels and speakers are called.

    Parameters
    ----------
    rate
        Samples a second.
    levels
        That there are; they lie closer where it is softer, as one hears.
    labels, speakers
        By their numbers; one without a name where a model is told none.
    """

    rate: int
    levels: int = 256
    labels: tuple[str, ...] = ("",)
    speakers: tuple[str, ...] = ("",)

    @property
    def about(self) -> str:
        """What it is, for the card."""
        told = f"{len(self.labels)} labels, {len(self.speakers)} speakers"
        return f"mu-law, {self.levels} levels, {self.rate:,} Hz, {told}"

    def encode(self, samples: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Return the levels of samples of the codec's rate, of the same shape."""
        full = samples.astype(np.float32) / _FULL
        most = self.levels - 1
        bent = np.sign(full) * np.log1p(most * np.abs(full)) / np.log1p(most)
        levels: NDArray[np.uint8] = np.floor((bent + 1) / 2 * most + 0.5).astype(np.uint8)
        return levels

    def decode(self, levels: NDArray[np.integer]) -> NDArray[np.int16]:
        """Return the samples that levels stand for, of the same shape."""
        most = self.levels - 1
        bent = 2 * levels.astype(np.float64) / most - 1
        full = np.sign(bent) * np.expm1(np.abs(bent) * np.log1p(most)) / most
        samples: NDArray[np.int16] = np.rint(full * _FULL).astype(np.int16)
        return samples

    def number(self, name: str, value: str) -> int:
        """Return the number of a label or a speaker.

        Raises
        ------
        InvalidArgument
            There is none of this name or value.
        """
        if name not in (LABEL, SPEAKER):
            raise InvalidArgument("condition", name, f"{LABEL} or {SPEAKER}")
        known = self.labels if name == LABEL else self.speakers
        if value not in known:
            told = "one of " + ", ".join(known) if known != ("",) else "a model that was told of it"
            raise InvalidArgument(name, value, told)
        return known.index(value)

    def save(self, folder: Path) -> None:
        """Write `waves.json`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        (folder / _FILE).write_text(text, encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> WaveCodec:
        """Read what `save` wrote."""
        found = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return cls(
            **{**found, "labels": tuple(found["labels"]), "speakers": tuple(found["speakers"])}
        )


def as_loud(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return samples (n,) scaled so that the loudest is nearly full: soft ones keep few levels."""
    peak = int(np.abs(samples.astype(np.int32)).max(initial=0))
    scaled: NDArray[np.int16] = np.rint(samples * (_LOUDEST / max(1, peak))).astype(np.int16)
    return scaled


def wav(samples: NDArray[np.int16], rate: int) -> bytes:
    """Return samples (n,) as a WAV file of one channel, PCM of 16 bits."""
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return target.getvalue()
