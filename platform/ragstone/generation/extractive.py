"""The embedded generator: answers with the passages' own sentences, word for word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragstone.encoders.base import TextEncoder
from ragstone.encoders.readers import Reader
from ragstone.generation.base import Prompt, Sampling
from ragstone.generation.evidence import Found, weigh
from ragstone.generation.ranking import Ranked
from ragstone.generation.sentences import Sentence, complete, sentences, wordy
from ragstone.generation.words import stems

_FURTHER = 0.8  # a further sentence needs this share of the best one's score
_REPEAT = 0.6  # shared words of the shorter sentence from which two say the same
# A further passage's answer is told, too, from this chance on, and this share of the best one's.
_LIKELY, _AS_LIKELY = 0.7, 0.95
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
        Compares sentences with what is asked, where no reader finds an answer in them.
    max_sentences
        Longest answer.
    reader
        Finds the answers to questions; None: sentences are compared with these, too.
    """

    def __init__(
        self, encoder: TextEncoder, max_sentences: int = 3, reader: Reader | None = None
    ) -> None:
        self._encoder = encoder
        self._max_sentences = max_sentences
        self._reader = reader

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
        weighed = weigh(prompt.question, prompt.passages, self._encoder, self._reader)
        chosen = self.quote(weighed.found) if weighed.found else self.pick(weighed.ranked)
        for sentence in chosen:
            text = sentence.flat
            # Without a full stop only a new line tells where the next sentence begins.
            end = " " if text[-1] in ".!?…。！？" else "\n"
            yield f"{text} [{sentence.passage.number}]{end}"

    def quote(self, found: Sequence[Found]) -> list[Sentence]:
        """Return the sentences that hold the answers, the likeliest answer's first.

        A sentence that leans on the one before it ("It was …") brings that one along. Further
        answers are told when they are likely, and say something else.
        """
        chosen: list[Sentence] = []
        for place, answer in enumerate(found):
            around = _around(answer)
            if place:
                if answer.chance < max(_LIKELY, _AS_LIKELY * found[0].chance):
                    continue
                if len(chosen) + len(around) > self._max_sentences:
                    continue
                if any(_repeats(one, other) for one in around for other in chosen):
                    continue
                if any(answer.text.lower() in other.text.lower() for other in chosen):
                    continue
            chosen += around[-self._max_sentences :]
        return chosen

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


def _around(answer: Found) -> list[Sentence]:
    """Return the sentences that an answer stands in, after the one that they lean on.

    Where that is a heading or a fragment, a full sentence with the same words goes before it.
    """
    every = sentences(answer.passage)
    inside = [n for n, s in enumerate(every) if s.start < answer.end and answer.start < s.end]
    full = [n for n in inside if complete(every[n])]
    if not full:
        same = [n for n, s in enumerate(every) if answer.text in s.flat and complete(s)]
        full = same[:1] or inside
    if not full:
        return []
    first = full[0]
    if first and _leans(every[first]) and complete(every[first - 1]):
        first -= 1
    return list(every[first : full[-1] + 1])


def _leans(sentence: Sentence) -> bool:
    """Tell whether a sentence begins with a word that points to the one before it."""
    return sentence.flat.split(" ", 1)[0].lower().strip("\"'“(,") in _DANGLERS


def _readable(ranked: Sequence[Ranked]) -> list[tuple[float, Sentence]]:
    """Marks less what makes a sentence hard to read, best first; fragments only if need be."""
    candidates = [entry for entry in ranked if wordy(entry.sentence)] or list(ranked)
    marked = [(entry.score - _fault(entry.sentence), entry.sentence) for entry in candidates]
    return sorted(marked, key=lambda pair: -pair[0])


def _fault(sentence: Sentence) -> float:
    return _INCOMPLETE * (not complete(sentence)) + _DANGLING * _leans(sentence)


def _repeats(one: Sentence, other: Sentence) -> bool:
    mine, theirs = set(stems(one.text)), set(stems(other.text))
    shorter = min(len(mine), len(theirs))
    return bool(shorter) and len(mine & theirs) >= _REPEAT * shorter
