"""Any causal or sequence-to-sequence language model of `transformers` as a generator."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.errors import GeneratorUnavailable
from ragstone.generation.base import Prompt, Sampling
from ragstone.generation.output import THINK, readable
from ragstone.generation.prompts import without_last

if TYPE_CHECKING:
    from ragstone.generation.language_model import LanguageModel

_DEFAULT_CONTEXT = 2_048  # tokens, when neither model nor tokenizer says
_UNLIMITED = 2**24  # tokenizers without a limit report a huge number
_LENGTHS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


@dataclass(frozen=True, slots=True)
class Loading:
    """How the weights of a model are held in memory."""

    dtype: str = "auto"  # as in its files, or float32, bfloat16, float16
    quantisation: str = "none"  # or int8, int4


DEFAULT_LOADING = Loading()


class TransformersGenerator:
    """A language model from a folder or the local hub cache; nothing is downloaded.

    Weights must be safetensors and code must come from `transformers` itself. The tokenizer is
    read when first needed, the weights by the first prompt; both are then shared by all threads.

    Parameters
    ----------
    name
        Path of a folder, or a name in the local hub cache.
    loading
        How its weights are held in memory.

    Raises
    ------
    GeneratorUnavailable
        The model is not on this machine.
    """

    def __init__(self, name: str, loading: Loading = DEFAULT_LOADING) -> None:
        self._name = name
        self._how = loading
        self._folder = _folder(name)
        self._loading = threading.Lock()
        self._model: LanguageModel | None = None

    @property
    def id(self) -> str:
        """`hf:` and the name."""
        return f"hf:{self._name}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of weights, settings and vocabulary, in hex."""
        from ragstone.encoders.digests import folder_digest

        return folder_digest(self._name, self._folder)

    @cached_property
    def context_length(self) -> int:
        """Tokens of prompt and answer together, as model and tokenizer declare them."""
        limits = [getattr(self._config, name, None) for name in _LENGTHS]
        limits.append(self._tokenizer.model_max_length)
        known = [int(n) for n in limits if isinstance(n, int | float) and 0 < n < _UNLIMITED]
        return min(known, default=_DEFAULT_CONTEXT)

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of `prompt` as the model gets it, its chat template included."""
        return len(self._encode(prompt))

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:
        """Yield the answer in pieces, as its words are complete, until the model ends it.

        Temperature 0 always takes the most likely token; above 0 the same seed gives the same
        text. A prompt that is too long loses its last passages; the question is never cut.
        One answer is written at a time; empty pieces come while it waits. Closing the iterator
        stops the model.

        Raises
        ------
        GeneratorUnavailable
            The model cannot be loaded, or has no room for the question alone.
        GeneratorFailed
            It breaks off.
        GeneratorNonsense
            It ends without a word.
        """
        ids = self._fitting(prompt, self.context_length - sampling.max_new_tokens)
        return self._readable(prompt, self._loaded().stream(ids, sampling), sampling)

    def stream_many(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Iterator[str]]:
        """Return a stream for each prompt, as of `stream`; all are written at once.

        At temperature 0 the text is that of `stream`, but where two tokens are as likely but for
        the rounding of numbers, which depends on how many are computed together.

        Raises
        ------
        GeneratorUnavailable
            The model cannot be loaded. What is wrong with one prompt, its own stream raises.
        """
        room = self.context_length - sampling.max_new_tokens
        rows: dict[int, list[int]] = {}
        refused: dict[int, Iterator[str]] = {}
        for number, prompt in enumerate(prompts):
            try:
                rows[number] = self._fitting(prompt, room)
            except GeneratorUnavailable as error:
                refused[number] = _raising(error)
        streams = self._loaded().stream_many(list(rows.values()), sampling)
        written = {
            number: self._readable(prompts[number], stream, sampling)
            for number, stream in zip(rows, streams, strict=True)
        }
        return [(written | refused)[number] for number in range(len(prompts))]

    def _readable(
        self, prompt: Prompt, written: Iterator[str], sampling: Sampling
    ) -> Iterator[str]:
        if self._begins_thinking(prompt):
            written = _thinking(written)
        return readable(written, self.id, sampling.stop)

    def _fitting(self, prompt: Prompt, room: int) -> list[int]:
        while True:
            ids = self._encode(prompt)
            if len(ids) <= room:
                return ids
            if not prompt.passages:
                raise GeneratorUnavailable(
                    self.id,
                    f"the question takes {len(ids)} tokens, and there is room for {room} of "
                    f"{self.context_length}",
                )
            prompt = without_last(prompt)

    def _begins_thinking(self, prompt: Prompt) -> bool:
        """Tell whether the chat template itself opens the thoughts that the model writes first."""
        return bool(self._tokenizer.chat_template) and self._chat(prompt).rstrip().endswith(THINK)

    def _encode(self, prompt: Prompt) -> list[int]:
        """Token ids of the prompt, by the model's chat template when it has one."""
        if not self._tokenizer.chat_template:
            ids: list[int] = self._tokenizer(prompt.text, verbose=False)["input_ids"]
            return ids
        text = self._chat(prompt)
        # The template writes the special tokens itself.
        chat: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return chat

    def _chat(self, prompt: Prompt) -> str:
        from jinja2 import TemplateError

        turns = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ]
        try:
            return self._template(turns)
        except TemplateError:  # some templates refuse a system message
            try:
                return self._template([{"role": "user", "content": prompt.text}])
            except TemplateError as error:
                raise GeneratorUnavailable(self.id, f"its chat template fails: {error}") from error

    def _template(self, turns: list[dict[str, str]]) -> str:
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
        return text

    @cached_property
    def _config(self) -> Any:
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise GeneratorUnavailable(self.id, str(error)) from error
        return config.get_text_config(decoder=True) if hasattr(config, "text_config") else config

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise GeneratorUnavailable(self.id, str(error)) from error

    def _loaded(self) -> LanguageModel:
        with self._loading:
            if self._model is None:
                from ragstone.generation.language_model import LanguageModel

                self._model = LanguageModel(self.id, self._folder, self._tokenizer, self._how)
            return self._model


def _thinking(written: Iterator[str]) -> Iterator[str]:
    """Yield the tag that the prompt ends with in front of what is written after it."""
    yield THINK
    yield from written


def _raising(error: GeneratorUnavailable) -> Iterator[str]:
    yield ""
    raise error


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        reason = "it is neither a folder nor a model in the local hub cache"
        raise GeneratorUnavailable(name, reason) from error
