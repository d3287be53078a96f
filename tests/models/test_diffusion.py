"""Diffusion: what is predicted, what is made of it, and what is kept, guided and changed."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.diffusion import Conditions, Diffusion
from ragstone.models.families import family
from ragstone.models.images import scaled
from ragstone.models.schedules import spread

PAIRS = [("flow", "straight"), ("v", "cosine"), ("image", "linear"), ("noise", "straight")]
SMALL = {"size": 8, "width": 8, "solver_steps": 6}


def made(**settings: object) -> Diffusion:
    torch.manual_seed(2)
    known = family("diffusion")
    model = cast("Diffusion", known.build(known.config.of({**SMALL, **settings}))).eval()
    for parameter in model.parameters():  # as if it were trained: much of it begins as 0
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return model


class Known(nn.Module):
    """Predicts what it should, since it knows the images and their kinds."""

    def __init__(self, model: Diffusion, images: torch.Tensor) -> None:
        super().__init__()
        self.model, self.images = model, images
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(
        self,
        noisy: torch.Tensor,
        time: torch.Tensor,
        labels: torch.Tensor,
        texts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        del texts
        images, schedule = self.images[labels], self.model.schedule
        alpha, sigma = (spread(part(time), noisy) for part in (schedule.alpha, schedule.sigma))
        return self.model.prediction.wanted(images, (noisy - alpha * images) / sigma, time)


@pytest.mark.parametrize(("predicts", "schedule"), PAIRS)
@pytest.mark.parametrize("solver", ["ddpm", "ddim", "euler", "heun", "dpm++2m"])
def test_what_is_predicted_says_what_the_image_is(
    predicts: str, schedule: str, solver: str
) -> None:
    model = made(predicts=predicts, noise_schedule=schedule, solver=solver, labels=2)
    images = torch.rand(2, 1, 8, 8) * 2 - 1
    model.network = Known(model, images)
    time = torch.tensor([0.3, 0.8])
    noisy = model.schedule.noised(images, torch.randn(2, 1, 8, 8), time)
    found = model.denoise(noisy, time, Conditions(torch.tensor([0, 1])))
    torch.testing.assert_close(found, images, rtol=1e-3, atol=1e-4)
    for label in (0, 1):
        sample = model.sample(torch.Generator().manual_seed(4), 3, label)
        torch.testing.assert_close(sample, images[[label] * 3], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("backbone", ["unet", "dit"])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (3, 20)])
def test_networks_take_all_shapes_and_use_time_and_label(
    backbone: str, channels: int, size: int
) -> None:
    model = made(backbone=backbone, channels=channels, size=size, labels=3)
    images = torch.randn(2, channels, size, size)
    first, last = torch.tensor([0.1, 0.1]), torch.tensor([0.9, 0.9])
    labels = torch.tensor([0, 1])
    found = model.network(images, first, labels)
    assert found.shape == images.shape
    assert not torch.allclose(found, model.network(images, last, labels))
    assert not torch.allclose(found, model.network(images, first, labels + 1))
    alone = model.network(images[:1], first[:1], labels[:1])
    torch.testing.assert_close(found[:1], alone, rtol=1e-4, atol=1e-4)
    model.zero_grad()
    batch = {"images": (images * 50 + 128).clamp(0, 255).to(torch.uint8), "labels": labels}
    model.training_step(batch, torch.Generator().manual_seed(0), "train").value.backward()
    lost = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert lost == []


def test_it_does_what_it_is_told_more_when_it_is_guided_more() -> None:
    model = made(labels=2)
    images = torch.stack([torch.full((1, 8, 8), value) for value in (-0.5, 0.1, 0.0)])
    model.network = Known(model, images)
    object.__setattr__(model.config, "guidance", 3.0)
    told = Conditions(torch.tensor([1]))
    found = model.denoise(torch.randn(1, 1, 8, 8), torch.tensor([0.5]), told)
    torch.testing.assert_close(found, torch.full_like(found, 0.3), rtol=1e-3, atol=1e-3)


def test_what_is_kept_is_kept() -> None:
    model = made(labels=2)
    image = torch.rand(1, 1, 8, 8) * 2 - 1
    keep = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    keep[..., :4] = True
    found = model.inpaint(image, keep, torch.Generator().manual_seed(1), 1)
    assert torch.equal(found[..., :4], image[..., :4])
    assert not torch.allclose(found[..., 4:], image[..., 4:])
    near = model.translate(image, 0.05, torch.Generator().manual_seed(1), 1)
    far = model.translate(image, 1.0, torch.Generator().manual_seed(1), 1)
    assert (near - image).abs().mean() < (far - image).abs().mean()
    with pytest.raises(InvalidArgument, match="more than 0"):
        model.translate(image, 0.0, torch.Generator(), None)


def test_the_loss_is_that_of_all_times_and_of_a_seed() -> None:
    model = made()
    pixels = torch.randint(0, 256, (32, 1, 8, 8), dtype=torch.uint8)
    batch = {"images": pixels, "labels": torch.zeros(32, dtype=torch.long)}

    def loss(seed: int) -> float:
        step = model.training_step(batch, torch.Generator().manual_seed(seed), "validate")
        return float(step.value.detach())

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)
    model.network = Known(model, scaled(pixels)[:1])
    assert loss(1) > 0.01  # it knows one image alone


@pytest.mark.parametrize("backbone", ["unet", "dit"])
def test_it_hears_words_and_a_transformer_their_order(backbone: str) -> None:
    model = made(backbone=backbone, texts=6, words=3)
    noisy, time = torch.randn(1, 1, 8, 8), torch.tensor([0.5])
    texts = torch.randn(1, 3, 6)
    other = texts.clone()
    other[:, 1:] = texts[:, [2, 1]]  # the same words in another order
    found, swapped = (
        model.denoise(noisy, time, Conditions(torch.tensor([0]), each)) for each in (texts, other)
    )
    assert torch.allclose(found, swapped) == (backbone == "unet")
    silent = model.denoise(noisy, time, Conditions(torch.tensor([0]), torch.zeros(1, 3, 6)))
    assert not torch.allclose(found, silent)
    object.__setattr__(model.config, "guidance", 2.0)
    guided = model.denoise(noisy, time, Conditions(torch.tensor([0]), texts))
    torch.testing.assert_close(guided, silent + 2 * (found - silent), rtol=1e-4, atol=1e-4)
    untold = model.sample(torch.Generator().manual_seed(0), 2, None)
    told = model.prompted(texts[0]).sample(torch.Generator().manual_seed(0), 2, None)
    assert not torch.allclose(untold, told)
    again = model.sample(torch.Generator().manual_seed(0), 2, None)
    assert torch.equal(untold, again)  # what is prompted is another model


def test_what_it_enlarges_keeps_what_was_there() -> None:
    """One that knows nothing but the small image gives back what that says."""
    model = made(shrink=2, predicts="image")
    assert model.abilities == {"upscale"}
    small = torch.rand(2, 1, 4, 4) * 2 - 1
    found = model.upscale(small, torch.Generator().manual_seed(0), None)
    assert found.shape == (2, 1, 8, 8)
    other = model.upscale(-small, torch.Generator().manual_seed(0), None)
    assert not torch.allclose(found, other)
    with pytest.raises(InvalidArgument, match="enlarges those that are given"):
        model.sample(torch.Generator(), 1, None)


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "euler", "heun", "dpm++2m"])
def test_the_same_seed_gives_the_same(solver: str) -> None:
    model = made(solver=solver)
    one, same, other = (
        model.sample(torch.Generator().manual_seed(seed), 2, None) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


def taught(steps: int, **settings: object) -> tuple[Diffusion, dict[str, torch.Tensor]]:
    """Return a model that learnt eight images of a label each, and these images."""
    torch.manual_seed(0)
    known = family("diffusion")
    asked = {"size": 8, "width": 16, "untold": 0.0, "labels": 8, **settings}
    model = cast("Diffusion", known.build(known.config.of(asked)))
    pixels = torch.randint(0, 2, (8, 1, 8, 8), dtype=torch.uint8) * 255
    batch = {"images": pixels.repeat(2, 1, 1, 1), "labels": torch.arange(8).repeat(2)}
    optimiser, rng = torch.optim.AdamW(model.parameters(), 4e-3), torch.Generator().manual_seed(0)
    for _ in range(steps):
        loss = model.training_step(batch, rng, "train").value
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval(), batch


def test_what_is_predicted_is_nearer_to_the_noise_than_zero_is() -> None:
    model, batch = taught(60, predicts="noise", noise_schedule="cosine")
    found = model.training_step(batch, torch.Generator().manual_seed(1), "validate").value
    assert float(found.detach()) < 0.5  # of 1: zero's error is the variance of the noise


def test_it_overfits_eight_images() -> None:
    model, batch = taught(120)
    rng = torch.Generator().manual_seed(1)
    samples = torch.cat([model.sample(rng, 1, label) for label in range(8)])
    assert float(((samples > 0) == (batch["images"][:8] > 0)).float().mean()) > 0.95


@pytest.mark.parametrize(
    "wrong",
    [
        {"shrink": 3},
        {"times": "late"},
        {"backbone": "unet", "latents": 4},
        {"predicts": "v", "noise_schedule": "straight"},
        {"predicts": "flow", "noise_schedule": "cosine"},
        {"solver": "none"},
        {"backbone": "mlp"},
        {"backbone": "dit", "patch": 3},
        {"backbone": "dit", "heads": 3},
    ],
)
def test_wrong_settings_are_told(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        made(**wrong)
