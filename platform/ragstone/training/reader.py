"""Training a reader: it finds the answer to a question in a passage, or that there is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from ragstone.encoders.devices import limit_threads
from ragstone.encoders.loaded_pairs import second_tokens
from ragstone.encoders.readers import BEGIN, END, best_span, logistic
from ragstone.encoders.weights import DEFAULT_MODEL, find_model
from ragstone.encoders.writing import check_new
from ragstone.errors import InvalidArgument
from ragstone.training.calibrating import Curve, balanced_accuracy, fit_curve
from ragstone.training.descending import Heard, descend
from ragstone.training.pairs import AdaptedPairs, Batches, PairRecipe
from ragstone.training.questions import (
    Question,
    held_out,
    with_changed_questions,
    with_other_passages,
)
from ragstone.training.reader_files import TrainedReader, write_reader
from ragstone.training.scoring import word_f1

if TYPE_CHECKING:
    from tokenizers import Encoding

READER_RECIPE = PairRecipe(encoder=DEFAULT_MODEL, epochs=2.5)

_OTHER_PASSAGES = 0.4  # of the questions are asked of a passage without the answer, too
_CHANGED = 0.35  # of the questions are asked in a way that nothing answers, too
_HIDDEN = -1e4  # output of what cannot be an answer

Place = tuple[int, int]  # first and last token of an answer


def train_reader(
    questions: Sequence[Question],
    folder: Path,
    recipe: PairRecipe = READER_RECIPE,
    sources: Sequence[str] = (),
    on_progress: Heard = lambda *_: None,
) -> TrainedReader:
    """Train a reader and write it into `folder`.

    Parameters
    ----------
    sources
        Where the questions are from, for the card.

    Raises
    ------
    InvalidArgument
        The folder is not empty, nothing is left when articles are held out, or the encoder is of
        another kind.
    EncoderUnavailable
        The encoder is not on this machine.
    """
    check_new(folder)
    limit_threads()
    started = monotonic()
    base = find_model(recipe.encoder)
    every = with_changed_questions(
        with_other_passages(questions, _OTHER_PASSAGES, recipe.seed), _CHANGED, recipe.seed
    )
    measuring = [one for one in every if held_out(one.article, recipe.held_out)]
    shaping = [one for one in every if not held_out(one.article, recipe.held_out)]
    if not shaping:
        raise InvalidArgument("questions", len(questions), "questions about several articles")
    torch.manual_seed(recipe.seed)
    network = AdaptedPairs(base, recipe.rank, outputs=2)
    examples = _Examples(network, shaping)
    batches = Batches(examples.lengths, recipe.batch, recipe.seed)
    steps = batches.steps(recipe.epochs)

    def loss_of(step: int) -> torch.Tensor:
        return examples.loss(batches[step], np.random.default_rng([recipe.seed, 1, step]))

    loss = descend(network.parameters, loss_of, steps, recipe.learning_rate, on_progress)
    f1, balanced, curve = _measured(network, measuring)
    made = TrainedReader(
        folder=str(folder),
        base=recipe.encoder,
        base_digest=base.identity.digest,
        questions=len(shaping),
        held_out=len(measuring),
        f1=f1,
        balanced_accuracy=balanced,
        loss=round(loss, 4),
        seconds=round(monotonic() - started, 1),
        recipe=recipe.words(steps),
        sources=tuple(sources),
    )
    return write_reader(made, curve, network.tensors(), folder)


class _Examples:
    """Questions as tokens, with the places of their answers."""

    def __init__(self, network: AdaptedPairs, questions: Sequence[Question]) -> None:
        self._network = network
        self._encodings = network.encode([(one.text, one.passage) for one in questions])
        self._places = [_places(e, q) for e, q in zip(self._encodings, questions, strict=True)]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each."""
        return [len(encoding.ids) for encoding in self._encodings]

    def loss(self, batch: Sequence[int], chance: np.random.Generator) -> torch.Tensor:
        """Return the mean cross-entropy of an answer's first and last token."""
        encodings = [self._encodings[number] for number in batch]
        outputs = self._network(encodings).masked_fill(~_allowed(encodings), _HIDDEN)
        targets = torch.tensor([_drawn(self._places[number], chance) for number in batch])
        begins = functional.cross_entropy(outputs[:, :, BEGIN], targets[:, 0])
        ends = functional.cross_entropy(outputs[:, :, END], targets[:, 1])
        return (begins + ends) / 2


def _allowed(encodings: Sequence[Encoding]) -> torch.Tensor:
    """Tell which tokens may begin or end an answer, the first stands for none: (n, tokens, 1)."""
    length = max(len(encoding.ids) for encoding in encodings)
    allowed = torch.zeros(len(encodings), length, 1, dtype=torch.bool)
    for row, encoding in enumerate(encodings):
        allowed[row, [0, *second_tokens(encoding)]] = True
    return allowed


def _drawn(places: Sequence[Place], chance: np.random.Generator) -> Place:
    """Return one of several right answers; the first token where there is none."""
    return places[int(chance.integers(len(places)))] if places else (0, 0)


def _places(encoding: Encoding, question: Question) -> list[Place]:
    """Return the tokens of each answer that this window holds whole."""
    tokens = second_tokens(encoding)
    offsets = [encoding.offsets[token] for token in tokens]
    found = []
    for start, end in question.spans:
        inside = [t for t, (first, last) in zip(tokens, offsets, strict=True)
                  if last > start and first < end]  # fmt: skip
        if inside and offsets[-1][1] >= end:
            found.append((inside[0], inside[-1]))
    return found


def _measured(network: AdaptedPairs, questions: Sequence[Question]) -> tuple[float, float, Curve]:
    """Return mean F1 of the answerable, balanced accuracy, and the curve of the chances."""
    windows = network.read([(one.text, one.passage) for one in questions])
    spans = [best_span(found) for found in windows]
    answerable = [bool(one.spans) for one in questions]
    marks = [
        word_f1(one.passage[span.start : span.end], one.answers)
        for one, span in zip(questions, spans, strict=True)
        if one.spans
    ]
    curve = fit_curve([span.score for span in spans], answerable)
    said = [logistic(curve.slope * span.score + curve.offset) >= 0.5 for span in spans]
    f1 = sum(marks) / len(marks) if marks else 0.0
    return round(f1, 4), round(balanced_accuracy(said, answerable), 4), curve
