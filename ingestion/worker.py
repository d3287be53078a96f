"""The program of a reading process: takes a function and a task, sends the result back."""

from __future__ import annotations

import resource
import signal
import sys

from ragstone.errors import ParserDied
from ragstone.ingestion.engines import connection


def main() -> None:
    """Serve calls until the other end closes; arguments: file descriptor, MiB of memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    pipe = connection(int(sys.argv[1]))
    limit = int(sys.argv[2]) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    pipe.send("ready")
    while True:
        try:
            function, task = pipe.recv()
        except EOFError:
            return
        try:
            result = function(task)
        except MemoryError:
            result = ParserDied("it needs more memory than it may have")
        pipe.send(result)
