"""A two-tower network in memory: imports torch and transformers at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from ragstone.encoders.base import EncoderIdentity, Vectors
from ragstone.encoders.devices import choose_device, limit_threads
from ragstone.encoders.families import Family
from ragstone.encoders.loaded import normalised
from ragstone.encoders.loading import load_network, load_part
from ragstone.encoders.weights import NetworkFiles
from ragstone.errors import EncoderUnavailable
from ragstone.schemas.records import Modality

if TYPE_CHECKING:
    from ragstone.schemas.records import Payload

PAYLOAD_RATE = 16_000  # Hz
_FULL_SCALE = 32_768  # int16 to [-1, 1)


class LoadedDual:
    """Weights on a device; both methods may be called from several threads at once."""

    def __init__(
        self, files: NetworkFiles, identity: EncoderIdentity, family: Family, device: str
    ) -> None:
        self._identity, self._family = identity, family
        self._device = choose_device(device)
        limit_threads()
        self._model = load_network(files, family.model).to(self._device)
        self._tokenizer = load_part(files, transformers.AutoTokenizer)
        self._prepare = (
            _Images(files) if family.modality is Modality.IMAGE else _Sounds(files)
        )  # of the other tower
        self._tokenizing = threading.Lock()

    @property
    def on_gpu(self) -> bool:
        """True when it runs on a GPU."""
        return self._device.type == "cuda"

    @torch.inference_mode()
    def embed_media(self, payloads: Sequence[Payload]) -> Vectors:
        """Return unit vectors of one batch, float32 of shape (len(payloads), dimension)."""
        features = self._on_device(self._prepare([payload.data for payload in payloads]))
        if self._family.modality is Modality.IMAGE:
            return self._units(self._model.get_image_features(**features))
        return self._units(self._model.get_audio_features(**features))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of one batch, float32 of shape (len(texts), dimension)."""
        with self._tokenizing:  # the tokenizer's padding state is shared between threads
            tokens = self._tokenizer(
                list(texts),
                padding=self._family.padding,
                truncation=True,
                max_length=self._identity.max_tokens,
                return_attention_mask=self._family.masked,
                return_token_type_ids=False,
                return_tensors="pt",
            )
        return self._units(self._model.get_text_features(**self._on_device(tokens)))

    def _on_device(self, features: Any) -> dict[str, torch.Tensor]:
        return {name: value.to(self._device) for name, value in features.items()}

    def _units(self, output: Any) -> Vectors:
        """Scale what a tower gave to length 1, and hold it against the promise of the files."""
        found: Vectors = output.pooler_output.to("cpu", torch.float32).numpy()
        if found.ndim != 2 or found.shape[1] != self._identity.dimension:
            raise EncoderUnavailable(
                self._identity.name,
                f"its files promise {self._identity.dimension} dimensions, it gives "
                f"{found.shape[1:]}",
            )
        return normalised(found, self._identity.name)


class _Images:
    """The network's own image processor, always that of Pillow.

    The one of torchvision resizes a little differently, and vectors must not depend on whether
    torchvision happens to be installed.
    """

    def __init__(self, files: NetworkFiles) -> None:
        self._processor = load_part(files, transformers.AutoImageProcessor, backend="pil")

    def __call__(self, pixels: Sequence[NDArray[Any]]) -> Any:
        """Return the tensors of a batch of uint8 arrays (height, width, 3)."""
        from PIL import Image

        # Pillow's images: an array of 3 rows would be taken for one of 3 channels.
        return self._processor(images=[Image.fromarray(p) for p in pixels], return_tensors="pt")


class _Sounds:
    """The network's own feature extractor, at its own rate and without its random choices."""

    def __init__(self, files: NetworkFiles) -> None:
        self._extractor = load_part(files, transformers.AutoFeatureExtractor)

    def __call__(self, samples: Sequence[NDArray[Any]]) -> Any:
        """Return the tensors of a batch of int16 arrays (samples,) at 16 kHz."""
        rate = int(self._extractor.sampling_rate)
        # A longer sound would be cut at a random place.
        longest = int(self._extractor.nb_max_samples)
        sounds = [resampled(s, PAYLOAD_RATE, rate)[:longest] for s in samples]
        features = self._extractor(sounds, sampling_rate=rate, return_tensors="pt")
        # The extractor calls one of the batch "longer" by the roll of a die when none is: that
        # served the training, and would make vectors depend on their batch.
        features["is_longer"] = torch.zeros((len(sounds), 1), dtype=torch.bool)
        return features


def resampled(samples: NDArray[np.int16], rate: int, wanted: int) -> NDArray[np.float32]:
    """Return int16 `samples` as float32 in [-1, 1) at `wanted` Hz, by polyphase filtering."""
    from scipy.signal import resample_poly

    scaled = samples.astype(np.float32) / np.float32(_FULL_SCALE)
    if rate == wanted:
        return scaled
    common = gcd(rate, wanted)
    found: NDArray[np.float32] = resample_poly(scaled, wanted // common, rate // common)
    return found.astype(np.float32, copy=False)
