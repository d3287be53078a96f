"""Answers: find, ground, give out piece by piece, and keep the receipt whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

from ulid import ULID

from ragstone.errors import RagstoneError
from ragstone.evaluation.replies import FAILURES
from ragstone.generation.ground import Grounded, Prepared, prepare, write, write_many
from ragstone.generation.prompts import FOLLOWUP, GROUNDED, Template
from ragstone.generation.watching import Stopped
from ragstone.listing import show
from ragstone.schemas.answers import (
    Answer,
    AnswerDone,
    AnswerError,
    AnswerEvent,
    AnswerState,
    AnswerText,
    NearPassage,
    Receipt,
    StoredAnswer,
    Tokens,
)
from ragstone.schemas.api import ChunkDetail
from ragstone.storage import answers
from ragstone.storage.catalog import now

if TYPE_CHECKING:
    from ragstone.config import GenerationSettings
    from ragstone.encoders.base import TextEncoder
    from ragstone.generation.base import Generator as Writer
    from ragstone.schemas.api import Hit, SearchResult
    from ragstone.sessions import Session
    from ragstone.storage.store import Store

_NEAREST = 3  # passages shown when there is no answer
_SNIPPET = 300  # characters of each
_AROUND_MEDIA = 3  # chunks looked at for what is written or said in a picture or a recording


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what was found for it."""

    question: str  # as it was asked
    found: SearchResult  # of the question as it was searched
    version_digest: str
    receipt: Receipt  # of the search; what is written comes to it
    session: Session | None = None


class AnswerStream(Iterator[AnswerEvent]):
    """The events of an answer that is being written; `close` ends it, from any thread.

    Each piece of text is verified and stands as it is; the last event has the whole answer, whose
    text is all pieces joined.
    """

    def __init__(
        self, events: Generator[AnswerEvent, None, None], stopped: threading.Event
    ) -> None:
        self._events = events
        self._stopped = stopped
        self._turn = threading.Lock()

    def __next__(self) -> AnswerEvent:
        """Return the next event.

        Raises
        ------
        GeneratorUnavailable, GeneratorFailed, GeneratorTimeout, GeneratorNonsense
            There is no answer; the error names the record of what was found and asked.
        """
        with self._turn:
            return next(self._events)

    def close(self) -> None:
        """Stop the generator; unless the answer is complete, the record says it was cancelled."""
        self._stopped.set()  # seen by a `__next__` that is waiting in another thread
        if self._turn.acquire(blocking=False):
            try:
                self._events.close()
            finally:
                self._turn.release()


def with_words(store: Store, found: SearchResult) -> SearchResult:
    """Return the hits so that those without a text have the captions and texts beside them.

    A picture or a stretch of sound is found by what it looks or sounds like; what is written in
    it, or said, is in other chunks of its item.
    """
    hits = [hit if hit.text.strip() else _in_words(store, hit) for hit in found.hits]
    return replace(found, hits=hits)


def _in_words(store: Store, hit: Hit) -> Hit:
    around = show(store, hit.chunk_id, _AROUND_MEDIA)
    assert isinstance(around, ChunkDetail)
    return replace(hit, before=around.before, after=around.after)


def answer_stream(
    store: Store,
    asked: Asked,
    writer: Writer,
    encoder: TextEncoder,
    settings: GenerationSettings,
) -> AnswerStream:
    """Let `writer` answer a question from its hits, and store all that made the answer."""
    stopped = threading.Event()
    keeper = _Keeper(store, asked, writer, settings)
    return AnswerStream(_events(keeper, encoder, stopped), stopped)


def whole(events: AnswerStream, on_text: Callable[[str], None] | None = None) -> Answer:
    """Return the answer at the end of a stream; `on_text` gets the pieces before it."""
    try:
        for event in events:
            if isinstance(event, AnswerDone):
                return event.answer
            if on_text is not None:
                on_text(event.text)
    finally:
        events.close()
    problem = "the stream of an answer was closed while it was read"
    raise RuntimeError(problem)


def answer_many(
    store: Store,
    asked: Sequence[Asked],
    writer: Writer,
    encoder: TextEncoder,
    settings: GenerationSettings,
) -> Iterator[Answer | AnswerError]:
    """Yield the answer to each of `asked`, all of them written at once where `writer` can.

    What failed is kept as any answer is, and its error stands in its place.
    """
    keepers = [_Keeper(store, one, writer, settings) for one in asked]
    prepared: dict[int, Prepared] = {}
    problems: dict[int, RagstoneError] = {}
    for number, keeper in enumerate(keepers):
        try:
            prepared[number] = keeper.prepared(encoder)
        except RagstoneError as error:
            problems[number] = error
    streams = dict(zip(prepared, write_many([*prepared.values()], writer, settings), strict=True))
    for number, keeper in enumerate(keepers):
        pieces = streams.get(number) or _failing(problems[number])
        try:
            yield whole(AnswerStream(keeper.kept(pieces), threading.Event()))
        except FAILURES as error:
            yield AnswerError(error.code, error.message, error.hint)


def _failing(error: RagstoneError) -> Generator[str, None, Grounded]:
    yield ""
    raise error


def _events(
    keeper: _Keeper, encoder: TextEncoder, stopped: threading.Event
) -> Generator[AnswerEvent, None, None]:
    def pieces() -> Generator[str, None, Grounded]:
        prepared = keeper.prepared(encoder)
        return (yield from write(prepared, keeper.writer, keeper.settings, stopped))

    yield from keeper.kept(pieces())


def _texts(
    pieces: Generator[str, None, Grounded], said: list[str]
) -> Generator[AnswerEvent, None, Grounded]:
    """Yield each piece as an event, note it in `said`, and return what `pieces` returns."""
    try:
        while True:
            said.append(next(pieces))
            yield AnswerText(said[-1])
    except StopIteration as end:
        grounded: Grounded = end.value
        return grounded
    finally:
        pieces.close()


class _Keeper:
    """Stores an answer: all that it was made from, and how it ended."""

    def __init__(
        self, store: Store, asked: Asked, writer: Writer, settings: GenerationSettings
    ) -> None:
        self._store, self._asked = store, asked
        self.writer, self.settings = writer, settings
        self._started = monotonic()
        self._receipt = asked.receipt
        self.answer_id = str(ULID())
        self.prompt = ""  # until it is written
        self._said: list[str] = []  # given out so far

    def prepared(self, encoder: TextEncoder) -> Prepared:
        """Pack the prompt, and note what is going to make the answer.

        Files that change later made no part of it.
        """
        found = self._asked.found
        prepared = prepare(found.query, found.hits, self.writer, encoder, self.settings)
        self.prompt = prepared.prompt.text
        digests = {**self._receipt.digests, **prepared.digests(self.writer)}
        self._receipt = replace(self._receipt, digests=digests)
        return prepared

    def kept(self, pieces: Generator[str, None, Grounded]) -> Generator[AnswerEvent, None, None]:
        """Yield `pieces` as events, then the answer; store it however it ends."""
        try:
            grounded = yield from _texts(pieces, self._said)
        except Stopped:
            self.keep(None, "cancelled")
            return
        except (GeneratorExit, KeyboardInterrupt):
            self.keep(None, "cancelled")
            raise
        except RagstoneError as error:
            self.keep(None, "failed", AnswerError(error.code, error.message, error.hint))
            error.kept_as(self.answer_id)
            raise
        yield AnswerDone(self.keep(grounded, "done"))

    def keep(
        self, grounded: Grounded | None, state: AnswerState, error: AnswerError | None = None
    ) -> Answer:
        """Store the answer, an empty one when there is none, and return it."""
        answer = self._answer(grounded, state)
        stored = StoredAnswer(
            answer=answer,
            prompt=self.prompt,
            hits=self._asked.found.hits,
            settings=self.settings.model_dump(),
            version_digest=self._asked.version_digest,
            state=state,
            error=error,
            template=GROUNDED.digest if self.prompt else "",
            receipt=replace(self._receipt, raw=grounded.raw if grounded else ""),
            said="" if grounded else "".join(self._said),
        )
        self._insert(stored)
        return answer

    def _answer(self, grounded: Grounded | None, state: AnswerState) -> Answer:
        asked, found = self._asked, self._asked.found
        answered = grounded is not None and grounded.found
        return Answer(
            answer_id=self.answer_id,
            question=asked.question,
            answer=grounded.answer if grounded else "",
            found=answered,
            claims=grounded.claims if grounded else [],
            citations=grounded.citations if grounded else [],
            dataset=found.dataset,
            version=found.version,
            generator=self.writer.id,
            evidence=grounded.evidence if grounded else 0.0,
            short=grounded.short if grounded else "",
            created=now(),
            seconds=round(monotonic() - self._started, 3),
            session=asked.session.session_id if asked.session else "",
            rewritten=found.query if found.query != asked.question else "",
            policy=self.settings.policy,
            nearest=_nearest(found.hits) if state == "done" and not answered else [],
            tokens=grounded.tokens if grounded else Tokens(),
        )

    def _insert(self, stored: StoredAnswer) -> None:
        answer, session = stored.answer, self._asked.session
        with self._store.catalog.transaction() as cursor:
            if session is not None:
                session.begin(cursor, answer.created)
            for used in self._templates():
                cursor.execute(
                    "INSERT INTO prompts SELECT ?, ?, ?, ? "
                    "WHERE NOT EXISTS (SELECT 1 FROM prompts WHERE digest = ?)",
                    [used.digest, used.name, used.text, answer.created, used.digest],
                )
            dataset_id = self._store.head(answer.dataset).dataset_id
            answers.insert(cursor, dataset_id, stored)

    def _templates(self) -> list[Template]:
        rewriting = self._receipt.rewriting
        return [GROUNDED, FOLLOWUP] if rewriting and rewriting.template else [GROUNDED]


def _nearest(hits: Sequence[Hit]) -> list[NearPassage]:
    best = sorted(hits, key=lambda hit: hit.rank)[:_NEAREST]
    return [
        NearPassage(
            chunk_id=hit.chunk_id,
            item_id=hit.item_id,
            source=hit.source,
            title=hit.title,
            text=" ".join(hit.text.split())[:_SNIPPET],
            score=hit.score,
        )
        for hit in best
    ]
