"""Which generator an id stands for."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from ragstone.config import API_KEY_VARIABLE, GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import GeneratorUnavailable, InvalidArgument
from ragstone.generation.base import Generator
from ragstone.generation.evidence import reader_for
from ragstone.generation.extractive import ExtractiveReader

HUGGING_FACE = "hf:"
CHAT_SERVER = "openai:"
TRAINED = "model:"
_KINDS = (
    "'extractive', 'hf:' with the name or path of a model, 'openai:MODEL@URL', or 'model:' with "
    "the name of a model trained here"
)

_opening = threading.Lock()


def open_generator(
    id: str,  # noqa: A002
    encoder: TextEncoder,
    settings: GenerationSettings,
    models: Path,
) -> Generator:
    """Return the generator that `id` names; a model is loaded by its first prompt.

    Parameters
    ----------
    id
        `extractive`; `hf:` and the path of a model or its name in the local hub cache; `openai:`
        and MODEL@URL; `model:` and the name of a model in `models`.
    encoder
        What the extractive reader compares sentences with.
    models
        Folder of the models that were trained in the workspace.

    Raises
    ------
    InvalidArgument
        No generator has such an id.
    GeneratorUnavailable, ReaderUnavailable
        The model is not on this machine, or the server is none that may be asked.
    """
    if id == "extractive":
        return ExtractiveReader(encoder, settings.max_sentences, reader_for(settings))
    if id.startswith(HUGGING_FACE) and len(id) > len(HUGGING_FACE):
        with _opening:  # two who ask at once must not load the model twice
            name = id.removeprefix(HUGGING_FACE)
            return _language_model(name, settings.dtype, settings.quantisation)
    if id.startswith(CHAT_SERVER):
        return _chat_server(id, settings)
    if id.startswith(TRAINED):
        from ragstone.generation.trained import TrainedGenerator

        return TrainedGenerator(id.removeprefix(TRAINED), models)
    raise InvalidArgument("generator", id, _KINDS)


@lru_cache(maxsize=1)  # a server is asked again and again, and loading takes longer than answering
def _language_model(name: str, dtype: str, quantisation: str) -> Generator:
    from ragstone.generation.huggingface import Loading, TransformersGenerator

    return TransformersGenerator(name, Loading(dtype, quantisation))


def _chat_server(id: str, settings: GenerationSettings) -> Generator:  # noqa: A002
    from ragstone.generation.chat_server import ChatServer, ChatServerGenerator

    model, url = split_server(id)
    named = (
        settings.generator.startswith(CHAT_SERVER) and url == split_server(settings.generator)[1]
    )
    trusted = named or url in {server.rstrip("/") for server in settings.servers}
    if not trusted and not _is_here(url):
        raise GeneratorUnavailable(id, f"{url} is not listed in the setting generation.servers")
    key = os.environ.get(API_KEY_VARIABLE, "") if trusted else ""
    return ChatServerGenerator(ChatServer(model, url, key, settings.context_tokens))


def split_server(id: str) -> tuple[str, str]:  # noqa: A002
    """Return model and base URL of `openai:MODEL@URL`.

    Raises
    ------
    InvalidArgument
        It is not written so.
    """
    model, _, url = id.removeprefix(CHAT_SERVER).rpartition("@")
    parts = urlsplit(url)
    if not model or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgument("generator", id, _KINDS)
    return model, url.rstrip("/")


def _is_here(url: str) -> bool:
    """Tell whether the address is one of this machine alone."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
