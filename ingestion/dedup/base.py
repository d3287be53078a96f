"""What the finders of duplicates share: pairs, the kinds there are, and the seam itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class DuplicateKind(StrEnum):
    """How two items are the same, surest first: the order in which policies are applied."""

    EXACT = "exact"  # the same payload: text without markup, pixels, samples
    TEXT = "text"  # nearly the same words
    IMAGE = "image"  # nearly the same picture
    AUDIO = "audio"  # nearly the same recording
    SEMANTIC = "semantic"  # nearly the same meaning


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items that were verified to be duplicates, by their keys; `first < second`."""

    first: int
    second: int
    kind: DuplicateKind
    distance: float  # 0 is equal; its unit is the algorithm's, and said in docs/dedup.md
    algorithm: str  # as of the signatures
    evidence: dict[str, Any] = field(default_factory=dict)  # plain JSON: what was compared


@dataclass(frozen=True, slots=True)
class Signed:
    """Items with their signatures of one algorithm."""

    keys: NDArray[np.int64]  # shape (n,), of the items
    values: Sequence[bytes]  # n of them


class Finder(Protocol):
    """Finds near-duplicates of one kind."""

    @property
    def kind(self) -> DuplicateKind:
        """Of all pairs it finds."""
        ...

    @property
    def algorithm(self) -> str:
        """Name and parameters; signatures of another algorithm are never compared."""
        ...

    def find(self, new: Signed, known: Signed, content: Callable[[int], Any]) -> list[Pair]:
        """Return every pair within `new`, and between `new` and `known`, each once, verified.

        `content` returns what a second look needs of an item by its key: its text, or its bytes.
        """
        ...
