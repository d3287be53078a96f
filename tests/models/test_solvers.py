"""Schedules and solvers, beside a distribution whose denoiser is known exactly."""

from __future__ import annotations

import math

import pytest
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.schedules import SCHEDULES, Schedule, schedule, spread
from ragstone.models.solvers import SOLVERS, Denoiser, solve

MEAN, DEVIATION = 0.7, 0.3  # of the "images": one number each, of a normal distribution


@pytest.fixture(params=list(SCHEDULES))
def known(request: pytest.FixtureRequest) -> Schedule:
    return schedule(str(request.param))


def exact(known: Schedule) -> Denoiser:
    """Return the denoiser of normal numbers: the mean of what a noisy one may come from."""

    def denoise(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        alpha, sigma = (spread(part(time), noisy) for part in (known.alpha, known.sigma))
        weight = alpha * DEVIATION**2 / ((alpha * DEVIATION) ** 2 + sigma**2)
        return MEAN + weight * (noisy - alpha * MEAN)

    return denoise


def solved(known: Schedule, solver: str, steps: int, noise: torch.Tensor) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    return solve(solver, exact(known), known, noise, rng, steps)


def drawn(count: int) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    return torch.randn(count, 1, generator=chance, dtype=torch.float64)


def test_schedules_begin_with_the_image_and_end_with_noise(known: Schedule) -> None:
    time = torch.linspace(0.001, 0.999, 500, dtype=torch.float64, requires_grad=True)
    alpha, sigma = known.alpha(time), known.sigma(time)
    assert float(alpha[0].detach()) > 0.99
    assert float(sigma[-1].detach()) > 0.99
    assert float(alpha[-1].detach()) < 0.01
    if known.name != "straight":
        torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones_like(alpha))
    ratios = known.log_ratio(time)
    assert bool((ratios.diff() < 0).all())
    for values, slope in zip((alpha, sigma), known.slopes(time), strict=True):
        (found,) = torch.autograd.grad(values.sum(), time, retain_graph=True)
        torch.testing.assert_close(found, slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_give_what_they_should(known: Schedule, solver: str) -> None:
    steps = 1_000 if solver == "ddpm" else 150
    found = solved(known, solver, steps, drawn(20_000))
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(found.std()) == pytest.approx(DEVIATION, rel=0.04)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "ddpm"])
def test_more_steps_come_nearer_in_the_order_of_the_solver(known: Schedule, solver: str) -> None:
    """Where noise of a normal distribution goes is known: it keeps its place in the order."""
    noise = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]
    last = known.times(2)[-1]
    fine = solved(known, "heun", 2_000, noise)
    errors = [float((solved(known, solver, n, noise) - fine).abs().max()) for n in (40, 80)]
    order = math.log2(errors[0] / errors[1])
    assert order > (1.6 if solver in ("heun", "dpm++2m") else 0.8)
    assert float(last) < 0.01
    expected = MEAN + DEVIATION * noise
    torch.testing.assert_close(fine, expected, rtol=0.02, atol=0.02)


def test_it_begins_later_and_changes_between(known: Schedule) -> None:
    noise, seen = drawn(4), []

    def between(images: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        seen.append(float(time))
        return images

    rng = torch.Generator()
    solve("ddim", exact(known), known, noise, rng, 10, begin=7, between=between)
    assert seen == pytest.approx(known.times(10)[-3:].tolist())
    for solver, steps in (("none", 3), ("ddim", 0)):
        with pytest.raises(InvalidArgument):
            solve(solver, exact(known), known, noise, rng, steps)
    with pytest.raises(InvalidArgument, match="one of cosine"):
        schedule("none")
