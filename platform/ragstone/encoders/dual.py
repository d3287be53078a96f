"""Dual encoders: one tower for text, one for images or sounds, both into one space.

CLIP (Radford et al., 2021), SigLIP (Zhai et al., 2023), CLAP (Wu et al., 2023) and their kin, so
that words find pictures or recordings. Importing this module, and asking for `identity`, imports
no torch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ragstone.encoders.base import EncoderIdentity, Vectors
from ragstone.encoders.families import family_of
from ragstone.encoders.weights import NetworkFiles
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.encoders.loaded_dual import LoadedDual
    from ragstone.schemas.records import Payload

# Seconds per image of a CLIP ViT-B/32 on one core, in batches of 1, 4, 8, 16 and 32: 0.33, 0.21,
# 0.19, 0.20, 0.19. Larger towers overflow the caches sooner. A GPU wants to be filled.
_BATCH = 8
_GPU_FACTOR = 16

Input = TypeVar("Input")


class DualEncoder:
    """Images or sounds, and texts, to unit vectors; safe to share between threads.

    Parameters
    ----------
    files
        From `find_network`.
    device
        'auto', 'cpu', 'cuda' or 'cuda:N'.
    batch
        Payloads or texts in one batch on a processor; a GPU takes 16 times as many.

    Raises
    ------
    EncoderUnavailable
        The network is of no known family.
    """

    def __init__(self, files: NetworkFiles, *, device: str = "auto", batch: int = _BATCH) -> None:
        self._files = files
        self._family = family_of(files)
        self._identity = EncoderIdentity(
            files.name,
            files.digest,
            dimension=self._family.width(files),
            max_tokens=self._family.max_tokens(files),
            modality=self._family.modality.value,
        )
        self._device = device
        self._batch = batch
        self._model: LoadedDual | None = None
        self._loading = threading.Lock()

    @property
    def identity(self) -> EncoderIdentity:
        """Name, digest, dimension and modality, read from the network's small files."""
        return self._identity

    @property
    def reads_text(self) -> bool:
        """Always: that is what the second tower is for."""
        return True

    def encode_media(
        self, payloads: Sequence[Payload], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(payloads), dimension), in the given order.

        Parameters
        ----------
        payloads
            Of the encoder's modality. A sound is heard up to the network's longest, for CLAP 10 s;
            of frequencies above 8 kHz nothing is left at 16 kHz, whatever the network heard in
            training.
        on_batch
            Called after each batch with the number of payloads done so far.

        Raises
        ------
        InvalidArgument
            A payload is of another modality, of another shape, or empty.
        EncoderUnavailable
            The weights cannot be loaded, or gave no direction.
        """
        for payload in payloads:
            self._check(payload)
        return self._encode(payloads, lambda model, batch: model.embed_media(batch), on_batch)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts, float32 of shape (len(texts), dimension).

        A text is read up to `identity.max_tokens`; what follows is not seen.

        Raises
        ------
        EncoderUnavailable
            The weights cannot be loaded, or gave no direction.
        """
        return self._encode(texts, lambda model, batch: model.embed_texts(batch), None)

    def _encode(
        self,
        inputs: Sequence[Input],
        embed: Callable[[LoadedDual, Sequence[Input]], Vectors],
        on_batch: Callable[[int], None] | None,
    ) -> Vectors:
        vectors = np.empty((len(inputs), self._identity.dimension), dtype=np.float32)
        if not inputs:
            return vectors
        model = self._loaded()
        for begin, end in _spans(len(inputs), self._batch * (_GPU_FACTOR if model.on_gpu else 1)):
            vectors[begin:end] = embed(model, inputs[begin:end])
            if on_batch is not None:
                on_batch(end)
        return vectors

    def _check(self, payload: Payload) -> None:
        """Refuse what the tower would misread, before anything is loaded."""
        wanted = self._family.modality
        if payload.modality != wanted:
            raise InvalidArgument("payload", payload.modality.value, f"of modality {wanted.value}")
        expected = "uint8 (height, width, 3)" if wanted == "image" else "int16 (samples,)"
        shape, dtype = payload.data.shape, payload.data.dtype
        fits = (
            (dtype == np.uint8 and len(shape) == 3 and shape[-1] == 3)
            if wanted == "image"
            else (dtype == np.int16 and len(shape) == 1)
        )
        if not fits or payload.data.size == 0:
            raise InvalidArgument("payload", f"{dtype} {shape}", f"{expected} and not empty")

    def _loaded(self) -> LoadedDual:
        with self._loading:
            if self._model is None:
                from ragstone.encoders.loaded_dual import LoadedDual

                self._model = LoadedDual(self._files, self._identity, self._family, self._device)
            return self._model


def _spans(count: int, size: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, count, size):
        yield begin, min(begin + size, count)
