"""What a model of images is asked to do, beside making new ones: a function for each task.

Images are float32 (count, channels, size, size) from -1 to 1; one that is given is its middle
square, made to fit. `request.count` results are made of each.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.base import Capability, GenerativeModel
from ragstone.models.clip import CLIP
from ragstone.models.diffusion import Diffusion
from ragstone.models.guiding import Guide
from ragstone.models.images import ImageCodec, ImageModel, scaled
from ragstone.training.materials.base import Request
from ragstone.training.materials.image_reading import embedded, pixels_of

KEPT = ("top", "bottom", "left", "right")
_BETWEEN = 8  # pictures of an interpolation, where no number is asked for
_ANEW = 128  # level from which on a pixel of a mask is made anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request, as the tasks read it."""

    model: Any  # has the methods that its capabilities name
    codec: ImageCodec
    request: Request
    rng: torch.Generator
    label: int | None

    def images(self, side: int = 0) -> torch.Tensor:
        """Return the images that are given, each as often as results are asked for.

        Parameters
        ----------
        side
            Pixels; 0: as many as the model's.
        """
        codec = replace(self.codec, size=side or self.codec.size)
        pixels = [pixels_of(codec, one) for one in self.request.work.images]
        found = scaled(torch.stack([torch.from_numpy(one) for one in pixels]))
        return found.repeat_interleave(self.request.count, dim=0)

    def keep(self, count: int) -> torch.Tensor:
        """Return which pixels stay, bool (count, 1, size, size)."""
        work, size = self.request.work, self.codec.size
        if bool(work.mask) == bool(work.keep):
            raise InvalidArgument("keep", work.keep, "either a half that stays, or a mask")
        if work.mask:
            grey = ImageCodec(size=size, channels=1)
            kept = torch.from_numpy(pixels_of(grey, work.mask)) < _ANEW
        elif work.keep in KEPT:
            first = torch.arange(size) < size // 2
            half = first if work.keep in ("top", "left") else ~first
            row = work.keep in ("top", "bottom")
            kept = (half[:, None] if row else half[None, :]).expand(1, size, size)
        else:
            raise InvalidArgument("keep", work.keep, "one of " + ", ".join(KEPT))
        return kept.expand(count, 1, size, size)


def _sample(asked: Order) -> torch.Tensor:
    found: torch.Tensor = asked.model.sample(asked.rng, asked.request.count, asked.label)
    return found


def _reconstruct(asked: Order) -> torch.Tensor:
    found: torch.Tensor = asked.model.reconstruct(asked.images())
    return found


def _denoise(asked: Order) -> torch.Tensor:
    found: torch.Tensor = asked.model.without_noise(asked.images(), asked.request.work.strength)
    return found


def _interpolate(asked: Order) -> torch.Tensor:
    first, last = asked.images()[:: asked.request.count]
    steps = asked.request.work.steps or _BETWEEN
    found: torch.Tensor = asked.model.interpolate(first, last, steps)
    return found


def _inpaint(asked: Order) -> torch.Tensor:
    images = asked.images()
    keep = asked.keep(len(images))
    found: torch.Tensor = asked.model.inpaint(images, keep, asked.rng, asked.label)
    return found


def _translate(asked: Order) -> torch.Tensor:
    strength = asked.request.work.strength
    found: torch.Tensor = asked.model.translate(asked.images(), strength, asked.rng, asked.label)
    return found


def _upscale(asked: Order) -> torch.Tensor:
    small = asked.images(asked.codec.size // asked.model.config.shrink)
    found: torch.Tensor = asked.model.upscale(small, asked.rng, asked.label)
    return found


@dataclass(frozen=True, slots=True)
class _Task:
    """A task: what a model must be able to do, and how many images it is given, at least, at most.

    Where there is no most, each image gives results of its own.
    """

    needs: Capability
    perform: Callable[[Order], torch.Tensor]
    images: tuple[int, int | None] = (1, None)


_TASKS = {
    "sample": _Task("sample", _sample, (0, 0)),
    "reconstruct": _Task("decode", _reconstruct),
    "denoise": _Task("denoise", _denoise),
    "interpolate": _Task("interpolate", _interpolate, (2, 2)),
    "inpaint": _Task("inpaint", _inpaint),
    "translate": _Task("translate", _translate),
    "upscale": _Task("upscale", _upscale),
}
TASKS = tuple(_TASKS)


def tasks_of(model: GenerativeModel) -> list[str]:
    """Return the tasks that a model of images can do."""
    return [name for name, task in _TASKS.items() if task.needs in model.abilities]


@torch.no_grad()  # and no more: a guide needs slopes
def perform(model: ImageModel, codec: ImageCodec, request: Request) -> torch.Tensor:
    """Return the images of a request, float32 (results, channels, size, size) from -1 to 1.

    Raises
    ------
    InvalidArgument
        There is no such task, the model cannot do it, or it needs more or other images.
    """
    work = request.work
    can = tasks_of(model)
    if work.task not in _TASKS:
        raise InvalidArgument("task", work.task, "one of " + ", ".join(TASKS))
    if work.task not in can:
        family = model.config.family
        expected = f"what a model of the family {family} can do: {', '.join(can) or 'none'}"
        raise InvalidArgument("task", work.task, expected)
    task = _TASKS[work.task]
    least, most = task.images
    given = len(work.images)
    if given < least or (most is not None and given > most):
        expected = f"{least} images" if most is not None else "an image at least"
        raise InvalidArgument("images", given, f"{expected} for the task {work.task}")
    label = None
    for name, value in request.conditions.items():
        label = codec.number(name, value)
    rng = torch.Generator().manual_seed(request.sampler.seed if request.sampler else 0)
    return task.perform(
        Order(
            model=_set(_told(model, codec, request), request),
            codec=codec,
            request=request,
            rng=rng,
            label=label,
        )
    )


def _told(model: ImageModel, codec: ImageCodec, request: Request) -> ImageModel:
    """Return the model, told of the prompt, or drawn towards it."""
    if request.guide is not None:
        return _guided(model, request)
    if not request.prompt:
        return model
    if codec.texts is None or request.encoders is None or not isinstance(model, Diffusion):
        expected = "nothing: this model was told of no texts (--set text=FIELD, when it is trained)"
        raise InvalidArgument("prompt", request.prompt, expected)
    (texts,) = embedded(request.encoders, codec.texts, [request.prompt])
    return model.prompted(torch.from_numpy(texts))


def _guided(model: ImageModel, request: Request) -> ImageModel:
    network, codec = request.guide
    if not (isinstance(network, CLIP) and codec.texts and request.encoders):
        raise InvalidArgument("guide", request.work.guide, "a model of the family clip")
    if not isinstance(model, Diffusion):
        raise InvalidArgument("guide", request.work.guide, "nothing: only a diffusion is guided")
    if not request.prompt:
        raise InvalidArgument("prompt", "", "a text that is drawn towards")
    (texts,) = embedded(request.encoders, codec.texts, [request.prompt])
    (towards,) = network.encode_texts(torch.from_numpy(texts[:1]))
    return model.guided(Guide(network, towards, request.work.pull))


def _set(model: ImageModel, request: Request) -> ImageModel:
    """Return the model with the settings of its sampling that are asked for; it shares weights."""
    work = request.work
    asked: dict[str, Any] = {
        "solver_steps": work.steps,
        "solver": work.solver,
        "guidance": work.guidance,
    }
    given = {name: value for name, value in asked.items() if value}
    if work.task == "interpolate":
        given.pop("solver_steps", None)  # they are pictures there
    if not given:
        return model
    known = {field.name for field in fields(model.config)}
    for name in given.keys() - known:
        raise InvalidArgument(
            name, given[name], f"nothing: a model of the family {model.config.family} has none"
        )
    changed = copy(model)
    changed.config = replace(model.config, **given)
    return changed
