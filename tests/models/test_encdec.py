"""The encoder-decoder: padding changes nothing, nothing looks ahead, and beams find the best."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch
from ragstone.models.beams import Beams, search
from ragstone.models.encdec import IGNORED, EncDec, EncDecConfig
from ragstone.models.sampling import Sampler, write_for

pytestmark = pytest.mark.usefixtures("one_thread")

END = 0
SMALL = {"vocabulary": 23, "context": 16, "width": 16, "layers": 2, "decoder_layers": 2}
LENGTHS = [9, 4, 7, 1]


def made(**settings: object) -> EncDec:
    torch.manual_seed(2)
    model = EncDec(EncDecConfig.of({**SMALL, **settings})).eval()
    for parameter in model.parameters():  # as if it were trained: else all logits are alike
        parameter.data.mul_(3)
    return model


@pytest.fixture
def model() -> EncDec:
    return made()


@pytest.fixture
def batch() -> Batch:
    """Four pairs; what stands in the padding is different everywhere."""
    chance = torch.Generator().manual_seed(5)
    source = torch.randint(1, 23, (4, 9), generator=chance)
    tokens = torch.randint(1, 23, (4, 8), generator=chance)
    targets = torch.cat([tokens[:, 1:], torch.zeros(4, 1, dtype=torch.int64)], 1)
    for row, length in enumerate(reversed(LENGTHS)):
        targets[row, length:] = IGNORED
    return {
        "source": source,
        "lengths": torch.tensor(LENGTHS),
        "tokens": tokens,
        "targets": targets,
    }


def row_of(batch: Batch, row: int) -> Batch:
    """Return one pair without its padding."""
    time = int((batch["targets"][row] != IGNORED).sum())
    alone = {name: values[row : row + 1] for name, values in batch.items()}
    alone["source"] = alone["source"][:, : int(batch["lengths"][row])]
    return alone | {name: alone[name][:, :time] for name in ("tokens", "targets")}


# ---------------------------------------------------------------- the network


@torch.no_grad()
def test_padding_changes_nothing(model: EncDec, batch: Batch) -> None:
    logits, chances = model(batch), model.log_prob(batch)
    for row in range(4):
        alone = row_of(batch, row)
        own = model(alone)
        torch.testing.assert_close(logits[row : row + 1, : own.shape[1]], own, rtol=0, atol=1e-5)
        torch.testing.assert_close(chances[row], model.log_prob(alone)[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_loss_is_that_of_the_targets_alone(batch: Batch) -> None:
    model = made(label_smoothing=0.2)
    count = int((batch["targets"] != IGNORED).sum())
    rng = torch.Generator()
    found = model.training_step(batch, rng, "validate").value
    assert float(found) == pytest.approx(float(-model.log_prob(batch).sum()) / count, rel=1e-5)
    # Shared out among all tokens, a fifth of each target is the mean of their chances.
    smoothed = model.training_step(batch, rng, "train").value
    every = model(batch).log_softmax(-1).mean(-1)[batch["targets"] != IGNORED].mean()
    assert float(smoothed) == pytest.approx(0.8 * float(found) - 0.2 * float(every), rel=1e-5)


def test_nothing_looks_ahead_and_all_look_at_the_source(model: EncDec, batch: Batch) -> None:
    """The gradient of what is said after a token is exactly 0 in all that it must not see."""
    seen: list[torch.Tensor] = []

    def keep(_: object, __: object, output: torch.Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    model.embedding.register_forward_hook(keep)
    model(batch)[1, 4].square().sum().backward()
    source, tokens = (output.grad for output in seen)
    assert source is not None
    assert tokens is not None
    assert bool((tokens[1, 5:] == 0).all())
    assert bool((tokens[1, :5] != 0).any(dim=1).all())
    assert bool((source[1, :4] != 0).any(dim=1).all())
    assert bool((source[1, 4:] == 0).all())  # padding
    assert bool((source[0] == 0).all())  # another text


@torch.no_grad()
def test_all_chances_sum_to_one() -> None:
    """`log_prob` is exact: all texts of up to two tokens, and the longer ones, have chance 1."""
    model = made(vocabulary=5)
    source, lengths = torch.tensor([[3, 1, 4]]), torch.tensor([3])

    def chance(*targets: int) -> float:
        given = {"source": source, "lengths": lengths, "targets": torch.tensor([targets])}
        given["tokens"] = torch.tensor([(END, *targets[:-1])])
        return float(model.log_prob(given).exp())

    ended = chance(END) + sum(chance(token, END) for token in range(1, 5))
    longer = sum(chance(*two) for two in product(range(1, 5), repeat=2))
    assert ended + longer == pytest.approx(1, abs=1e-5)


@torch.no_grad()
def test_read_in_pieces_is_read_at_once(model: EncDec, batch: Batch) -> None:
    encoded = model.encode(batch["source"], batch["lengths"])
    encoded.cache = model.new_cache(4, 8)
    pieces = batch["tokens"].split([3, 1, 2, 2], dim=1)
    parts = [model.predict(model.read(piece, encoded)) for piece in pieces]
    torch.testing.assert_close(torch.cat(parts, 1), model(batch), rtol=1e-5, atol=1e-5)
    with pytest.raises(InvalidArgument, match="at most 0"):
        model.read(batch["tokens"][:, :1], encoded)


def test_what_does_not_fit_is_refused(model: EncDec) -> None:
    with pytest.raises(InvalidArgument, match="at most 16"):
        model.encode(torch.ones(1, 17, dtype=torch.int64), torch.tensor([17]))
    with pytest.raises(InvalidArgument, match="twice 4 heads"):
        EncDecConfig(vocabulary=3, width=20)
    with pytest.raises(InvalidArgument, match="less than 1"):
        EncDecConfig(vocabulary=3, label_smoothing=1.0)
    for wrong in ({"width": 0}, {"penalty": -1.0}):
        with pytest.raises(InvalidArgument, match="between"):
            Beams(**wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------- writing


@torch.no_grad()
def greedy(model: EncDec, batch: Batch, row: int, limit: int) -> list[int]:
    """Write without any memory: everything is read again for each token."""
    alone = row_of(batch, row)
    written: list[int] = []
    while len(written) < limit:
        given = {**alone, "tokens": torch.tensor([[END, *written]])}
        token = int(model(given)[0, -1].argmax())
        if token == END:
            break
        written.append(token)
    return written


@pytest.fixture(params=range(4))
def writer(request: pytest.FixtureRequest) -> EncDec:
    """Models that end some of their texts, and not others."""
    torch.manual_seed(int(request.param))
    model = EncDec(EncDecConfig.of(SMALL)).eval()
    for parameter in model.parameters():
        parameter.data.mul_(6)
    return model


def test_written_with_and_without_a_memory_is_the_same(writer: EncDec, batch: Batch) -> None:
    for row in range(4):
        alone = row_of(batch, row)
        sampler = Sampler(temperature=0)
        found = write_for(writer, alone["source"], alone["lengths"], END, sampler)
        assert found == greedy(writer, batch, row, 15)


def test_one_beam_is_greedy(writer: EncDec, batch: Batch) -> None:
    found = search(writer, batch["source"], batch["lengths"], END, Beams(width=1))
    assert found == [greedy(writer, batch, row, 15) for row in range(4)]


@pytest.mark.parametrize("width", [2, 5])
def test_beams_do_not_depend_on_the_batch(writer: EncDec, batch: Batch, width: int) -> None:
    beams = Beams(width=width)
    found = search(writer, batch["source"], batch["lengths"], END, beams)
    assert found == search(writer, batch["source"], batch["lengths"], END, beams)
    for row in range(4):
        alone = row_of(batch, row)
        assert search(writer, alone["source"], alone["lengths"], END, beams) == [found[row]]


@torch.no_grad()
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_enough_beams_find_the_best_of_all_texts(penalty: float) -> None:
    """Of all texts of up to three tokens, judged one by one."""
    model = made(vocabulary=4)
    source, lengths = torch.tensor([[3, 1, 2, 1]]), torch.tensor([4])
    texts = [text for count in range(4) for text in product(range(1, 4), repeat=count)]
    beams = Beams(width=64, penalty=penalty)

    def score(text: tuple[int, ...]) -> float:
        given = {"source": source, "lengths": lengths, "tokens": torch.tensor([(END, *text)])}
        chance = model.log_prob({**given, "targets": torch.tensor([(*text, END)])})
        return beams.score(float(chance), len(text) + 1)

    assert search(model, source, lengths, END, beams, limit=4) == [list(max(texts, key=score))]


def test_equal_chances_are_settled_by_the_order_of_tokens(batch: Batch) -> None:
    model = made()
    model.norm.weight.data.zero_()  # all logits are 0
    beams = Beams(width=3, penalty=0.0)
    assert search(model, batch["source"], batch["lengths"], END, beams) == [[]] * 4
    model.embedding.weight.data[:] = 0
    assert (
        search(model, batch["source"], batch["lengths"], 22, Beams(width=3), limit=4)
        == [[0, 0, 0, 0]] * 4
    )


def test_another_seed_writes_another_text(writer: EncDec, batch: Batch) -> None:
    alone = row_of(batch, 0)

    def texts(seeds: range) -> list[list[int]]:
        given = alone["source"], alone["lengths"], END
        return [write_for(writer, *given, Sampler(temperature=3, seed=n)) for n in seeds]

    assert texts(range(5)) == texts(range(5))
    assert len({tuple(text) for text in texts(range(5))}) > 1
