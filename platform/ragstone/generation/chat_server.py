"""A language model behind a server that speaks OpenAI's chat completions, such as vLLM or Ollama.

It is asked by a thread of its own, whose event loop can be ended at any moment: then the connection
closes, and the server stops as well.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from ragstone.errors import (
    GeneratorFailed,
    GeneratorNonsense,
    GeneratorUnavailable,
    RagstoneError,
)
from ragstone.generation.base import PULSE_SECONDS, Prompt, Sampling
from ragstone.generation.output import THINK, THOUGHT, readable

_CONNECT_SECONDS = 5.0
_TRIES = 4  # of one request, before its first token
_FIRST_PAUSE = 0.5  # seconds; doubled from try to try
_LONGEST_PAUSE = 10.0
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})  # another try may help
_REFUSED = frozenset({401, 403, 404})
_THOUGHTS = ("reasoning_content", "reasoning")  # where servers that tell thoughts apart put them
_SHOWN = 200  # characters of a server's own words in an error
# Characters per token at least, of the prompt: what no server counts for us is rather too many.
_CHARACTERS = 3
_PER_MESSAGE = 16


@dataclass(frozen=True, slots=True)
class ChatServer:
    """Where a model is asked, and how."""

    model: str
    url: str  # base, as in https://api.example/v1
    key: str = ""  # sent as a bearer token; never kept or shown
    context_tokens: int = 8_192

    def __repr__(self) -> str:
        """Name model and address, not the key."""
        return f"ChatServer({self.model!r}, {self.url!r})"


class ChatServerGenerator:
    """Asks the server for each answer, streaming; nothing is kept between two of them."""

    def __init__(self, server: ChatServer) -> None:
        self._server = server

    @property
    def id(self) -> str:
        """`openai:MODEL@URL`."""
        return f"openai:{self._server.model}@{self._server.url}"

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together, as the settings say."""
        return self._server.context_tokens

    def count_tokens(self, prompt: Prompt) -> int:
        """Return an estimate that is rather too high: the server has the tokenizer."""
        return len(prompt.text) // _CHARACTERS + 2 * _PER_MESSAGE

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:
        """Yield the answer in pieces, and an empty one now and then while the server is silent.

        Until the first token, a server that is busy, fails or cannot be reached is asked again, up
        to four times. Closing the iterator closes the connection at once.

        Raises
        ------
        GeneratorUnavailable
            It cannot be reached, or does not let one in.
        GeneratorFailed
            It reports an error, or breaks off.
        GeneratorNonsense
            It answers with something else than a chat completion, or without a word.
        """
        return readable(self._written(prompt, sampling), self.id, sampling.stop)

    def _written(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:
        talk = _Talk(self.id, self._server, _request(self._server.model, prompt, sampling))
        talk.start()
        try:
            while True:
                try:
                    piece = talk.pieces.get(timeout=PULSE_SECONDS)
                except queue.Empty:
                    piece = ""
                if piece is None:
                    break
                yield piece
        finally:
            talk.end()
        if talk.error is not None:
            raise talk.error


def served_models(url: str, key: str, seconds: float) -> list[str]:
    """Return the models that a server says it has, by name.

    Raises
    ------
    GeneratorUnavailable
        It does not answer within the time, or not with a list of models.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{url}/models", headers=headers, timeout=seconds).raise_for_status()
        return sorted(str(model["id"]) for model in answer.json()["data"])
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise GeneratorUnavailable(url, str(error) or type(error).__name__) from error
    except (ValueError, KeyError, TypeError) as error:
        raise GeneratorUnavailable(url, "it does not list its models") from error


def _request(model: str, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": prompt.user},
    ]
    request: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    request |= {"max_tokens": sampling.max_new_tokens, "temperature": sampling.temperature}
    request["seed"] = sampling.seed
    if sampling.stop:
        request["stop"] = list(sampling.stop[:4])  # more are refused; the text is cut here anyway
    return request


class _Talk(threading.Thread):
    """One request and its answer; `pieces` ends with None, and `error` says what went wrong."""

    def __init__(self, name: str, server: ChatServer, request: dict[str, Any]) -> None:
        super().__init__(name="ragstone-talk", daemon=True)
        self._id, self._server, self._request = name, server, request
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._finished = False  # as the server says
        self._thinking = False
        self._told = False  # something of the answer: from here on it is not asked for again
        self.pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.error: RagstoneError | None = None

    def run(self) -> None:
        """Talk until the answer is complete, fails, or is not wanted any more."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._all())
            except asyncio.CancelledError:
                pass
            except RagstoneError as error:
                self.error = error
            finally:
                self.pieces.put(None)

    def end(self) -> None:
        """Close the connection, whatever it is at, and wait for that."""
        self._ended = True
        with suppress(RuntimeError):  # the loop has come to its end by itself
            self._loop.call_soon_threadsafe(self._cancel)
        self.join(_CONNECT_SECONDS)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _all(self) -> None:
        self._task = asyncio.current_task()
        if self._ended:  # before there was a task to cancel
            return
        headers = {"Authorization": f"Bearer {self._server.key}"} if self._server.key else {}
        limits = httpx.Timeout(None, connect=_CONNECT_SECONDS)  # the whole time is watched outside
        async with httpx.AsyncClient(headers=headers, timeout=limits) as client:
            pause = _FIRST_PAUSE
            for left in range(_TRIES - 1, -1, -1):
                try:
                    await self._once(client)
                except _Again as error:
                    if not left or self._told:
                        raise error.final from error.__cause__
                    await asyncio.sleep(min(error.wait or pause, _LONGEST_PAUSE))
                    pause *= 2
                else:
                    return

    async def _once(self, client: httpx.AsyncClient) -> None:
        url = f"{self._server.url}/chat/completions"
        try:
            async with client.stream("POST", url, json=self._request) as response:
                if response.is_error:
                    raise await self._refusal(response)
                await self._read(response)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise GeneratorUnavailable(self._id, str(error)) from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            failed = GeneratorFailed(self._id, f"the connection broke off: {reason}")
            reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            final = failed if reached else GeneratorUnavailable(self._id, reason)
            raise _Again(final) from error

    async def _refusal(self, response: httpx.Response) -> Exception:
        words = (await response.aread()).decode("utf-8", "replace")
        reason = f"HTTP {response.status_code}: {' '.join(words.split())[:_SHOWN]}"
        if response.status_code in _REFUSED:
            return GeneratorUnavailable(self._id, reason)
        failed = GeneratorFailed(self._id, reason)
        if response.status_code not in _BUSY:
            return failed
        return _Again(failed, _seconds(response.headers.get("Retry-After", "")))

    async def _read(self, response: httpx.Response) -> None:
        """Take the pieces out of the events, and see that they come to an end."""
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            self._tell(self._content(await _body(response), "message"))  # it does not stream
            return
        async for data in _events(response):
            if data == "[DONE]":
                return
            self._tell(self._content(data, "delta"))
        if not self._finished:
            failed = GeneratorFailed(self._id, "it broke off in the middle of its answer")
            raise _Again(failed)

    def _tell(self, piece: str) -> None:
        if piece:
            self._told = True
            self.pieces.put(piece)

    def _content(self, data: str, kind: str) -> str:
        """Return the text in one event (`delta`), or in a whole answer (`message`)."""
        try:
            body = json.loads(data)
            if "error" in body:
                reason = json.dumps(body["error"], ensure_ascii=False)[:_SHOWN]
                raise GeneratorFailed(self._id, reason)
            choices = body["choices"]
            if not choices:  # figures about the answer
                return ""
            self._finished = self._finished or choices[0].get("finish_reason") is not None
            told = choices[0].get(kind) or {}
            content = told.get("content") or ""
            thought = next((told[name] for name in _THOUGHTS if told.get(name)), "")
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            shown = " ".join(data.split())[:_SHOWN]
            raise GeneratorNonsense(self._id, f"{shown!r} is no chat completion") from error
        if not isinstance(content, str):
            raise GeneratorNonsense(self._id, f"its content is {type(content).__name__}, not text")
        return self._marked(thought if isinstance(thought, str) else "", content)

    def _marked(self, thought: str, content: str) -> str:
        """Return thought and content in one, with the tags where one follows the other."""
        begin = THINK if thought and not self._thinking else ""
        self._thinking = self._thinking or bool(thought)
        end = THOUGHT if content and self._thinking else ""
        self._thinking = self._thinking and not content
        return f"{begin}{thought}{end}{content}"


class _Again(Exception):
    """What went wrong may go better in a moment; else `final` is the error."""

    def __init__(self, final: RagstoneError, wait: float = 0.0) -> None:
        super().__init__(final.message)
        self.final, self.wait = final, wait


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        field, _, value = line.partition(":")
        if field == "data":
            yield value.strip()


async def _body(response: httpx.Response) -> str:
    return (await response.aread()).decode("utf-8", "replace")


def _seconds(header: str) -> float:
    """Return what a Retry-After says in seconds; 0 for a date or nothing."""
    return float(header) if header.isdigit() else 0.0
