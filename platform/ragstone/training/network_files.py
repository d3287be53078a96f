"""A network of the registry, from its files."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from ragstone.errors import DamagedFile
from ragstone.models.base import GenerativeModel
from ragstone.models.families import family
from ragstone.schemas.models import ModelInfo
from ragstone.storage.files import stamp
from ragstone.training.registry import CONFIG, WEIGHTS, read_info


def load_network(folder: Path) -> tuple[GenerativeModel, ModelInfo]:
    """Return the network in a folder, ready for use, and its card.

    Raises
    ------
    DamagedFile
        Its weights are not those that were trained.
    """
    info = read_info(folder)
    if stamp(folder / WEIGHTS).blake3 != info.digest:
        raise DamagedFile(folder / WEIGHTS, "its bytes have changed since they were written")
    known = family(info.family)
    model = known.build(known.config.from_json((folder / CONFIG).read_text(encoding="utf-8")))
    model.load_state_dict(load_file(folder / WEIGHTS))
    model.eval().requires_grad_(requires_grad=False)
    return model, info
