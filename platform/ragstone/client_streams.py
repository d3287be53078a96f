"""Answers that come while they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from ragstone.schemas.answers import AnswerDone, AnswerEvent, AnswerText
from ragstone.transport import raise_known

if TYPE_CHECKING:
    from ragstone.transport import EventStream, Transport


class AnswerEvents(Iterator[AnswerEvent]):
    """The events of an answer; `close` ends it, from any thread, and stops who writes it."""

    def __init__(self, http: Transport, events: EventStream) -> None:
        self._http, self._events = http, events

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> AnswerEvent:
        """Return the next event; raises what went wrong on the server as itself."""
        name, data = next(self._events)
        if name == "error":
            failure = self._http.decoded(data, dict[str, dict[str, str]])["error"]
            raise_known(failure["code"], failure["message"], failure["hint"], status=503)
        if name == "answer":
            return self._http.decoded(data, AnswerDone)
        return self._http.decoded(data, AnswerText)

    def close(self) -> None:
        """Close the connection, by which the server knows; a second call does nothing."""
        self._events.close()
