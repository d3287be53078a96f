"""The linear algebra of a distillation: weights of tokens, the fit to texts, fewer dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array

from ragstone.encoders.base import Vectors

_SIF = 1e-4  # the `a` of SIF; 1e-3 and 2e-5 were no better here
_RIDGE = 0.2  # times the mean of the kernel's diagonal; 0.1 to 0.5 are alike


def token_weights(tokens: int) -> Vectors:
    """Return the weight of each token, float32 of shape (tokens, 1).

    Smooth inverse frequency, a / (a + p) (Arora, Liang and Ma 2017). Frequencies are not counted:
    vocabularies are sorted by them, and p follows from the rank by Zipf's law, as in Model2Vec.
    """
    frequencies = 1 / np.arange(2, tokens + 2)
    weights: Vectors = (_SIF / (_SIF + frequencies / frequencies.sum()))[:, None]
    return weights.astype(np.float32)


def bags(ids: list[list[int]], tokens: int) -> csr_array:
    """Return how often each token is in each text, float32 of shape (texts, tokens)."""
    ends = np.cumsum([0, *map(len, ids)])
    flat = np.concatenate([np.asarray(row, dtype=np.int64) for row in ids])
    counted = csr_array((np.ones(len(flat), np.float32), flat, ends), shape=(len(ids), tokens))
    counted.sum_duplicates()
    return counted


def fitted(table: Vectors, counted: csr_array, targets: Vectors) -> Vectors:
    """Return `table` moved so that sums of its rows point where the teacher's vectors do.

    Ridge regression that is drawn to `table`: with A the bags, each scaled so that its sum has
    length 1, it minimises ‖A T - targets‖² + λ ‖W⁻¹ (T - table)‖², where W holds the weights of the
    tokens. A closed form of what Model2Vec's post-training ("tokenlearn") finds by gradients;
    solved for texts instead of tokens, of which there are more.

    Parameters
    ----------
    table
        Shape (tokens, dimension), weights included.
    counted
        From `bags`, of texts that each have a token in the table.
    targets
        The teacher's unit vectors of the texts, shape (texts, dimension).
    """
    sums = counted @ table
    scale = 1 / np.linalg.norm(sums, axis=1)
    weights = token_weights(len(table))
    scaled = diags_array(scale) @ counted @ diags_array(weights[:, 0])  # (texts, tokens)
    kernel = (scaled @ scaled.T).toarray().astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += _RIDGE * np.trace(kernel) / len(kernel)
    rest = (targets - sums * scale[:, None]).astype(np.float64)
    solved = cho_solve(cho_factor(kernel, lower=True, overwrite_a=True), rest)
    moved: Vectors = (table + weights * (scaled.T @ solved)).astype(np.float32)
    return moved


def reduced(table: Vectors, dimension: int) -> Vectors:
    """Return `table` in the `dimension` directions that hold most of it (principal components).

    Not centred once more: a text's sum would be shifted by the number of its tokens. The sign of
    each direction is fixed, so that the same table gives the same result.
    """
    exact = table.astype(np.float64)
    _, directions = np.linalg.eigh(exact.T @ exact)  # by growing variance
    chosen: NDArray[np.float64] = directions[:, ::-1][:, :dimension]
    largest = np.take_along_axis(chosen, np.abs(chosen).argmax(axis=0)[None], axis=0)
    found: Vectors = (exact @ (chosen * np.sign(largest))).astype(np.float32)
    return found


def agreement(table: Vectors, counted: csr_array, targets: Vectors) -> float:
    """Return the correlation of the table's similarities between texts with the teacher's.

    `targets` are unit vectors of shape (texts, dimension of the teacher); the table may have
    another dimension, since only similarities are compared.
    """
    sums = counted @ table
    units = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    above = np.triu_indices(len(units), 1)
    return float(np.corrcoef((units @ units.T)[above], (targets @ targets.T)[above])[0, 1])
