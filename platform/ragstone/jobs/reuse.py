"""Vectors of parts that cannot be used as they are: the same text is not embedded a second time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.errors import DamagedFile
from ragstone.storage import files, parts
from ragstone.text import embed_text

if TYPE_CHECKING:
    from ragstone.encoders.base import EncoderIdentity, TextEncoder, Vectors
    from ragstone.storage.manifests import PartRef


class ReusingEncoder:
    """A text encoder that takes the vectors of known texts from parts that were set aside.

    Parameters
    ----------
    root
        The workspace.
    aside
        Parts whose vectors are of the encoder's space; damaged ones are passed over.
    """

    def __init__(self, encoder: TextEncoder, root: Path, aside: Sequence[PartRef]) -> None:
        self._encoder = encoder
        self._vectors: list[NDArray[np.float16]] = []
        self._places: dict[bytes, tuple[int, int]] = {}  # digest of a text -> part, row
        self._root = root
        self.learn(aside)

    def learn(self, aside: Sequence[PartRef]) -> None:
        """Take in the vectors of further parts."""
        for part in aside:
            self._learn(self._root / part.path, part)

    @property
    def identity(self) -> EncoderIdentity:
        """That of the encoder."""
        return self._encoder.identity

    @property
    def tokenizer_file(self) -> Path:
        """That of the encoder."""
        return self._encoder.tokenizer_file

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """As the encoder's; it is given only the texts that are not known."""
        places = [self._places.get(_digest(text)) for text in texts] if self._places else []
        known = [(row, place) for row, place in enumerate(places) if place is not None]
        if not known:
            return self._encoder.encode_documents(texts, on_batch)
        found = np.empty((len(texts), self.identity.dimension), np.float32)
        for row, (part, place) in known:
            found[row] = self._vectors[part][place]
        fresh = [row for row, place in enumerate(places) if place is None]
        heard = on_batch and (lambda done: on_batch(len(known) + done))
        if fresh:
            found[fresh] = self._encoder.encode_documents([texts[row] for row in fresh], heard)
        return found

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As the encoder's."""
        return self._encoder.encode_queries(texts)

    def _learn(self, folder: Path, part: PartRef) -> None:
        try:
            for name, stamp in part.files.items():
                files.verify(folder / name, stamp)
            table = parts.read_table(folder, "chunks", ["heading", "text", "modality", "tokens"])
            rows = table.filter(parts.embedded_in(table, self.identity.space)).to_pylist()
            vectors = parts.read_vectors(folder, self.identity.space)
        except DamagedFile:
            return
        for number, row in enumerate(rows):
            text = embed_text(row["heading"], row["text"])
            self._places[_digest(text)] = len(self._vectors), number
        self._vectors.append(vectors)


def _digest(text: str) -> bytes:
    return blake3(text.encode()).digest(length=16)
