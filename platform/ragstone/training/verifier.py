"""Training a verifier: it tells whether a quote supports a claim, contradicts it, or neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ragstone.encoders.devices import limit_threads
from ragstone.encoders.verifiers import SUPPORTED, verdict
from ragstone.encoders.weights import DEFAULT_MODEL, find_model
from ragstone.encoders.writing import check_new
from ragstone.errors import InvalidArgument
from ragstone.training.claims import VERDICTS, Judged
from ragstone.training.descending import Heard, descend
from ragstone.training.pairs import AdaptedPairs, Batches, PairRecipe
from ragstone.training.questions import held_out
from ragstone.training.verifier_files import TrainedVerifier, write_verifier

VERIFIER_RECIPE = PairRecipe(encoder=DEFAULT_MODEL, epochs=1.5)

_TEMPERATURES = np.geomspace(0.25, 8, 61)
_PRECISION = 0.95  # of "supported" on held-out claims, that the threshold is laid for
_LEAST = 0.5  # threshold: less is no support


def train_verifier(
    claims: Sequence[Judged],
    folder: Path,
    recipe: PairRecipe = VERIFIER_RECIPE,
    sources: Sequence[str] = (),
    on_progress: Heard = lambda *_: None,
) -> TrainedVerifier:
    """Train a verifier and write it into `folder`.

    Verdicts weigh the same, whatever their numbers.

    Raises
    ------
    InvalidArgument
        The folder is not empty, not all verdicts are there, or the encoder is of another kind.
    EncoderUnavailable
        The encoder is not on this machine.
    """
    check_new(folder)
    limit_threads()
    started = monotonic()
    base = find_model(recipe.encoder)
    measuring = [one for one in claims if held_out(_group(one), recipe.held_out)]
    shaping = [one for one in claims if not held_out(_group(one), recipe.held_out)]
    counts = Counter(one.verdict for one in shaping)
    if len(counts) < len(VERDICTS):
        raise InvalidArgument("claims", len(claims), "claims with each verdict")
    weights = torch.tensor([len(shaping) / len(counts) / counts[v] for v in sorted(counts)])
    torch.manual_seed(recipe.seed)
    network = AdaptedPairs(base, recipe.rank, outputs=len(VERDICTS))
    encodings = network.encode([(one.claim, one.quote) for one in shaping])
    batches = Batches([len(e.ids) for e in encodings], recipe.batch, recipe.seed)
    steps = batches.steps(recipe.epochs)

    def loss_of(step: int) -> torch.Tensor:
        outputs = network([encodings[number] for number in batches[step]])[:, 0]
        right = torch.tensor([shaping[number].verdict for number in batches[step]])
        return functional.cross_entropy(outputs, right, weight=weights.float())

    loss = descend(network.parameters, loss_of, steps, recipe.learning_rate, on_progress)
    windows = network.read([(one.claim, one.quote) for one in measuring])
    outputs = np.zeros((len(windows), len(VERDICTS)), np.float32)
    for row, found in zip(outputs, windows, strict=True):
        row[:] = found[0].first
    truth = np.asarray([one.verdict for one in measuring], np.int64)
    heat = _temperature(outputs, truth)
    supported = np.asarray([verdict(found, heat).supported for found in windows])
    made = TrainedVerifier(
        folder=str(folder),
        base=recipe.encoder,
        base_digest=base.identity.digest,
        claims=len(shaping),
        held_out=len(measuring),
        accuracy=round(float((outputs.argmax(axis=1) == truth).mean()), 4) if len(truth) else 0.0,
        macro_f1=round(macro_f1(outputs.argmax(axis=1), truth), 4) if len(truth) else 0.0,
        temperature=heat,
        threshold=_threshold(supported, truth == SUPPORTED),
        loss=round(loss, 4),
        seconds=round(monotonic() - started, 1),
        recipe=recipe.words(steps),
        sources=tuple(sources),
    )
    return write_verifier(made, network.tensors(), folder)


def macro_f1(said: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the mean over the verdicts of the F1 of each."""
    marks = []
    for one in VERDICTS.values():
        hits = int(((said == one) & (truth == one)).sum())
        total = int((said == one).sum() + (truth == one).sum())
        marks.append(2 * hits / total if total else 0.0)
    return sum(marks) / len(marks)


def _group(claim: Judged) -> str:
    """Return what is held out together: an article, or the claim itself where it has none."""
    return claim.article or claim.claim


def _temperature(outputs: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the temperature under which the held-out verdicts are likeliest."""
    if not len(truth):
        return 1.0
    losses = []
    for heat in _TEMPERATURES:
        scaled = outputs / heat
        top = scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        losses.append(float((total - scaled[np.arange(len(truth)), truth]).mean()))
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def _threshold(chances: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the least chance from which on 95 of 100 held-out claims are supported indeed."""
    order = np.argsort(-chances, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= _PRECISION)
    least = float(chances[order[good[-1]]]) if len(good) else 1.0
    return round(max(_LEAST, least), 4)
