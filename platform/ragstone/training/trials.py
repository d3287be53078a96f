"""A search for the settings of a model: trials that are trainings, and the best one kept.

All that is known of a trial stands in its folder. So a search that was killed goes on where it was,
and gives what it would have given.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.errors import InvalidArgument, TrainingDiverged
from ragstone.models.families import family
from ragstone.schemas.models import ModelInfo
from ragstone.schemas.runs import RunEvent, Trial, Tuning
from ragstone.storage import runs
from ragstone.storage.files import make_folder, remove, write_durably
from ragstone.training import searching
from ragstone.training.divergence import REPORT
from ragstone.training.learning import Chosen, Task, Watch, prepared
from ragstone.training.progress import Progress
from ragstone.training.recording import Recorder

if TYPE_CHECKING:
    from ragstone.encoders.opened import Encoders
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_SEARCH = "search.json"


def tune_model(
    store: Store,
    registry: Registry,
    family_name: str,
    reference: str,
    name: str,
    values: Mapping[str, Any],
    spaces: Mapping[str, str],
    trials: int,
    *,
    encoders: Encoders | None = None,
    restart: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Tuning:
    """See `Workspace.tune_model`."""
    each = _settings(family_name, values, spaces, trials)
    folder = registry.training_folder(name).with_name(".tuning")
    if restart:
        remove(folder)
    first = each[0][1]
    task = prepared(store, reference, family_name, name, first, folder, encoders)
    for _, chosen in each:  # a wrong one is told before anything is trained
        family(family_name).config.of({**task.prepared.decided, **chosen.network})
    asked = {"values": dict(values), "spaces": dict(spaces), "trials": trials}
    _begin(folder, {"family": family_name, "data": task.manifest.digest, **asked})
    search = _Search(partial(runs.record, store.catalog), registry, task, each, folder, on_progress)
    tuning = search.run(searching.turns(trials, first.training.steps))
    remove(folder)
    return tuning


def _settings(
    family_name: str, values: Mapping[str, Any], spaces: Mapping[str, str], trials: int
) -> list[tuple[dict[str, Any], Chosen]]:
    """Return what is drawn for each trial, and all of its settings."""
    if trials < 1:
        raise InvalidArgument("trials", trials, "at least 1")
    if not spaces:
        raise InvalidArgument("search", None, "a setting with LOW..HIGH or A,B,C")
    known = family(family_name)
    fixed = Chosen.of(known, values)
    if fixed.training.minutes:
        raise InvalidArgument("minutes", fixed.training.minutes, "0: a search counts steps")
    wanted = {name: searching.space(name, given) for name, given in spaces.items()}
    found = []
    for number in range(trials):
        drawn = searching.drawn(wanted, number, fixed.training.seed)
        chosen = Chosen.of(known, {**values, **drawn})
        if chosen.material != fixed.material or chosen.training.steps != fixed.training.steps:
            expected = "settings of network and trainer, steps aside: losses must be comparable"
            raise InvalidArgument("search", ", ".join(spaces), expected)
        read_as = {**asdict(chosen.training), **chosen.network}
        found.append(({name: read_as[name] for name in drawn}, chosen))
    return found


def _begin(folder: Path, search: Mapping[str, Any]) -> None:
    """Keep what is searched; refuse to go on with another search."""
    text = json.dumps(search, indent=2, sort_keys=True) + "\n"
    place = folder / _SEARCH
    if not place.exists():
        make_folder(folder)
        write_durably(place, text.encode())
    elif place.read_text(encoding="utf-8") != text:
        expected = f"the one that was begun ({place} has it), or to begin anew (--restart)"
        raise InvalidArgument("search", search["spaces"], expected)


@dataclass(frozen=True, slots=True)
class _Search:
    """Trials that are trained in turns."""

    record: Callable[[RunEvent], None]
    registry: Registry
    task: Task
    each: list[tuple[dict[str, Any], Chosen]]
    folder: Path
    on_progress: Callable[[Progress], None]

    def run(self, turns: list[searching.Turn]) -> Tuning:
        found = {number: Trial(number, drawn) for number, (drawn, _) in enumerate(self.each)}
        left = list(found)
        for turn in turns[:-1]:
            left = searching.best({number: _loss(found[number]) for number in left}, turn.trials)
            for number in left:
                found[number] = self._train(number, turn.steps)[0]
        for number in searching.best({n: _loss(found[n]) for n in left}, len(left)):
            found[number], model = self._train(number, turns[-1].steps, last=True)
            if model is not None:
                return Tuning(list(found.values()), number, model)
        names = ", ".join(self.each[0][0])
        raise InvalidArgument("search", names, "values with which some training does not diverge")

    def _train(
        self, number: int, steps: int, *, last: bool = False
    ) -> tuple[Trial, ModelInfo | None]:
        """Let a trial go on to so many steps; keep the model of the last one."""
        (drawn, chosen), place = self.each[number], self.folder / f"{number:03d}"
        if (place / REPORT).exists():
            report = json.loads((place / REPORT).read_text(encoding="utf-8"))
            return Trial(number, drawn, report["run"], report["step"]), None
        recorder = Recorder(self.record)

        def heard(progress: Progress) -> None:
            self.on_progress(replace(progress, trial=number))

        trainer = self.task.trainer(chosen, place, recorder, Watch(on_progress=heard))
        model = None
        if last or trainer.outcome.steps < steps:
            try:
                with self.task.recording(recorder, trainer):
                    trainer.fit(until=steps)
                    if last:
                        model = self.task.keep(self.registry, chosen, trainer, trainer.outcome)
                        recorder.done(f"{model.name}@{model.number}")
            except TrainingDiverged:
                return Trial(number, drawn, trainer.run, trainer.outcome.steps), None
        outcome = trainer.outcome
        return Trial(number, drawn, trainer.run, outcome.steps, outcome.best), model


def _loss(trial: Trial) -> float:
    return math.inf if trial.loss is None else trial.loss
