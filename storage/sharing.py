"""A lock that many may share or one may have alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Whoever wants it alone waits for those who share it, and holds up those who come later.

    A thread that shares it may share it again.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._sharing = 0
        self._waiting = 0  # for having it alone
        self._alone: int | None = None  # the thread that has it alone
        self._mine = threading.local()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold it together with others."""
        depth = getattr(self._mine, "depth", 0)
        me = threading.get_ident()
        with self._condition:
            while not depth and self._alone != me and (self._alone or self._waiting):
                self._condition.wait()
            self._sharing += 1
        self._mine.depth = depth + 1
        try:
            yield
        finally:
            self._mine.depth = depth
            with self._condition:
                self._sharing -= 1
                if self._waiting:
                    self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold it alone; not to be asked for by a thread that shares it."""
        with self._condition:
            self._waiting += 1
            try:
                while self._sharing or self._alone:
                    self._condition.wait()
            finally:
                self._waiting -= 1
            self._alone = threading.get_ident()
        try:
            yield
        finally:
            with self._condition:
                self._alone = None
                self._condition.notify_all()
