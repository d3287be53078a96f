"""How far a measure may be off by chance: of a share that was counted, and of any other measure."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # standard errors on each side of a 95 % interval
_GROUPS = 20  # that are left out in turn

Interval = tuple[float, float]


def of_share(share: float, total: int) -> Interval:
    """Return the 95 % interval of a share that was counted among `total` (Wilson 1927)."""
    spread = Z**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def of_error(value: float, error: float) -> Interval:
    """Return the 95 % interval of a value with a standard error."""
    return value - Z * error, value + Z * error


def standard_error(
    measure: Callable[[NDArray[np.floating]], float], rows: NDArray[np.floating]
) -> float:
    """Return the standard error of a measure of rows (count, ...) by the jackknife.

    Twenty groups of rows are left out in turn (Efron and Stein 1981). The bootstrap would not do
    for distances: rows that are drawn twice make a set narrower, and so move it away.
    """
    groups = np.arange(len(rows)) % min(_GROUPS, len(rows))
    count = int(groups.max()) + 1
    found = np.array([measure(rows[groups != group]) for group in range(count)])
    return float(np.sqrt((count - 1) / count * np.square(found - found.mean()).sum()))
