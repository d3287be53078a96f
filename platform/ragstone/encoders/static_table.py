"""The table of a static encoder: packed in its file, float32 in memory, added up per text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.sparse import csr_array

from ragstone.encoders.base import Vectors
from ragstone.encoders.static_files import WEIGHTS, StaticFiles
from ragstone.errors import EncoderUnavailable

_LEVELS = 7  # a code of four bits is -7 to 7
_CLIPS = (1.0, 0.85, 0.7, 0.6)  # of a row's largest number: what lies beyond is cut off


@dataclass(frozen=True, slots=True)
class Table:
    """Vectors of tokens.

    Parameters
    ----------
    vectors
        float32 of shape (tokens, dimension), each with the weight of its token in it.
    unknown
        Id that stands for words without a token; None when the vocabulary has no such id.
    """

    vectors: Vectors
    unknown: int | None

    @property
    def tokens(self) -> int:
        """Size of the vocabulary."""
        return len(self.vectors)

    def sums(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> Vectors:
        """Return the unit vectors of texts.

        Parameters
        ----------
        ids
            Token ids of all texts, one after the other.
        lengths
            Tokens of each text; their sum is the length of `ids`.
        """
        ends = np.concatenate(([0], np.cumsum(lengths)))
        counted = np.ones(len(ids), dtype=np.float32)
        if self.unknown is not None:
            counted[ids == self.unknown] = 0  # it means nothing beside tokens that do
        bags = csr_array((counted, ids, ends), shape=(len(lengths), self.tokens))
        found: Vectors = bags @ self.vectors
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        empty = norms[:, 0] == 0
        found[empty], norms[empty] = self._nothing(), 1
        units: Vectors = found / norms
        return units

    def _nothing(self) -> Vectors:
        """Return the unit vector of a text in which no token is known."""
        if self.unknown is not None:
            vector = self.vectors[self.unknown]
            norm = np.linalg.norm(vector)
            if norm > 0:
                return np.asarray(vector / norm, dtype=np.float32)
        dimension = self.vectors.shape[1]
        return np.full(dimension, dimension**-0.5, dtype=np.float32)


def load_table(files: StaticFiles, tokens: int, unknown: int | None) -> Table:
    """Read the table of Ragstone (`codes`, `scales`) or Model2Vec (`embeddings` and others).

    Parameters
    ----------
    tokens, unknown
        Size of the tokenizer's vocabulary, and its token for unknown words.

    Raises
    ------
    EncoderUnavailable
        It is damaged, has other tensors, lacks tokens, or holds numbers that are not finite.
    """
    name, path = files.identity.name, files.folder / WEIGHTS
    try:
        tensors = load_file(path)
        vectors = unpack(tensors) if "codes" in tensors else _model2vec(tensors)
    except (OSError, KeyError, ValueError, IndexError, SafetensorError) as error:
        raise EncoderUnavailable(name, f"{path} cannot be read: {error}") from error
    if vectors.ndim != 2 or vectors.shape[1] != files.identity.dimension:
        raise EncoderUnavailable(name, f"{path} holds a table of shape {vectors.shape}")
    if len(vectors) < tokens:
        problem = f"its tokenizer has {tokens:,} tokens, and its table {len(vectors):,}"
        raise EncoderUnavailable(name, problem)
    if not np.all(np.isfinite(vectors)):
        raise EncoderUnavailable(name, f"{path} holds numbers that are not finite")
    return Table(vectors, unknown)


def pack(vectors: Vectors) -> dict[str, NDArray[np.generic]]:
    """Return `vectors` (tokens, dimension) with four bits a number, as the tensors of a file.

    A row has a scale of its own, chosen among a few so that the squared error is least: cutting
    the largest numbers off leaves finer steps for the others. Two numbers share a byte, the one
    of even index in its low half.

    Raises
    ------
    ValueError
        The dimension is odd.
    """
    if vectors.shape[1] % 2:
        problem = f"a dimension of {vectors.shape[1]} does not fill bytes"
        raise ValueError(problem)
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(np.float16).tiny)
    scales = (largest * _CLIPS / _LEVELS).astype(np.float16).astype(np.float32)  # (tokens, clips)
    scales = np.maximum(scales, np.finfo(np.float16).tiny)
    errors = np.stack(
        [np.square(_rounded(vectors, s[:, None]) * s[:, None] - vectors).sum(1) for s in scales.T]
    )
    best = np.take_along_axis(scales, errors.argmin(axis=0)[:, None], axis=1)
    codes = (_rounded(vectors, best) + _LEVELS).astype(np.uint8)
    return {
        "codes": codes[:, 0::2] | (codes[:, 1::2] << 4),
        "scales": best[:, 0].astype(np.float16),
    }


def unpack(tensors: Mapping[str, NDArray[np.generic]]) -> Vectors:
    """Return what `pack` packed, float32 of shape (tokens, dimension).

    Raises
    ------
    KeyError, ValueError
        A tensor is missing or has another shape.
    """
    codes, scales = tensors["codes"].astype(np.uint8), tensors["scales"].astype(np.float32)
    numbers = np.stack((codes & 15, codes >> 4), axis=2).reshape(len(codes), -1)
    vectors: Vectors = (numbers.astype(np.float32) - _LEVELS) * scales.reshape(len(codes), 1)
    return vectors


def _rounded(vectors: Vectors, scales: Vectors) -> Vectors:
    found: Vectors = np.clip(np.rint(vectors / scales), -_LEVELS, _LEVELS)
    return found


def _model2vec(tensors: Mapping[str, NDArray[np.generic]]) -> Vectors:
    """Return the table of Model2Vec; newer ones share rows and keep the weights apart."""
    vectors = tensors["embeddings"].astype(np.float32)
    if "mapping" in tensors:
        vectors = vectors[tensors["mapping"].astype(np.int64)]
    if "weights" in tensors:
        vectors = vectors * tensors["weights"].astype(np.float32).reshape(len(vectors), 1)
    return vectors
