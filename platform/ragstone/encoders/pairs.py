"""Networks that read two texts at once: a text encoder's, with an adapter laid over it and a head.

A reader finds the answer to a question in a passage, a verifier tells whether a quote supports a
claim. A folder holds `model.safetensors` (adapter and head), `config.json` and `card.md`, as
`ragstone train` wrote it. Nothing here imports torch: a network is loaded by the first pair.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ragstone.encoders.weights import adapted_base, find_pipeline
from ragstone.errors import EncoderUnavailable, ReaderUnavailable

if TYPE_CHECKING:
    from ragstone.encoders.loaded_pairs import LoadedPairs

_HERE = Path(__file__).parent
HEAD_WEIGHT, HEAD_BIAS = "head.weight", "head.bias"


@dataclass(frozen=True, slots=True)
class Window:
    """What the head says of a stretch of the second text.

    Parameters
    ----------
    first
        Of the token in front of both texts, float32 of shape (outputs,).
    tokens
        Of each token of the second text in this window, float32 of shape (tokens, outputs).
    offsets
        Where these tokens are in the second text, int64 of shape (tokens, 2), in code points.
    """

    first: NDArray[np.float32]
    tokens: NDArray[np.float32]
    offsets: NDArray[np.int64]


class PairNetwork:
    """Reads pairs of texts; safe to share between threads.

    Parameters
    ----------
    name
        A folder, or one that ships with Ragstone.
    kind
        The `model_type` that its settings must name.

    Raises
    ------
    EncoderUnavailable
        It is not on this machine, is of another kind, or was trained for other weights.
    """

    def __init__(self, name: str, kind: str, device: str = "auto") -> None:
        self._files = find_pipeline(str(_HERE / name) if ships(name) else name)
        if self._files.architecture != kind:
            raise EncoderUnavailable(name, f"it is no {kind} but {self._files.architecture!r}")
        self._base = adapted_base(self._files)
        self._device = device
        self._loaded: LoadedPairs | None = None
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        """What people call it, without folders of this machine."""
        return self._files.name

    @property
    def digest(self) -> str:
        """SHA-256 over all files that decide what it gives, those of the encoder included."""
        return self._files.digest

    def number(self, name: str, default: float) -> float:
        """Return a figure of its settings, found when it was trained."""
        value = self._files.config.get(name, default)
        return float(value)

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[list[Window]]:
        """Return the windows of each pair; a long second text has several, which overlap.

        Raises
        ------
        EncoderUnavailable
            The weights cannot be loaded.
        """
        if not pairs:
            return []
        with self._loading:
            if self._loaded is None:
                from ragstone.encoders.loaded_pairs import LoadedPairs

                self._loaded = LoadedPairs(self._base, self._files, self._device)
        return self._loaded.read(pairs)


class PairModel:
    """What readers and verifiers have in common; safe to share between threads.

    Raises
    ------
    ReaderUnavailable
        It is not on this machine, is of another kind, or was trained for other weights.
    """

    kind: ClassVar[str]  # the `model_type` of its settings

    def __init__(self, name: str, device: str = "auto") -> None:
        try:
            self._network = PairNetwork(name, self.kind, device)
        except EncoderUnavailable as error:
            raise ReaderUnavailable(name, error.reason) from error

    @property
    def id(self) -> str:
        """Name and the beginning of the digest over all files that decide what it says."""
        return f"{self._network.name}:{self._network.digest[:12]}"

    def _windows(self, pairs: Sequence[tuple[str, str]]) -> list[list[Window]]:
        try:
            return self._network.read(pairs)
        except EncoderUnavailable as error:
            raise ReaderUnavailable(self._network.name, error.reason) from error


def ships(name: str) -> bool:
    """Tell whether a network of this name came with Ragstone, and no folder is called like it."""
    bare = bool(name) and Path(name).name == name and not Path(name).is_dir()
    return bare and (_HERE / name).is_dir()
