"""A model of sound on the Free Spoken Digit Dataset: bits per sample, and digits understood.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/speech.py [--folder KEPT]

The official test clips (takes 0 to 4 of each digit and speaker, 300 of 3,000) are held out from all
that learns: the model, the context model of order 2 beside it, and the recogniser that listens to
ten clips of each digit and speaker that the model made. All clips are made as loud as each other,
for all of these. With `--folder` a training that was
stopped goes on. Minutes are processor time, of all threads; the budget is 30, two cores for 15.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.decoding_audio import decode
from ragstone.models.families import family
from ragstone.models.wavenet import WaveNet, WaveNetConfig
from ragstone.models.waves import WaveCodec, as_loud, wav
from ragstone.training.clips import ClipData, Clips
from ragstone.training.measures.recognising import Recogniser
from ragstone.training.measures.waves import spoken, waves_of
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

RATE = 8_000
EACH = 10  # clips of each digit and speaker
GOAL = 0.6
GUIDANCES = (1.0, 3.0, 6.0)


def main() -> None:
    """Train, measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=family("wavenet").recipe["steps"])
    parser.add_argument("--folder", type=Path, help="Keep the training and some clips there.")
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    codec, clips = read(data / "fsdd")
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        model, loss, minutes = train(clips, codec, chosen.steps, chosen.seed, folder)
    order_2 = context_bits(clips)
    print("| | parameters | bits per sample | processor minutes |")
    print("| --- | --- | --- | --- |")
    print(f"| order 2, by speaker | | {order_2:.3f} | |")
    parameters, bits = model.parameters_count, loss / math.log(2)
    print(f"| wavenet | {parameters:,} | {bits:.3f} | {minutes:.1f} |\n", flush=True)
    listen(model, codec, clips, chosen.folder)


def read(folder: Path) -> tuple[WaveCodec, ClipData]:
    """Return the clips as their authors part them."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    digits, speakers = (tuple(sorted({row[name] for row in rows})) for name in ("digit", "speaker"))
    codec = WaveCodec(rate=RATE, labels=digits, speakers=speakers)
    sides: dict[str, list[tuple[NDArray[np.uint8], int, int]]] = {"train": [], "test": []}
    with zipfile.ZipFile(folder / "recordings.zip") as archive:
        places = {PurePosixPath(name).name: name for name in archive.namelist()}
        for row in rows:
            content = archive.read(places[row["file"]])
            levels = codec.encode(as_loud(decode(content, LimitSettings(), RATE).samples))
            told = digits.index(row["digit"]), speakers.index(row["speaker"])
            sides[row["split"]].append((levels, *told))
    return codec, ClipData(_clips(sides["train"]), _clips(sides["test"]))


def _clips(found: list[tuple[NDArray[np.uint8], int, int]]) -> Clips:
    levels, labels, speakers = zip(*found, strict=True)
    lengths = np.asarray([len(one) for one in levels])
    return Clips(
        levels=np.concatenate(levels),
        begins=np.cumsum(lengths) - lengths,
        lengths=lengths,
        labels=np.asarray(labels),
        speakers=np.asarray(speakers),
    )


def train(
    clips: ClipData, codec: WaveCodec, steps: int, seed: int, folder: Path
) -> tuple[WaveNet, float, float]:
    """Return the model, its loss on the test clips, and the processor minutes of its training."""
    torch.manual_seed(seed)
    both = clips.training.lengths.max(), clips.held_out.lengths.max()
    config = WaveNetConfig(
        labels=len(codec.labels), speakers=len(codec.speakers), longest=int(max(both))
    )
    model = WaveNet(config)
    recipe = {**family("wavenet").recipe, "steps": steps, "seed": seed}
    begun = process_time()
    trainer = Trainer(
        model,
        clips,
        TrainingSettings.of(recipe),
        folder,
        lambda p: print(f"{p.step}: {p.loss:.3f}", file=sys.stderr, flush=True),
    )
    outcome = trainer.fit()
    return model.eval(), outcome.best, (process_time() - begun) / 60


class ContextModel:
    """How likely a level is after two, by counts, mixed with smoothed ones and a model below.

    A level and the next are nearly the same, so what followed like contexts counts too: the counts
    are smoothed by a Gaussian over all three levels.

    Parameters
    ----------
    below
        That the smoothed counts are mixed with; None: a model of order 1.
    weights
        Observations that the model below, and the smoothed counts, stand for.
    """

    SPREAD = 2.0  # levels; it and the weights were chosen on a tenth of the training clips

    def __init__(
        self, clips: Clips, below: ContextModel | None, weights: tuple[float, float]
    ) -> None:
        first, second, third = _triples(clips)
        flat = (first * 256 + second) * 256 + third
        counts = np.bincount(flat, minlength=256**3).reshape(256, 256, 256)
        self._counts = counts.astype(np.float32)
        self._smooth = gaussian_filter(self._counts, self.SPREAD, mode="constant")
        after_one = self._counts.sum(0) + 0.01
        self._after_one = after_one / after_one.sum(-1, keepdims=True)
        self._below, self._weights = below, weights

    def chances(self, triples: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Return how likely each third level is, (samples,)."""
        _, second, third = triples
        below = self._below.chances(triples) if self._below else self._after_one[second, third]
        for counts, weight in zip((self._smooth, self._counts), self._weights, strict=True):
            below = _mixed(counts, triples, below, weight)
        return below


def _mixed(
    counts: NDArray[np.float32],
    triples: list[NDArray[np.int64]],
    below: NDArray[np.float64],
    weight: float,
) -> NDArray[np.float64]:
    first, second, third = triples
    total = counts.sum(-1)[first, second]
    return (counts[first, second, third] + weight * below) / (total + weight)


def context_bits(clips: ClipData) -> float:
    """Return the bits per sample of an order-2 model of each speaker, over one of them all."""
    everyone = ContextModel(clips.training, None, (0.01, 1024.0))
    bits = 0.0
    for speaker in np.unique(clips.held_out.speakers):
        own = ContextModel(_of(clips.training, speaker), everyone, (1.0, 256.0))
        bits -= float(np.log2(own.chances(_triples(_of(clips.held_out, speaker)))).sum())
    return bits / clips.held_out.samples


def _of(clips: Clips, speaker: int) -> Clips:
    own = clips.speakers == speaker
    told = {name: getattr(clips, name)[own] for name in ("begins", "lengths", "labels", "speakers")}
    return Clips(levels=clips.levels, **told)


def _triples(clips: Clips) -> list[NDArray[np.int64]]:
    """Return each sample after the two before it, silence before the first: three of (samples,)."""
    whole = [
        np.concatenate(([128, 128], clips.levels_of(number).astype(np.int64)))
        for number in range(len(clips))
    ]
    return [np.concatenate([one[at : len(one) - 2 + at] for one in whole]) for at in range(3)]


def listen(model: WaveNet, codec: WaveCodec, clips: ClipData, kept: Path | None) -> None:
    """Print how many clips are understood."""
    recogniser = Recogniser(waves_of(codec, clips.training), clips.training.labels, RATE)
    real = recogniser.share(waves_of(codec, clips.held_out), clips.held_out.labels)
    digits, speakers = len(codec.labels), len(codec.speakers)
    labels = np.tile(np.arange(digits), EACH * speakers)
    voices = np.repeat(np.arange(speakers), EACH * digits)
    print("| clips | recognised | seconds | processor seconds for each |")
    print("| --- | --- | --- | --- |")
    seconds = clips.held_out.lengths.mean() / RATE
    print(f"| held out | {real:.3f} | {seconds:.3f} | |")
    for guidance in GUIDANCES:
        model.config = replace(model.config, guidance=guidance)
        begun = process_time()
        made = spoken(model, codec, labels, voices)
        each = (process_time() - begun) / len(made)
        share = recogniser.share(made, labels)
        seconds = np.mean([len(one) for one in made]) / RATE
        print(
            f"| made, guidance {guidance:g} (goal {GOAL}) | {share:.3f} | {seconds:.3f} | "
            f"{each:.3f} |",
            flush=True,
        )
        if kept:
            for number in range(digits * speakers):
                name = f"{labels[number]}-{codec.speakers[voices[number]]}-{guidance:g}.wav"
                (kept / name).write_bytes(wav(made[number], RATE))


if __name__ == "__main__":
    main()
