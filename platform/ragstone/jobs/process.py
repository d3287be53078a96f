"""The owner's side of a working process."""

from __future__ import annotations

import signal
import subprocess
import sys
from multiprocessing.connection import Pipe
from typing import TYPE_CHECKING

from ragstone.errors import JobDied, RagstoneError
from ragstone.jobs.work import HEARD, Telling

if TYPE_CHECKING:
    from ragstone.jobs.work import HeardNews, Outcome, Task

# Not `multiprocessing`, as for the reading processes: nothing of the main module is imported.
_COMMAND = (sys.executable, "-P", "-c", "from ragstone.jobs.worker import main; main()")


class WorkerProcess:
    """A process that computes one task after another; it keeps its model loaded meanwhile."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        # Standard input is the line by which it notices that this process is gone.
        self._process = subprocess.Popen(  # noqa: S603  # our own program, our own arguments
            [*_COMMAND, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.PIPE
        )
        theirs.close()
        self._greeted = False

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process.poll() is None

    def compute(self, task: Task, on_news: HeardNews) -> Outcome:
        """Let the process compute `task` and return what came out.

        Raises
        ------
        JobDied
            The process ended, or was killed.
        RagstoneError
            What the task raised.
        """
        try:
            if not self._greeted:
                self._pipe.recv()
                self._greeted = True
            self._pipe.send(task)
            while isinstance(heard := self._pipe.recv(), Telling):
                on_news(heard.news)
                if heard.waits:
                    self._pipe.send(HEARD)
        except (EOFError, OSError) as error:
            self.kill()
            raise JobDied(task.job, _ending(self._process.wait())) from error
        except BaseException:
            self.kill()  # it goes on with a task that nobody waits for any more
            raise
        if isinstance(heard, RagstoneError):
            raise heard
        outcome: Outcome = heard
        return outcome

    def stop(self) -> None:
        """Ask the process to end its task; a training writes down first how far it is."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process at once; whoever waits for its task gets `JobDied`."""
        self._process.kill()

    def close(self) -> None:
        """End the process and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()
        if self._process.stdin:
            self._process.stdin.close()


def _ending(code: int) -> str:
    if code < 0:
        return f"got the signal {signal.Signals(-code).name}"
    return f"ended with status {code}"
