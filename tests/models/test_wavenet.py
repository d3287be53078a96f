"""The model of sound: what it hears, what it says again from its queues, and its probabilities."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.wavenet import LENGTHS, WaveNet, WaveNetConfig

FRAMES = pytest.mark.parametrize("frame", [1, 4])


def network(**settings: float) -> WaveNet:
    """Return a small one with weights of chance, large enough that it has much to say."""
    torch.manual_seed(0)
    small = {"width": 8, "fine": 8, "conditions": 4, "depth": 3, "window": 5, "longest": 640}
    small |= {"labels": 3, "speakers": 2, "levels": 16, "guidance": 1.0}
    model = WaveNet(WaveNetConfig.of({**small, **settings}))
    for parameter in model.parameters():
        parameter.data.mul_(3)
    return model.eval()


def clips(model: WaveNet, rows: int = 2, time: int = 90) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    return {
        "levels": torch.randint(model.config.levels, (rows, time), generator=chance),
        "lengths": torch.full((rows,), time),
        "label": torch.arange(rows) % 3,
        "speaker": torch.arange(rows) % 2,
    }


@FRAMES
def test_nothing_is_heard_of_the_future(frame: int) -> None:
    model = network(frame=frame)
    batch = clips(model, 1)
    who = model.who(batch["label"], batch["speaker"]).detach()
    values = model.values(batch["levels"]).requires_grad_()
    logits = model.after(values, batch["levels"], who, batch["lengths"])
    for at in (0, 1, 41, 89):
        (gradient,) = torch.autograd.grad(logits[0, at].square().sum(), values, retain_graph=True)
        assert gradient[0, at:].abs().max() == 0
        begin = max(0, at - model.config.field)
        assert gradient[0, :begin].abs().sum() == 0
        if at:
            assert gradient[0, begin:at].abs().max() > 0
    changed = {**batch, "levels": batch["levels"].clone()}
    changed["levels"][0, 41] = (changed["levels"][0, 41] + 1) % 16
    with torch.no_grad():
        before, after = model(batch), model(changed)
    assert torch.equal(before[0, :42], after[0, :42])
    assert not torch.equal(before[0, 42], after[0, 42])


@FRAMES
def test_the_queues_say_what_the_whole_would_say(frame: int) -> None:
    model = network(frame=frame)
    batch = clips(model, 3)
    lengths = torch.tensor([90, 61, 7])
    made = model.sample(batch["label"], batch["speaker"], [0, 1, 2], 0.0, lengths)
    assert [len(levels) for levels in made] == lengths.tolist()
    for row, levels in enumerate(made):
        whole = {"levels": levels[None], "lengths": lengths[row : row + 1]}
        whole |= {name: batch[name][row : row + 1] for name in ("label", "speaker")}
        with torch.no_grad():
            assert torch.equal(model(whole)[0].argmax(-1), levels)
    assert len(set(made[0].tolist())) > 1


def test_guidance_counts_what_the_label_changes() -> None:
    model = network(guidance=2.5)
    label, speaker, lengths = torch.tensor([2]), torch.tensor([1]), torch.tensor([60])
    (made,) = model.sample(label, speaker, [0], 0.0, lengths)
    batch = {"levels": made[None], "lengths": lengths, "label": label, "speaker": speaker}
    with torch.no_grad():
        told, untold = model(batch)[0], model({**batch, "label": torch.tensor([3])})[0]
    assert torch.equal((untold + 2.5 * (told - untold)).argmax(-1), made)
    assert not torch.equal(told.argmax(-1), made)


def test_label_and_speaker_stay_untold_while_it_learns() -> None:
    batch = clips(network(), 2)
    losses = {}
    for untold in (0.0, 1.0):
        model, rng = network(untold=untold), torch.Generator().manual_seed(0)
        unknown = {**batch, "label": torch.full((2,), 3), "speaker": torch.full((2,), 2)}
        with torch.no_grad():
            learnt = model.training_step(batch, rng, "train").value
            judged = model.training_step(batch, rng, "validate").value
            blind = model.training_step(unknown, rng, "validate").value
        assert learnt == (blind if untold else judged)
        losses[untold] = float(judged)
    assert losses[0.0] == losses[1.0]


def test_a_clip_does_not_depend_on_those_beside_it() -> None:
    model = network()
    told = torch.tensor([0, 1, 2]), torch.tensor([1, 0, 1])
    together = model.sample(*told, [5, 6, 7])
    alone = model.sample(told[0][1:2], told[1][1:2], [6])
    assert torch.equal(together[1], alone[0])
    other = model.sample(told[0][1:2], told[1][1:2], [8])
    assert alone[0].tolist() != other[0].tolist()


def test_the_probabilities_of_all_clips_sum_to_one() -> None:
    model = network(levels=2, frame=2, longest=100)
    every = torch.tensor(list(product((0, 1), repeat=6)))
    count = len(every)
    told = {"label": torch.ones(count).long(), "speaker": torch.zeros(count).long()}
    batch = {"levels": every, "lengths": torch.full((count,), 6), **told}
    with torch.no_grad():
        own = model.log_prob(batch) - model.log_prob_length(batch)
        assert own.double().exp().sum() == pytest.approx(1, abs=1e-5)
        lengths = torch.arange(1, 101)
        told = {"label": torch.ones(100).long(), "speaker": torch.zeros(100).long()}
        of_lengths = model.log_prob_length({"lengths": lengths, **told})
    assert of_lengths.double().exp().sum() == pytest.approx(1, abs=1e-5)


def test_lengths_are_drawn_as_they_are_probable() -> None:
    model = network(longest=100)
    torch.nn.init.zeros_(model.head_length.weight)
    model.head_length.bias.data.fill_(-20)
    model.head_length.bias.data[LENGTHS - 1] = 20
    many = torch.zeros(40).long()
    drawn = [len(levels) for levels in model.sample(many, many, range(40))]
    assert set(drawn) == {100}
    model.head_length.bias.data[0] = 20.7  # twice as likely
    drawn = [len(levels) for levels in model.sample(many, many, range(40))]
    assert set(drawn) == {1, 2, 100}


def test_padding_counts_for_nothing() -> None:
    model = network()
    batch = clips(model, 2)
    batch["lengths"] = torch.tensor([90, 50])
    alone = {name: values[1:] for name, values in batch.items()}
    alone["levels"] = alone["levels"][:, :50]
    filled = {**batch, "levels": batch["levels"].clone()}
    filled["levels"][1, 50:] = 3
    with torch.no_grad():
        assert torch.allclose(model.log_prob(batch)[1:], model.log_prob(alone), atol=1e-3)
        assert torch.equal(model.log_prob(batch), model.log_prob(filled))
        loss = model.training_step(batch, torch.Generator(), "validate").value
        assert loss.item() == pytest.approx(-model.log_prob(batch).sum().item() / 140, rel=1e-5)


def test_label_speaker_and_place_are_told_everywhere() -> None:
    model = network()
    batch = clips(model, 1)
    others = {
        "label": torch.tensor([2]),
        "speaker": torch.tensor([1]),
        "lengths": torch.tensor([200]),
    }
    with torch.no_grad():
        before = model(batch)
        for name, other in others.items():
            changed = (model({**batch, name: other}) - before).abs().amax(-1)[0]
            assert (changed > 0).all(), name


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("frame", 0, "at least 1"), ("levels", 300, "from 2 to 256"), ("longest", 9, "64 samples")],
)
def test_impossible_settings_are_refused(name: str, value: int, expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected):
        WaveNetConfig.of({name: value})
