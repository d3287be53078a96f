"""What the trainer, the registry and the commands know of a kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ragstone.models.base import GenerativeModel
from ragstone.models.sampling import Mixing, Sampler
from ragstone.schemas.models import ModelData
from ragstone.training.feeding import TrainingData
from ragstone.training.measures.base import Measured, Measuring

if TYPE_CHECKING:
    import torch

    from ragstone.encoders.opened import Encoders
    from ragstone.storage.manifests import Manifest
    from ragstone.training.dividing import Division
    from ragstone.training.snapshots import Snapshot


class Codec(Protocol):
    """Turns items into what a network reads, and back; kept beside its weights."""

    @property
    def about(self) -> str:
        """What it is, for the card: "characters, 65 tokens"."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into the folder of a model, whose material opens it again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be prepared.

    Parameters
    ----------
    settings
        Of the material, by `Material.settings`; what is not named has its default.
    folder
        For files that may be deleted when the data is used no more.
    codec
        Of a model that is to be measured; None: one is made of the items to learn from.
    encoders
        Text encoders of the workspace; None where there is none.
    """

    settings: Mapping[str, Any]
    folder: Path
    codec: Any = None
    encoders: Encoders | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A version as a network is going to read it.

    Parameters
    ----------
    decided
        Settings of the network that the data decide, such as `vocabulary`.
    feed
        Gives the batches, once the network's settings are known.
    per_byte
        What is predicted for each byte that is held out: what the loss is multiplied with to be
        bits per byte; 0 where that says nothing.
    texts
        Gives the texts to learn from, and those that are held out, to look for what a model copied.
    given
        Weights, by their names, that the network has before it learns, and keeps.
    """

    codec: Any
    decided: Mapping[str, Any]
    feed: Callable[[Any], TrainingData]
    data: ModelData
    per_byte: float = 0.0
    texts: Callable[[bool], Iterable[str]] = lambda _: ()
    given: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a model of images is to do, and with which images; see `image_tasks`.

    Parameters
    ----------
    task
        One of `image_tasks.TASKS`.
    images
        Files of images that something is made of.
    mask
        File of an image for `inpaint`: what is light there is made anew.
    keep
        A half that `inpaint` keeps, instead of a mask: top, bottom, left or right.
    strength
        Of `translate`: from near 0, the image, to 1, nothing of it. Of `denoise`: the standard
        deviation of the noise, where a pixel is from -1 to 1.
    steps
        Of the solver; of `interpolate`: pictures, with both ends. 0: the model's own.
    solver
        Instead of the model's own.
    guidance
        How much it does as told; 0: the model's own.
    guide
        Name of a clip that a diffusion is drawn towards the prompt by.
    pull
        How strongly; see `Guide`.
    """

    task: str = "sample"
    images: tuple[bytes, ...] = ()
    mask: bytes = b""
    keep: str = ""
    strength: float = 0.5
    steps: int = 0
    solver: str = ""
    guidance: float = 0.0
    guide: str = ""
    pull: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a model is asked to make.

    Parameters
    ----------
    prompt
        A text to go on from, to translate, or to draw.
    conditions
        By what the model was told of each item: label, speaker.
    tokens
        At most.
    sampler
        None: what suits the material.
    beams
        Of a search for the likeliest text; 1: the sampler picks.
    count
        Images on one sheet; where images are given, results of each of them.
    work
        Of models of images.
    encoders
        Text encoders of the workspace, for what is told by a text.
    guide
        The network that `work.guide` names, and its codec.
    """

    prompt: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    tokens: int = 200
    sampler: Sampler | None = None
    beams: int = 1
    count: int = 1
    mixing: Mixing | None = None
    work: Work = Work()
    encoders: Encoders | None = None
    guide: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a model made: a text, or a file of some media type.

    Parameters
    ----------
    each
        The single files, where `media` shows several at once.
    """

    text: str = ""
    media: bytes = b""
    media_type: str = ""
    each: tuple[bytes, ...] = ()


class Material(ABC):
    """A kind of data: how a version becomes batches, and what a network gives becomes an item."""

    settings: ClassVar[Mapping[str, str]]  # of its own: name -> int, float, bool or str

    @abstractmethod
    def prepare(self, snapshot: Snapshot, asked: Asked) -> Prepared:
        """Return a version as a network reads it; no file of it is deleted meanwhile.

        Raises
        ------
        InvalidArgument
            It holds nothing, or not enough, of this kind; or a setting is wrong.
        """

    @abstractmethod
    def open_codec(self, folder: Path) -> Codec:
        """Read what `Codec.save` wrote."""

    @abstractmethod
    def make(self, model: GenerativeModel, codec: Any, request: Request) -> Made:
        """Let a model make one thing; the same request gives the same.

        Raises
        ------
        InvalidArgument
            The model cannot be asked so.
        """

    @abstractmethod
    def measure(
        self, model: GenerativeModel, codec: Any, prepared: Prepared, asked: Measuring
    ) -> Measured:
        """Return measures of a model by name, beside its loss on what is held out."""


def facts(
    manifest: Manifest,
    division: Division,
    tokens: tuple[int, int],
    held_out_bytes: int,
    left_out: Mapping[str, int] | None = None,
    held_out: str = "",
) -> ModelData:
    """Return what the card says of a version.

    Parameters
    ----------
    tokens
        To train on, and held out.
    left_out, held_out
        Where they differ from those of `division`.
    """
    return ModelData(
        dataset=manifest.dataset,
        version=manifest.version,
        digest=manifest.digest,
        items=manifest.items,
        held_out=held_out or division.how,
        tokens=tokens[0],
        validation_tokens=tokens[1],
        validation_bytes=held_out_bytes,
        licences=division.licences,
        left_out=dict(division.left_out if left_out is None else left_out),
    )
