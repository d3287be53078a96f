"""Adapters: small changes of a network's weights, trained here and laid over them when loaded.

Hu and others, "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022. A linear map with
weights W becomes one with W + B A, where A (rank, inputs) and B (outputs, rank) are small. Laid
over the weights they cost nothing when the network runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ragstone.errors import EncoderUnavailable

_DOWN, _UP = ".lora_A", ".lora_B"


def tensor_names(module: str) -> tuple[str, str]:
    """Return what A and B of the linear map `module` are called in a file."""
    return module + _DOWN, module + _UP


def read_adapter(name: str, path: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of an adapter in float32.

    Raises
    ------
    EncoderUnavailable
        The file is missing or damaged.
    """
    try:
        return {key: value.float() for key, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise EncoderUnavailable(name, f"{path} cannot be read: {error}") from error


@torch.no_grad()
def lay_over(name: str, network: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    """Change the weights of `network` as the adapter says.

    Raises
    ------
    EncoderUnavailable
        It is an adapter of another network.
    """
    for module in [key.removesuffix(_DOWN) for key in tensors if key.endswith(_DOWN)]:
        down, up = tensor_names(module)
        try:
            weight = network.get_submodule(module).weight
            weight += (tensors[up] @ tensors[down]).to(weight.device)
        except (AttributeError, KeyError, RuntimeError) as error:
            raise EncoderUnavailable(name, f"it does not fit its network: {error}") from error
