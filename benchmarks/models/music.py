"""Bach's chorales: recurrent networks and a transformer beside models of the last two chords.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/music.py [gru lstm gpt]

Music is text: a line for each quarter note, in it the pitches that sound, the lowest first. The
losses are nats for each step (line), over all pieces of the validation and test parts. The networks
hear each stretch in another key, up to six semitones away; the test pieces are as they are.

The models of order two say how likely a note is after contexts that they counted, the longest
first, each mixed with the next shorter one (Witten and Bell 1991). "two_notes" knows the two notes
before, "voice" the same voice's note before and the note below, "two_chords" all notes of the last
two chords and those below in this one. They learn from the pieces in all twelve keys, or as they
are, whichever is better by the validation pieces.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, process_time

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.families import family
from ragstone.models.tokenizers import make_tokenizer
from ragstone.training.feeding_notes import NoteData
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

Chord = tuple[int, ...]
Piece = list[Chord]
Contexts = Callable[[list[Chord], Chord], list[object]]

END_OF_STEP = -1
BUDGET = {"steps": 3_000, "batch": 24, "evaluate_every": 250, "patience": 4}
ADAM = {"optimiser": "adamw", "learning_rate": 0.004, "weight_decay": 0.1}
RECIPES = {
    "gru": ({"width": 256, "embedding": 64, "dropout": 0.3}, ADAM),
    "lstm": ({"width": 256, "embedding": 64, "dropout": 0.3}, ADAM),
    "gpt": ({"width": 96, "layers": 4, "heads": 4, "dropout": 0.2}, {"weight_decay": 0.3}),
}
CONTEXT = 160
KEYS = range(-5, 7)


class Counted:
    """Chances of a note after contexts, counted."""

    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts
        self._counts: dict[object, Counter[int]] = defaultdict(Counter)

    def learn(self, pieces: list[Piece]) -> None:
        """Count."""
        for piece in pieces:
            for contexts, note in self._walk(piece):
                for context in contexts:
                    self._counts[context][note] += 1

    def loss(self, pieces: list[Piece]) -> float:
        """Return nats per step."""
        nats = sum(
            -math.log(self._chance(contexts, note))
            for piece in pieces
            for contexts, note in self._walk(piece)
        )
        return nats / sum(map(len, pieces))

    def _walk(self, piece: Piece) -> Iterator[tuple[list[object], int]]:
        before: list[Chord] = [(), ()]
        for chord in piece:
            notes = (*chord, END_OF_STEP)
            for at, note in enumerate(notes):
                contexts = self._contexts(before, notes[:at])
                yield [(rank, context) for rank, context in enumerate(contexts)], note
            before = [before[-1], chord]

    def _chance(self, contexts: list[object], note: int) -> float:
        chance = 1 / 129
        for context in contexts:
            seen = self._counts.get(context)
            if seen:
                total, kinds = seen.total(), len(seen)
                chance = (seen[note] + kinds * chance) / (total + kinds)
        return chance


def two_notes(before: list[Chord], below: Chord) -> list[object]:
    """Return the contexts of the two notes before in the text."""
    stream = (*before[-1], END_OF_STEP, *below)
    return [(), len(below), stream[-1:], stream[-2:], (len(below), stream[-2:])]


def voice(before: list[Chord], below: Chord) -> list[object]:
    """Return the contexts of a voice's last note, and of the note below."""
    at = len(below)
    last = before[-1][at] if at < len(before[-1]) else END_OF_STEP
    return [(), at, (at, last), (at, last, below[-1:])]


def two_chords(before: list[Chord], below: Chord) -> list[object]:
    """Return the contexts of all notes of the last two chords."""
    return [*voice(before, below), (last := before[-1], below), (before[-2], last, below)]


def moved(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces in all keys."""
    return [[tuple(note + key for note in c) for c in piece] for piece in pieces for key in KEYS]


def main() -> None:
    """Count, train what is named, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", default=list(RECIPES))
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    found = json.loads((data / "jsb_chorales" / "jsb-chorales-quarter.json").read_text())
    parts = {name: [[tuple(chord) for chord in p] for p in found[name]] for name in found}
    print("| | parameters | validation | test, nats per step | CPU minutes | minutes |")
    print("| --- | --- | --- | --- | --- | --- |")
    for contexts in (two_notes, voice, two_chords):
        row = []
        for pieces in (parts["train"], moved(parts["train"])):
            counted = Counted(contexts)
            counted.learn(pieces)
            row.append((counted.loss(parts["valid"]), counted.loss(parts["test"])))
        validation, test = min(row)
        print(f"| {contexts.__name__} | | {validation:.3f} | {test:.3f} | | |", flush=True)
    for name in chosen.families:
        _train(name, parts, chosen.seed)


def _train(name: str, parts: dict[str, list[Piece]], seed: int) -> None:
    tokenizer = make_tokenizer("notes", [])
    texts = {
        part: ["".join(" ".join(map(str, chord)) + "\n" for chord in piece) for piece in pieces]
        for part, pieces in parts.items()
    }
    tokens = {
        part: np.concatenate([[tokenizer.end, *tokenizer.encode(text)] for text in whole])
        for part, whole in texts.items()
    }
    network, settings = RECIPES[name]
    torch.manual_seed(seed)
    known = family(name)
    config = known.config.of({"vocabulary": tokenizer.size, "context": CONTEXT, **network})
    model = known.build(config)
    recipe = TrainingSettings.of({**BUDGET, **settings, "seed": seed})
    begun, used = monotonic(), process_time()

    def trainer(held_out: NDArray[np.integer], folder: str) -> Trainer:
        return Trainer(
            model, NoteData(tokens["train"], held_out, CONTEXT, (), 6), recipe, Path(folder)
        )

    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        outcome = trainer(tokens["valid"], first).fit()
        minutes, cpu = (monotonic() - begun) / 60, (process_time() - used) / 60
        test = trainer(tokens["test"], second).validate().loss
    steps = {part: sum(map(len, pieces)) for part, pieces in parts.items()}
    validation, tested = (
        loss * (len(tokens[part]) - 1) / steps[part]
        for part, loss in (("valid", outcome.best), ("test", test))
    )
    print(
        f"| {name} | {model.parameters_count:,} | {validation:.3f} | {tested:.3f} | {cpu:.1f} | "
        f"{minutes:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
