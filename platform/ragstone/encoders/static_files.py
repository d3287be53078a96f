"""Where a static encoder's files are, and which ones they are. Loads no table and imports no torch.

A folder holds `model.safetensors`, `tokenizer.json` and `config.json`, as `ragstone distill` or
Model2Vec wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ragstone.encoders.base import EncoderIdentity
from ragstone.encoders.digests import folder_digest
from ragstone.encoders.weights import cached_folder, is_default, short_name, verify_files
from ragstone.errors import EncoderUnavailable

STATIC_MODEL = "all-MiniLM-L6-v2-static"
KIND = "ragstone-static"  # the model_type of tables that Ragstone distilled
WEIGHTS = "model.safetensors"
_MODEL2VEC = "model2vec"
_MODEL2VEC_TOKENS = 512  # what the library reads when nobody asks for more
_TABLES = {"codes": 2, "embeddings": 1}  # tensor with the vectors -> numbers in one of its cells

# SHA-256 of the files that ship with Ragstone; the first names the embedding space.
_SHIPPED = {
    WEIGHTS: "e14f59f3fe7fb98763fad08725569fbe8a1cb1e771dd22f8c7e3e98c9bd1f142",
    "config.json": "a222bfca0932c4779a4006a89b330f073ff4644e67e878fa2e38f8c2b9e437ca",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """A table of token vectors on this machine.

    Parameters
    ----------
    identity
        Name, digest, dimension and longest input.
    folder
        Holds the table, its settings and its tokenizer.
    """

    identity: EncoderIdentity
    folder: Path

    @property
    def tokenizer_file(self) -> Path:
        """The `tokenizer.json` that the table was made for."""
        return self.folder / "tokenizer.json"


def find_static(name: str) -> StaticFiles | None:
    """Find the static encoder `name`: the shipped one, a folder, or one in the local hub cache.

    Returns nothing when `name` is an encoder of another kind, or not on this machine.

    Raises
    ------
    EncoderUnavailable
        It is a static encoder with files missing or damaged, or the shipped one with others.
    """
    if is_default(name):
        return None
    path = Path(name).expanduser()
    if name == STATIC_MODEL and not path.is_dir():
        return _shipped()
    folder = path if path.is_dir() else cached_folder(name)
    if folder is None:
        return None
    config = _config(folder)
    kind = config.get("model_type")
    if kind not in (KIND, _MODEL2VEC):
        return None
    for file in (WEIGHTS, "tokenizer.json"):
        if not (folder / file).is_file():
            raise EncoderUnavailable(name, f"{folder} holds no {file}")
    tokens = config.get("max_tokens", _MODEL2VEC_TOKENS)
    if not isinstance(tokens, int) or tokens < 1:
        raise EncoderUnavailable(name, f"its config.json says max_tokens is {tokens!r}")
    digest = folder_digest(name, folder)
    identity = EncoderIdentity(short_name(name), digest, _dimension(name, folder), tokens)
    return StaticFiles(identity, folder)


def _shipped() -> StaticFiles:
    folder = Path(__file__).parent / STATIC_MODEL
    verify_files(STATIC_MODEL, folder, _SHIPPED)
    identity = EncoderIdentity(STATIC_MODEL, _SHIPPED[WEIGHTS], dimension=256, max_tokens=256)
    return StaticFiles(identity, folder)


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # whoever opens it as a network says what is wrong with it
    return found if isinstance(found, dict) else {}


def _dimension(name: str, folder: Path) -> int:
    """Length of the vectors, from the head of the file."""
    try:
        with safe_open(folder / WEIGHTS, "np") as file:
            for tensor, per_cell in _TABLES.items():
                if tensor in file.keys():  # noqa: SIM118 - no mapping
                    shape = file.get_slice(tensor).get_shape()
                    return int(shape[1]) * per_cell
    except (OSError, SafetensorError, IndexError) as error:
        raise EncoderUnavailable(name, f"{folder / WEIGHTS} cannot be read: {error}") from error
    raise EncoderUnavailable(name, f"{folder / WEIGHTS} holds none of {', '.join(_TABLES)}")
