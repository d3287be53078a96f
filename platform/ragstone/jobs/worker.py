"""The program of a working process: takes a task, computes it, sends back what came out.

It never opens the catalog, and ends when the owner's process does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.errors import RagstoneError
from ragstone.ingestion.engines import connection
from ragstone.jobs.compute import IngestTask, compute
from ragstone.jobs.embed import embed
from ragstone.jobs.fit import FitTask, Listener, fit
from ragstone.jobs.folder import JobFolder
from ragstone.jobs.place import PlaceTask, place
from ragstone.jobs.work import Telling
from ragstone.storage.files import make_folder
from ragstone.training.encoding import WorkspaceEncoders

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ragstone.config import EncoderSettings
    from ragstone.encoders.base import TextEncoder
    from ragstone.jobs.work import News, Outcome, Task

_STANDARD_INPUT, _STANDARD_ERROR = 0, 2


def main() -> None:
    """Serve tasks until the other end closes; argument: the file descriptor of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    threading.Thread(target=_end_with_the_owner, daemon=True).start()
    pipe = connection(int(sys.argv[1]))
    pipe.send("ready")
    while True:
        try:
            task: Task = pipe.recv()
        except EOFError:
            return
        _write_to_the_log(task)
        pipe.send(_outcome(task, pipe))


def _outcome(task: Task, pipe: Connection) -> Outcome | RagstoneError:
    def tell(news: News) -> None:
        pipe.send(Telling(news, waits=False))

    def tell_and_wait(news: News) -> None:
        pipe.send(Telling(news, waits=True))
        pipe.recv()

    try:
        if isinstance(task, FitTask):
            with _stopped_by_a_signal() as stopping:
                return fit(task, Listener(tell=tell, record=tell_and_wait, stopping=stopping))
        if isinstance(task, PlaceTask):
            return place(task)
        encoder = _encoder(task.settings.encoder, task.root)
        if isinstance(task, IngestTask):
            return compute(task, encoder, tell)
        return embed(task, encoder, tell)
    except RagstoneError as error:
        return error
    except Exception as error:  # noqa: BLE001  # the border of a process; the log has the rest
        traceback.print_exc()
        return RagstoneError(
            f"{type(error).__name__}: {error}",
            f"The file jobs/{task.job}/log in the workspace has the details.",
        )


@contextmanager
def _stopped_by_a_signal() -> Iterator[Callable[[], bool]]:
    """Give what tells whether SIGTERM has come; it does not end the process meanwhile."""
    come = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: come.set())
    try:
        yield come.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


@lru_cache(maxsize=1)
def _encoder(settings: EncoderSettings, root: Path) -> TextEncoder:
    return WorkspaceEncoders(root / "models").open(settings)


def _write_to_the_log(task: Task) -> None:
    """Let standard error, also that of C libraries, go to the job's log."""
    folder = JobFolder(task.root, task.job)
    make_folder(folder.path)
    with folder.log.open("ab") as log:
        os.dup2(log.fileno(), _STANDARD_ERROR)


def _end_with_the_owner() -> None:
    """Wait for the end of standard input, which only the owner's process holds open."""
    while os.read(_STANDARD_INPUT, 1):
        pass
    os._exit(1)
