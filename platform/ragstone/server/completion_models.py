"""The forms of OpenAI's API for chats, as far as a dataset can fill them.

The names are OpenAI's. `ragstone` is ours, on both sides: what a question to a dataset has more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ragstone.errors import InvalidArgument
from ragstone.schemas.answers import Answer


class _Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One message of a conversation; what else comes with it is of no use here."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        """The words of the message."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What a stream tells beside the answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    include_usage: bool = False


class Extension(BaseModel):
    """What a question to a dataset has more."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")


class ChatRequest(BaseModel):
    """Body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: str = Field(description="`D`, `D@V`, `D/GENERATOR` or `D@V/GENERATOR`.")
    messages: list[Message] = Field(
        min_length=1, description="The last one is the question; those before it, the conversation."
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    ragstone: Extension = Extension(where=[])
    # Only what asks for nothing is taken; see _ONLY.
    n: Any = None
    tools: Any = None
    tool_choice: Any = None
    functions: Any = None
    function_call: Any = None
    response_format: Any = None
    modalities: Any = None
    audio: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    logit_bias: Any = None
    stop: Any = None
    prediction: Any = None
    web_search_options: Any = None
    # Taken, and named in the answer as without effect; see IGNORED.
    temperature: Any = None
    top_p: Any = None
    seed: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    reasoning_effort: Any = None
    verbosity: Any = None
    parallel_tool_calls: Any = None
    service_tier: Any = None
    store: Any = None
    metadata: Any = None
    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None


# Name -> values that ask for nothing, and what to give.
_ONLY: dict[str, tuple[tuple[Any, ...], str]] = {
    "n": ((None, 1), "1: a question has one answer"),
    "tools": ((None, []), "none: a dataset calls no tools"),
    "tool_choice": ((None, "none", "auto"), "'none' or 'auto'"),
    "functions": ((None, []), "none: a dataset calls no functions"),
    "function_call": ((None, "none", "auto"), "'none' or 'auto'"),
    "response_format": ((None, {"type": "text"}), "{'type': 'text'}"),
    "modalities": ((None, ["text"]), "['text']"),
    "audio": ((None,), "nothing: answers are text"),
    "logprobs": ((None, False), "false: not every generator has probabilities"),
    "top_logprobs": ((None, 0), "0: not every generator has probabilities"),
    "logit_bias": ((None, {}), "nothing: an answer says what its sources say"),
    "stop": ((None, "", []), "nothing: only whole sentences can be checked"),
    "prediction": ((None,), "nothing: there is nothing to go by"),
    "web_search_options": ((None,), "nothing: only the dataset is searched"),
}
# The settings of the workspace decide, so that an answer can be made again.
IGNORED = (
    "temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "presence_penalty",
    "frequency_penalty", "reasoning_effort", "verbosity", "parallel_tool_calls", "service_tier",
    "store", "metadata", "user", "safety_identifier", "prompt_cache_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    """A request, read: who is asked what, and what was said before."""

    dataset: str  # `D` or `D@V`
    generator: str | None
    question: str
    history: list[tuple[str, str]]  # questions and answers, oldest first
    where: list[str]
    ignored: list[str]  # what was given and has no effect


def read_request(body: ChatRequest) -> ChatQuestion:
    """Return what a request asks.

    Raises
    ------
    InvalidArgument
        It asks for what a dataset cannot give, or asks nothing.
    """
    for name, (nothing, expected) in _ONLY.items():
        value = getattr(body, name)
        if value not in nothing:
            raise InvalidArgument(
                name, value if isinstance(value, int | str) else "given", expected
            )
    dataset, generator = read_model(body.model)
    last = body.messages[-1]
    if last.role != "user" or not last.text.strip():
        given = last.role if last.role != "user" else last.text
        raise InvalidArgument("messages", given, "a last message of the role 'user', with a text")
    ignored = [name for name in IGNORED if getattr(body, name) is not None]
    if any(message.role in {"system", "developer"} for message in body.messages):
        ignored.append("system messages")
    return ChatQuestion(
        dataset, generator, last.text, _history(body.messages[:-1]), body.ragstone.where, ignored
    )


def read_model(name: str) -> tuple[str, str | None]:
    """Return the dataset and the generator that the name of a model stands for."""
    dataset, _, generator = name.partition("/")
    if not dataset:
        expected = "DATASET, DATASET@VERSION or DATASET@VERSION/GENERATOR"
        raise InvalidArgument("model", name, expected)
    return dataset, generator or None


def _history(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Return questions with the answers that follow them, empty where none does."""
    history: list[tuple[str, str]] = []
    for message in messages:
        if message.role == "user":
            history.append((message.text, ""))
        elif message.role == "assistant" and history and not history[-1][1]:
            history[-1] = (history[-1][0], message.text)
    return history


# ---------------------------------------------------------------- what is sent


@dataclass(frozen=True, slots=True)
class Model:
    """A dataset, as a model to chat with."""

    id: str
    created: int  # seconds since 1970
    object: Literal["model"] = "model"
    owned_by: str = "ragstone"


@dataclass(frozen=True, slots=True)
class ModelList:
    """All datasets."""

    data: list[Model]
    object: Literal["list"] = "list"


@dataclass(frozen=True, slots=True)
class Said:
    """What the dataset says."""

    content: str
    role: Literal["assistant"] = "assistant"
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer; there is one."""

    message: Said
    index: int = 0
    finish_reason: Literal["stop"] = "stop"
    logprobs: None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the generator counts them; none when it was not asked."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Grounds:
    """The extension field `ragstone`: the answer as `POST /v1/ask` gives it, with its citations."""

    answer: Answer
    ignored: list[str]  # what was given and has no effect


@dataclass(frozen=True, slots=True)
class ChatCompletion:
    """Result of `POST /v1/chat/completions`."""

    id: str
    created: int  # seconds since 1970
    model: str  # as it was named
    choices: list[Choice]
    usage: Usage
    ragstone: Grounds
    object: Literal["chat.completion"] = "chat.completion"


def usage_of(answer: Answer) -> Usage:
    """Return the tokens of an answer as OpenAI names them."""
    tokens = answer.tokens
    return Usage(tokens.prompt, tokens.answer, tokens.prompt + tokens.answer)
