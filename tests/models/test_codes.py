"""Autoencoders of codes: the nearest of a book, none left behind, and new images of them."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.families import family
from ragstone.models.images import scaled
from ragstone.models.nn.codebook import Codebook
from ragstone.models.vqvae import VQVAE

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"size": 8, "width": 8, "latent": 4, "codes": 16, "halvings": 1, "prior_width": 8}


def made(**settings: Any) -> VQVAE:
    torch.manual_seed(1)
    known = family("vqvae")
    return cast("VQVAE", known.build(known.config.of({**SMALL, **settings})))


def batch_of(count: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 8, 8), generator=rng).byte()
    return {"images": images, "labels": torch.arange(count) % 2}


def test_vectors_become_the_nearest_codes_and_gradients_pass() -> None:
    torch.manual_seed(0)
    book = Codebook(5, 3)
    vectors = torch.randn(2, 3, 4, 4, requires_grad=True)
    coded = book(vectors)
    for image in range(2):
        for place in ((0, 0), (3, 1)):
            vector = vectors[image, :, *place]
            nearest = (book.embedding - vector).norm(dim=1).argmin()
            assert coded.codes[image, *place] == nearest
            torch.testing.assert_close(coded.vectors[image, :, *place], book.embedding[nearest])
    weights = torch.randn(coded.vectors.shape)
    (slope,) = torch.autograd.grad((coded.vectors * weights).sum(), vectors, retain_graph=True)
    torch.testing.assert_close(slope, weights)


def test_codes_that_are_far_from_all_come_back() -> None:
    """Of 16 codes of which all but one lie far away, most are in use after some steps."""
    torch.manual_seed(0)
    book = Codebook(16, 2)
    book.embedding.data += 10
    book.embedding.data[0] = 0
    vectors = torch.randn(64, 2, 2, 2)
    assert book.perplexity(book(vectors).codes) == pytest.approx(1)
    optimiser = torch.optim.AdamW(book.parameters(), lr=0.1, weight_decay=0)
    for _ in range(200):
        torch.autograd.backward(book(vectors).loss)
        optimiser.step()
        optimiser.zero_grad()
    assert book.perplexity(book(vectors).codes) > 6


def test_it_learns_eight_images_by_heart_and_draws_them() -> None:
    model, batch = made(codes=32), batch_of(8)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(250):
        step = model.training_step(batch, torch.Generator().manual_seed(0), "train")
        torch.autograd.backward(step.value)
        optimiser.step()
        optimiser.zero_grad()
    model.eval()
    images = scaled(batch["images"])
    with torch.no_grad():
        back = model.reconstruct(images)
        error = float((back - images).square().mean())
        validated = model.training_step(batch, torch.Generator(), "validate")
        drawn = model.sample(torch.Generator().manual_seed(0), 8, None)
    assert error < 0.1 * float(images.var())
    assert float(validated.value) == pytest.approx(error, rel=1e-3)
    assert validated.figures["perplexity"] > 8
    assert validated.figures["bits_per_code"] < 1  # of log2(32) for codes at random
    nearest = torch.cdist(drawn.flatten(1), back.flatten(1)).amin(1) / 8
    assert float(nearest.median()) < 0.5 * math.sqrt(float(images.var()))


@torch.no_grad()
def test_samples_are_by_seed_and_label() -> None:
    model = made(labels=2).eval()
    for weights in model.prior.parameters():
        weights.data += 0.5 * torch.randn_like(weights)

    def sample(seed: int, label: int | None = None) -> torch.Tensor:
        return model.sample(torch.Generator().manual_seed(seed), 4, label)

    assert sample(1).shape == (4, 1, 8, 8)
    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    assert not torch.equal(sample(1, 0), sample(1, 1))


@torch.no_grad()
def test_what_lies_between_has_codes_too() -> None:
    model, images = made().eval(), scaled(batch_of(2)["images"])
    assert model.codes(images).shape == (2, 4, 4)
    between = model.interpolate(images[0], images[1], 3)
    both = model.reconstruct(images)
    torch.testing.assert_close(between[[0, 2]], both, rtol=1e-4, atol=1e-5)
    coded = model.book(model.encode(between).view(-1, 4, 4, 4)).vectors
    again = model.decode(coded.flatten(1))
    assert again.shape == between.shape


def test_settings_that_make_no_network_are_told() -> None:
    for settings in ({"codes": 1}, {"latent": 0}, {"prior_depth": 0}):
        with pytest.raises(InvalidArgument, match="at least"):
            made(**settings)
