"""A small training, for tests and as a program that they kill.

DIRECTORY [SETTINGS AS JSON] [CATALOG]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ragstone.config import StorageSettings
from ragstone.models.gpt import GPT, GPTConfig
from ragstone.storage import runs
from ragstone.storage.catalog import Catalog
from ragstone.training.feeding import TokenData
from ragstone.training.progress import Outcome, Progress
from ragstone.training.recording import Recorder, run_of
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

QUICK: dict[str, object] = {
    "steps": 30,
    "batch": 8,
    "warmup": 5,
    "checkpoint_every": 7,
    "evaluate_every": 10,
}


def data(seed: int = 0) -> TokenData:
    """Words of a small language, so that there is something to learn."""
    chance = np.random.default_rng(seed)
    words = chance.integers(1, 12, (6, 5))
    text = np.concatenate([words[n] for n in chance.integers(0, 6, 400)])
    return TokenData(text[:1600], text[1600:], 16)


def trainer(
    folder: Path,
    heard: Callable[[Progress], None] = lambda _: None,
    data_seed: int = 0,
    dropout: float = 0.1,
    recorder: Recorder | None = None,
    **settings: object,
) -> Trainer:
    """Return a trainer of a small network."""
    torch.manual_seed(1)
    config = GPTConfig(vocabulary=12, context=16, width=16, layers=2, heads=2, dropout=dropout)
    chosen = TrainingSettings.of({**QUICK, **settings})
    if recorder is None:
        return Trainer(GPT(config), data(data_seed), chosen, folder, heard, "cpu")

    def both(progress: Progress) -> None:
        recorder.measured(progress)
        heard(progress)

    return Trainer(
        GPT(config),
        data(data_seed),
        chosen,
        folder,
        both,
        "cpu",
        before_saving=recorder.write,
        run=recorder.run,
    )


def recorded(made: Trainer, recorder: Recorder) -> Outcome:
    """Train, with a record in the recorder's catalog."""
    plan = made.plan()
    run = run_of(made, "small", "gpt", "stones", 3)
    with recorder.recording("01STONES", run, plan.begin):
        outcome = made.fit()
        recorder.done("small@1")
    return outcome


def weights(made: Trainer) -> dict[str, torch.Tensor]:
    """Return a copy of the network's weights."""
    return {name: values.clone() for name, values in made.model.state_dict().items()}


def main() -> None:
    """Train; write the losses as one of several processes may."""
    torch.set_num_threads(1)
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    folder.mkdir(exist_ok=True)

    def heard(progress: Progress) -> None:
        print(progress.step, flush=True)  # noqa: T201

    if len(sys.argv) > 3:
        recorder = Recorder(partial(runs.record, Catalog(Path(sys.argv[3]), StorageSettings())))
        outcome = recorded(trainer(folder, heard, recorder=recorder, **settings), recorder)
    else:
        outcome = trainer(folder, heard, **settings).fit()
    if os.environ.get("RANK", "0") == "0":
        (folder / "losses.json").write_text(json.dumps(outcome.losses))


if __name__ == "__main__":
    main()
