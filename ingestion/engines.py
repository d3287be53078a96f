"""Engines: where the reading of inputs runs. All give the same results in the same order.

`Engine.map` is the seam at which one process, several processes and a cluster are interchangeable.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
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
_END_SECONDS = 2.0  # between the end of a worker's pipe and that of its process
_LAST_WORDS = 200  # characters of what a dead worker's libraries wrote last
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
            if worker is not None:
                worker.close()
                self._started.remove(worker)
            worker = self._own.worker = _Worker(self._memory_mb, self._seconds)
            self._started.append(worker)
        return cast("R | Rejected", worker.call(function, task))

    def close(self) -> None:
        """End the processes, busy ones too."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._started):
            worker.stop()  # its thread sees the pipe end, and closes its own side
        self._threads.shutdown()
        for worker in self._started:
            worker.close()


class _Worker:
    """A process that runs one call after another.

    It leads a process group, so that what its libraries started ends with it. What they write to
    the standard streams goes to a file without a name, which is told only when the process dies.
    """

    def __init__(self, memory_mb: int, seconds: float) -> None:
        self._seconds = seconds
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._pipe, theirs = Pipe()
        command = [*_COMMAND, str(theirs.fileno()), str(memory_mb), str(seconds)]
        self._process = subprocess.Popen(  # noqa: S603  # our own program, our own arguments
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._noise,
            stderr=self._noise,
            process_group=0,
        )
        theirs.close()
        self._greeted = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, function: Callable[[Any], Any], task: object) -> object:
        try:
            self._hello()
            self._quieten()
            self._pipe.send((function, task))
            if self._pipe.poll(self._seconds):
                result, worn = self._pipe.recv()
                if worn:
                    self.close()
                return cast("object", result)
            reason: Rejected = ParserTimeout(self._seconds)
            self.stop()
        except (EOFError, ConnectionError, OSError):
            reason = ParserDied(self._ended())
        self.close()
        return reason

    def _hello(self) -> None:
        """Take the greeting, once, so that imports do not count as reading time."""
        if not self._greeted:
            if not self._pipe.poll(_START_SECONDS):
                raise EOFError
            self._pipe.recv()
            self._greeted = True

    def _quieten(self) -> None:
        """Drop what was written while the last task ran; both sides share one position."""
        self._noise.seek(0)
        self._noise.truncate()

    def _ended(self) -> str:
        """Wait until the process, which has closed its pipe, is gone, and tell how it went."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)  # a status of its own tells more than our SIGKILL
        self.stop()
        code = self._process.wait()
        if code < 0:
            how = f"its process got the signal {signal.Signals(-code).name}"
        else:
            how = f"its process ended with status {code}"
        return how + self._last_words()

    def _last_words(self) -> str:
        size = self._noise.seek(0, os.SEEK_END)
        self._noise.seek(max(0, size - 4 * _LAST_WORDS))
        lines = self._noise.read().decode(errors="replace").splitlines()
        said = [line for line in (" ".join(line.split()) for line in lines) if line]
        return f" ({said[-1][-_LAST_WORDS:]})" if said and said[-1].isprintable() else ""

    def stop(self) -> None:
        """End the process and what it started; its thread sees that."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process if need be, and let go of all that is kept of it."""
        self.stop()
        self._process.wait()
        self._pipe.close()
        self._noise.close()


def connection(descriptor: int) -> Connection[Any, Any]:
    """Return the worker's end of the pipe at `descriptor`."""
    os.set_inheritable(descriptor, False)
    return Connection(descriptor)
