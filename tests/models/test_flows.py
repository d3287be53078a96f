"""Flows: what can be undone, by how much they stretch, and what images cost."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.families import family
from ragstone.models.flow import Flow, folded, unfolded
from ragstone.models.images import scaled

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL: dict[str, dict[str, int]] = {
    "realnvp": {"size": 8, "width": 8, "scales": 2},
    "glow": {"size": 8, "width": 8, "couplings": 3},
    "maf": {"size": 5, "hidden": 40, "networks": 3},
}


def made(name: str, **settings: Any) -> Flow:
    """Return a network that is far from mapping all to itself."""
    torch.manual_seed(1)
    known = family(name)
    model = known.build(known.config.of({**SMALL[name], **settings}))
    for weights in model.parameters():
        weights.data += 0.03 * torch.randn_like(weights)
    return cast("Flow", model.eval())


def images_of(model: Flow, count: int) -> torch.Tensor:
    config = model.config
    shape = (count, config.channels, config.size, config.size)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_what_it_does_is_undone(name: str, channels: int, labels: int) -> None:
    model = made(name, channels=channels, labels=labels)
    images = images_of(model, 4)
    told = torch.eye(labels)[[0, 1, 2, 0]] if labels else torch.zeros(4, 0)
    states, _ = unfolded(model.seen(images, None))
    latents, _ = model.chain(states, told)
    assert latents.shape == (4, states[0].numel())
    assert float((latents - states.flatten(1)).abs().mean()) > 0.1
    assert float((model.chain.back(latents, told) - states).abs().max()) < 1e-4
    assert torch.equal(model.reconstruct(scaled(images)), scaled(images))
    if labels:
        others, _ = model.chain(states, told.roll(1, 1))
        assert not torch.allclose(latents, others)


@pytest.mark.parametrize("name", SMALL)
def test_the_log_determinant_is_that_of_the_jacobian(name: str) -> None:
    model = made(name).double()
    states, _ = unfolded(model.seen(images_of(model, 2), None).double())
    told = torch.zeros(1, 0).double()
    for state in states:
        _, stretched = model.chain(state[None], told)

        def latents(flat: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = model.chain(flat.view(1, *states.shape[1:]), told)[0][0]
            return found

        jacobian = torch.autograd.functional.jacobian(latents, state.flatten())
        expected = torch.linalg.slogdet(jacobian)[1]
        assert abs(float(expected)) > 0.1
        assert float(stretched.detach()) == pytest.approx(float(expected), abs=1e-6)


def test_pixels_are_unfolded_and_folded() -> None:
    pixels = torch.linspace(0, 1, 50).double()
    states, stretched = unfolded(pixels[:, None])
    torch.testing.assert_close(folded(states).squeeze(1), pixels)
    pixels.requires_grad_()
    slope = torch.autograd.grad(unfolded(pixels[:, None])[0].sum(), pixels)[0]
    torch.testing.assert_close(stretched, slope.log())


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_the_chances_of_all_images_are_a_distribution(name: str) -> None:
    """Samples of the flow itself cost what its density says: an image as it comes is likely."""
    model = made(name)
    rng = torch.Generator().manual_seed(3)
    latents = torch.randn(1_000, images_of(model, 1)[0].numel(), generator=rng)
    told = torch.zeros(len(latents), 0)
    states = model.chain.back(latents, told)
    _, stretched = model.chain(states, told)
    # E[log N(latents)] is minus the entropy of the normal distribution, whatever the flow.
    again, _ = model.chain(states, told)
    normal = -(again.square() + math.log(2 * math.pi)).sum(1) / 2
    entropy = latents.shape[1] * (1 + math.log(2 * math.pi)) / 2
    assert float(normal.mean()) == pytest.approx(-entropy, rel=0.02)
    chances = model.log_chances(folded(states), told, None)
    own = (normal + stretched + unfolded(folded(states))[1]) - latents.shape[1] * math.log(256)
    torch.testing.assert_close(chances, own, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", SMALL)
def test_it_learns_eight_images_by_heart(name: str) -> None:
    """They cost far less than as many images at random, which cost 8 bits for each colour."""
    torch.manual_seed(1)
    known = family(name)
    settings = {**SMALL[name], **({"scales": 1} if name == "realnvp" else {})}
    model = cast("Flow", known.build(known.config.of(settings)))
    batch = {"images": images_of(model, 8), "labels": torch.zeros(8).long()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rng = torch.Generator().manual_seed(0)
    for _ in range(180):
        loss = model.training_step(batch, rng, "train").value
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        bits = float(model.training_step(batch, rng, "validate").value) / math.log(2)
    assert bits < 6.5


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_samples_are_by_seed_and_label(name: str) -> None:
    model = made(name, labels=3)

    def sample(seed: int, label: int | None = None) -> torch.Tensor:
        return model.sample(torch.Generator().manual_seed(seed), 4, label)

    assert sample(1).shape == (4, 1, model.config.size, model.config.size)
    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    assert not torch.equal(sample(1, 0), sample(1, 2))
    images = images_of(model, 5)
    torch.testing.assert_close(model.log_prob(images)[:1], model.log_prob(images[:1]))
    of_each = [model.log_prob(images, torch.full((5,), kind)) for kind in range(3)]
    mean = torch.logsumexp(torch.stack(of_each), 0) - math.log(3)
    torch.testing.assert_close(model.log_prob(images), mean)


@torch.no_grad()
def test_from_one_image_to_another() -> None:
    model = made("realnvp")
    first, last = scaled(images_of(model, 2))
    between = model.interpolate(first, last, 3)
    assert torch.equal(between[[0, 2]], torch.stack([first, last]))
    with pytest.raises(InvalidArgument, match="at least 2"):
        model.interpolate(first, last, 1)


def test_settings_that_make_no_network_are_told() -> None:
    for name, settings, expected in (
        ("realnvp", {"scales": 0}, "at least 1"),
        ("glow", {"size": 7}, "an even number"),
        ("maf", {"networks": 0}, "at least 1"),
    ):
        with pytest.raises(InvalidArgument, match=expected):
            family(name).config.of(settings)
    made("realnvp", size=7)  # at one scale


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_half_precision_is_of_the_networks_alone(name: str) -> None:
    """What images cost is summed up in float32: it differs by little."""
    model = made(name)
    images = images_of(model, 20)
    whole = model.log_prob(images)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.log_prob(images)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, whole, rtol=0.01, atol=0.5)
