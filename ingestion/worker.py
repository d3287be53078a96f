"""The program of a reading process: takes a function and a task, sends the result back."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ragstone.errors import ParserDied
from ragstone.ingestion.engines import connection

_TOO_MUCH = "it needs more memory than it may have"
_GRACE = 10.0  # seconds after the owner's limit: it kills first, unless it is gone itself
_MAX_FILE = 256 * 2**20  # bytes that anything here may write to a file
_USUAL = 640 * 2**20  # bytes; all libraries loaded take about three quarters of it
_C_LIBRARY = ctypes.CDLL(None)
_STATUS = Path("/proc/self/status")


def main() -> None:
    """Serve calls until the other end closes; arguments: descriptor, MiB of memory, seconds."""
    descriptor, memory, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    # Arrow's own allocator sets aside a gigabyte with its first byte, out of the memory limit.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    pipe = connection(descriptor)
    _limit(memory * 2**20)
    pipe.send("ready")
    while True:
        try:
            function, task = pipe.recv()
        except (EOFError, ConnectionError):
            return
        except MemoryError:
            sys.exit(_TOO_MUCH)  # half of the task is still in the pipe
        # An owner that was killed kills nobody: then the worker ends itself, wherever it hangs.
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
        result = _called(function, task)
        signal.setitimer(signal.ITIMER_REAL, 0)
        del function, task
        if not _sent(pipe, result, worn=_worn(memory * 2**20)):
            return


def _limit(memory: int) -> None:
    """Bound this process: private memory, no core dumps, no large files, no loud libraries.

    RLIMIT_DATA counts private writable mappings: all that malloc and its kin hand out, in every
    library, and no shared library's code.
    """
    for kind, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MAX_FILE),
    ):
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            most = min(most, highest)
        resource.setrlimit(kind, (most, most))


def _called(function: Callable[[Any], Any], task: object) -> object:
    try:
        return function(task)
    except MemoryError:
        return ParserDied(_TOO_MUCH)
    except RecursionError:
        return ParserDied("it is nested too deeply")


def _worn(memory: int) -> bool:
    """Tell whether so much memory stays taken that the next task would have too little.

    What a large file leaves behind, in the heap or in a library's cache, is not the next one's
    fault.
    """
    most = max(memory // 2, _USUAL)
    if _private_memory() <= most:
        return False
    gc.collect()
    if hasattr(_C_LIBRARY, "malloc_trim"):
        _C_LIBRARY.malloc_trim(0)
    return _private_memory() > most


def _private_memory() -> int:
    """Return the bytes that count against the memory limit; 0 where no one tells them."""
    if not _STATUS.exists():
        return 0
    lines = _STATUS.read_text("ascii", "replace").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _sent(pipe: Connection[Any, Any], result: object, *, worn: bool) -> bool:
    """Send the result, or why it cannot be sent; tell whether anybody wants another.

    With it goes whether the process is `worn` and should be replaced.
    """
    try:
        pipe.send((result, worn))  # packed whole before its first byte is sent
    except MemoryError:
        pipe.send((ParserDied(_TOO_MUCH), True))
    except RecursionError:
        pipe.send((ParserDied("what it holds is nested too deeply"), worn))
    except ConnectionError:
        return False
    return not worn
