"""A language model in memory and its token stream: imports torch and transformers at once."""

from __future__ import annotations

import importlib.util
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import torch
import torch.ao.quantization
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)

from ragstone.encoders.devices import limit_threads
from ragstone.encoders.quiet import no_progress_bar
from ragstone.errors import GeneratorFailed, GeneratorUnavailable
from ragstone.generation.base import PULSE_SECONDS, Sampling
from ragstone.generation.huggingface import Loading

_JOIN_SECONDS = 5.0  # a stopped model ends within one token; a long prompt it reads to its end


class LanguageModel:
    """Weights on the best device of this machine; one answer at a time.

    Parameters
    ----------
    id
        Names the model in errors.
    folder
        Holds `config.json` and safetensors.
    tokenizer
        The model's own, as `transformers` loads it.
    loading
        How the weights are held in memory.
    """

    def __init__(self, id: str, folder: Path, tokenizer: Any, loading: Loading) -> None:  # noqa: A002
        self._id = id
        self._tokenizer = tokenizer
        self._model = _load(id, folder, loading)
        self._turn = threading.Lock()  # held by the task that uses the model

    def stream(self, ids: list[int], sampling: Sampling) -> Iterator[str]:
        """Yield the text that follows `ids`, piece by piece, and empty pieces while it waits."""
        streamer = TextIteratorStreamer(
            self._tokenizer,
            skip_prompt=not self._model.config.is_encoder_decoder,
            timeout=PULSE_SECONDS,
            skip_special_tokens=True,
        )
        task = _Task(self._model, ids, sampling, streamer, self._turn.release)
        while not self._turn.acquire(timeout=PULSE_SECONDS):
            yield ""
        task.start()
        try:
            yield from _pulsing(streamer)
        finally:
            task.stop.set()
            task.join(_JOIN_SECONDS)
        if task.error is not None:
            reason = str(task.error) or type(task.error).__name__
            raise GeneratorFailed(self._id, reason) from task.error


def _pulsing(streamer: TextIteratorStreamer) -> Iterator[str]:
    while True:
        try:
            yield next(streamer)
        except queue.Empty:
            yield ""
        except StopIteration:
            return


class _Task(threading.Thread):
    """Runs the model beside the reader of its stream; keeps what went wrong."""

    def __init__(
        self,
        model: Any,
        ids: list[int],
        sampling: Sampling,
        streamer: TextIteratorStreamer,
        done: Callable[[], None],
    ) -> None:
        super().__init__(name="ragstone-generate", daemon=True)
        self._done = done
        self._model, self._ids = model, ids
        self._sampling, self._streamer = sampling, streamer
        self.stop = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Generate until the model ends, the limit is reached or `stop` is set."""
        try:
            with torch.inference_mode():
                self._generate()
        except Exception as error:  # noqa: BLE001 - a thread's boundary: raised by `stream`
            self.error = error
            self._streamer.on_finalized_text("", stream_end=True)
        finally:
            self._done()

    def _generate(self) -> None:
        input_ids = torch.tensor([self._ids], device=self._model.device)
        processors = LogitsProcessorList()
        if self._sampling.temperature > 0:
            processors.append(_Draw(self._sampling, self._model.device))
        self._model.generate(
            input_ids,
            attention_mask=torch.ones_like(input_ids),
            max_new_tokens=self._sampling.max_new_tokens,
            streamer=self._streamer,
            logits_processor=processors,
            stopping_criteria=StoppingCriteriaList([_Stopped(self.stop)]),
        )


class _Draw(LogitsProcessor):
    """Turns the most likely token into a draw at a temperature, from its own random source.

    The largest of `logits / T` plus Gumbel noise is distributed as softmax(logits / T) (Gumbel,
    1954), so greedy search over the noisy logits samples; torch's global source is not touched,
    and answers made at the same time do not disturb each other's seeds.
    """

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._temperature = sampling.temperature
        self._random = torch.Generator(device=device).manual_seed(sampling.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return noisy logits, shape (batch, vocabulary)."""
        noise = torch.empty_like(scores, dtype=torch.float32).exponential_(generator=self._random)
        return scores.float() / self._temperature - noise.log()


class _Stopped(StoppingCriteria):
    """Ends generation when the reader has gone."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002
        """Return a flag per sequence."""
        return torch.full((input_ids.shape[0],), self._event.is_set(), device=input_ids.device)


def _load(id: str, folder: Path, loading: Loading) -> Any:  # noqa: A002
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
