"""Verifiers: networks that tell whether a quote supports a claim, contradicts it, or does neither.

The three verdicts are those of Thorne and others, "FEVER", NAACL 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragstone.encoders.kept import Kept
from ragstone.encoders.pairs import PairModel, Window, ships

VERIFIER = "ragstone-verifier"  # the one that ships with Ragstone, and the kind of all of them
SUPPORTED, CONTRADICTED, NEITHER = 0, 1, 2  # outputs of the head


@dataclass(frozen=True, slots=True)
class Verdict:
    """How likely a quote supports a claim, and how likely it contradicts it; both 0..1."""

    supported: float
    contradicted: float


class Verifier(PairModel):
    """Judges claims by quotes; safe to share between threads.

    Raises
    ------
    ReaderUnavailable
        It is not on this machine, is of another kind, or was trained for other weights.
    """

    kind = VERIFIER

    @property
    def threshold(self) -> float:
        """From this chance on a claim counts as supported; found when it was trained."""
        return self._network.number("threshold", 0.5)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """Return the verdict on each (claim, quote).

        Raises
        ------
        ReaderUnavailable
            The weights cannot be loaded.
        """
        windows = self._windows(pairs)
        heat = self._network.number("temperature", 1.0)
        return [verdict(found, heat) for found in windows]


_KEPT = Kept(Verifier, most=2)  # as readers


def find_verifier(name: str) -> Verifier | None:
    """Return the verifier `name`, opened again when its folder has changed.

    Its weights are loaded by the first claim. None for an empty name, and where
    the one that ships was left out.

    Raises
    ------
    ReaderUnavailable
        It is not on this machine, is of another kind, or was trained for other weights.
    """
    if not name or (name == VERIFIER and not ships(name)):
        return None
    return _KEPT.get(name)


def verdict(windows: Sequence[Window], temperature: float = 1.0) -> Verdict:
    """Return what the windows of a quote say: the one that supports most.

    Parameters
    ----------
    temperature
        Divides the outputs, so that chances are as often right as they say (Guo and others, "On
        Calibration of Modern Neural Networks", ICML 2017).
    """
    best = Verdict(0.0, 0.0)
    for window in windows:
        raised = np.exp((window.first - window.first.max()) / temperature)
        chances = raised / raised.sum()
        found = Verdict(float(chances[SUPPORTED]), float(chances[CONTRADICTED]))
        best = max(best, found, key=lambda one: one.supported)
    return best
