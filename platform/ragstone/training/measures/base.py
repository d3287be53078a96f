"""What a model is measured by, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ragstone.training.measures.extractors import Extractor
from ragstone.training.measures.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How a model is to be measured.

    Parameters
    ----------
    samples
        Things that it makes, to be measured.
    eye
        What gives features of images and sees their labels; None: what takes those is left out.
    """

    samples: int
    eye: Extractor | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """Measures by name.

    Parameters
    ----------
    intervals
        95 %, of those that have one.
    notes
        What could not be measured, and how it can.
    """

    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
