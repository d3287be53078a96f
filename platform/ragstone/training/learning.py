"""Training a model on a dataset version, from its items to a number in the registry."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.base import GenerativeModel
from ragstone.models.families import Family, family
from ragstone.schemas.models import ModelInfo
from ragstone.schemas.runs import Plan
from ragstone.storage import runs
from ragstone.storage.files import remove
from ragstone.training.materials.base import Asked, Prepared
from ragstone.training.materials.known import MATERIALS
from ragstone.training.model_files import write_model
from ragstone.training.progress import Outcome, Progress
from ragstone.training.recording import Recorder, run_of
from ragstone.training.settings import TrainingSettings
from ragstone.training.snapshots import Snapshot
from ragstone.training.trainer import Trainer

if TYPE_CHECKING:
    from ragstone.encoders.opened import Encoders
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry


@dataclass(frozen=True, slots=True)
class Chosen:
    """Settings of a training by what they are for."""

    network: dict[str, Any]
    training: TrainingSettings
    material: dict[str, Any]

    @classmethod
    def of(cls, known: Family, values: Mapping[str, Any]) -> Chosen:
        """Part settings; a text stands for a value of the setting's type.

        Raises
        ------
        InvalidArgument
            A setting is unknown or of another type.
        """
        networks = {
            f.name: str(f.type) for f in fields(known.config) if f.name not in known.config.decided
        }
        trainers = {f.name: str(f.type) for f in fields(TrainingSettings)}
        materials = MATERIALS[known.material].settings
        kinds = {**materials, **trainers, **networks}
        read = {}
        for name, value in values.items():
            if name not in kinds:
                raise InvalidArgument("setting", name, "one of " + ", ".join(sorted(kinds)))
            read[name] = _value(name, value, kinds[name])
        parts = [
            {name: value for name, value in read.items() if name in own}
            for own in (networks, trainers, materials)
        ]
        return cls(parts[0], TrainingSettings.of({**known.recipe, **parts[1]}), parts[2])


def train_model(
    store: Store,
    registry: Registry,
    family_name: str,
    reference: str,
    name: str,
    values: Mapping[str, Any],
    *,
    encoders: Encoders | None = None,
    restart: bool = False,
    on_plan: Callable[[Plan], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ModelInfo:
    """See `Workspace.train_model`."""
    chosen = Chosen.of(family(family_name), values)
    with registry.training(name) as folder:
        if restart:
            remove(folder)
        task = prepared(store, reference, family_name, name, chosen, folder, encoders)
        watch = Watch(on_plan=on_plan, on_progress=on_progress)
        return task.train(
            registry, chosen, folder, Recorder(partial(runs.record, store.catalog)), watch
        )


def plan_model(
    store: Store,
    registry: Registry,
    family_name: str,
    reference: str,
    name: str,
    values: Mapping[str, Any],
    encoders: Encoders | None = None,
    *,
    restart: bool = False,
) -> Plan:
    """See `Workspace.plan_model`."""
    chosen = Chosen.of(family(family_name), values)
    begun = registry.training_folder(name)
    with TemporaryDirectory() as scratch:
        if restart:
            begun = Path(scratch) / "anew"
        task = prepared(store, reference, family_name, name, chosen, Path(scratch), encoders)
        return task.trainer(chosen, begun, Recorder(lambda _: None), Watch()).plan()


def prepared(
    store: Store,
    reference: str,
    family_name: str,
    name: str,
    chosen: Chosen,
    folder: Path,
    encoders: Encoders | None,
) -> Task:
    """As `Task.of`, for who has the store."""
    with store.shared():
        snapshot = Snapshot.of(store, store.resolve(reference))
        return Task.of(snapshot, family_name, name, chosen, folder, encoders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who looks on while something is trained.

    Parameters
    ----------
    on_plan
        Told before the first step what is going to be done.
    on_progress
        Told every few steps.
    stopping
        Asked after each step whether to stop.
    """

    on_plan: Callable[[Plan], None] = lambda _: None
    on_progress: Callable[[Progress], None] = lambda _: None
    stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A family that is to learn a version, which is prepared for it, under a name."""

    family: str
    name: str
    manifest: Manifest
    prepared: Prepared

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        family_name: str,
        name: str,
        chosen: Chosen,
        folder: Path,
        encoders: Encoders | None = None,
    ) -> Task:
        """Prepare a version; files that are needed meanwhile go to `folder`."""
        material = MATERIALS[family(family_name).material]
        asked = Asked(settings=chosen.material, folder=folder, encoders=encoders)
        found = material.prepare(snapshot, asked)
        return cls(family=family_name, name=name, manifest=snapshot.manifest, prepared=found)

    def train(
        self,
        registry: Registry,
        chosen: Chosen,
        folder: Path,
        recorder: Recorder,
        watch: Watch,
    ) -> ModelInfo:
        """Train a network to its end, from where a training in `folder` stands; keep it.

        Raises
        ------
        InvalidArgument
            What stands there is of other data or settings.
        TrainingDiverged, TrainingStopped
            As `Trainer.fit`.
        """
        trainer = self.trainer(chosen, folder, recorder, watch)
        watch.on_plan(trainer.plan())
        with self.recording(recorder, trainer):
            outcome = trainer.fit()
            made = self.keep(registry, chosen, trainer, outcome)
            recorder.done(f"{made.name}@{made.number}")
        return made

    def trainer(
        self,
        chosen: Chosen,
        folder: Path,
        recorder: Recorder,
        watch: Watch,
    ) -> Trainer:
        """Return the trainer of a new network, or of one whose training stands in `folder`."""
        known = family(self.family)
        config = known.config.of({**self.prepared.decided, **chosen.network})
        torch.manual_seed(chosen.training.seed)

        def heard(progress: Progress) -> None:
            recorder.measured(progress)
            watch.on_progress(progress)

        model = known.build(config)
        model.load_state_dict(self.prepared.given, strict=False)
        return Trainer(
            model,
            self.prepared.feed(config),
            chosen.training,
            folder,
            heard,
            before_saving=recorder.write,
            stopping=watch.stopping,
            run=recorder.run,
        )

    def recording(self, recorder: Recorder, trainer: Trainer) -> AbstractContextManager[None]:
        """Keep what is trained in a `with` block as a run."""
        manifest = self.manifest
        run = run_of(trainer, self.name, self.family, manifest.dataset, manifest.version)
        return recorder.recording(manifest.dataset_id, run, trainer.outcome.steps)

    def keep(
        self, registry: Registry, chosen: Chosen, trainer: Trainer, outcome: Outcome
    ) -> ModelInfo:
        """Keep the network as the next number of the name."""
        model, prepared = trainer.model, self.prepared
        info = ModelInfo(
            name=self.name,
            number=registry.next_number(self.name),
            family=self.family,
            digest="",
            parameters=model.parameters_count,
            config=json.loads(model.config.to_json()),
            training=json.loads(trainer.settings.to_json()),
            tokenizer=prepared.codec.about,
            material=chosen.material,
            data=prepared.data,
            steps=outcome.steps,
            best_step=outcome.best_step,
            loss=outcome.best,
            bits_per_byte=bits(outcome.best, prepared, model),
            seconds=round(outcome.seconds, 1),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            ragstone=version("ragstone"),
            run=trainer.run,
        )
        return registry.add(info, lambda place: write_model(place, model, prepared.codec))


def bits(loss: float, prepared: Prepared, model: GenerativeModel) -> float | None:
    """Return a loss on what is held out as bits per byte; None where it is no likelihood."""
    if model.log_prob_kind not in ("exact", "bound") or not prepared.per_byte:
        return None
    return loss * prepared.per_byte / math.log(2)


def _value(name: str, value: Any, kind: str) -> Any:
    """Return a value of the type `kind`; texts are read."""
    if not isinstance(value, str) or kind == "str":
        return value
    try:
        if kind == "bool":
            return {"true": True, "false": False}[value.lower()]
        return int(value) if kind == "int" else float(value)
    except (KeyError, ValueError) as error:
        raise InvalidArgument(name, value, f"of type {kind}") from error
