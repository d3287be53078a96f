"""A language model in memory and its token stream: imports torch and transformers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
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
from ragstone.errors import GeneratorUnavailable
from ragstone.generation.base import Sampling

_JOIN_SECONDS = 60.0  # a stopped model ends within one token


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
    """

    def __init__(self, id: str, folder: Path, tokenizer: Any) -> None:  # noqa: A002
        self._id = id
        self._tokenizer = tokenizer
        self._model = _load(id, folder)
        self._turn = threading.Lock()

    def stream(self, ids: list[int], sampling: Sampling) -> Iterator[str]:
        """Yield the text that follows `ids`, piece by piece."""
        streamer = TextIteratorStreamer(
            self._tokenizer,
            skip_prompt=not self._model.config.is_encoder_decoder,
            skip_special_tokens=True,
        )
        task = _Task(self._model, ids, sampling, streamer)
        with self._turn:
            task.start()
            try:
                yield from (piece for piece in streamer if piece)
            finally:
                task.stop.set()
                task.join(_JOIN_SECONDS)
        if task.error is not None:
            raise GeneratorUnavailable(self._id, str(task.error)) from task.error


class _Task(threading.Thread):
    """Runs the model beside the reader of its stream; keeps what went wrong."""

    def __init__(
        self, model: Any, ids: list[int], sampling: Sampling, streamer: TextIteratorStreamer
    ) -> None:
        super().__init__(name="ragstone-generate", daemon=True)
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


def _load(id: str, folder: Path) -> Any:  # noqa: A002
    limit_threads()
    try:
        with no_progress_bar():
            model = _from_files(folder)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise GeneratorUnavailable(id, str(error)) from error
    model.eval()
    _greedy(model.generation_config)
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def _from_files(folder: Path) -> Any:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    family: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return family.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )


def _greedy(config: Any) -> None:
    """Undo the sampling that a model's files ask for: the settings of the answer decide."""
    config.do_sample, config.num_beams, config.max_length = False, 1, None
    config.temperature = config.top_p = config.top_k = config.min_p = config.typical_p = None
