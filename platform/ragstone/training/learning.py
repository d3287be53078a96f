"""Training a model on a dataset version, from its items to a number in the registry."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.base import GenerativeModel
from ragstone.models.families import Family, family
from ragstone.schemas.models import ModelInfo
from ragstone.storage.files import remove
from ragstone.training.materials.base import Asked, Prepared
from ragstone.training.materials.known import MATERIALS
from ragstone.training.model_files import write_model
from ragstone.training.progress import Plan, Progress
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

if TYPE_CHECKING:
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
    restart: bool = False,
    on_plan: Callable[[Plan], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ModelInfo:
    """See `Workspace.train_model`."""
    known = family(family_name)
    chosen = Chosen.of(known, values)
    folder = registry.training_folder(name)
    if restart:
        remove(folder)
    with store.shared():
        asked = Asked(settings=chosen.material, folder=folder)
        prepared = MATERIALS[known.material].prepare(store, store.resolve(reference), asked)
    config = known.config.of({**prepared.decided, **chosen.network})
    torch.manual_seed(chosen.training.seed)
    model = known.build(config)
    trainer = Trainer(model, prepared.feed(config), chosen.training, folder, on_progress)
    on_plan(trainer.plan())
    outcome = trainer.fit()
    info = ModelInfo(
        name=name,
        number=registry.next_number(name),
        family=family_name,
        digest="",
        parameters=model.parameters_count,
        config=json.loads(config.to_json()),
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
