"""Weights, settings and codec of a model as files, and back."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from ragstone.errors import InvalidArgument
from ragstone.models.base import GenerativeModel
from ragstone.models.families import family
from ragstone.models.language import LanguageModel
from ragstone.models.tokenizers import Tokenizer
from ragstone.training.materials.base import Codec
from ragstone.training.materials.known import MATERIALS
from ragstone.training.network_files import load_network
from ragstone.training.registry import CONFIG, WEIGHTS, read_info

_opening = threading.Lock()


def write_model(folder: Path, model: GenerativeModel, codec: Codec) -> None:
    """Write all that `open_model` reads into `folder`."""
    tensors = {name: v.detach().cpu().contiguous() for name, v in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library lets nobody else read it
    (folder / CONFIG).write_text(model.config.to_json(), encoding="utf-8")
    codec.save(folder)


def open_model(folder: Path) -> tuple[GenerativeModel, Any]:
    """Return the model in a folder of the registry, ready for use, and its codec.

    Raises
    ------
    DamagedFile
        Its weights are not those that were trained.
    """
    digest = read_info(folder).digest
    with _opening:  # two who ask at once must not load it twice
        return _opened(folder, digest)


def open_language_model(folder: Path) -> tuple[LanguageModel, Tokenizer]:
    """Return the model in a folder of the registry and its tokenizer.

    Raises
    ------
    DamagedFile
        Its weights are not those that were trained.
    InvalidArgument
        It does not go on with texts.
    """
    model, codec = open_model(folder)
    if not isinstance(model, LanguageModel):
        raise InvalidArgument("model", read_info(folder).name, "a language model, such as a gpt")
    return model, codec


@lru_cache(maxsize=2)  # it is used again and again
def _opened(folder: Path, digest: str) -> tuple[GenerativeModel, Codec]:  # noqa: ARG001
    """Load a model; `digest` tells it from one that had its number and was deleted."""
    return load_model(folder)


def load_model(folder: Path) -> tuple[GenerativeModel, Codec]:
    """As `open_model`, but always from its files: what is handed on is looked at as it is.

    Raises
    ------
    DamagedFile
        Its weights are not those that were trained.
    """
    model, info = load_network(folder)
    return model, MATERIALS[family(info.family).material].open_codec(folder)
