"""What a workspace runs with, and how it is used.

Plain frozen dataclasses, as in `ragstone.schemas.api`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class UsageFigures:
    """What was asked on a day, of a dataset or by somebody."""

    key: str  # YYYY-MM-DD in UTC, the name of the dataset or the person; empty: of all, or unknown
    searches: int = 0  # through a server
    found: int = 0  # of these, with a hit
    search_p50: float = 0.0  # seconds
    search_p95: float = 0.0
    answers: int = 0  # also those that failed or were stopped
    answered: int = 0  # of these, with an answer
    failed: int = 0  # or stopped
    answer_p50: float = 0.0  # seconds, of those that came to an end
    answer_p95: float = 0.0
    good: int = 0  # thumbs
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """How a workspace was used."""

    since: datetime
    recording: bool  # the setting usage.record: whether searches are noted
    total: UsageFigures
    days: list[UsageFigures]  # on which something was asked, the oldest first
    datasets: list[UsageFigures]
    people: list[UsageFigures]  # answers do not say who asked
