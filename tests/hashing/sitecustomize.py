"""Put on PYTHONPATH, this gives a process vectors made by hashing: no torch, so it starts at once.

While the file that HASHING_GATE names is there, no process encodes more than 30 texts.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ragstone.encoders.weights import ModelFiles

_BEFORE_THE_GATE = 30
_GATE = Path(os.environ["HASHING_GATE"])


class LoadedModel:
    """Stands for the class of this name in `ragstone.encoders.loaded`."""

    on_gpu = False
    _done = 0

    def __init__(self, files: ModelFiles, _: str) -> None:
        """There are no weights to load."""
        self._identity = files.identity

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def forward(self, texts: Sequence[str], _: str) -> NDArray[np.float32]:
        import numpy as np
        from blake3 import blake3

        while LoadedModel._done >= _BEFORE_THE_GATE and _GATE.exists():
            time.sleep(0.01)
        LoadedModel._done += len(texts)
        model, size = self._identity.digest, self._identity.dimension
        seeds = [int.from_bytes(blake3(f"{model}{text}".encode()).digest(8)) for text in texts]
        drawn = [np.random.default_rng(seed).normal(size=size) for seed in seeds]
        return np.array([row / np.linalg.norm(row) for row in drawn], np.float32)


def normalised(vectors: NDArray[np.float32], _: str) -> NDArray[np.float32]:
    return vectors


_loaded = ModuleType("ragstone.encoders.loaded")
_loaded.LoadedModel = LoadedModel  # type: ignore[attr-defined]
_loaded.normalised = normalised  # type: ignore[attr-defined]
sys.modules["ragstone.encoders.loaded"] = _loaded
