"""Models that draw pixel after pixel: what each is told of, exact chances, filling in."""

from __future__ import annotations

import itertools
import math
from typing import Any, cast

import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.autoregression import Autoregressive
from ragstone.models.families import family
from ragstone.models.made import MADE
from ragstone.models.nn.pixels import DISTRIBUTIONS
from ragstone.models.pixelcnn import PixelCNN

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {
    "made": {"size": 4, "hidden": 40, "layers": 2},
    "pixelcnn": {"size": 5, "width": 6, "depth": 2},
}


def made(name: str, **settings: Any) -> Autoregressive:
    """Return a network whose weights are far from 0."""
    torch.manual_seed(1)
    known = family(name)
    model = known.build(known.config.of({**SMALL[name], **settings}))
    for weights in model.parameters():
        weights.data += 0.2 * torch.randn_like(weights)
    return cast("Autoregressive", model.eval())


def numbers(model: Autoregressive, levels: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    if isinstance(model, MADE):
        return model.numbers(levels, told, 0)
    return cast("PixelCNN", model).numbers(levels, told)


def levels_of(model: Autoregressive, count: int) -> torch.Tensor:
    config = model.config
    shape = (count, config.channels, config.size, config.size)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).byte()


def turn(model: Autoregressive) -> torch.Tensor:
    """Return when each colour of each pixel has its turn, (channels, size, size)."""
    config = model.config
    shape = config.channels, config.size, config.size
    if isinstance(model, MADE):
        return model.places[0].view(shape)
    places = torch.arange(config.size**2 * config.channels)
    return places.view(config.size, config.size, config.channels).movedim(-1, 0)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_all_levels_together_are_certain(name: str) -> None:
    """And what is drawn is drawn as often as its chance."""
    own = DISTRIBUTIONS[name]
    told = torch.randn(1, own.parts, generator=torch.Generator().manual_seed(2)) * 2
    levels = torch.tensor([0, 255]) if name == "binary" else torch.arange(256)
    chances = own.log_prob(levels.byte(), told.expand(len(levels), -1)).exp()
    assert float(chances.sum()) == pytest.approx(1, abs=1e-4)
    drawn = own.draw(told.expand(20_000, -1), torch.Generator().manual_seed(3)).double()
    mean = float((chances.double() * levels).sum())
    spread = math.sqrt(float((chances.double() * (levels - mean).square()).sum()))
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * spread / math.sqrt(20_000))


@pytest.mark.parametrize("pixels", DISTRIBUTIONS)
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_pixel_knows_nothing_of_itself_and_of_those_after_it(
    name: str, colours: int, pixels: str
) -> None:
    model = made(name, channels=colours, pixels=pixels)
    levels, told, turns = levels_of(model, 2), torch.zeros(2, 0), turn(model)
    before = numbers(model, levels, told)
    reached = 0
    for place in itertools.product(*map(range, levels.shape[1:])):
        changed = levels.clone()
        changed[:, *place] ^= 128
        moved = (numbers(model, changed, told) - before).abs().amax((0, 1))
        assert float(moved[turns <= turns[place]].max()) == 0
        reached += int((moved > 0).any())
    assert reached > turns.numel() / 2  # and those after it know of it


@pytest.mark.parametrize(
    ("name", "settings"),
    [("made", {"size": 3}), ("made", {"size": 3, "orders": 3}), ("pixelcnn", {"size": 3})],
)
@torch.no_grad()
def test_all_images_together_are_certain(name: str, settings: dict[str, int]) -> None:
    """The chances of all 512 images of nine black and white pixels, of a label and of any."""
    model = made(name, pixels="binary", labels=2, **settings)
    every = torch.tensor(list(itertools.product((0, 255), repeat=9))).byte().view(-1, 1, 3, 3)
    for labels in (None, torch.zeros(512).long(), torch.ones(512).long()):
        assert float(model.log_prob(every, labels).exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("colours", "pixels"), [(1, "binary"), (3, "logistic"), (3, "levels")])
@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_what_is_kept_from_step_to_step_changes_no_pixel(
    name: str, colours: int, pixels: str
) -> None:
    """Filling in equals a whole pass of the network for each colour of a pixel."""
    model = made(name, channels=colours, pixels=pixels, labels=3)
    levels, told = levels_of(model, 4), torch.eye(3)[[0, 1, 2, 0]]
    keep = torch.rand(levels.shape, generator=torch.Generator().manual_seed(4)) < 0.3
    rng, filled, turns = torch.Generator().manual_seed(5), levels.clone(), turn(model)
    if isinstance(model, MADE):
        torch.randint(1, (4,), generator=rng)  # it draws an order first
    for place in sorted(itertools.product(*map(range, turns.shape)), key=lambda at: turns[at]):
        found = numbers(model, filled, told)[:, :, *place]
        drawn = model.distribution.draw(found, rng)
        filled[:, *place] = torch.where(keep[:, *place], filled[:, *place], drawn)
    assert torch.equal(model.fill(levels, keep, told, torch.Generator().manual_seed(5)), filled)
    assert torch.equal(filled[keep], levels[keep])
    assert not torch.equal(filled, levels)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_samples_are_by_seed_and_what_is_kept_stays(name: str) -> None:
    model = made(name, labels=3, pixels="binary")

    def sample(seed: int, label: int | None = None) -> torch.Tensor:
        return model.sample(torch.Generator().manual_seed(seed), 4, label)

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    assert not torch.equal(sample(1, 0), sample(1, 2))
    images = sample(3)
    keep = torch.zeros(4, 1, *images.shape[2:], dtype=torch.bool)
    keep[:, :, :2] = True
    inpainted = model.inpaint(images, keep, torch.Generator().manual_seed(6), 1)
    assert torch.equal(inpainted[:, :, :2], images[:, :, :2])
    assert not torch.equal(inpainted, images)


@pytest.mark.parametrize("pixels", ["binary", "logistic"])
@pytest.mark.parametrize("name", SMALL)
def test_it_learns_eight_images_by_heart(name: str, pixels: str) -> None:
    """Each of eight images is then nearly as likely as it can be: one of eight."""
    model = made(name, pixels=pixels, **({"layers": 1} if name == "made" else {"depth": 3}))
    levels = levels_of(model, 8) // 128 * 255
    batch = {"images": levels, "labels": torch.zeros(8).long()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(250):
        loss = model.training_step(batch, torch.Generator().manual_seed(0), "train").value
        torch.autograd.backward(loss)
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        found = -model.log_prob(levels).mean()
    assert math.log(8) <= float(found) < math.log(8) + 0.7


def test_black_and_white_is_drawn_by_chance_or_by_the_image_itself() -> None:
    own, rng = DISTRIBUTIONS["binary"], torch.Generator().manual_seed(0)
    grey = torch.full((400, 1, 5, 5), 51, dtype=torch.uint8)
    first, second = own.seen(grey, rng), own.seen(grey, rng)
    assert set(first.unique().tolist()) == {0, 255}
    assert not torch.equal(first, second)
    assert float(first.float().mean()) == pytest.approx(51, abs=4)
    fixed = own.seen(grey, None)
    assert torch.equal(fixed[:1], own.seen(grey[:1], None))
    assert torch.equal(fixed[0], fixed[1])
    assert torch.equal(own.seen(first, rng), first)  # drawn once, it stays


def test_settings_that_make_no_network_are_told() -> None:
    for name, settings, expected in (
        ("made", {"hidden": 0}, "at least 1"),
        ("made", {"pixels": "round"}, "one of logistic, levels, binary"),
        ("pixelcnn", {"kernel": 4}, "odd"),
        ("pixelcnn", {"depth": 0}, "at least 1"),
    ):
        with pytest.raises(InvalidArgument, match=expected):
            family(name).config.of(settings)
