"""From what a generator wrote to what is said: claims with the quotes that support them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragstone.encoders.verifiers import Verifier
from ragstone.generation.base import Passage
from ragstone.generation.claims import RawClaim
from ragstone.generation.orders import is_dictated
from ragstone.generation.plain import plain
from ragstone.generation.support import SUPPORTED, Support, find_support
from ragstone.schemas.answers import Citation, Claim
from ragstone.text import sentence_spans

_DENIED = 0.5  # chance of a contradiction from which on it is one
REFUSED = 0.5  # score of a quote that has the claim's words and, to a verifier, does not say it


class Verification:
    """Looks for quotes in `passages`, claim by claim, and numbers them in the order of their use.

    Each quote is the item's text at `[start, end)`; one may support several claims.

    Parameters
    ----------
    verifier
        Has the last word on a quote whose words fit a claim, unless it is the claim itself; None:
        words are enough.
    wary
        Orders to a language model in the passages, and what they dictate, support nothing: for the
        text of one that may have obeyed them.
    """

    def __init__(
        self, passages: Sequence[Passage], verifier: Verifier | None = None, *, wary: bool = True
    ) -> None:
        self._passages = passages
        self._wary = wary
        self._verifier = verifier
        self._numbered: dict[tuple[str, int, int], Citation] = {}

    @property
    def citations(self) -> list[Citation]:
        """The quotes of all claims so far, numbered from 1."""
        return list(self._numbered.values())

    def claim(self, raw: RawClaim) -> Claim:
        """Return the claim as it may be shown, with the quotes that support it, if any do.

        Links and images in it are reduced to their words before anything is looked for.

        Raises
        ------
        ReaderUnavailable
            The verifier's weights cannot be loaded.
        """
        text = plain(raw.text)
        supports = self._judged(text, self._supports(RawClaim(text, raw.cited)))
        good = [support for support in supports if support.score >= SUPPORTED]
        numbers = list(dict.fromkeys(self._number(support) for support in good))
        score = round(max((support.score for support in supports), default=0.0), 4)
        return Claim(text, numbers, score, supported=bool(good))

    def _supports(self, claim: RawClaim) -> list[Support]:
        """Return the quotes of the passages the claim names, or else the best quote of all."""
        found = [find_support(claim.text, passage) for passage in self._passages]
        everywhere = [
            s for s in found if not (self._wary and is_dictated(s.passage.text, s.start, s.end))
        ]
        named = [support for support in everywhere if support.passage.number in claim.cited]
        good = [support for support in named if support.score >= SUPPORTED]
        return good or sorted(everywhere, key=lambda support: -support.score)[:1]

    def _judged(self, claim: str, supports: list[Support]) -> list[Support]:
        """Take the support from quotes that fit by their words and do not by what they say."""
        doubtful = [s for s in supports if s.score >= SUPPORTED and not s.exact]
        if self._verifier is None:
            return supports
        refused = [s for s in doubtful if not _says(self._verifier, claim, s.quote)]
        return [replace(s, score=REFUSED) if s in refused else s for s in supports]

    def _number(self, support: Support) -> int:
        passage = support.passage
        start, end = passage.start + support.start, passage.start + support.end
        key = (passage.item_id, start, end)
        if key not in self._numbered:
            self._numbered[key] = Citation(
                number=len(self._numbered) + 1,
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
                modality=passage.modality,
            )
        return self._numbered[key].number


def _says(verifier: Verifier, claim: str, quote: str) -> bool:
    """Tell whether a quote supports a claim and none of its sentences contradicts it.

    A sentence of its own is judged more surely: beside another one, the other one's numbers and
    names are taken for its own.
    """
    parts = [quote[start:end] for start, end in sentence_spans(quote)]
    judged = dict.fromkeys([quote, *parts])  # each once: most quotes are one sentence
    whole, *each = verifier.judge([(claim, part) for part in judged])
    return whole.supported >= verifier.threshold and all(
        verdict.contradicted < _DENIED for verdict in [whole, *each]
    )
