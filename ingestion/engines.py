"""Engines: where the reading of inputs runs. All give the same results in the same order.

`Engine.map` is the seam at which one process, several processes and a cluster are interchangeable.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol, TypeVar, cast

from ragstone.errors import ParserDied, ParserTimeout, Rejected

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4  # tasks per worker that wait: enough to keep it busy, few enough to bound memory
_START_SECONDS = 120.0  # a worker says hello after its imports; more means it never will
# Not `multiprocessing`: its children import the main module anew, so a script without
# `if __name__ == "__main__"` would start itself over and over. -P keeps its folder off the path.
_COMMAND = (sys.executable, "-P", "-c", "from ragstone.ingestion.worker import main; main()")


class Engine(Protocol):
    """Runs a function over tasks."""

    def map(
        self, function: Callable[[T], R], tasks: Iterable[T]
    ) -> Iterator[tuple[T, R | Rejected]]:
        """Yield each task with its result, or with the reason why there is none, in order.

        `function` is importable by its name; tasks and results can be pickled.
        """
        ...

    def close(self) -> None:
        """End what the engine started."""
        ...


class SerialEngine:
    """Runs in the calling process, without limits on time and memory."""

    def map(
        self, function: Callable[[T], R], tasks: Iterable[T]
    ) -> Iterator[tuple[T, R | Rejected]]:
        """See `Engine.map`."""
        for task in tasks:
            yield task, function(task)

    def close(self) -> None:
        """Nothing was started."""


class ProcessEngine:
    """Runs in processes that are killed at a time limit and bounded in memory.

    Parameters
    ----------
    workers
        Number of processes; each starts with its first task.
    seconds
        Time for one task.
    memory_mb
        Memory of one process, in MiB.
    """

    def __init__(self, workers: int, seconds: float, memory_mb: int) -> None:
        self._workers, self._seconds, self._memory_mb = workers, seconds, memory_mb
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="ragstone-reader")
        self._own = threading.local()  # each thread has a process of its own
        self._started: list[_Worker] = []

    def map(
        self, function: Callable[[T], R], tasks: Iterable[T]
    ) -> Iterator[tuple[T, R | Rejected]]:
        """See `Engine.map`."""
        waiting: deque[tuple[T, Future[R | Rejected]]] = deque()
        for task in tasks:
            waiting.append((task, self._threads.submit(self._run, function, task)))
            if len(waiting) > _AHEAD * self._workers:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()

    def _run(self, function: Callable[[T], R], task: T) -> R | Rejected:
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None or not worker.alive:
            worker = self._own.worker = _Worker(self._memory_mb)
            self._started.append(worker)
        return cast("R | Rejected", worker.call(function, task, self._seconds))

    def close(self) -> None:
        """End the processes, busy ones too."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._started):
            worker.stop()  # its thread sees the pipe end, and closes its own side
        self._threads.shutdown()
        for worker in self._started:
            worker.kill()


class _Worker:
    """A process that runs one call after another."""

    def __init__(self, memory_mb: int) -> None:
        self._pipe, theirs = Pipe()
        command = [*_COMMAND, str(theirs.fileno()), str(memory_mb)]
        self._process = subprocess.Popen(  # noqa: S603  # our own program, our own arguments
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        self._greeted = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, function: Callable[[Any], Any], task: object, seconds: float) -> object:
        try:
            self._hello()
            self._pipe.send((function, task))
            if not self._pipe.poll(seconds):
                self.kill()
                return ParserTimeout(seconds)
            return self._pipe.recv()
        except (EOFError, ConnectionError, OSError):
            self.kill()
            return ParserDied(_ending(self._process.returncode))

    def _hello(self) -> None:
        """Take the greeting, once, so that imports do not count as reading time."""
        if not self._greeted:
            if not self._pipe.poll(_START_SECONDS):
                raise EOFError
            self._pipe.recv()
            self._greeted = True

    def stop(self) -> None:
        self._process.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._pipe.close()


def _ending(code: int) -> str:
    if code < 0:
        return f"its process got the signal {signal.Signals(-code).name}"
    return f"its process ended with status {code}"


def connection(descriptor: int) -> Connection[Any, Any]:
    """Return the worker's end of the pipe at `descriptor`."""
    os.set_inheritable(descriptor, False)
    return Connection(descriptor)
