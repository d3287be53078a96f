"""An answer while it is written: read by a thread, so that the page can stop it at any time."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from ragstone.errors import RagstoneError

if TYPE_CHECKING:
    from ragstone.client_streams import AnswerEvents
    from ragstone.schemas.answers import AnswerEvent


class Writing:
    """Takes the events of an answer as they come; `close` ends it without waiting for the next.

    A page that waited for an event itself would hear of nothing meanwhile: neither that somebody
    wants it to stop, nor that the browser has gone.
    """

    def __init__(self, stream: AnswerEvents) -> None:
        self._stream = stream
        self._news: queue.SimpleQueue[AnswerEvent | RagstoneError | None] = queue.SimpleQueue()
        self.ended = False
        threading.Thread(target=self._read, name="ragstone-answer", daemon=True).start()

    def news(self, seconds: float) -> AnswerEvent | None:
        """Return the next event; None when none has come in time, or it has ended.

        Raises
        ------
        RagstoneError
            Why there is no answer.
        """
        try:
            event = self._news.get(timeout=seconds)
        except queue.Empty:
            return None
        self.ended = event is None or isinstance(event, RagstoneError)
        if isinstance(event, RagstoneError):
            raise event
        return event

    def close(self) -> None:
        """Stop whoever writes it; nothing happens when it is complete."""
        self._stream.close()

    def _read(self) -> None:
        try:
            for event in self._stream:
                self._news.put(event)
        except RagstoneError as error:
            self._news.put(error)
        else:
            self._news.put(None)
