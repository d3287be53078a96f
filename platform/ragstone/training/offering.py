"""What can be trained, with which settings, and what a trained model can be asked for."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from ragstone.models.families import FAMILIES, GOING_ON, WITHOUT_TEXT, Family
from ragstone.models.images import ImageModel
from ragstone.schemas.models import FamilyInfo, ModelOffer, SettingInfo
from ragstone.training.materials.image_tasks import tasks_of
from ragstone.training.materials.known import MATERIALS
from ragstone.training.model_files import open_model
from ragstone.training.settings import TrainingSettings

if TYPE_CHECKING:
    from ragstone.training.registry import Registry

_IMAGES = "images"


def families() -> list[FamilyInfo]:
    """Return all families, with their settings and what these are when nobody says."""
    return [
        FamilyInfo(name, known.material, known.about, _settings(known), _finds_odd(known))
        for name, known in FAMILIES.items()
    ]


def offer(registry: Registry, model: str) -> ModelOffer:
    """Return what a model of the registry can be asked for.

    Raises
    ------
    UnknownModel, DamagedFile
        There is none, or it is not whole.
    """
    info = registry.info(model)
    network, codec = open_model(registry.folder(model))
    material = FAMILIES[info.family].material
    makes = "sample" in network.capabilities
    return ModelOffer(
        model=f"{info.name}@{info.number}",
        family=info.family,
        material=material,
        tasks=tasks_of(network) if material == _IMAGES else ["sample"] if makes else [],
        labels=[label for label in getattr(codec, "labels", ()) if label],
        speakers=[speaker for speaker in getattr(codec, "speakers", ()) if speaker],
        prompt=material not in WITHOUT_TEXT or bool(getattr(codec, "texts", None)),
        goes_on=material in GOING_ON,
    )


def _finds_odd(known: Family) -> bool:
    """Tell whether a network of the family has a way of its own, or likelihoods to tell by."""
    made = known.build
    if not (isinstance(made, type) and issubclass(made, ImageModel)):
        return False
    return made.oddness is not ImageModel.oddness or "log_prob" in made.capabilities


def _settings(known: Family) -> list[SettingInfo]:
    kinds = MATERIALS[known.material].settings
    return [
        *_of(known.config, "network", known.config.decided, {}),
        *_of(TrainingSettings, "trainer", frozenset(), dict(known.recipe)),
        *(SettingInfo(name, kind, "data", None) for name, kind in kinds.items()),
    ]


def _of(
    config: Any, part: Any, decided: frozenset[str], recipe: dict[str, Any]
) -> list[SettingInfo]:
    return [
        SettingInfo(
            field.name,
            str(field.type),
            part,
            recipe.get(field.name, None if field.default is MISSING else field.default),
        )
        for field in fields(config)
        if field.name not in decided
    ]
