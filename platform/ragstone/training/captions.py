"""Texts that images are told of, as vectors: of a whole text, and of each of its words.

Each text and each word is embedded once, by a text encoder of the workspace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ragstone.encoders.base import TextEncoder

MOST = 16  # words of a text that are read
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Texts:
    """Vectors of texts and of their words.

    Parameters
    ----------
    whole
        float32 (texts, width).
    words
        float32 (different words + 1, width); the first is 0: no word.
    spelt
        int64 (texts, most): numbers in `words`.
    """

    whole: NDArray[np.float32]
    words: NDArray[np.float32]
    spelt: NDArray[np.int64]

    @classmethod
    def of(cls, encoder: TextEncoder, texts: Sequence[str], most: int) -> Self:
        """Embed texts, of each up to `most` words.

        Raises
        ------
        EncoderUnavailable
            The weights cannot be loaded.
        """
        parts = [words(text)[:most] for text in texts]
        numbers = {word: n for n, word in enumerate(sorted({w for p in parts for w in p}), 1)}
        spelt = np.zeros((len(texts), most), np.int64)
        for row, part in zip(spelt, parts, strict=True):
            row[: len(part)] = [numbers[word] for word in part]
        none = np.zeros((1, encoder.identity.dimension), np.float32)
        each = encoder.encode_documents(list(numbers)) if numbers else none[:0]
        return cls(encoder.encode_documents(texts), np.concatenate([none, each]), spelt)

    def vectors(self, numbers: NDArray[np.int64]) -> torch.Tensor:
        """Return texts by their numbers, the whole first: float32 (n, 1 + most, width)."""
        whole = self.whole[numbers][:, None]
        return torch.from_numpy(np.concatenate([whole, self.words[self.spelt[numbers]]], axis=1))


@dataclass(frozen=True, slots=True)
class Captions:
    """The texts of images, of which each has one or more.

    Parameters
    ----------
    texts
        All of them, the same ones once.
    order
        int64: numbers of texts; those of an image lie side by side.
    begins, counts
        int64 (images,): where in `order`.
    """

    texts: Texts
    order: NDArray[np.int64]
    begins: NDArray[np.int64]
    counts: NDArray[np.int64]

    def of(self, places: NDArray[np.int64], drawn: NDArray[np.float64] | None) -> torch.Tensor:
        """Return a text of each image; see `Texts.vectors`.

        Parameters
        ----------
        places
            int64 (n,), of images.
        drawn
            From 0 to 1, (n,): which of its texts; None: the first.
        """
        step = np.zeros(len(places)) if drawn is None else drawn
        own = (step * self.counts[places]).astype(np.int64)
        return self.texts.vectors(self.order[self.begins[places] + own])


def words(text: str) -> list[str]:
    """Return the words of a text, in small letters."""
    return _WORD.findall(text.lower())


def captions_of(encoder: TextEncoder, captions: Iterable[Sequence[str]], most: int) -> Captions:
    """Embed the texts of images, in the order of the images."""
    numbers: dict[str, int] = {}
    order: list[int] = []
    counts: list[int] = []
    for own in captions:
        order += [numbers.setdefault(text, len(numbers)) for text in own]
        counts.append(len(own))
    ends = np.cumsum(counts, dtype=np.int64)
    return Captions(
        texts=Texts.of(encoder, list(numbers), most),
        order=np.asarray(order, np.int64),
        begins=ends - np.asarray(counts, np.int64),
        counts=np.asarray(counts, np.int64),
    )
