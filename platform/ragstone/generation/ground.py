"""The one way from a question and its hits to a grounded answer.

    pack → prompt → rank → enough evidence? → generate → claims → quotes → verified answer

What no passage supports is dropped or flagged; with too little evidence, or nothing left, the
answer is "not found in this dataset".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.generation.base import Generator, Passage, Prompt, Sampling
from ragstone.generation.claims import RawClaim, split_claims
from ragstone.generation.prompts import NOT_FOUND, build_prompt, pack
from ragstone.generation.ranking import evidence, rank
from ragstone.generation.support import SUPPORTED, Support, find_support
from ragstone.schemas.api import Citation, Claim, Hit


@dataclass(frozen=True, slots=True)
class Grounded:
    """An answer, what supports it, and what it was made from."""

    answer: str  # with markers, or NOT_FOUND
    found: bool
    claims: list[Claim]  # the answer's sentences, in order
    citations: list[Citation]
    evidence: float  # 0..1
    prompt: Prompt
    raw: str  # as the generator wrote it; empty when it was not asked


def ground(
    question: str,
    hits: Sequence[Hit],
    generator: Generator,
    encoder: TextEncoder,
    settings: GenerationSettings,
    on_text: Callable[[str], None] | None = None,
) -> Grounded:
    """Answer `question` from `hits` alone.

    Parameters
    ----------
    hits
        What retrieval found, in any order; may be empty.
    on_text
        Gets the generator's pieces as they come, before they are verified.

    Raises
    ------
    EncoderUnavailable, GeneratorUnavailable
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
    enough = evidence(rank(question, prompt.passages, encoder))
    if enough < settings.min_evidence or not prompt.passages:
        return _not_found(prompt, enough)
    pieces: list[str] = []
    for piece in generator.stream(prompt, sampling):
        pieces.append(piece)
        if on_text is not None:
            on_text(piece)
    raw = "".join(pieces)
    claims, citations = verify(raw, prompt.passages, keep=settings.unsupported == "flag")
    if not citations or raw.strip().lower().startswith(NOT_FOUND):
        return _not_found(prompt, enough, raw)
    return Grounded(_write(claims), True, claims, citations, enough, prompt, raw)


def verify(
    raw: str, passages: Sequence[Passage], *, keep: bool
) -> tuple[list[Claim], list[Citation]]:
    """Split a generator's text into claims and attach a verbatim quote to each.

    Parameters
    ----------
    keep
        Keep claims without a supporting quote, marked as unsupported, instead of dropping them.

    Returns
    -------
    tuple
        Claims in order, and citations numbered from 1 in the order of their first use. Each
        citation's quote is the item's text at `[start, end)`.
    """
    claims: list[Claim] = []
    numbered: dict[tuple[str, int, int], Citation] = {}
    for raw_claim in split_claims(raw, len(passages)):
        supports = _supports(raw_claim, passages)
        score = round(max((s.score for s in supports), default=0.0), 4)
        good = [support for support in supports if support.score >= SUPPORTED]
        if good or keep:
            cited = [_number(support, numbered) for support in good]
            claims.append(
                Claim(raw_claim.text, list(dict.fromkeys(cited)), score, supported=bool(good))
            )
    return claims, list(numbered.values())


def _supports(claim: RawClaim, passages: Iterable[Passage]) -> list[Support]:
    """Return the quotes of the passages the claim names, or else the best quote of all."""
    everywhere = [find_support(claim.text, passage) for passage in passages]
    named = [support for support in everywhere if support.passage.number in claim.cited]
    good = [support for support in named if support.score >= SUPPORTED]
    return good or sorted(everywhere, key=lambda support: -support.score)[:1]


def _number(support: Support, numbered: dict[tuple[str, int, int], Citation]) -> int:
    """Return the number of the quote, shared by all claims that it supports."""
    passage = support.passage
    start, end = passage.start + support.start, passage.start + support.end
    key = (passage.item_id, start, end)
    if key not in numbered:
        numbered[key] = Citation(
            number=len(numbered) + 1,
            chunk_id=passage.chunk_id,
            item_id=passage.item_id,
            source=passage.source,
            title=passage.title,
            page=passage.page,
            quote=support.quote,
            start=start,
            end=end,
            from_ms=passage.from_ms,
            to_ms=passage.to_ms,
        )
    return numbered[key].number


def _write(claims: Iterable[Claim]) -> str:
    marked = [
        " ".join([claim.text, *(f"[{number}]" for number in claim.citations)]) for claim in claims
    ]
    return " ".join(marked)


def _sampling(generator: Generator, settings: GenerationSettings) -> Sampling:
    """Leave at least half of a small context to the passages."""
    longest = min(settings.max_new_tokens, max(1, generator.context_length // 2))
    return Sampling(longest, settings.temperature, settings.seed)


def _not_found(prompt: Prompt, enough: float, raw: str = "") -> Grounded:
    return Grounded(NOT_FOUND, False, [], [], enough, prompt, raw)
