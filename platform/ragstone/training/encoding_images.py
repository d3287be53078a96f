"""A model that was trained in the workspace as an encoder of images: `model:NAME`.

That of a `clip` reads texts, too: first the encoder of texts that it learnt by, then its own map.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ragstone.encoders.base import EncoderIdentity, Vectors
from ragstone.encoders.text import open_text_encoder
from ragstone.errors import EncoderUnavailable, InvalidArgument
from ragstone.models.families import family

if TYPE_CHECKING:
    from ragstone.config import EncoderSettings
    from ragstone.encoders.base import TextEncoder
    from ragstone.models.images import ImageCodec, ImageConfig
    from ragstone.schemas.models import ModelInfo
    from ragstone.schemas.records import Payload
    from ragstone.training.registry import Registry

_BATCH = 64
_READS = "clip"  # family that has texts and images in one space


class TrainedImageEncoder:
    """Images to unit vectors, as the network encodes them; safe to share between threads.

    Parameters
    ----------
    name
        `model:NAME@NUMBER`, for messages and the identity.
    settings
        Say on which device it runs, and how an encoder of texts is opened.

    Raises
    ------
    EncoderUnavailable
        The model does not encode images.
    """

    def __init__(
        self, registry: Registry, info: ModelInfo, name: str, settings: EncoderSettings
    ) -> None:
        self._folder = registry.folder(f"{info.name}@{info.number}")
        self._config = _config(info)
        width = self._config.embedding if self._config else 0
        if not width:
            raise EncoderUnavailable(name, f"it is a {info.family}, which does not encode images")
        self._identity = EncoderIdentity(name, info.digest, width, max_tokens=0, modality="image")
        self._reads_text, self._settings = info.family == _READS, settings
        self._model: tuple[Any, ImageCodec] | None = None
        self._texts: TextEncoder | None = None
        self._loading = threading.Lock()

    @property
    def identity(self) -> EncoderIdentity:
        """The model's name and number, the digest of its weights, its width."""
        return self._identity

    @property
    def reads_text(self) -> bool:
        """Whether words have a place among the vectors."""
        return self._reads_text

    def encode_media(
        self, payloads: Sequence[Payload], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(payloads), dimension), in the given order.

        Parameters
        ----------
        payloads
            Of images: uint8 RGB of shape (height, width, 3), of any size. The network sees their
            middle squares, of the size that it learnt.
        on_batch
            Called after each batch with the number of payloads done so far.

        Raises
        ------
        DamagedFile
            The weights are not those that were trained.
        """
        import torch

        from ragstone.models.images import scaled

        vectors = np.empty((len(payloads), self.identity.dimension), np.float32)
        if not payloads:
            return vectors
        model, codec = self._loaded()
        device = next(model.parameters()).device
        for begin in range(0, len(payloads), _BATCH):
            batch = payloads[begin : begin + _BATCH]
            squares = [codec.encode(Image.fromarray(payload.data)) for payload in batch]
            with torch.inference_mode():
                images = scaled(torch.from_numpy(np.stack(squares)).to(device))
                found = torch.nn.functional.normalize(model.encode(images), dim=1)
            vectors[begin : begin + len(batch)] = found.cpu().numpy()
            if on_batch is not None:
                on_batch(begin + len(batch))
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts, float32 of shape (len(texts), dimension).

        Raises
        ------
        InvalidArgument
            The network reads no text.
        EncoderUnavailable
            The encoder of texts that it learnt by is not on this machine.
        """
        if not self._reads_text:
            expected = "an encoder that reads text, such as a clip"
            raise InvalidArgument("encoder.image", self.identity.name, expected)
        import torch

        model, codec = self._loaded()
        read = torch.from_numpy(self._text_encoder(codec).encode_documents(texts))
        with torch.inference_mode():
            found = model.encode_texts(read.to(next(model.parameters()).device))
        return np.asarray(found.cpu().numpy(), np.float32)

    def _text_encoder(self, codec: ImageCodec) -> TextEncoder:
        space = codec.texts
        assert space is not None
        with self._loading:
            if self._texts is None:
                name = space.encoder or self._settings.name
                opened = open_text_encoder(self._settings.model_copy(update={"name": name}))
                if opened.identity.space != space.space:
                    problem = f"it learnt by texts of {space.space!r}, and {name} is another one"
                    raise EncoderUnavailable(self.identity.name, problem)
                self._texts = opened
            return self._texts

    def _loaded(self) -> tuple[Any, ImageCodec]:
        with self._loading:
            if self._model is None:
                from ragstone.encoders.devices import choose_device, limit_threads
                from ragstone.training.model_files import open_model

                limit_threads()
                network, codec = open_model(self._folder)
                self._model = network.to(choose_device(self._settings.device)), codec
            return self._model


def _config(info: ModelInfo) -> ImageConfig | None:
    """Return the settings of a network of images; None: it is of something else."""
    from ragstone.models.images import ImageConfig

    kind = family(info.family).config
    if not issubclass(kind, ImageConfig):
        return None
    values = {n: value for n, value in info.config.items() if n not in ("family", "schema")}
    return kind.of(values)
