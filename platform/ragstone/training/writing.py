"""Writing an adapter's folder: weights, settings and card are there together or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from ragstone.encoders.rerankers import WEIGHTS
from ragstone.encoders.writing import written_whole

if TYPE_CHECKING:
    import torch


@contextmanager
def written_adapter(folder: Path, tensors: dict[str, torch.Tensor]) -> Iterator[Path]:
    """Yield a folder that holds the weights; it becomes `folder` when all went well."""
    with written_whole(folder) as place:
        save_file(tensors, place / WEIGHTS)
        (place / WEIGHTS).chmod(0o644)  # the library lets nobody else read it
        yield place


def write_settings(place: Path, settings: Mapping[str, Any]) -> None:
    """Write `config.json`."""
    text = json.dumps(settings, indent=2) + "\n"
    (place / "config.json").write_text(text, encoding="utf-8")
