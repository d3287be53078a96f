"""The ingestion pipeline: source -> parse -> chunk -> dedup -> encode -> part.

Workers read (parse and chunk); this process decides and embeds; the caller commits. An input ends
as an item, as a further source of an item that is there already, unchanged, or refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from ragstone.errors import Rejected
from ragstone.ingestion.buffer import PartBuffer
from ragstone.ingestion.candidates import Candidate, Outcome, ReadTask, load, read_task, tasks
from ragstone.ingestion.ledger import Ledger, Refusal
from ragstone.ingestion.parsers.sniff import media_of
from ragstone.ingestion.reading import ReadResult
from ragstone.ingestion.resumption import take_over, usable
from ragstone.ingestion.transcripts import transcribed
from ragstone.schemas.api import IngestProgress
from ragstone.storage.files import digest_bytes

if TYPE_CHECKING:
    from ragstone.config import LimitSettings
    from ragstone.encoders.speech import Transcriber
    from ragstone.ingestion.engines import Engine
    from ragstone.ingestion.reading import ReadSettings
    from ragstone.ingestion.sources import Source
    from ragstone.schemas.records import Raw
    from ragstone.storage.blobs import Blobs
    from ragstone.storage.manifests import PartRef

_REPORT_SECONDS = 0.2


@dataclass(slots=True)
class Pipeline:
    """One job over `sources`; `run` leaves its parts in the buffer's change.

    Parameters
    ----------
    settings_digest
        Digest of all settings that shape chunks: part of each work key.
    part_chunks
        Chunks after which a part is written.
    transcriber
        Writes down what recordings say.
    media_digests
        What else shapes the chunks of images, recordings and PDF files, by what `media_of` says.
    """

    ledger: Ledger
    buffer: PartBuffer
    engine: Engine
    blobs: Blobs
    reading: ReadSettings
    limits: LimitSettings
    settings_digest: str
    part_chunks: int
    on_progress: Callable[[IngestProgress], None] | None = None
    transcriber: Transcriber | None = None
    media_digests: Mapping[str, str] = field(default_factory=dict)
    made: int = 0  # chunks
    embedded: int = 0  # chunks
    resumed: int = 0  # chunks of parts that an earlier try had finished
    _seen: int = 0
    _before: int = 0  # source objects of those parts
    _total: int | None = None
    _started: float = field(default_factory=time.monotonic)
    _reported: float = 0.0

    def run(self, sources: Sequence[Source]) -> None:
        """Take in everything the sources hold; the ledger is to be settled afterwards."""
        counts = [source.total for source in sources]
        self._total = None if None in counts else sum(filter(None, counts))
        raws = _raws(sources)
        work = tasks(self._candidates(raws), self.reading)
        for task, outcomes in self.engine.map(read_task, work):
            for candidate, outcome in self._each(task, outcomes):
                self._finish(candidate, outcome)
            if self.buffer.chunks >= self.part_chunks:
                self._flush()
        if not self.buffer.empty:
            self._flush()
        self._report("embedding", always=True)

    def resume(self, sources: Sequence[Source], staged: Sequence[PartRef]) -> list[PartRef]:
        """Take over what an earlier try has finished; call it before `run`.

        Returns the parts of `staged` that count; the others are made again.
        """
        change = self.buffer.change
        found = usable(change, self.ledger, staged, _raws(sources), self.limits)
        for part in found:
            take_over(change, self.ledger, part)
            self._before += len(part.sources)
            self.resumed += len(part.chunk_keys)
        self._seen, self.made, self.embedded = self._before, self.resumed, self.resumed
        self._started = time.monotonic()
        return [part.ref for part in found]

    def _candidates(self, raws: Iterator[Raw]) -> Iterator[Candidate]:
        """Yield what has to be read, and duplicates of it; settle the rest at once."""
        for raw in raws:
            if not self.ledger.first_sight(raw.source):
                continue
            self._seen += 1
            self._report("reading")
            try:
                content = load(raw, self.limits)
            except Rejected as reason:
                self.ledger.refuse(Refusal(raw, "read", reason, "", None))
                continue
            item_id = digest_bytes(content)
            work_key = self._work_key(raw, item_id, content)
            if self.ledger.unchanged(raw.source, item_id, work_key):
                continue
            known = self.ledger.duplicate(item_id, work_key)
            yield Candidate(raw, item_id, work_key, len(content), None if known else content)

    def _work_key(self, raw: Raw, item_id: str, content: bytes) -> str:
        columns = "\0".join((*raw.columns.text, raw.columns.name or "")) if raw.columns else ""
        beside = ""
        if raw.caption or raw.metadata:  # written about it elsewhere
            beside = json.dumps([raw.caption, raw.metadata], sort_keys=True, default=str)
        identity = f"{item_id}\0{self.settings_digest}\0{columns}\0{beside}"
        shaping = self.media_digests.get(media_of(content)) if self.media_digests else None
        if shaping is not None:
            identity += f"\0{shaping}"
        return digest_bytes(identity.encode())[:32]

    def _each(
        self, task: ReadTask, outcomes: list[Outcome] | Rejected
    ) -> Iterator[tuple[Candidate, Outcome]]:
        """Pair candidates and outcomes; a task of rows that failed whole is read one by one."""
        if not isinstance(outcomes, Rejected):
            yield from zip(task.candidates, outcomes, strict=True)
        elif len(task.candidates) == 1:
            yield task.candidates[0], outcomes
        else:
            singles = (ReadTask((candidate,), task.settings) for candidate in task.candidates)
            for single, result in self.engine.map(read_task, singles):
                yield from self._each(single, result)

    def _finish(self, candidate: Candidate, outcome: Outcome) -> None:
        raw, item_id, work_key = candidate.raw, candidate.item_id, candidate.work_key
        outcome = self._with_transcript(outcome)
        if isinstance(outcome, Rejected):
            self.ledger.refuse(Refusal(raw, "parse", outcome, item_id, candidate.content))
            return
        key: int | None = None
        if outcome is not None:
            if raw.columns is None and candidate.content is not None:
                self.blobs.put(candidate.content)
            key = self.buffer.add_item(candidate, outcome)
            self.made += len(outcome.chunks)
        key = self.ledger.accept(raw.source, item_id, work_key, key)
        if key is None:
            reason = self.ledger.earlier_refusal(item_id)
            self.ledger.refuse(Refusal(raw, "parse", reason, item_id, None))
        else:
            self.buffer.add_source(candidate, key)

    def _with_transcript(self, outcome: Outcome) -> Outcome:
        if self.transcriber is None or not isinstance(outcome, ReadResult):
            return outcome
        try:
            return transcribed(outcome, self.transcriber, self.reading)
        except Rejected as reason:
            return reason

    def _flush(self) -> None:
        before = self.embedded

        def count(done: int) -> None:
            self.embedded = before + done
            self._report("embedding")

        chunks = self.buffer.chunks
        self.buffer.flush(count)
        self.embedded = before + chunks
        self._report("embedding", always=True)

    def _report(self, stage: Literal["reading", "embedding"], *, always: bool = False) -> None:
        clock = time.monotonic()
        if self.on_progress is None or (clock - self._reported < _REPORT_SECONDS and not always):
            return
        self._reported = clock
        self.on_progress(self._progress(stage, clock - self._started))

    def _progress(self, stage: Literal["reading", "embedding"], seconds: float) -> IngestProgress:
        return IngestProgress(
            stage,
            self._seen,
            self._total,
            self.embedded,
            (self._seen - self._before) / seconds if seconds else 0.0,
            self._seconds_left(seconds),
            self.ledger.counts,
        )

    def _seconds_left(self, seconds: float) -> float | None:
        """Estimate from the chunks that the objects met so far have come to."""
        finished: int = sum(asdict(self.ledger.counts).values())
        fresh = self.embedded - self.resumed
        if not (self._total and finished and fresh):
            return None
        expected = self.made * self._total / finished
        return max(0.0, (expected - self.embedded) * seconds / fresh)


def _raws(sources: Sequence[Source]) -> Iterator[Raw]:
    return (raw for source in sources for raw in source.raws())
