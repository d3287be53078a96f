"""Loading a network of `transformers` and its parts from a folder, and from nowhere else."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from ragstone.encoders.quiet import no_progress_bar
from ragstone.encoders.weights import NetworkFiles
from ragstone.errors import EncoderUnavailable

# What the libraries raise over files that are missing, damaged or of another network.
_FAILURES = (
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
    TypeError,
    ValueError,
)


def load_network(files: NetworkFiles, model: str) -> Any:
    """Return the network in float32, so that devices give comparable vectors, ready to infer.

    Parameters
    ----------
    model
        Class in `transformers`; named, so that no code comes from the folder.

    Raises
    ------
    EncoderUnavailable
        The files are damaged, are another network's, or hold only some of the weights.
    """
    try:
        with no_progress_bar():
            network, report = getattr(transformers, model).from_pretrained(
                files.folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except _FAILURES as error:
        raise EncoderUnavailable(files.name, _reason(error)) from error
    # The library fills what is missing with random numbers and only logs it.
    missing = sorted(report["missing_keys"])
    if missing:
        raise EncoderUnavailable(
            files.name, f"its weights lack {len(missing)} tensors, the first is {missing[0]}"
        )
    network.eval()
    return network


def load_part(files: NetworkFiles, kind: Any, **options: Any) -> Any:
    """Return the tokenizer, image processor or feature extractor that lies beside the weights.

    Parameters
    ----------
    kind
        One of the library's `Auto` classes.

    Raises
    ------
    EncoderUnavailable
        It is not there, damaged, or needs a package that is not installed.
    """
    try:
        return kind.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=False, **options
        )
    except _FAILURES as error:
        what = kind.__name__.removeprefix("Auto")
        raise EncoderUnavailable(files.name, f"{what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """First line of what a library says; some add pages of advice."""
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__
