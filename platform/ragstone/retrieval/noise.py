"""What an arm of the search gives a query that means nothing to it: how a weak arm is told.

Min-max fusion stretches the scores of every arm to 0..1, also those of an arm that has nothing to
say, whose candidates then push the good ones of the other arm down. So the spread of an arm's
scores is compared with its noise. Up to the noise the arm has no weight; from 1.5 times the noise
(vectors: 1.25 times) it has its full one, and between them a part of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ragstone.storage.ranked import Ranked

# The vector arm has an answer for everything; its spread for these is what nothing looks like.
NONSENSE = (
    "qzjx vkrw plth gnbd",
    "wmfq ztrk bxlo uvsd",
    "hjdk syqv xonr cbte pgwm",
    "kkvz ojeq rtwx",
    "ulgb fphz mqcs dayx nvti",
    "xrrd bwqk zzel fohv",
    "tnpj gycs wxvq",
    "eovm kqdh lzsx brju ftgy",
)
_HEARD = {"keyword": 1.5, "vector": 1.25}  # times the noise
_WORD = 0.5  # of the score of a word that a single chunk holds


@dataclass(frozen=True, slots=True)
class Noise:
    """The spread of scores that means nothing, by arm; an arm without one is always heard.

    Parameters
    ----------
    depth
        How many candidates an arm gives at most; one that gives fewer has found no others.
    least
        Candidates that the spread of an arm was measured on. One that gives fewer, because of a
        filter, is heard: fewer candidates are nearer each other, whatever they mean.
    """

    spreads: Mapping[str, float]
    depth: int
    least: Mapping[str, int] = field(default_factory=dict)

    def heard(self, arms: Mapping[str, Ranked]) -> dict[str, float]:
        """Return how much of its weight each arm that found something keeps, 0 to 1.

        Where no arm has anything to say, all keep their weights.
        """
        kept = {name: self._kept(name, found) for name, found in arms.items() if len(found)}
        return kept if any(kept.values()) else dict.fromkeys(kept, 1.0)

    def spread_over(self, name: str, found: Ranked) -> NDArray[np.float64]:
        """Return the scores of an arm's candidates, best first, for all that it could have given.

        Where the words are in fewer chunks than that, chunks without any would have come next,
        each with 0.
        """
        missing = self.depth - len(found) if name == "keyword" else 0
        return np.pad(found.scores, (0, missing)) if missing > 0 else found.scores

    def _kept(self, name: str, found: Ranked) -> float:
        noise = self.spreads.get(name, 0.0)
        if not noise or len(found) < self.least.get(name, 0):
            return 1.0
        scores = self.spread_over(name, found)
        spread = float(scores[0] - scores[-1])
        full = _HEARD["keyword" if name == "keyword" else "vector"]
        return min(1.0, max(0.0, (spread / noise - 1) / (full - 1)))


def keyword_noise(chunks: int) -> float:
    """Return the spread of BM25 scores that means nothing among so many chunks.

    It is half of the inverse document frequency of a word that only one of them holds: words that
    are nearly everywhere do not reach it, however many of them a query has in common with a chunk.
    """
    return round(_WORD * math.log(1 + (chunks - 0.5) / 1.5), 6) if chunks else 0.0


def vector_noise(found: Sequence[Ranked]) -> float:
    """Return the median spread of what was found for `NONSENSE`."""
    spreads = [float(one.scores[0] - one.scores[-1]) for one in found if len(one)]
    # So few digits that another processor's last bits do not show.
    return round(median(spreads), 3) if spreads else 0.0
