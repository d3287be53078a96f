"""Guessed tokens change how fast a text is written, and not the text."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from ragstone.models.families import family
from ragstone.models.guessing import Lookup
from ragstone.models.knn import Datastore, Mixture
from ragstone.models.language import LanguageModel, Reversible
from ragstone.models.sampling import Mixing, Sampler, write

STRETCH = np.random.default_rng(8).integers(0, 23, 12).tolist()
PROMPT = 4 * STRETCH


def made(name: str) -> LanguageModel:
    torch.manual_seed(3)
    known = family(name)
    sizes = {"vocabulary": 23, "context": 64, "width": 16, "layers": 2}
    model = known.build(known.config.of(sizes)).eval()
    for parameter in model.parameters():  # as if it were trained: else all logits are alike
        parameter.data.mul_(3)
    return model


def written(
    model: LanguageModel, sampler: Sampler, mixing: Mixing | None = None, *, guessing: bool
) -> tuple[list[int], int]:
    """Return 150 tokens, beyond the context, and how often the network was run for them."""
    runs: list[int] = []
    handle = model.get_submodule("embedding").register_forward_hook(lambda *_: runs.append(1))
    found = list(islice(write(model, PROMPT, sampler, mixing, guessing=guessing), 150))
    handle.remove()
    return found, len(runs)


@pytest.mark.parametrize(
    "sampler",
    [
        Sampler(temperature=0),
        Sampler(temperature=0.4, seed=1),
        Sampler(temperature=1.5, top_k=9, repetition_penalty=1.2, seed=2),
    ],
)
def test_the_text_is_the_same_with_guesses(sampler: Sampler) -> None:
    model = made("gpt")
    plain, runs = written(model, sampler, guessing=False)
    guessed, fewer = written(model, sampler, guessing=True)
    assert guessed == plain
    assert runs == 150
    if sampler.temperature == 0:  # it goes round in circles
        assert fewer < 100


def test_neighbours_see_the_state_of_each_guessed_token() -> None:
    model = made("gpt")
    store = Datastore.build(model, np.asarray(20 * STRETCH), Mixture(4, 0.9))
    greedy = Sampler(temperature=0)
    plain, _ = written(model, greedy, store.mix, guessing=False)
    guessed, runs = written(model, greedy, store.mix, guessing=True)
    assert guessed == plain
    assert runs < 60


def test_what_cannot_take_back_does_not_guess() -> None:
    model = made("gru")
    assert not isinstance(model.new_state(1), Reversible)
    assert written(model, Sampler(temperature=0), guessing=True)[1] == 150


@torch.no_grad()
def test_what_was_taken_back_is_forgotten() -> None:
    model = made("gpt")
    tokens = torch.tensor([STRETCH])
    state = model.new_state(1)
    assert isinstance(state, Reversible)
    model.read(tokens[:, :5], state)
    model.read(torch.tensor([[7, 7, 7]]), state)
    state.take_back(3)
    torch.testing.assert_close(model.read(tokens[:, 5:], state), model.read(tokens)[:, 5:])


def test_a_guess_is_what_followed_the_last_time() -> None:
    lookup = Lookup([1, 2, 3, 4, 9, 1, 2, 3, 5, 6, 7, 1, 2, 3])
    assert lookup.guess(2) == [5, 6]
    lookup.add(4)
    assert lookup.guess(9) == [9, 1, 2, 3]  # after 2 3 4
    lookup.add(8)
    assert list(lookup.guess(9)) == []


def test_guesses_grow_while_right_and_pause_while_wrong() -> None:
    lookup = Lookup(list(range(100)) + list(range(3)))
    lookup.judge(4, 4)
    assert len(lookup.guess(99)) == 8
    for _ in range(4):
        lookup.judge(8, 0)
    pauses = [len(lookup.guess(99)) for _ in range(33)]
    assert pauses == 32 * [0] + [1]
