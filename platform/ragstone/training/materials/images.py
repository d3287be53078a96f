"""Images: squares of pixels that a model learns to make, by themselves or as it is told.

Recordings are images too, by `from=audio`: spectrograms, and sound again when something is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ragstone.errors import InvalidArgument
from ragstone.models.base import GenerativeModel
from ragstone.models.images import LABEL, ImageModel, unscaled
from ragstone.models.sampling import Sampler
from ragstone.models.spectrograms import codec_in
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.latent_data import AUTOENCODER, frozen
from ragstone.training.materials import image_reading as reading_of
from ragstone.training.materials.base import (
    Asked,
    Codec,
    Made,
    Material,
    Prepared,
    Request,
    facts,
)
from ragstone.training.materials.image_reading import Reading
from ragstone.training.materials.image_tasks import perform
from ragstone.training.measures.base import Measured, Measuring
from ragstone.training.measures.images import measure

if TYPE_CHECKING:
    from pathlib import Path

    from ragstone.training.snapshots import Snapshot


_FLIP = "flip"


class ImageMaterial(Material):
    """For models of images."""

    settings: ClassVar[Mapping[str, str]] = {
        LABEL: "str",
        reading_of.TEXT: "str",
        reading_of.SIZE: "int",
        _FLIP: "bool",
        reading_of.SYNTHETIC: "bool",
        reading_of.FROM: "str",
        reading_of.RATE: "int",
        reading_of.SECONDS: "float",
        AUTOENCODER: "str",
    }

    def prepare(self, snapshot: Snapshot, asked: Asked) -> Prepared:
        """See `Material.prepare`."""
        reading = Reading(snapshot, asked)
        training, held_out = reading.sides()
        codec, flip = reading.codec, bool(asked.settings.get(_FLIP, False))
        each = codec.channels * codec.size**2
        decided: dict[str, Any] = {
            "channels": codec.channels,
            "size": codec.size,
            "labels": len(codec.labels),
        }
        if reading.captions:
            width = reading.captions.texts.whole.shape[1]
            decided |= {"texts": width, "words": codec.texts.words + 1 if codec.texts else 0}
        given = {}
        autoencoder = asked.settings.get(AUTOENCODER)
        if autoencoder and asked.codec is None:  # one that is measured has its own
            found = frozen(snapshot.root / "models", autoencoder, reading.pixels, asked.folder)
            decided |= found.decided
            given = found.fitted(training)
            if not flip:
                training, held_out = (
                    replace(i, latents=found.latents) for i in (training, held_out)
                )
        return Prepared(
            codec=codec,
            decided=decided,
            feed=lambda _: ImageData(training, held_out, flip=flip),
            data=facts(
                snapshot.manifest,
                reading.division,
                (len(training) * each, len(held_out) * each),
                len(held_out) * each,
                reading.left_out,
            ),
            per_byte=1.0,  # a colour of a pixel is a byte
            given=given,
        )

    def read(self, snapshot: Snapshot, asked: Asked) -> tuple[Images, Images]:
        """Return the images to learn from, and those that are held out; one side may have none."""
        return Reading(snapshot, asked).sides()

    def open_codec(self, folder: Path) -> Codec:
        """See `Material.open_codec`."""
        return codec_in(folder)

    def make(self, model: GenerativeModel, codec: Any, request: Request) -> Made:
        """Make one image, or a sheet of several, or recordings; see `image_tasks`."""
        sampler = request.sampler or Sampler()
        if sampler != Sampler(seed=sampler.seed):
            raise InvalidArgument("sampler", None, "a seed alone for a model of images")
        pixels = unscaled(perform(cast("ImageModel", model), codec, request)).numpy()
        content, media_type = codec.file(pixels)
        each = tuple(codec.file(image[None])[0] for image in pixels)
        return Made(media=content, media_type=media_type, each=each)

    def measure(
        self,
        model: GenerativeModel,
        codec: Any,
        prepared: Prepared,
        asked: Measuring,
    ) -> Measured:
        """See `measures.images`."""
        data = cast("ImageData", prepared.feed(model.config))
        return measure(cast("ImageModel", model), codec, data, asked)
