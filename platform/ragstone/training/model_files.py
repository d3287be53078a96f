"""Weights, settings and tokenizer of a language model as files, and back."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

from safetensors.torch import load_file, save_file

from ragstone.errors import DamagedFile
from ragstone.models.families import family
from ragstone.models.language import LanguageModel
from ragstone.models.tokenizers import Tokenizer
from ragstone.storage.files import stamp
from ragstone.training.registry import WEIGHTS, read_info

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"

_opening = threading.Lock()


def write_model(folder: Path, model: LanguageModel, tokenizer: Tokenizer) -> None:
    """Write all that `open_model` reads into `folder`."""
    tensors = {name: v.detach().cpu().contiguous() for name, v in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library lets nobody else read it
    (folder / _CONFIG).write_text(model.config.to_json(), encoding="utf-8")
    tokenizer.save(folder / _TOKENIZER)


def open_model(folder: Path) -> tuple[LanguageModel, Tokenizer]:
    """Return the model in a folder of the registry, ready to write, and its tokenizer.

    Raises
    ------
    DamagedFile
        Its weights are not those that were trained.
    """
    with _opening:  # two who ask at once must not load it twice
        return _opened(folder)


@lru_cache(maxsize=2)  # it is written with again and again, and a number never changes
def _opened(folder: Path) -> tuple[LanguageModel, Tokenizer]:
    info = read_info(folder)
    if stamp(folder / WEIGHTS).blake3 != info.digest:
        raise DamagedFile(folder / WEIGHTS, "its bytes have changed since they were written")
    known = family(info.family)
    model = known.build(known.config.from_json((folder / _CONFIG).read_text(encoding="utf-8")))
    model.load_state_dict(load_file(folder / WEIGHTS))
    model.eval().requires_grad_(requires_grad=False)
    return model, Tokenizer.from_json((folder / _TOKENIZER).read_text(encoding="utf-8"))
