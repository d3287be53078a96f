"""Autoencoders: what comes back, what lies between, what is odd, and what pixels cost."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import MultivariateNormal

from ragstone.errors import InvalidArgument
from ragstone.models.ae import AE
from ragstone.models.autoencoding import Autoencoder
from ragstone.models.families import family
from ragstone.models.images import ImageCodec, png, scaled, unscaled
from ragstone.models.nn.pixels import logistic_log_prob
from ragstone.models.vae import VAE

SMALL = {"size": 8, "width": 8, "latent": 6, "halvings": 1}


def made(name: str, **settings: object) -> Autoencoder:
    torch.manual_seed(1)
    known = family(name)
    return cast("Autoencoder", known.build(known.config.of({**SMALL, **settings}))).eval()


def pixels(count: int, channels: int = 1) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    shape = (count, channels, 8, 8)
    return torch.randint(0, 256, shape, generator=chance, dtype=torch.uint8)


@pytest.mark.parametrize("name", ["ae", "denoising", "vae"])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 12), (1, 28), (3, 7)])
@torch.no_grad()
def test_images_come_back_in_their_shape(name: str, channels: int, size: int) -> None:
    model = made(name, channels=channels, size=size)
    images = torch.rand(5, channels, size, size) * 2 - 1
    assert model.encode(images).shape == (5, 6)
    assert model.reconstruct(images).shape == images.shape
    between = model.interpolate(images[0], images[1], 4)
    both = model.reconstruct(images[:2])
    torch.testing.assert_close(between[[0, 3]], both, rtol=1e-4, atol=1e-5)
    assert model.oddness(images).shape == (5,)
    with pytest.raises(InvalidArgument, match="at least 2"):
        model.interpolate(images[0], images[1], 1)


def test_the_chances_of_all_levels_are_one() -> None:
    """And equal those of the logistic distribution's steps, in double precision."""
    levels = torch.arange(256, dtype=torch.uint8)
    for middle, log_scale in ((0.0, -2.0), (0.7, -4.0), (-1.3, -1.0), (0.1, 1.0)):
        log_chances = logistic_log_prob(levels, torch.tensor(middle), torch.tensor(log_scale))
        assert float(log_chances.exp().sum()) == pytest.approx(1, abs=1e-4)
        edges = (torch.arange(1, 256).double() - 0.5) / 127.5 - 1
        below = torch.sigmoid((edges - middle) / math.exp(log_scale))
        steps = torch.diff(below, prepend=torch.zeros(1), append=torch.ones(1))
        torch.testing.assert_close(log_chances.exp(), steps.float(), rtol=1e-3, atol=1e-6)


def test_the_bound_is_what_its_parts_are() -> None:
    """Rate and distortion of one draw, counted by hand."""
    model = cast("VAE", made("vae", labels=3))
    batch = {"images": pixels(4), "labels": torch.tensor([0, 1, 2, 0])}
    loss = model.training_step(batch, torch.Generator().manual_seed(5), "validate")
    bits = (loss.figures["rate"] + loss.figures["distortion"]) * math.log(2) / 64
    assert float(loss.value.detach()) == pytest.approx(bits, rel=1e-5)
    mean, log_variance = model.posterior(scaled(batch["images"]), batch["labels"])
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
    rate = torch.distributions.kl_divergence(normal, prior).sum(1).mean()
    assert loss.figures["rate"] * math.log(2) == pytest.approx(float(rate.detach()), rel=1e-4)


def test_free_bits_cost_nothing_and_beta_weighs() -> None:
    batch = {"images": pixels(4), "labels": torch.zeros(4, dtype=torch.long)}

    def loss(**settings: float) -> float:
        step = made("vae", **settings).training_step
        return float(step(batch, torch.Generator().manual_seed(5), "train").value.detach())

    assert loss(beta=4.0) > loss() > loss(beta=0.0)
    assert loss(free_bits=9.0) > loss()  # it begins with less, and is not drawn to less


def gaussians(count: int, rng: torch.Generator) -> tuple[torch.Tensor, MultivariateNormal]:
    """Return images of 16 pixels that two factors move, and the true distribution of the levels."""
    basis = torch.randn(16, 2, generator=torch.Generator().manual_seed(9)) * 14
    true = MultivariateNormal(torch.full((16,), 127.5), basis @ basis.T + 8.0**2 * torch.eye(16))
    moved = torch.randn(count, 2, generator=rng) @ basis.T
    drawn = 127.5 + moved + 8 * torch.randn(count, 16, generator=rng)
    return drawn.round().clamp(0, 255).byte().view(-1, 1, 4, 4), true


@pytest.mark.usefixtures("one_thread")
def test_a_linear_one_reaches_the_entropy_of_linear_gaussian_data() -> None:
    """Where the true posterior is normal, the bound is the log chance: within 0.05 nat."""
    rng = torch.Generator().manual_seed(0)
    asked = {"size": 4, "latent": 2, "network": "mlp", "layers": 0, "pixels": "gaussian"}
    model = made("vae", **asked).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.95))
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 2_000)
    for _ in range(2_000):
        images, _ = gaussians(128, rng)
        labels = torch.zeros(128).long()
        step = model.training_step({"images": images, "labels": labels}, rng, "train")
        torch.autograd.backward(step.value)
        optimiser.step()
        optimiser.zero_grad()
        falling.step()
    images, true = gaussians(20_000, rng)
    entropy = -true.log_prob(images.flatten(1).float()).mean()
    assert float(entropy) == pytest.approx(float(true.entropy()), abs=0.1)
    with torch.no_grad():
        labels = torch.zeros(20_000).long()
        step = model.training_step({"images": images, "labels": labels}, rng, "validate")
    assert -0.05 < 16 * float(step.value) - float(entropy) < 0.05


@torch.no_grad()
def test_black_and_white_pixels_cost_what_their_odds_say() -> None:
    for network in ("convolutional", "mlp"):
        model = cast("VAE", made("vae", pixels="binary", network=network, labels=2))
        images = pixels(3)
        batch = {"images": images, "labels": torch.tensor([0, 1, 1])}
        found = {
            float(model.training_step(batch, torch.Generator().manual_seed(n), "train").value)
            for n in range(3)
        }
        assert len(found) == 3  # they are drawn anew
        assert torch.equal(model.log_prob(images)[:1], model.log_prob(images[:1]))
        mean = model.reconstruct(scaled(images))
        assert -1 < float(mean.min()) < float(mean.max()) < 1


@torch.no_grad()
def test_the_bound_of_an_image_is_near_the_loss() -> None:
    model = made("vae")
    images = pixels(50)
    batch = {"images": images, "labels": torch.zeros(50).long()}
    loss = model.training_step(batch, torch.Generator().manual_seed(0), "validate").value
    assert float(-model.log_prob(images).mean()) == pytest.approx(64 * float(loss), rel=0.02)
    with pytest.raises(InvalidArgument, match="such as pixelcnn"):
        made("ae").log_prob(images)


def test_what_the_latents_cost_grows_while_it_warms() -> None:
    batch = {"images": pixels(4), "labels": torch.zeros(4, dtype=torch.long)}
    model = made("vae", warm=9)

    def loss(step: int) -> float:
        model.begin(step)
        found = model.training_step(batch, torch.Generator().manual_seed(5), "train")
        return float(found.value.detach())

    assert loss(0) < loss(4) < loss(9) == loss(20)


def test_settings_of_a_vae_that_make_no_network_are_told() -> None:
    for settings, expected in (
        ({"network": "cubic"}, "one of convolutional, mlp"),
        ({"pixels": "round"}, "one of logistic, gaussian, binary"),
        ({"layers": -1}, "at least 0"),
    ):
        with pytest.raises(InvalidArgument, match=expected):
            made("vae", **settings)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", ["ae", "vae"])
def test_it_learns_eight_images_by_heart(name: str) -> None:
    """They come back, and a `vae` spends about the bits on them that tell eight apart."""
    model = made(name).train()
    batch = {"images": pixels(8), "labels": torch.zeros(8, dtype=torch.long)}
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for number in range(400):
        rng = torch.Generator().manual_seed(number)
        torch.autograd.backward(model.training_step(batch, rng, "train").value)
        optimiser.step()
        optimiser.zero_grad()
    images = scaled(batch["images"])
    with torch.no_grad():
        error = float((model.eval().reconstruct(images) - images).square().mean())
        found = model.training_step(batch, torch.Generator().manual_seed(0), "validate")
    assert error < 0.05 * float(images.var())
    if name == "vae":
        assert 3 < found.figures["rate"] < 60


@torch.no_grad()
def test_samples_are_by_seed_and_label() -> None:
    model = made("vae", labels=3)

    def sample(seed: int, label: int | None = None) -> torch.Tensor:
        return model.sample(torch.Generator().manual_seed(seed), 4, label)

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    assert not torch.equal(sample(1, 0), sample(1, 2))
    with pytest.raises(InvalidArgument, match="such as a vae"):
        cast("AE", made("ae")).sample(torch.Generator(), 1, None)


def test_noise_is_added_while_it_learns() -> None:
    batch = {"images": pixels(3), "labels": torch.zeros(3, dtype=torch.long)}
    model = made("denoising", noise=1.0)
    losses = {
        float(model.training_step(batch, torch.Generator().manual_seed(n), "train").value.detach())
        for n in range(3)
    }
    assert len(losses) == 3


def test_files_become_pixels_and_pixels_files() -> None:
    codec = ImageCodec(size=8, channels=3, labels=("cat", "dog"))
    wide = Image.new("RGB", (40, 20), (10, 20, 30))
    wide.paste((200, 0, 0), (0, 0, 9, 20))  # what is not in the middle square
    found = codec.encode(wide)
    assert found.shape == (3, 8, 8)
    assert (found == np.array([10, 20, 30], np.uint8)[:, None, None]).all()
    assert codec.number("label", "dog") == 1
    for name, value in (("label", "cow"), ("colour", "dog")):
        with pytest.raises(InvalidArgument):
            codec.number(name, value)
    levels = pixels(5, 3)
    assert torch.equal(unscaled(scaled(levels)), levels)
    assert png(levels.numpy())[:4] == b"\x89PNG"
