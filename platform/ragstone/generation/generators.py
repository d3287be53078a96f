"""Which generator an id stands for."""

from __future__ import annotations

from functools import lru_cache

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.verifiers import find_verifier
from ragstone.errors import InvalidArgument
from ragstone.generation.base import Generator, model_digest
from ragstone.generation.evidence import reader_for
from ragstone.generation.extractive import ExtractiveReader

_HUGGING_FACE = "hf:"


def open_generator(id: str, encoder: TextEncoder, settings: GenerationSettings) -> Generator:  # noqa: A002
    """Return the generator that `id` names; a model is loaded by its first prompt.

    Parameters
    ----------
    id
        `extractive`, or `hf:` and the path of a model or its name in the local hub cache.
    encoder
        What the extractive reader compares sentences with.

    Raises
    ------
    InvalidArgument
        No generator has such an id.
    GeneratorUnavailable, ReaderUnavailable
        The model is not on this machine.
    """
    if id == "extractive":
        return ExtractiveReader(encoder, settings.max_sentences, reader_for(settings))
    if id.startswith(_HUGGING_FACE) and len(id) > len(_HUGGING_FACE):
        return _language_model(id.removeprefix(_HUGGING_FACE))
    raise InvalidArgument(
        "generator", id, "'extractive', or 'hf:' with the name or path of a model"
    )


def model_digests(generator: Generator, settings: GenerationSettings) -> dict[str, str]:
    """Return what tells the networks apart that made an answer; empty where there was none."""
    reader, verifier = reader_for(settings), find_verifier(settings.verifier)
    return {
        "generator": model_digest(generator),
        "reader": reader.id if reader else "",
        "verifier": verifier.id if verifier else "",
    }


@lru_cache(maxsize=1)  # a server is asked again and again, and loading takes longer than answering
def _language_model(name: str) -> Generator:
    from ragstone.generation.huggingface import TransformersGenerator

    return TransformersGenerator(name)
