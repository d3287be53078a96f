"""`bert`: it reads both ways, hides as many tokens as it should, and learns to tell them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.bert import BERT, BERTConfig
from ragstone.training.feeding import TokenData
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

WORDS = np.random.default_rng(0).integers(1, 12, (6, 5))
TEXT = np.concatenate([WORDS[n] for n in np.random.default_rng(1).integers(0, 6, 400)])


def made(**settings: object) -> BERT:
    torch.manual_seed(3)
    config = {"vocabulary": 12, "context": 20, "width": 16, "layers": 2, "heads": 2}
    model = BERT(BERTConfig.of({**config, **settings})).eval()
    for parameter in model.parameters():  # as if it were trained: else all logits are alike
        parameter.data.mul_(3)
    return model


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_token_knows_those_before_and_after_it() -> None:
    model, seen = made(), []

    def keep(_: object, __: object, output: torch.Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    model.embedding.register_forward_hook(keep)
    model(torch.from_numpy(TEXT[None, :20]))[0, 9].square().sum().backward()
    assert bool((seen[0].grad[0] != 0).any(dim=1).all())


def test_what_fills_a_batch_up_changes_nothing() -> None:
    model = made()
    short, long = torch.from_numpy(TEXT[:7]), torch.from_numpy(TEXT[7:22])
    filled = torch.stack([torch.cat([short, long[:8]]), long])
    lengths = torch.tensor([7, 15])
    alone = torch.cat([model.encode(short[None]), model.encode(long[None])])
    torch.testing.assert_close(model.encode(filled, lengths), alone)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(2))


@torch.no_grad()
def test_the_loss_is_that_of_hidden_tokens_alone() -> None:
    """With all but one token hidden, it is what the network says of the others."""
    model = made(masked=0.4)
    tokens = torch.from_numpy(TEXT[:40]).view(2, 20)
    hidden: list[torch.Tensor] = []
    model.embedding.register_forward_hook(lambda _, given, __: hidden.append(given[0]))
    loss = model.training_step({"tokens": tokens}, chance(), "train")
    at = hidden[0] == model.gap
    assert at.sum(dim=1).tolist() == [8, 8]
    assert torch.equal(hidden[0][~at], tokens[~at])
    own = torch.nn.functional.cross_entropy(model(hidden[0])[at], tokens[at])
    assert float(loss.value) == pytest.approx(float(own), rel=1e-5)


@torch.no_grad()
def test_gaps_are_drawn_anew_in_training_and_stay_in_validation() -> None:
    model = made()
    batch = {"tokens": torch.from_numpy(TEXT[:20])[None]}
    training = {float(model.training_step(batch, chance(n), "train").value) for n in range(4)}
    validation = {float(model.training_step(batch, chance(n), "validate").value) for n in range(4)}
    assert (len(training), len(validation)) == (4, 1)


@torch.no_grad()
def test_a_text_is_as_likely_as_each_token_among_the_others() -> None:
    model = made()
    tokens = torch.from_numpy(TEXT[:18]).view(2, 9)
    wanted = torch.zeros(2)
    for place in range(9):
        hidden = tokens.clone()
        hidden[:, place] = model.gap
        logs = model(hidden)[:, place].log_softmax(dim=-1)
        wanted += logs.gather(1, tokens[:, place : place + 1])[:, 0]
    torch.testing.assert_close(model.log_prob(tokens), wanted)


def test_it_learns_what_stands_between(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = BERT(BERTConfig(vocabulary=12, context=20, width=32, layers=2, heads=2, masked=0.2))
    settings = TrainingSettings(steps=150, batch=16, warmup=10)
    data = TokenData(TEXT[:1600], TEXT[1600:], 20)
    outcome = Trainer(model, data, settings, tmp_path, device="cpu").fit()
    assert outcome.best < 1.2  # by their frequency alone: 2.1


def test_wrong_settings_and_too_many_tokens_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="more than 0 and less than 1"):
        made(masked=1.0)
    with pytest.raises(InvalidArgument, match="twice 3 heads"):
        made(heads=3)
    with pytest.raises(InvalidArgument, match="at most 20"):
        made()(torch.zeros(1, 21, dtype=torch.int64))
