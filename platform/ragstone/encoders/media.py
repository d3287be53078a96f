"""The encoder of a modality by its name: an embedded descriptor, or a network on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ragstone.encoders.base import MediaEncoder
from ragstone.errors import EncoderUnavailable, InvalidArgument
from ragstone.schemas.records import Modality

if TYPE_CHECKING:
    from ragstone.config import EncoderSettings

IMAGE_DESCRIPTOR = "image-descriptor"
AUDIO_DESCRIPTOR = "audio-descriptor"


def open_media_encoder(modality: Modality, name: str, settings: EncoderSettings) -> MediaEncoder:
    """Return the encoder that `name` calls; weights are loaded by the first payload or text.

    Parameters
    ----------
    modality
        Image or audio.
    name
        'image-descriptor', 'audio-descriptor', a hub name already on this machine, or a path.
    settings
        Say on which device a network runs.

    Raises
    ------
    EncoderUnavailable
        It is not on this machine, of no known family, or embeds the other modality.
    InvalidArgument
        Payloads of this modality are not embedded.
    """
    if modality not in (Modality.IMAGE, Modality.AUDIO):
        raise InvalidArgument("modality", modality.value, "image or audio")
    build = _DESCRIPTORS.get(name)
    encoder = build() if build is not None else _dual(name, settings)
    embeds = encoder.identity.modality
    if embeds != modality:
        raise EncoderUnavailable(name, f"it embeds {embeds}, and {modality.value} is asked for")
    return encoder


def _dual(name: str, settings: EncoderSettings) -> MediaEncoder:
    from ragstone.encoders.dual import DualEncoder
    from ragstone.encoders.weights import find_network

    return DualEncoder(find_network(name), device=settings.device)


def _image_descriptor() -> MediaEncoder:
    from ragstone.encoders.image_descriptor import ImageDescriptor

    return ImageDescriptor()


def _audio_descriptor() -> MediaEncoder:
    from ragstone.encoders.audio_descriptor import AudioDescriptor

    return AudioDescriptor()


_DESCRIPTORS: dict[str, Callable[[], MediaEncoder]] = {
    IMAGE_DESCRIPTOR: _image_descriptor,
    AUDIO_DESCRIPTOR: _audio_descriptor,
}
