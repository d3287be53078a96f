"""What an encoder is to the rest of the platform."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ragstone.schemas.records import Payload

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Which model made a vector; equal identities give comparable vectors."""

    name: str
    digest: str  # SHA-256 of its weights, in hex
    dimension: int
    max_tokens: int  # the encoder reads no further
    metric: str = "cosine"
    modality: str = "text"  # what it embeds: text, image or audio

    @property
    def space(self) -> str:
        """Name of the embedding space, safe as a file name; image and audio begin with theirs."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[-48:]
        prefix = "" if self.modality == "text" else f"{self.modality}."
        return f"{prefix}{slug}-{self.digest[:8]}"


class TextEncoder(Protocol):
    """Turns text into unit vectors of `identity.dimension`."""

    @property
    def identity(self) -> EncoderIdentity:
        """Name, digest and dimension; must not load the weights into memory."""
        ...

    @property
    def tokenizer_file(self) -> Path:
        """The model's `tokenizer.json`, so that chunks are counted in its own tokens."""
        ...

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(texts), dimension), in the given order.

        `on_batch` is called with the number of texts done after each batch.
        """
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode_documents`, with the model's query prompt when it has one."""
        ...


class MediaEncoder(Protocol):
    """Turns images, or windows of recordings, into unit vectors of `identity.dimension`."""

    @property
    def identity(self) -> EncoderIdentity:
        """Name, digest, dimension and modality; must not load the weights into memory."""
        ...

    @property
    def reads_text(self) -> bool:
        """Whether texts have a place in the same space, so that words find pictures or sounds."""
        ...

    def encode_media(
        self, payloads: Sequence[Payload], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(payloads), dimension), in the given order.

        `on_batch` is called with the number of payloads done after each batch.
        """
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts; only for an encoder that `reads_text`."""
        ...
