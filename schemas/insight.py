"""What a workspace runs with, and how it is used.

Plain frozen dataclasses, as in `ragstone.schemas.api`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

SettingOrigin = Literal["default", "file", "environment", "call"]


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """A setting as it is in force; passwords in addresses are left out."""

    name: str  # SECTION.NAME
    value: Any  # JSON
    default: Any
    origin: SettingOrigin  # who says so: file is ragstone.toml, call whoever opened the workspace
    description: str


@dataclass(frozen=True, slots=True)
class EncoderUse:
    """The encoder that made the vectors of a dataset's newest version."""

    dataset: str
    modality: str
    encoder: str  # the setting that opens it; empty when nobody wrote it down
    space: str


@dataclass(frozen=True, slots=True)
class About:
    """What a workspace runs with."""

    release: str  # of Ragstone
    python: str
    libraries: dict[str, str]  # name -> version; without those that are not installed
    api_key: bool  # whether one for chat servers is in the environment; it is never shown
    settings: list[SettingInfo]
    encoders: list[EncoderUse]
