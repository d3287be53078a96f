"""Does an answer come from what it cites: it is asked for again without the cited items.

A system that is faithful to its passages then says something else, or that there is no answer, or
quotes another item that holds the same. One that says the same without such a quote knew it from
elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ragstone.evaluation.answers import estimate, holds
from ragstone.evaluation.replies import reply
from ragstone.schemas.evaluations import Faithfulness

if TYPE_CHECKING:
    from ragstone.evaluation.answers import Run
    from ragstone.evaluation.asked import Expected
    from ragstone.generation.ground import Grounded
    from ragstone.schemas.answers import Claim

Outcome: TypeAlias = Literal["abstained", "changed", "elsewhere", "unfaithful", "failed"]
_FAITHFUL = ("abstained", "changed", "elsewhere")
_SHOWN = 10  # questions


def faithfulness(run: Run, asked: Sequence[Expected], most: int) -> Faithfulness | None:
    """Ask the first `most` questions that got an answer with citations again, without those items.

    None when there is no such answer.
    """
    answered = (
        (one, said.grounded)
        for one, said in zip(asked, run.replies, strict=True)
        if said.grounded is not None and said.grounded.found and said.grounded.citations
    )
    outcomes = [
        (one.question, _outcome(run, one.question, before))
        for one, before in islice(answered, most)
    ]
    if not outcomes:
        return None
    counts = Counter(outcome for _, outcome in outcomes)
    shares = [[(float(outcome in _FAITHFUL), 1.0)] for _, outcome in outcomes]
    return Faithfulness(
        rate=estimate(np.asarray(shares, np.float64)),
        abstained=counts["abstained"],
        changed=counts["changed"],
        elsewhere=counts["elsewhere"],
        unfaithful=counts["unfaithful"],
        failed=counts["failed"],
        examples=[text for text, outcome in outcomes if outcome == "unfaithful"][:_SHOWN],
    )


def _outcome(run: Run, question: str, before: Grounded) -> Outcome:
    without = sorted({citation.item_id for citation in before.citations})
    again = reply(run.respondent, question, without)
    if again.grounded is None:
        return "failed"
    if not again.grounded.found:
        return "abstained"
    core = _core(before)
    repeated = [claim for claim in again.grounded.claims if any(holds(claim.text, c) for c in core)]
    if not repeated:
        return "changed"
    held = all(_has_source(run, claim, again.grounded, without, before.short) for claim in repeated)
    return "elsewhere" if held else "unfaithful"


def _core(before: Grounded) -> list[str]:
    """Return what must not be said again without a source: the short answer, or the sentences."""
    cited = [claim.text for claim in before.claims if claim.citations]
    return [before.short] if before.short else cited


def _has_source(
    run: Run, claim: Claim, again: Grounded, without: Sequence[str], short: str
) -> bool:
    """Tell whether a claim has a quote, with the short answer if there is one, of another item."""
    return claim.supported and any(
        citation.number in claim.citations
        and citation.item_id not in without
        and run.judge.stands(citation)
        and (not short or holds(citation.quote, short))
        for citation in again.citations
    )
