"""Loading the weights of a language model: imports torch and transformers at once."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any, cast

import torch
import torch.ao.quantization
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from ragstone.encoders.devices import limit_threads
from ragstone.encoders.quiet import no_progress_bar
from ragstone.errors import GeneratorUnavailable
from ragstone.generation.huggingface import Loading


def load(id: str, folder: Path, loading: Loading) -> Any:  # noqa: A002
    """Return the model in `folder`, ready to write, on the best device of this machine.

    Raises
    ------
    GeneratorUnavailable
        It cannot be loaded.
    """
    limit_threads()
    try:
        with no_progress_bar():
            model = _from_files(folder, loading)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise GeneratorUnavailable(id, str(error)) from error
    model.eval()
    _greedy(model.generation_config)
    return model


def _from_files(folder: Path, loading: Loading) -> Any:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    family: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    gpu = torch.cuda.is_available()
    packed = {} if loading.quantisation == "none" or not gpu else _packed_on_gpu(loading)
    model = family.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=loading.dtype if loading.dtype == "auto" else getattr(torch, loading.dtype),
        **packed,
    )
    if packed:
        return model  # is where it belongs
    if loading.quantisation != "none":
        return _packed_on_cpu(model, loading)
    return model.to("cuda" if gpu else "cpu")


def _packed_on_gpu(loading: Loading) -> dict[str, Any]:
    """Return what makes `transformers` pack the weights with bitsandbytes as they are read."""
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        reason = f"{loading.quantisation} on a GPU needs the package bitsandbytes"
        raise ImportError(reason)
    eight = loading.quantisation == "int8"
    config = cast("Any", BitsAndBytesConfig)  # without annotations
    packing = config(load_in_8bit=eight, load_in_4bit=not eight)
    return {"quantization_config": packing, "device_map": {"": 0}}


def _packed_on_cpu(model: Any, loading: Loading) -> Any:
    """Hold the linear layers in 8 bits, and compute with the inputs in 8 bits as well."""
    if loading.quantisation != "int8":
        reason = f"{loading.quantisation} needs a GPU; a CPU can have int8"
        raise ValueError(reason)
    with warnings.catch_warnings():  # it will be a package of its own one day
        warnings.filterwarnings("ignore", "torch", DeprecationWarning)
        warnings.filterwarnings("ignore", r"torch\.quantize_per_tensor", UserWarning)
        pack = cast("Any", torch.ao.quantization.quantize_dynamic)  # without annotations
        return pack(model.float(), {torch.nn.Linear}, dtype=torch.qint8)


def _greedy(config: Any) -> None:
    """Undo the sampling that a model's files ask for: the settings of the answer decide."""
    config.do_sample, config.num_beams, config.max_length = False, 1, None
    config.temperature = config.top_p = config.top_k = config.min_p = config.typical_p = None
