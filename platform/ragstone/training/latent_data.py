"""An autoencoder of the workspace that learns no more, and what it makes of all images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.models.autoencoding import Autoencoder
from ragstone.models.images import scaled
from ragstone.models.latents import Latents
from ragstone.storage.files import remove
from ragstone.training.feeding_images import Images
from ragstone.training.network_files import load_network
from ragstone.training.registry import Registry

AUTOENCODER = "autoencoder"
_AT_ONCE = 256  # images


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a denoiser of latents needs.

    Parameters
    ----------
    decided
        Settings of the denoiser that follow from the autoencoder.
    latents
        float32 (images, latents), mapped from a file.
    """

    decided: Mapping[str, Any]
    latents: NDArray[np.float32]
    autoencoder: Autoencoder

    def fitted(self, training: Images) -> dict[str, torch.Tensor]:
        """Return the weights that the denoiser begins with: scaled by what it learns from."""
        part = Latents(self.autoencoder, self.latents.shape[1])
        part.fit(torch.from_numpy(self.latents[training.places]))
        return {f"latents.{name}": values for name, values in part.state_dict().items()}


def frozen(models: Path, reference: str, pixels: NDArray[np.uint8], folder: Path) -> Frozen:
    """Return an autoencoder, NAME or NAME@N of the registry in `models`, and what it makes.

    Raises
    ------
    UnknownModel, DamagedFile
        There is none, or not as it was.
    InvalidArgument
        It is no autoencoder, or one of images of another size.
    """
    registry = Registry(models)
    model, info = load_network(registry.folder(reference))
    if not isinstance(model, Autoencoder):
        expected = f"an ae, a vae or the like; {info.name} is of the family {info.family}"
        raise InvalidArgument(AUTOENCODER, reference, expected)
    config = model.config
    if (config.channels, config.size, config.size) != pixels.shape[1:]:
        expected = f"one of images of {pixels.shape[1]} channels and {pixels.shape[2]} pixels"
        raise InvalidArgument(AUTOENCODER, reference, expected)
    described = {"family": info.family, "digest": info.digest, "settings": asdict(config)}
    latents = _encoded(model, pixels, folder / "latents")
    return Frozen({"latents": latents.shape[1], AUTOENCODER: described}, latents, model)


@torch.inference_mode()
def _encoded(model: Autoencoder, pixels: NDArray[np.uint8], path: Path) -> NDArray[np.float32]:
    remove(path)
    with path.open("wb") as file:
        for first in range(0, len(pixels), _AT_ONCE):
            shown = torch.from_numpy(np.array(pixels[first : first + _AT_ONCE]))
            file.write(model.encode(scaled(shown)).float().numpy().tobytes())
    read = np.memmap(path, np.float32, "r") if len(pixels) else np.zeros(0, np.float32)
    return read.reshape(len(pixels), -1)
