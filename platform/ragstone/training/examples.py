"""What a reranker is trained on: queries with passages that fit them, and passages that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragstone.text import sentence_spans

_FEWEST_SENTENCES = 4  # of a passage that one is taken from
_TRIES = 50  # passages looked at for one with so many
_LEFT_IN = 0.1  # how often the sentence stays in its passage


@dataclass(frozen=True, slots=True)
class Example:
    """A query, what fits it, and what was found for it and does not fit."""

    query: str
    fitting: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """All that a reranker is trained on.

    Parameters
    ----------
    judged
        Examples of each collection. A batch is of one of them, so that its passages are others for
        each other's queries.
    passages
        Of all collections. A sentence of one is a query that the rest of it fits (Lee, Chang and
        Toutanova, "Latent Retrieval for Weakly Supervised Open Domain Question Answering", ACL
        2019).
    """

    judged: Sequence[Sequence[Example]]
    passages: Sequence[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Queries, passages, and which of these fits each query."""

    queries: list[str]
    passages: list[str]
    fitting: list[int]  # (queries,)


def batch_of(material: Material, step: int, seed: int, size: int, others: int) -> Batch:
    """Return the batch of a step: a function of the material, the step and the seed alone.

    Parameters
    ----------
    size
        Queries.
    others
        Passages that do not fit, for each query with so many.
    """
    chance = np.random.default_rng([seed, step])
    collections = len(material.judged)
    # Every fifth batch is of sentences; all are where nothing is judged.
    if not collections or (material.passages and chance.random() < 0.2):
        return _joined([_sentence(material.passages, chance) for _ in range(2 * size)])
    examples = material.judged[int(chance.integers(collections))]
    drawn = [examples[int(chance.integers(len(examples)))] for _ in range(size)]
    return _joined([_with_others(example, others, chance) for example in drawn])


def _with_others(example: Example, most: int, chance: np.random.Generator) -> tuple[str, list[str]]:
    fitting = example.fitting[int(chance.integers(len(example.fitting)))]
    chosen = chance.permutation(len(example.others))[:most]
    return example.query, [fitting, *(example.others[int(place)] for place in chosen)]


def _sentence(passages: Sequence[str], chance: np.random.Generator) -> tuple[str, list[str]]:
    for _ in range(_TRIES):
        text = passages[int(chance.integers(len(passages)))]
        spans = list(sentence_spans(text))
        if len(spans) >= _FEWEST_SENTENCES:
            break
    begin, end = spans[int(chance.integers(len(spans)))] if spans else (0, len(text))
    rest = text if chance.random() < _LEFT_IN else f"{text[:begin]}{text[end:]}"
    return text[begin:end], [rest]


def _joined(parts: Sequence[tuple[str, list[str]]]) -> Batch:
    queries: list[str] = []
    passages: list[str] = []
    fitting: list[int] = []
    for query, found in parts:
        queries.append(query)
        fitting.append(len(passages))
        passages += found
    return Batch(queries, passages, fitting)
