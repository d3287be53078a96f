"""Checkpoints: all that a training needs to go on, there whole or not at all.

Two are kept: when the newest one is damaged, training goes on from the one before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from ragstone.errors import DamagedFile
from ragstone.storage.files import (
    TEMPORARY,
    digest_bytes,
    make_folder,
    publish_folder,
    remove,
)

_KEPT = 2
_TENSORS, _STATE = "state.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training stands after so many steps."""

    step: int
    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]  # JSON


class Checkpoints:
    """Those in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, checkpoint: Checkpoint) -> None:
        """Write one, and delete all but the newest two."""
        make_folder(self._folder)
        final = self._folder / f"{checkpoint.step:08d}"
        place = self._folder / f"{TEMPORARY}{os.getpid()}"
        for left in (place, final):
            remove(left)
        place.mkdir()
        tensors = save({k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()})
        state = {"digest": digest_bytes(tensors), "state": dict(checkpoint.state)}
        (place / _TENSORS).write_bytes(tensors)
        (place / _STATE).write_text(json.dumps(state), encoding="utf-8")
        publish_folder(place, final, [place / _TENSORS, place / _STATE])
        for old in self._all()[_KEPT:]:
            remove(old)

    def newest(self) -> tuple[Checkpoint | None, list[DamagedFile]]:
        """Return the newest one that is whole, if any, and what is wrong with newer ones."""
        damaged: list[DamagedFile] = []
        for folder in self._all():
            try:
                return _read(folder), damaged
            except DamagedFile as error:
                damaged.append(error)
        return None, damaged

    def _all(self) -> list[Path]:
        """Return their folders, the newest first."""
        found = self._folder.glob("[0-9]*") if self._folder.is_dir() else ()
        return sorted(found, key=lambda path: path.name, reverse=True)


def _read(folder: Path) -> Checkpoint:
    try:
        tensors = (folder / _TENSORS).read_bytes()
        known = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        promised, state = known["digest"], known["state"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFile(folder, f"it is no whole checkpoint ({error})") from error
    if digest_bytes(tensors) != promised:
        raise DamagedFile(folder / _TENSORS, "its bytes have changed since they were written")
    return Checkpoint(int(folder.name), load(tensors), state)


def unshared(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors that no two names share: the format refuses them."""
    seen: set[int] = set()
    found = {}
    for name, values in tensors.items():
        pointer = values.data_ptr()
        found[name] = values.clone() if pointer in seen and pointer else values
        seen.add(pointer)
    return found
