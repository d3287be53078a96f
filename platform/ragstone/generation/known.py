"""Which generators there are on this machine, and why others cannot be used."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.config import API_KEY_VARIABLE
from ragstone.errors import GeneratorUnavailable
from ragstone.generation.generators import CHAT_SERVER, HUGGING_FACE, TRAINED, split_server
from ragstone.schemas.answers import GeneratorInfo

if TYPE_CHECKING:
    from ragstone.config import GenerationSettings

_LOOK_SECONDS = 3.0  # for a server to say what models it has
_WRITES = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")  # ends of architectures


def known_generators(settings: GenerationSettings, models: Path) -> list[GeneratorInfo]:
    """Return the built-in reader, models trained here, in the local hub cache, of known servers.

    Servers are asked. Where there is nothing of a kind, one entry says what it would take.
    """
    found = [
        GeneratorInfo(
            "extractive", available=True, note="sentences of the passages, word for word"
        ),
        *_trained_models(models),
        *_hub_models(),
        *_served_models(settings),
    ]
    if settings.generator not in {entry.id for entry in found}:
        found.append(_by_path(settings.generator))
    return [replace(entry, chosen=entry.id == settings.generator) for entry in found]


def _trained_models(models: Path) -> Iterator[GeneratorInfo]:
    from ragstone.training.registry import Registry

    registry = Registry(models)
    for info in registry.all():
        from ragstone.models.families import goes_on  # takes torch: only where there are models

        if not goes_on(info.family):
            continue
        note = f"{info.family} trained on {info.data.dataset}@{info.data.version}"
        name = f"{TRAINED}{info.name}@{info.number}"
        yield GeneratorInfo(name, available=True, note=note)
        if info.datastore:
            yield GeneratorInfo(f"{name}+knn", available=True, note=f"{note}, with neighbours")
    for broken in registry.damaged():
        name = f"{TRAINED}{broken.name}@{broken.number}"
        yield GeneratorInfo(name, available=False, note=f"damaged: {broken.damaged}")


def _hub_models() -> Iterator[GeneratorInfo]:
    some = False
    for name, folder in _cached():
        config = _config(folder)
        architectures = [str(name) for name in config.get("architectures") or []]
        if any(name.endswith(_WRITES) for name in architectures):
            some = True
            problem = _problem(folder, config)
            note = problem or f"{architectures[0]} in the local hub cache"
            yield GeneratorInfo(f"{HUGGING_FACE}{name}", available=not problem, note=note)
    if not some:
        note = "no language model is in the local hub cache; a folder will do as well"
        yield GeneratorInfo(f"{HUGGING_FACE}NAME", available=False, note=note)


def _cached() -> Iterator[tuple[str, Path]]:
    """Yield name and folder of the models in the local hub cache, by name."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = sorted(scan_cache_dir().repos, key=lambda repo: repo.repo_id)
    except CacheNotFound:
        return
    for repo in repos:
        newest = max(repo.revisions, key=lambda revision: revision.last_modified, default=None)
        if repo.repo_type == "model" and newest is not None:
            yield repo.repo_id, newest.snapshot_path


def _by_path(id: str) -> GeneratorInfo:  # noqa: A002
    """Return what is to be said of a generator that is only named in the settings."""
    if id.startswith(CHAT_SERVER):
        return GeneratorInfo(id, available=False, note="its server does not list it")
    folder = Path(id.removeprefix(HUGGING_FACE)).expanduser()
    if not id.startswith(HUGGING_FACE) or not folder.is_dir():
        return GeneratorInfo(id, available=False, note="it is not on this machine")
    problem = _problem(folder, _config(folder))
    return GeneratorInfo(id, available=not problem, note=problem or "a model in a folder")


def _config(folder: Path) -> dict[str, Any]:
    try:
        read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # whatever it is, it is no model
    return read if isinstance(read, dict) else {}


def _problem(folder: Path, config: dict[str, Any]) -> str:
    if not config:
        return "it has no config.json"
    if "auto_map" in config:
        return "it needs code of its own, which is not run"
    if not any(folder.glob("*.safetensors")):
        return "it has no safetensors weights"
    return ""


def _served_models(settings: GenerationSettings) -> Iterator[GeneratorInfo]:
    urls = [server.rstrip("/") for server in settings.servers]
    if settings.generator.startswith(CHAT_SERVER):
        urls.append(split_server(settings.generator)[1])
    if not urls:
        note = "no server is listed in generation.servers; one of this machine needs no listing"
        yield GeneratorInfo(f"{CHAT_SERVER}MODEL@URL", available=False, note=note)
    from ragstone.generation.chat_server import served_models

    for url in dict.fromkeys(urls):
        try:
            models = served_models(url, os.environ.get(API_KEY_VARIABLE, ""), _LOOK_SECONDS)
        except GeneratorUnavailable as error:
            yield GeneratorInfo(f"{CHAT_SERVER}MODEL@{url}", available=False, note=error.message)
        else:
            for model in models:
                id = f"{CHAT_SERVER}{model}@{url}"  # noqa: A001
                yield GeneratorInfo(id, available=True, note="a model behind a server")
