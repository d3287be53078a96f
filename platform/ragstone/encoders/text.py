"""The text encoder: any sentence-transformers model on this machine, loaded when first needed.

Importing this module, and asking for `identity` or `tokenizer_file`, imports no torch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragstone.config import EncoderSettings
from ragstone.encoders.base import EncoderIdentity, TextEncoder, Vectors
from ragstone.encoders.static import StaticEncoder
from ragstone.encoders.static_files import find_static
from ragstone.encoders.weights import ModelFiles, find_model

if TYPE_CHECKING:
    from ragstone.encoders.loaded import LoadedModel, Task

# A processor is fastest while a batch's activations fit its caches; a GPU wants to be filled.
_GPU_FACTOR = 16


def open_text_encoder(settings: EncoderSettings) -> TextEncoder:
    """Return the encoder that `settings` name; its weights are loaded by the first text.

    Raises
    ------
    EncoderUnavailable
        The model is not on this machine, or its files are not the right ones.
    """
    static = find_static(settings.name)
    if static is not None:
        return StaticEncoder(static)
    return SentenceEncoder(
        find_model(settings.name), device=settings.device, batch_tokens=settings.batch_tokens
    )


class SentenceEncoder:
    """Text to unit vectors through sentence-transformers; safe to share between threads.

    Parameters
    ----------
    files
        From `find_model`.
    device
        'auto', 'cpu', 'cuda' or 'cuda:N'.
    batch_tokens
        Tokens of a batch on a processor, padding included; a GPU takes 16 times as many.
    """

    def __init__(
        self, files: ModelFiles, *, device: str = "auto", batch_tokens: int = 4_096
    ) -> None:
        self._files = files
        self._device = device
        self._batch_tokens = batch_tokens
        self._model: LoadedModel | None = None
        self._loading = threading.Lock()

    @property
    def identity(self) -> EncoderIdentity:
        """Name, digest and dimension, read from the model's small files."""
        return self._files.identity

    @property
    def tokenizer_file(self) -> Path:
        """The model's own `tokenizer.json`."""
        return self._files.tokenizer_file

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(texts), dimension), in the given order.

        Parameters
        ----------
        texts
            Each is read up to `identity.max_tokens`; what follows is not seen.
        on_batch
            Called after each batch with the number of texts done so far.

        Raises
        ------
        EncoderUnavailable
            The weights cannot be loaded, are not the published ones, or gave no direction.
        """
        return self._encode(texts, "document", on_batch)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode_documents`, with the model's query prompt when it has one."""
        return self._encode(texts, "query", None)

    def _encode(
        self, texts: Sequence[str], task: Task, on_batch: Callable[[int], None] | None
    ) -> Vectors:
        vectors = np.empty((len(texts), self.identity.dimension), dtype=np.float32)
        if not texts:
            return vectors
        from ragstone.encoders.loaded import normalised

        model = self._loaded()
        budget = self._batch_tokens * (_GPU_FACTOR if model.on_gpu else 1)
        done = 0
        for batch in batches(model.count_tokens(texts), budget):
            found = model.forward([texts[index] for index in batch], task)
            vectors[batch] = normalised(found, self.identity.name)
            done += len(batch)
            if on_batch is not None:
                on_batch(done)
        return vectors

    def _loaded(self) -> LoadedModel:
        with self._loading:
            if self._model is None:
                from ragstone.encoders.loaded import LoadedModel

                self._model = LoadedModel(self._files, self._device)
            return self._model


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield the indexes of `lengths` in batches, longest first.

    A batch costs its size times its longest member, because the others are padded; sorting keeps
    the padding near zero, and longest first shows at once whether the memory suffices. A member
    longer than `budget` is a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    begin = 0
    while begin < len(order):
        size = max(1, budget // max(1, lengths[order[begin]]))
        yield order[begin : begin + size]
        begin += size
