"""The one way from a question and its hits to a grounded answer.

    pack → prompt → rank → enough evidence? → generate → claims → quotes → verified answer

Each sentence is given out as soon as it is complete and verified, and is never taken back. What no
passage supports is dropped, flagged or left, by policy; with too little evidence, or nothing left,
the answer is "not found in this dataset".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator as Stream
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.readers import Reader
from ragstone.encoders.verifiers import Verifier, find_verifier
from ragstone.generation.base import Batching, Generator, Prompt, Sampling, model_digest
from ragstone.generation.claims import ClaimReader, RawClaim
from ragstone.generation.evidence import Evidence, reader_for, weigh
from ragstone.generation.extractive import ExtractiveReader
from ragstone.generation.output import Spoken
from ragstone.generation.prompts import NOT_FOUND, build_prompt, in_reading_order, pack
from ragstone.generation.verification import Verification
from ragstone.generation.watching import watched
from ragstone.schemas.answers import Citation, Claim, Policy, Tokens
from ragstone.schemas.api import Hit

UNSUPPORTED = "[unsupported]"  # stands behind a sentence that the policy `flag` keeps
_MARKS = re.compile(rf" (?:\[\d+\]|{re.escape(UNSUPPORTED)})")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prompt, and whether its passages are worth asking a generator."""

    prompt: Prompt
    sampling: Sampling
    evidence: Evidence
    enough: bool
    reader: Reader | None  # as opened for this answer
    verifier: Verifier | None

    def digests(self, generator: Generator) -> dict[str, str]:
        """Return what tells the networks apart that make the answer; empty where there is none."""
        return {
            "generator": model_digest(generator),
            "reader": self.reader.id if self.reader else "",
            "verifier": self.verifier.id if self.verifier else "",
        }


@dataclass(frozen=True, slots=True)
class Grounded:
    """An answer, what supports it, and what it was made from."""

    answer: str  # with markers, or NOT_FOUND
    found: bool
    claims: list[Claim]  # the answer's sentences, in order
    citations: list[Citation]
    evidence: float  # 0..1
    prompt: Prompt
    raw: str  # as written, thoughts included, as far as it was read; empty: nobody was asked
    tokens: Tokens
    short: str = ""  # the few words that answer, where the answer has them


def ground(
    question: str,
    hits: Sequence[Hit],
    generator: Generator,
    encoder: TextEncoder,
    settings: GenerationSettings,
) -> Stream[str, None, Grounded]:
    """Answer `question` from `hits` alone: `write` of what `prepare` gives.

    Parameters
    ----------
    hits
        What retrieval found, in any order; may be empty.
    """
    prepared = prepare(question, hits, generator, encoder, settings)
    return write(prepared, generator, settings)


def prepare(
    question: str,
    hits: Sequence[Hit],
    generator: Generator,
    encoder: TextEncoder,
    settings: GenerationSettings,
) -> Prepared:
    """Pack `hits` into a prompt and see how well they fit the question.

    Raises
    ------
    EncoderUnavailable, ReaderUnavailable, GeneratorUnavailable
        A model cannot be loaded.
    """
    sampling = _sampling(generator, settings)
    passages = tuple(pack(hits, settings.passages))
    prompt = build_prompt(
        question,
        passages,
        budget=generator.context_length - sampling.max_new_tokens,
        count_tokens=generator.count_tokens,
    )
    if settings.order == "reading":
        prompt = in_reading_order(prompt)
    reader, verifier = reader_for(settings), find_verifier(settings.verifier)
    weighed = weigh(question, prompt.passages, encoder, reader)
    enough = bool(prompt.passages) and weighed.chance >= settings.min_evidence
    return Prepared(prompt, sampling, weighed, enough, reader, verifier)


def write(
    prepared: Prepared,
    generator: Generator,
    settings: GenerationSettings,
    stopped: threading.Event | None = None,
) -> Stream[str, None, Grounded]:
    """Yield the answer in verified pieces, and return it whole: it is all pieces joined.

    Closing the iterator stops the generator.

    Parameters
    ----------
    stopped
        Set by another thread, stops the generator as well.

    Raises
    ------
    GeneratorUnavailable, GeneratorFailed, GeneratorTimeout, GeneratorNonsense
        The generator gave no answer; what was yielded before stands.
    ReaderUnavailable
        The verifier's weights cannot be loaded.
    Stopped
        `stopped` was set.
    """
    # The extractive generator obeys nobody and has no thoughts: a document about prompts, or about
    # the tags of thoughts, may be quoted as any other.
    wary = not isinstance(generator, ExtractiveReader)
    draft = _Draft(prepared.prompt, settings.policy, prepared.verifier, wary=wary)
    if prepared.enough:
        seconds = settings.timeout_seconds
        for piece in watched(generator, prepared.prompt, prepared.sampling, seconds, stopped):
            yield from draft.feed(piece)
            if draft.declined:
                break
        yield from draft.rest()
    if not draft.written:
        yield NOT_FOUND
    return draft.grounded(prepared, generator)


def write_many(
    prepared: Sequence[Prepared], generator: Generator, settings: GenerationSettings
) -> list[Stream[str, None, Grounded]]:
    """Return for each of `prepared` what `write` does; they are to be read in this order.

    A generator that can writes them at once, and has the time of all of them for it.
    """
    worthy = [one for one in prepared if one.enough]
    if not isinstance(generator, Batching) or len(worthy) < 2:
        return [write(one, generator, settings) for one in prepared]
    streams = generator.stream_many([one.prompt for one in worthy], worthy[0].sampling)
    given = {id(one): _Given(generator, s) for one, s in zip(worthy, streams, strict=True)}
    seconds = settings.timeout_seconds * len(worthy)
    patient = settings.model_copy(update={"timeout_seconds": seconds})
    return [write(one, given.get(id(one), generator), patient) for one in prepared]


@dataclass(frozen=True, slots=True)
class _Given:
    """A generator whose text for one prompt is being written with those of others."""

    generator: Generator
    written: Iterator[str]

    @property
    def id(self) -> str:
        return self.generator.id

    @property
    def context_length(self) -> int:
        return self.generator.context_length

    def count_tokens(self, prompt: Prompt) -> int:
        return self.generator.count_tokens(prompt)

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:  # noqa: ARG002
        return self.written


class _Draft:
    """An answer that grows: sentences come in as they are written, and go out verified."""

    def __init__(
        self, prompt: Prompt, policy: Policy, verifier: Verifier | None, *, wary: bool
    ) -> None:
        self._policy = policy
        self._spoken = Spoken() if wary else None
        self._reader = ClaimReader(len(prompt.passages))
        self._verification = Verification(prompt.passages, verifier, wary=wary)
        self._raw: list[str] = []
        self._held: list[Claim] = []  # flagged ones wait for one that is supported
        self._claims: list[Claim] = []
        self._begun = False
        self.written: list[str] = []
        self.declined = False  # the generator itself says that the passages do not answer

    def feed(self, piece: str) -> Iterator[str]:
        self._raw.append(piece)
        said = self._spoken.feed(piece) if self._spoken else piece
        for raw in self._reader.feed(said):
            yield from self._take(raw)

    def rest(self) -> Iterator[str]:
        said = self._spoken.rest() if self._spoken else ""
        for raw in [*self._reader.feed(said), *self._reader.rest()]:
            yield from self._take(raw)

    def grounded(self, prepared: Prepared, generator: Generator) -> Grounded:
        found, raw = bool(self._claims), "".join(self._raw)
        return Grounded(
            answer="".join(self.written) or NOT_FOUND,
            found=found,
            claims=self._claims,
            citations=self._verification.citations if found else [],
            evidence=prepared.evidence.chance,
            short=_short(prepared.evidence, self._claims),
            prompt=prepared.prompt,
            raw=raw,
            tokens=_counted(prepared.prompt, raw, generator) if prepared.enough else Tokens(),
        )

    def _take(self, raw: RawClaim) -> Iterator[str]:
        first, self._begun = not self._begun, True
        if first and raw.text.lower().startswith(NOT_FOUND):
            self.declined = True
        if self.declined:
            return
        claim = self._verification.claim(raw)
        if not claim.text or (not claim.supported and self._policy == "strict"):
            return
        self._held.append(claim)
        if claim.supported or self._policy == "off" or self._claims:
            for ready in self._held:
                yield self._say(ready)
            self._held.clear()

    def _say(self, claim: Claim) -> str:
        marks = [f"[{number}]" for number in claim.citations]
        if not claim.supported and self._policy == "flag":
            marks = [UNSUPPORTED]
        piece = " ".join([claim.text, *marks])
        piece = f" {piece}" if self.written else piece
        self._claims.append(claim)
        self.written.append(piece)
        return piece


def _short(evidence: Evidence, claims: Sequence[Claim]) -> str:
    """Return what the reader found, if the answer says it."""
    text = evidence.found[0].text if evidence.found else ""
    return text if text and any(text in claim.text for claim in claims) else ""


def without_marks(answer: str) -> str:
    """Return the text of an answer without the marks that `write` puts behind its sentences."""
    return _MARKS.sub("", answer)


def _counted(prompt: Prompt, raw: str, generator: Generator) -> Tokens:
    """Count what the generator read and wrote; it counts prompts, so by one that goes on."""
    read = generator.count_tokens(prompt)
    longer = generator.count_tokens(replace(prompt, user=f"{prompt.user}\n{raw}"))
    return Tokens(read, max(0, longer - read))


def _sampling(generator: Generator, settings: GenerationSettings) -> Sampling:
    """Leave at least half of a small context to the passages."""
    longest = min(settings.max_new_tokens, max(1, generator.context_length // 2))
    return Sampling(longest, settings.temperature, settings.seed, settings.stop)
