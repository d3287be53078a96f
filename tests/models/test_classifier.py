"""The classifier: features of images, and the labels that it sees in them."""

from __future__ import annotations

import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.classifier import Classifier, ClassifierConfig
from ragstone.models.families import family
from ragstone.models.images import scaled

pytestmark = pytest.mark.usefixtures("one_thread")


def made(**settings: int) -> Classifier:
    torch.manual_seed(0)
    return Classifier(ClassifierConfig.of({"size": 8, "labels": 3, "width": 8, **settings}))


def pixels(count: int, channels: int = 1, size: int = 8) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    shape = (count, channels, size, size)
    return torch.randint(0, 256, shape, generator=chance, dtype=torch.uint8)


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 12), (1, 28), (3, 7)])
@torch.no_grad()
def test_each_image_becomes_its_features(channels: int, size: int) -> None:
    model = made(channels=channels, size=size)
    images = pixels(300, channels, size)  # more than are looked at together
    features = model.features(scaled(images))
    assert features.shape == (300, 64)
    assert (features >= 0).all()
    assert torch.equal(model.encode(scaled(images)), features)
    seen, labels = model.look(images)
    torch.testing.assert_close(seen, features, rtol=1e-4, atol=1e-5)
    assert torch.equal(labels, model.classify(scaled(images)).argmax(1))


def test_it_learns_eight_images_by_heart() -> None:
    model = made()
    batch = {"images": pixels(8), "labels": torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])}
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = model.training_step(batch, torch.Generator(), "train")
    for _ in range(60):
        optimiser.zero_grad()
        model.training_step(batch, torch.Generator(), "train").value.backward()
        optimiser.step()
    last = model.training_step(batch, torch.Generator(), "train")
    noise = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    odd = model.oddness(noise).detach()
    assert odd.mean() > model.oddness(scaled(batch["images"])).detach().mean()
    assert float(last.value.detach()) < 0.05 < float(first.value.detach())
    assert last.figures["accuracy"] == 1


def test_it_makes_nothing_and_needs_labels() -> None:
    with pytest.raises(InvalidArgument, match="such as a vae"):
        made().sample(torch.Generator(), 1, None)
    known = family("classifier")
    with pytest.raises(InvalidArgument, match="--set label=FIELD"):
        known.build(known.config.of({"size": 8, "labels": 1}))
