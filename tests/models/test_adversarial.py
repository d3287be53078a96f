"""Adversarial models: whose turn it is, what each descends, and what their blocks compute."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.adversarial import Adversarial, held
from ragstone.models.coverage import coverage
from ragstone.models.cyclegan import CycleGAN
from ragstone.models.families import family
from ragstone.models.images import scaled
from ragstone.models.nn.adversaries import Falling, spectral
from ragstone.models.nn.augmenting import augmented
from ragstone.models.nn.modulated import Modulated
from ragstone.models.objectives import OBJECTIVES, gradient_penalty, r1
from ragstone.models.stylegan import StyleGAN
from ragstone.models.vaegan import VAEGAN

pytestmark = pytest.mark.usefixtures("one_thread")

FAMILIES = ("gan", "dcgan", "wgan_gp", "vaegan", "stylegan")
SMALL = {"size": 8, "width": 8, "latent": 6}


def made(name: str, **settings: object) -> Adversarial:
    torch.manual_seed(1)
    known = family(name)
    return cast("Adversarial", known.build(known.config.of({**SMALL, **settings})))


def translator(**settings: object) -> CycleGAN:
    torch.manual_seed(1)
    known = family("cyclegan")
    return cast("CycleGAN", known.build(known.config.of({"size": 8, "width": 4, **settings})))


def batch(count: int = 6, channels: int = 1, labels: int = 3) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    shape = (count, channels, 8, 8)
    return {
        "images": torch.randint(0, 256, shape, generator=chance, dtype=torch.uint8),
        "labels": torch.arange(count) % labels,
    }


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- shapes and chance


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 12), (1, 28), (3, 7)])
@torch.no_grad()
def test_images_of_all_shapes_by_seed_and_label(name: str, channels: int, size: int) -> None:
    model = made(name, channels=channels, size=size, labels=3).eval()
    for parameter in model.parameters():  # as if it were trained
        parameter.add_(torch.randn_like(parameter) * 0.05)
    found = model.sample(seeded(), 4, 0)
    assert found.shape == (4, channels, size, size)
    assert found.abs().max() <= 1
    assert torch.equal(found, model.sample(seeded(), 4, 0))
    assert not torch.allclose(found, model.sample(seeded(1), 4, 0))
    assert not torch.allclose(found, model.sample(seeded(), 4, 2))
    labels = torch.tensor([0, 1, 2, 0])
    scores = model.critic(found, labels)
    assert scores.shape == (4,)
    assert not torch.allclose(scores, model.critic(found, (labels + 1) % 3))
    alone = model.critic(found[:1], labels[:1])
    torch.testing.assert_close(scores[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_that_is_told_of_no_labels(name: str) -> None:
    model = made(name).eval()
    with torch.no_grad():
        assert torch.equal(model.sample(seeded(), 2, None), model.sample(seeded(), 2, None))
    loss = model.train().training_step(batch(labels=1), seeded(), "train")
    assert math.isfinite(float(loss.value.detach()))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_in_bfloat16(name: str) -> None:
    model = made(name, labels=3, critic_steps=1)
    model.begin(0)  # when slopes count
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.training_step(batch(), seeded(), "train").value
    loss.backward()
    for own, parameter in model.named_parameters():
        assert parameter.grad is not None, own
        assert bool(parameter.grad.isfinite().all()), own


def test_settings_that_cannot_be_are_refused() -> None:
    for name, value in (("objective", "best"), ("critic_steps", 0), ("r1_every", 0)):
        with pytest.raises(InvalidArgument, match=name):
            made("dcgan", **{name: value})
    for name, settings in (("dcgan", {"norm": "batch"}), ("wgan_gp", {"norm": "batch"})):
        with pytest.raises(InvalidArgument, match="of single images"):
            made(name, **settings)
    with pytest.raises(InvalidArgument, match="--set label=FIELD"):
        translator(labels=3)


# ---------------------------------------------------------------- turns


@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan_gp", "stylegan"])
def test_each_player_has_the_gradient_of_its_own_loss(name: str) -> None:
    """The sum of both has the gradients that each has alone; in between the critic learns alone."""
    model = made(name, critic_steps=2, labels=3)
    groups = model.parameter_groups()
    assert sum(map(len, groups.values())) == len(list(model.parameters()))
    model.begin(0)
    model.training_step(batch(), seeded(), "train").value.backward()
    assert all(parameter.grad is None for parameter in groups["generator"])
    assert all(parameter.grad is not None for parameter in groups["critic"])
    model.zero_grad()
    model.eval()  # no power iteration, so that the same is computed again
    model.begin(1)
    model.training_step(batch(), seeded(), "train").value.backward()
    found = {name: value.grad for name, value in model.named_parameters()}
    for player in ("critic", "generator"):
        model.zero_grad()
        rng, images, labels = seeded(), scaled(batch()["images"]), batch()["labels"]
        images_made = model.drawn(rng, labels)
        critic = model.critic_loss(images, images_made.detach(), labels, rng)
        loss = critic if player == "critic" else model.generator_loss(images_made, labels, rng)
        loss.backward()
        for own, parameter in model.named_parameters():
            if own.startswith(player):
                torch.testing.assert_close(parameter.grad, found[own], rtol=1e-4, atol=1e-6)
            else:
                assert parameter.grad is None, own


def test_after_how_many_steps_each_had_its_turn() -> None:
    assert made("dcgan").turns == 4  # R1
    assert made("dcgan", r1=0.0).turns == 1
    assert made("wgan_gp").turns == 2
    assert made("stylegan", critic_steps=5).turns == 5


def test_who_is_held_learns_again() -> None:
    layer = nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="require grad"), held(layer):
        layer(torch.zeros(1, 2)).sum().backward()
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_r1_is_counted_every_few_steps_as_often() -> None:
    """A linear critic has one slope everywhere, so what R1 adds is known."""
    model = made("gan", r1=0.5, r1_every=4, depth=1)
    model.critic = Linear()
    losses = []
    for step in (4, 5):
        model.begin(step)
        model.eval()
        images, labels = scaled(batch()["images"]), batch()["labels"]
        losses.append(float(model.critic_loss(images, -images, labels, seeded()).detach()))
    assert losses[0] - losses[1] == pytest.approx(0.5 * 4 * Linear.SLOPE**2 / 2, rel=1e-4)


class Linear(nn.Module):
    """Scores of one slope: 3 in all."""

    SLOPE = 3.0

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((64,), self.SLOPE / 8))

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return images.flatten(1) @ self.weight


# ---------------------------------------------------------------- losses


def test_penalties_are_those_counted_by_hand() -> None:
    real = torch.randn(5, 2, 3, 3)
    made_images = torch.randn(5, 2, 3, 3)
    slope = torch.randn(18)

    def linear(images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ slope

    def bowl(images: torch.Tensor) -> torch.Tensor:  # whose slope is as long as the image, twice
        return images.square().flatten(1).sum(1)

    length = float(slope.norm())
    found = gradient_penalty(linear, real, made_images, seeded())
    assert float(found) == pytest.approx((length - 1) ** 2, rel=1e-4)
    part = torch.rand(5, 1, 1, 1, generator=seeded())
    between = (real + part * (made_images - real)).flatten(1).norm(dim=1)
    expected = (2 * between - 1).square().mean()
    found = gradient_penalty(bowl, real, made_images, seeded())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    shown = real.clone().requires_grad_()
    expected = (2 * real.flatten(1).norm(dim=1)).square().mean() / 2
    torch.testing.assert_close(r1(bowl(shown), shown), expected)


def test_the_penalty_teaches_the_critic_a_slope_of_one() -> None:
    """Its gradient is that of (length - 1)^2 of the weights of a linear critic."""
    layer = nn.Linear(4, 1, bias=False)
    images = torch.randn(3, 1, 2, 2)
    gradient_penalty(
        lambda shown: layer(shown.flatten(1))[:, 0], images, images, seeded()
    ).backward()
    weight = layer.weight.detach()
    expected = 2 * (weight.norm() - 1) * weight / weight.norm()
    torch.testing.assert_close(layer.weight.grad, expected, rtol=1e-4, atol=1e-5)


def test_objectives_are_those_of_their_papers() -> None:
    real, made_scores = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 0.5])
    chance = {"real": torch.sigmoid(real), "made": torch.sigmoid(made_scores)}
    apart = -(chance["real"].log().mean() + (1 - chance["made"]).log().mean())
    expected = {
        "minimax": (apart, (1 - chance["made"]).log().mean()),
        "non-saturating": (apart, -chance["made"].log().mean()),
        "hinge": (torch.tensor(0.5 + 0.75), torch.tensor(0.25)),
        "wasserstein": (torch.tensor(-0.25 - 1), torch.tensor(0.25)),
        "least-squares": (torch.tensor((1 + 0.625) / 2), torch.tensor((4 + 0.25) / 4)),
    }
    assert set(expected) == set(OBJECTIVES)
    for name, (critic, generator) in expected.items():
        torch.testing.assert_close(OBJECTIVES[name].critic(real, made_scores), critic)
        torch.testing.assert_close(OBJECTIVES[name].generator(made_scores), generator)


def test_coverage_sees_what_is_left_out_and_density_what_is_frequent() -> None:
    chance = torch.Generator().manual_seed(2)
    centres = torch.randn(4, 1, 8, 8, generator=chance) * 5

    def drawn(kinds: list[int], count: int) -> torch.Tensor:
        near = torch.randn(len(kinds) * count, 1, 8, 8, generator=chance)
        return centres[kinds].repeat(count, 1, 1, 1) + near

    real = drawn([0, 1, 2, 3], 16)
    alike, half, none = (
        coverage(real, found)
        for found in (drawn([0, 1, 2, 3], 16), drawn([0, 1], 32), drawn([0], 64) + 50)
    )
    assert alike["coverage"] > 0.9
    assert 0.45 < half["coverage"] <= 0.5
    assert none == {"coverage": 0.0, "density": 0.0}
    assert alike["density"] == pytest.approx(1, abs=0.2)
    typical = coverage(real, centres.repeat(16, 1, 1, 1))
    assert typical["density"] > 2 > alike["density"]
    assert coverage(real[:1], real[:1])["coverage"] == 1  # of a last batch


# ---------------------------------------------------------------- blocks


def test_the_norm_of_a_layer_is_one() -> None:
    torch.manual_seed(0)
    layer = spectral(nn.Linear(20, 30)).train()
    with torch.no_grad():
        for _ in range(50):
            layer(torch.zeros(1, 20))
    weight = cast("nn.Linear", layer).weight
    assert float(torch.linalg.matrix_norm(weight, 2).detach()) == pytest.approx(1, rel=1e-3)
    fewer = {name: values * 0.1 for name, values in layer.state_dict().items()}
    layer.eval().load_state_dict(fewer)  # as a mean of weights and of directions may be
    weight = cast("nn.Linear", layer).weight
    assert float(torch.linalg.matrix_norm(weight, 2).detach()) == pytest.approx(1, rel=1e-3)


@torch.no_grad()
def test_a_normed_critic_moves_no_further_than_the_image() -> None:
    torch.manual_seed(0)
    features = Falling(1, 8, 8, 1, "spectral").train()
    for _ in range(50):
        features(torch.zeros(1, 1, 8, 8))
    first, other = torch.randn(2, 32, 1, 8, 8)
    moved = (features.eval()(first) - features(other)).norm(dim=1)
    # A convolution of stride 2 and 4 x 4 shows each pixel four times: 2 is what its norm allows.
    assert bool((moved <= 2 * (first - other).flatten(1).norm(dim=1)).all())


@pytest.mark.parametrize("demodulated", [True, False])
def test_a_modulated_convolution_is_that_of_each_image(demodulated: bool) -> None:  # noqa: FBT001
    torch.manual_seed(0)
    layer = Modulated(3, 4, 5, demodulated=demodulated)
    states, styles = torch.randn(2, 3, 6, 6), torch.randn(2, 5)
    found = layer(states, styles)
    for number in range(2):
        weigh = layer.to_weights(styles)[number]
        weight = layer.weight * layer.scale * weigh[None, :, None, None]
        if demodulated:
            weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        expected = functional.conv2d(states[number : number + 1], weight, padding=1)
        torch.testing.assert_close(found[number : number + 1], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_styles_are_mixed_in_training_and_drawn_in_when_truncated() -> None:
    model = cast("StyleGAN", made("stylegan", mixing=1.0, labels=2))
    styles = model._styles(seeded(), torch.zeros(50, dtype=torch.long))
    assert torch.equal(styles[:, 0], styles[:, -1])
    other = model._styles(seeded(1), torch.zeros(50, dtype=torch.long))
    mixed = model._mixed(styles, other, seeded(2))
    own = (mixed == styles).all(2)
    assert bool(own[:, 0].all())  # some layers keep the first style, then come those of the other
    assert not own[:, -1].all()
    assert torch.equal(own, own.cummin(1).values)
    spread = {}
    for truncation in (1.0, 0.3, 0.0):
        model = made("stylegan", truncation=truncation).eval()
        spread[truncation] = float(model.sample(seeded(), 30, None).std(0).mean())
    assert spread[1.0] > spread[0.3] > spread[0.0]


def test_noise_has_a_strength_that_is_learnt() -> None:
    model = made("stylegan", r1=0.0)
    model.training_step(batch(labels=1), seeded(), "train").value.backward()
    for name, parameter in model.generator.named_parameters():
        assert parameter.grad is not None, name
    assert any("strength" in name for name, _ in model.generator.named_parameters())


def test_changed_images_are_moved_lit_and_cut_with_a_gradient() -> None:
    images = torch.rand(64, 1, 16, 16) + 1
    images.requires_grad_()
    found = augmented(images, seeded())
    assert torch.equal(found, augmented(images, seeded()))
    assert not torch.equal(found, augmented(images, seeded(1)))
    empty = (found == 0).flatten(1).float().mean(1)
    assert 0.05 < float(empty.min()) < float(empty.max()) < 0.5
    found.sum().backward()
    assert images.grad is not None
    assert set(images.grad.unique().tolist()) == {0.0, 1.0}  # each pixel is shown once, or not


# ---------------------------------------------------------------- vaegan and cyclegan


@torch.no_grad()
def test_a_vaegan_gives_back_and_goes_between() -> None:
    model = cast("VAEGAN", made("vaegan", labels=3)).eval()
    images = torch.rand(5, 1, 8, 8) * 2 - 1
    assert model.encode(images).shape == (5, 6)
    assert model.reconstruct(images).shape == images.shape
    between = model.interpolate(images[0], images[1], 4)
    torch.testing.assert_close(between[[0, 3]], model.reconstruct(images[:2]), rtol=1e-4, atol=1e-5)


def test_the_encoder_learns_nothing_from_the_critic_scores() -> None:
    """Where likeness has no weight, it has no gradient at all."""
    model = cast("VAEGAN", made("vaegan", labels=3, likeness=0.0))
    model.training_step(batch(), seeded(), "train").value.backward()
    encoder = model.parameter_groups()["encoder"]
    assert all(float(p.grad.abs().max()) == 0 for p in encoder if p.grad is not None)
    assert any(
        float(p.grad.abs().max()) > 0 for p in model.critic.parameters() if p.grad is not None
    )


def test_a_translator_learns_of_two_kinds_alone() -> None:
    model = translator()
    images = torch.rand(3, 1, 8, 8) * 2 - 1
    with torch.no_grad():
        whole = model.translate(images, 1.0, seeded(), 1)
        half = model.translate(images, 0.5, seeded(), 1)
    assert whole.shape == images.shape
    torch.testing.assert_close(half, (images + whole) / 2)
    for strength, label, match in ((0.0, 1, "strength"), (1.0, None, "translate to")):
        with pytest.raises(InvalidArgument, match=match):
            model.translate(images, strength, seeded(), label)
    with pytest.raises(InvalidArgument, match="translates"):
        model.sample(seeded(), 1, None)
    loss = model.training_step(batch(labels=1), seeded(), "train")
    loss.value.backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    loss = model.training_step(batch(labels=2), seeded(), "train")
    loss.value.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
