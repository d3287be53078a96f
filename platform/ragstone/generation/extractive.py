"""The embedded reader: answers with the passages' own best sentences, word for word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragstone.encoders.base import TextEncoder
from ragstone.generation.base import Prompt, Sampling
from ragstone.generation.ranking import Ranked, rank
from ragstone.generation.sentences import Sentence, complete, wordy
from ragstone.generation.words import stems

_FURTHER = 0.8  # a further sentence needs this share of the best one's score
_REPEAT = 0.6  # shared words of the shorter sentence from which two say the same
_INCOMPLETE, _DANGLING = 0.1, 0.03  # taken off the score
_DANGLERS = frozenset(
    "it its this these those that he she they his her their such however but also moreover thus "
    "therefore furthermore instead both another here there".split()
)


class ExtractiveReader:
    """Picks one to `max_sentences` sentences and yields each with its marker, like `… [2]`.

    Parameters
    ----------
    encoder
        Compares sentences with the question.
    max_sentences
        Longest answer.
    """

    def __init__(self, encoder: TextEncoder, max_sentences: int = 3) -> None:
        self._encoder = encoder
        self._max_sentences = max_sentences

    @property
    def id(self) -> str:
        """Always `extractive`."""
        return "extractive"

    @property
    def context_length(self) -> int:
        """Words it reads; more than any number of passages that settings allow."""
        return 1_000_000

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the words of `prompt`."""
        return len(prompt.text.split())

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:  # noqa: ARG002
        """Yield the chosen sentences, each on one line and followed by its marker.

        The same prompt gives the same answer whatever `sampling` says: nothing is drawn by lot.
        """
        for sentence in self.pick(rank(prompt.question, prompt.passages, self._encoder)):
            text = sentence.flat
            # Without a full stop only a new line tells where the next sentence begins.
            end = " " if text[-1] in ".!?…。！？" else "\n"
            yield f"{text} [{sentence.passage.number}]{end}"

    def pick(self, ranked: Sequence[Ranked]) -> list[Sentence]:
        """Choose from the sentences that `rank` gave: the best, then what adds to it.

        Full sentences go before fragments, sentences that stand alone before those that lean on
        the one before them ("It was …"). The best comes first, the others in reading order.
        """
        chosen: list[Sentence] = []
        least = 0.0
        for score, sentence in _readable(ranked):
            if len(chosen) == self._max_sentences or score < least:
                break
            if chosen and not complete(sentence):
                continue
            if not any(_repeats(sentence, other) for other in chosen):
                chosen.append(sentence)
                least = least or _FURTHER * score
        return chosen[:1] + sorted(chosen[1:], key=lambda s: (s.passage.number, s.start))


def _readable(ranked: Sequence[Ranked]) -> list[tuple[float, Sentence]]:
    """Marks less what makes a sentence hard to read, best first; fragments only if need be."""
    candidates = [entry for entry in ranked if wordy(entry.sentence)] or list(ranked)
    marked = [(entry.score - _fault(entry.sentence), entry.sentence) for entry in candidates]
    return sorted(marked, key=lambda pair: -pair[0])


def _fault(sentence: Sentence) -> float:
    first = sentence.flat.split(" ", 1)[0].lower().strip("\"'“(,")
    return _INCOMPLETE * (not complete(sentence)) + _DANGLING * (first in _DANGLERS)


def _repeats(one: Sentence, other: Sentence) -> bool:
    mine, theirs = set(stems(one.text)), set(stems(other.text))
    shorter = min(len(mine), len(theirs))
    return bool(shorter) and len(mine & theirs) >= _REPEAT * shorter
