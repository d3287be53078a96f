"""What a generative model is, on one screen: its settings, what it can do, one step of training.

Settings of a family are a frozen dataclass made from `Config`. Samplers, schedules and solvers are
objects apart from the networks. Weights are safetensors and settings JSON: nothing is pickled.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, Self, TypeAlias

import torch
from torch import nn

from ragstone.errors import InvalidArgument

SCHEMA = 1  # of the JSON of settings

Batch: TypeAlias = Mapping[str, torch.Tensor]
Phase = Literal["train", "validate"]
Capability = Literal[
    "sample",
    "log_prob",
    "encode",
    "decode",
    "denoise",
    "inpaint",
    "interpolate",
    "translate",
    "upscale",
]
LogProb = Literal["exact", "bound", "estimate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings that a network is made by; each family adds its own."""

    family: ClassVar[str]
    decided: ClassVar[frozenset[str]] = frozenset()  # settings that the data decide, not people

    def at_least(self, **least: float) -> None:
        """Refuse settings that are less than what is named.

        Raises
        ------
        InvalidArgument
            One is.
        """
        for name, number in least.items():
            if getattr(self, name) < number:
                raise InvalidArgument(name, getattr(self, name), f"at least {number:g}")

    def among(self, **known: Collection[str]) -> None:
        """Refuse settings that are none of those known.

        Raises
        ------
        InvalidArgument
            One is not.
        """
        for name, names in known.items():
            if getattr(self, name) not in names:
                raise InvalidArgument(name, getattr(self, name), "one of " + ", ".join(names))

    def to_json(self) -> str:
        """Return them as JSON, with family and schema."""
        head = {"family": self.family, "schema": SCHEMA}
        return json.dumps({**head, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidArgument
            It is of another family or schema, or a setting is unknown, missing or of another type.
        """
        found = json.loads(text)
        for name, expected in (("family", cls.family), ("schema", SCHEMA)):
            if found.pop(name, None) != expected:
                raise InvalidArgument(name, text[:80], f"{expected!r} in the settings of a model")
        return cls.of(found)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make settings of `values`; what is not named has its default.

        Raises
        ------
        InvalidArgument
            A setting is unknown, missing or of another type.
        """
        known = {field.name: str(field.type) for field in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise InvalidArgument("setting", name, "one of " + ", ".join(known))
            if not _fits(value, known[name]):
                raise InvalidArgument(name, value, f"of type {known[name]}")
        try:
            return cls(**values)
        except TypeError as error:  # one without a default is missing
            raise InvalidArgument("settings", dict(values), str(error)) from error


@dataclass(frozen=True, slots=True)
class Loss:
    """What a step of training gives: a scalar to descend, and figures to show."""

    value: torch.Tensor
    figures: Mapping[str, float]


class GenerativeModel(nn.Module, ABC):
    """A network that makes data of one modality."""

    modality: ClassVar[str]
    conditioning: ClassVar[tuple[str, ...]] = ()
    capabilities: ClassVar[frozenset[Capability]]
    log_prob_kind: ClassVar[LogProb | None] = None
    selects: ClassVar[bool] = True  # the loss on what is held out says which weights are the best
    rates: ClassVar[Mapping[str, float]] = {}  # factor of the learning rate of a parameter group

    config: Config

    @property
    def abilities(self) -> frozenset[Capability]:
        """What this one can do; its settings may leave out some of the family's `capabilities`."""
        return self.capabilities

    @property
    def turns(self) -> int:
        """Steps after which every part of the network has had its turn."""
        return 1

    def begin(self, step: int) -> None:
        """Hear which step is next, from 0: for what takes turns, or changes with time."""

    @abstractmethod
    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the loss of a batch; all chance comes from `rng`, or from torch's own, seeded.

        A parameter that the loss does not depend on is not changed by the step.
        """

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return what each optimiser is for.

        `matrices` are hidden weights of two dimensions, which Muon may train; `others` the rest.
        Adversaries have groups of their own names.
        """
        groups: dict[str, list[nn.Parameter]] = {"matrices": [], "others": []}
        for name, parameter in self.named_parameters():
            hidden = parameter.ndim == 2 and not name.startswith(("embedding", "head"))
            groups["matrices" if hidden else "others"].append(parameter)
        return groups

    @property
    def parameters_count(self) -> int:
        """Numbers that are trained, shared ones once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def positions(self, batch: Batch) -> int:
        """Return at how many places of a batch the network is applied: tokens, samples, pixels."""
        return max(values.numel() for values in batch.values())

    def flops(self, batch: Batch) -> float:
        """Estimate the floating-point operations of a step of training on a batch.

        Six for each weight and position: two forwards, four backwards (Kaplan and others, 2020).
        """
        return 6.0 * self.parameters_count * self.positions(batch)


def _fits(value: Any, kind: str) -> bool:
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    kinds = {"int": int, "str": str, "bool": bool}
    wanted = kinds.get(kind)
    return wanted is None or (type(value) is wanted)
