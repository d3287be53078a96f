"""A language model in memory and its token stream: imports torch and transformers at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Stream
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)

from ragstone.errors import GeneratorFailed
from ragstone.generation.base import PULSE_SECONDS, Sampling
from ragstone.generation.huggingface import Loading
from ragstone.generation.loading import load

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
        self._model = load(id, folder, loading)
        self._turn = threading.Lock()  # held by the task that uses the model

    def stream(self, ids: list[int], sampling: Sampling) -> Iterator[str]:
        """Yield the text that follows `ids`, piece by piece, and empty pieces while it waits."""
        streamer = TextIteratorStreamer(
            self._tokenizer,
            skip_prompt=not self._model.config.is_encoder_decoder,
            timeout=PULSE_SECONDS,
            skip_special_tokens=True,
        )
        task = _Task(self._model, Padded([ids]), sampling, streamer, self._turn.release)
        yield from self._running(task, _pulsing(streamer))

    def stream_many(self, rows: Sequence[list[int]], sampling: Sampling) -> list[Iterator[str]]:
        """Return a stream for each of `rows`, token ids, with the text that follows it.

        All are written at once when the first stream is read, and then are there whole.
        """
        batch = _Batch(self._id, lambda: self._together(rows, sampling))
        return [batch.row(number) for number in range(len(rows))]

    def _together(
        self, rows: Sequence[list[int]], sampling: Sampling
    ) -> Stream[str, None, list[str]]:
        """Yield empty pieces while the rows are written, and return their texts."""
        config = self._model.config
        padded = Padded(rows, self._padding(), left=not config.is_encoder_decoder)
        task = _Task(self._model, padded, sampling, None, self._turn.release)
        yield from self._running(task, _waiting(task))
        # A decoder of its own begins with the token that starts it, any other with the prompt.
        start = 0 if config.is_encoder_decoder else padded.width
        return [self._text(row[start:]) for row in task.output]

    def _running(self, task: _Task, pieces: Iterator[str]) -> Iterator[str]:
        """Run the task when it is its turn, and yield `pieces` meanwhile."""
        while not self._turn.acquire(timeout=PULSE_SECONDS):
            yield ""
        task.start()
        try:
            yield from pieces
        finally:
            task.stop.set()
            task.join(_JOIN_SECONDS)
        if task.error is not None:
            reason = str(task.error) or type(task.error).__name__
            raise GeneratorFailed(self._id, reason) from task.error

    def _padding(self) -> int:
        """Return a token to fill rows with; it is masked, so any will do."""
        known: int | None = self._tokenizer.pad_token_id
        return next(iter(self._ends()), 0) if known is None else known

    def _ends(self) -> list[int]:
        """Return the tokens that end a text."""
        ends = self._model.generation_config.eos_token_id
        return ends if isinstance(ends, list) else [] if ends is None else [ends]

    def _text(self, ids: list[int]) -> str:
        """Return the text of tokens as a stream of them has it, up to the one that ends it."""
        streamer: Any = TextIteratorStreamer(self._tokenizer, skip_special_tokens=True)
        ends = self._ends()
        for number, token in enumerate(ids):
            streamer.put(torch.tensor([token]))
            if token in ends and number:  # the first may be the one that starts a decoder
                break
        streamer.end()
        return "".join(streamer)


class Padded:
    """Rows of token ids as one tensor (rows, width), and the mask that leaves the padding out.

    A decoder goes on from the last token, so that it needs its padding on the left; an encoder
    counts positions from the left, so that it needs it on the right.
    """

    def __init__(self, rows: Sequence[list[int]], token: int = 0, *, left: bool = True) -> None:
        self.width = max(map(len, rows))
        gaps = [[0] * (self.width - len(row)) for row in rows]
        ones = [[1] * len(row) for row in rows]
        filled = [[token] * len(gap) for gap in gaps]
        pairs = zip(filled, rows, strict=True) if left else zip(rows, filled, strict=True)
        masks = zip(gaps, ones, strict=True) if left else zip(ones, gaps, strict=True)
        self.ids = torch.tensor([[*one, *other] for one, other in pairs])
        self.mask = torch.tensor([[*one, *other] for one, other in masks])


class _Batch:
    """Texts that come into being together: whoever reads first has them written."""

    def __init__(self, id: str, write: Callable[[], Stream[str, None, list[str]]]) -> None:  # noqa: A002
        self._id = id
        self._write = write
        self._texts: list[str] = []
        self._problem = ""  # why there are no texts

    def row(self, number: int) -> Iterator[str]:
        """Yield empty pieces while the texts are written, then that of one row."""
        if self._problem:
            raise GeneratorFailed(self._id, self._problem)
        if not self._texts:
            self._problem = "the answers that were written with this one were stopped"
            try:
                self._texts = yield from self._write()
            except GeneratorFailed as error:
                self._problem = error.reason
                raise
            self._problem = ""
        yield self._texts[number]


def _pulsing(streamer: TextIteratorStreamer) -> Iterator[str]:
    while True:
        try:
            yield next(streamer)
        except queue.Empty:
            yield ""
        except StopIteration:
            return


def _waiting(task: _Task) -> Iterator[str]:
    while task.is_alive():
        task.join(PULSE_SECONDS)
        yield ""


class _Task(threading.Thread):
    """Runs the model beside the reader of its text; keeps what went wrong.

    Parameters
    ----------
    streamer
        Gets the tokens of a single row as they come; without one, all are in `output`.
    """

    def __init__(
        self,
        model: Any,
        padded: Padded,
        sampling: Sampling,
        streamer: TextIteratorStreamer | None,
        done: Callable[[], None],
    ) -> None:
        super().__init__(name="ragstone-generate", daemon=True)
        self._done = done
        self._model, self._padded = model, padded
        self._sampling, self._streamer = sampling, streamer
        self.stop = threading.Event()
        self.output: list[list[int]] = []
        self.error: Exception | None = None

    def run(self) -> None:
        """Generate until the model ends, the limit is reached or `stop` is set."""
        try:
            with torch.inference_mode():
                self.output = self._generated().tolist()
        except Exception as error:  # noqa: BLE001 - a thread's boundary: raised by its reader
            self.error = error
            if self._streamer is not None:
                self._streamer.on_finalized_text("", stream_end=True)
        finally:
            self._done()

    def _generated(self) -> torch.Tensor:
        device = self._model.device
        processors = LogitsProcessorList()
        if self._sampling.temperature > 0:
            processors.append(_Draw(self._sampling, device, len(self._padded.ids)))
        made: torch.Tensor = self._model.generate(
            self._padded.ids.to(device),
            attention_mask=self._padded.mask.to(device),
            max_new_tokens=self._sampling.max_new_tokens,
            streamer=self._streamer,
            logits_processor=processors,
            stopping_criteria=StoppingCriteriaList([_Stopped(self.stop)]),
        )
        return made


class _Draw(LogitsProcessor):
    """Turns the most likely token into a draw at a temperature, from its own random source.

    The largest of `logits / T` plus Gumbel noise is distributed as softmax(logits / T) (Gumbel,
    1954), so greedy search over the noisy logits samples; torch's global source is not touched,
    and answers made at the same time do not disturb each other's seeds. Each row of a batch has a
    source of its own, and so the noise that it would have alone.
    """

    def __init__(self, sampling: Sampling, device: torch.device, rows: int) -> None:
        self._temperature = sampling.temperature
        self._random = [
            torch.Generator(device=device).manual_seed(sampling.seed) for _ in range(rows)
        ]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return noisy logits, shape (batch, vocabulary)."""
        noise = torch.empty_like(scores, dtype=torch.float32)
        for row, random in enumerate(self._random):
            noise[row : row + 1].exponential_(generator=random)
        return scores.float() / self._temperature - noise.log()


class _Stopped(StoppingCriteria):
    """Ends generation when the reader has gone."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002
        """Return a flag per sequence."""
        return torch.full((input_ids.shape[0],), self._event.is_set(), device=input_ids.device)
