"""Reading what a generator writes, with an eye on the time and on whether it is still wanted."""

from __future__ import annotations

import threading
from collections.abc import Generator as Stream
from time import monotonic

from ragstone.errors import GeneratorTimeout
from ragstone.generation.base import Generator, Prompt, Sampling


class Stopped(Exception):
    """The one who asked does not want the answer any more."""


def watched(
    generator: Generator,
    prompt: Prompt,
    sampling: Sampling,
    seconds: float,
    stopped: threading.Event | None = None,
) -> Stream[str, None, None]:
    """Yield what the generator writes; closing the iterator stops it.

    Raises
    ------
    Stopped
        `stopped` was set, by another thread.
    GeneratorTimeout
        It has not ended after so many seconds.
    """
    deadline = monotonic() + seconds
    stream = generator.stream(prompt, sampling)
    try:
        for piece in stream:
            if stopped is not None and stopped.is_set():
                raise Stopped
            if monotonic() > deadline:
                raise GeneratorTimeout(generator.id, seconds)
            yield piece
    finally:
        close = getattr(stream, "close", None)  # a plain iterator has nothing to stop
        if close is not None:
            close()
