"""Solvers: from noise to images in a few steps, whatever the network and the schedule are.

A denoiser says which image a noisy one comes from. All but `ddpm` follow the same curves without
chance, and differ in how near they stay to them for the same number of steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.schedules import Schedule, spread

# Images with noise (batch, …) and their times (batch,) -> the images, by what the network knows.
Denoiser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# What is done after each step with (images with noise, time they have now): inpainting.
Between = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def unchanged(images: torch.Tensor, time: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Return the images as they are."""
    return images


class _Run:
    """One run of a solver over its times."""

    def __init__(self, denoise: Denoiser, schedule: Schedule, images: torch.Tensor) -> None:
        self._denoise, self.schedule, self._like = denoise, schedule, images

    def parts(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return alpha and sigma of one time, in a shape that fits the images."""
        return (
            spread(self.schedule.alpha(time)[None], self._like),
            spread(self.schedule.sigma(time)[None], self._like),
        )

    def clean(self, images: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return the images that noisy ones of one time come from."""
        return self._denoise(images, time.to(images.dtype).expand(len(images)).to(images.device))

    def noise(self, images: torch.Tensor, clean: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return the noise in noisy images."""
        alpha, sigma = self.parts(time)
        return (images - alpha * clean) / sigma

    def velocity(self, images: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return the direction of the curve through noisy images."""
        clean = self.clean(images, time)
        down, up = (spread(slope[None], images) for slope in self.schedule.slopes(time))
        return down * clean + up * self.noise(images, clean, time)


def _ddim(run: _Run, images: torch.Tensor, now: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
    """Song, Meng and Ermon (2021), without chance."""
    clean = run.clean(images, now)
    alpha, sigma = run.parts(then)
    return alpha * clean + sigma * run.noise(images, clean, now)


def _euler(run: _Run, images: torch.Tensor, now: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
    step = spread((then - now)[None], images)
    return images + step * run.velocity(images, now)


def _heun(run: _Run, images: torch.Tensor, now: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
    """Karras and others (2022): the mean of the directions at both ends; two calls a step."""
    step = spread((then - now)[None], images)
    first = run.velocity(images, now)
    second = run.velocity(images + step * first, then)
    return images + step * (first + second) / 2


_ONE_STEP = {"ddim": _ddim, "euler": _euler, "heun": _heun}
SOLVERS = ("ddpm", *_ONE_STEP, "dpm++2m")


@torch.no_grad()
def solve(
    solver: str,
    denoise: Denoiser,
    schedule: Schedule,
    images: torch.Tensor,
    rng: torch.Generator,
    steps: int,
    *,
    begin: int = 0,
    between: Between = unchanged,
    turns: int = 1,
) -> torch.Tensor:
    """Return images without noise.

    Parameters
    ----------
    solver
        One of `SOLVERS`.
    images
        (batch, …), of the time that step `begin` begins at; noise where that is 0.
    rng
        On the CPU; `ddpm`, and going back, draw from it.
    begin
        Steps that are left out, to begin from images with less noise.
    between
        Changes the images after each step.
    turns
        How often each step is made, going back with new noise between: so what was changed after
        a step and what was not come to fit each other (Lugmayr and others 2022).

    Raises
    ------
    InvalidArgument
        There is no such solver, or there are no steps.
    """
    if solver not in SOLVERS:
        raise InvalidArgument("solver", solver, "one of " + ", ".join(SOLVERS))
    if not 0 <= begin < steps:
        raise InvalidArgument("steps", steps, f"more than the {begin} that are left out")
    run, times = _Run(denoise, schedule, images), schedule.times(steps)
    before: tuple[torch.Tensor, torch.Tensor] | None = None
    for now, then in zip(times[begin:-1], times[begin + 1 :], strict=True):
        last = before
        for turn in range(turns):
            if turn:
                images = _back(run, images, then, now, rng)
            if solver == "ddpm":
                images = _ddpm(run, images, now, then, rng)
            elif solver == "dpm++2m":
                clean = run.clean(images, now)
                images = _dpm(run, images, clean, now, then, last)
                before = clean, now
            else:
                images = _ONE_STEP[solver](run, images, now, then)
            images = between(images, then)
    return run.clean(images, times[-1])


def _back(
    run: _Run, images: torch.Tensor, now: torch.Tensor, then: torch.Tensor, rng: torch.Generator
) -> torch.Tensor:
    """Return images of a time with the noise of one that has more."""
    (alpha, sigma), (alpha_then, sigma_then) = run.parts(now), run.parts(then)
    share = alpha_then / alpha
    added = (sigma_then.square() - (share * sigma).square()).clamp(min=0).sqrt()
    return share * images + added * torch.randn(images.shape, generator=rng).to(images)


def _ddpm(
    run: _Run, images: torch.Tensor, now: torch.Tensor, then: torch.Tensor, rng: torch.Generator
) -> torch.Tensor:
    """Ho and others (2020): drawn from what lies between, given the image and the noisy one."""
    clean = run.clean(images, now)
    (alpha, sigma), (alpha_then, sigma_then) = run.parts(now), run.parts(then)
    share = alpha / alpha_then  # of the step alone
    variance = (sigma.square() - (share * sigma_then).square()).clamp(min=0)
    mean = (share * sigma_then.square() * images + alpha_then * variance * clean) / sigma.square()
    spread_of = sigma_then / sigma * variance.sqrt()
    drawn = torch.randn(images.shape, generator=rng).to(images)
    return mean + spread_of * drawn


def _dpm(
    run: _Run,
    images: torch.Tensor,
    clean: torch.Tensor,
    now: torch.Tensor,
    then: torch.Tensor,
    before: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """DPM-Solver++(2M) (Lu and others 2022): the last two answers, drawn on as a line."""
    ratio = run.schedule.log_ratio
    step = ratio(then) - ratio(now)
    if before is not None:
        last, time = before
        weight = step / (2 * (ratio(now) - ratio(time)))
        clean = clean + spread(weight[None], images) * (clean - last)
    (_, sigma), (alpha_then, sigma_then) = run.parts(now), run.parts(then)
    return (
        sigma_then / sigma * images - alpha_then * spread(torch.expm1(-step)[None], images) * clean
    )
