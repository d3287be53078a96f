"""Whether passages answer: a reader where something is asked, the best sentence elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.readers import Reader, Span, find_reader
from ragstone.encoders.verifiers import Verdict, Verifier, find_verifier
from ragstone.errors import ReaderUnavailable
from ragstone.generation.base import Passage, Prompt, Sampling
from ragstone.generation.claims import RawClaim
from ragstone.generation.evidence import reader_for, weigh
from ragstone.generation.extractive import ExtractiveReader
from ragstone.generation.prompts import pack
from ragstone.generation.verification import Verification
from ragstone.schemas.api import Hit


@dataclass(eq=False)
class Pointing(Reader):
    """A reader that points at a word of each text, with the score that is given for it."""

    words: dict[str, float]
    asked: list[str] = field(default_factory=list)

    def read(self, question: str, texts: Sequence[str]) -> list[Span]:
        self.asked.append(question)
        return [self._in(text) for text in texts]

    def chance(self, score: float) -> float:
        return score / 10

    def _in(self, text: str) -> Span:
        for word, score in self.words.items():
            if word in text:
                start = text.index(word)
                return Span(start, start + len(word), score)
        return Span(0, 0, -9.0)


def said(reader: Reader, encoder: TextEncoder, hits: list[Hit], most: int = 3) -> str:
    prompt = Prompt("none@1", "When was it?", tuple(pack(hits, 8)), "", "")
    return "".join(ExtractiveReader(encoder, most, reader).stream(prompt, Sampling()))


@pytest.mark.parametrize(
    "question",
    ["Who were they", "In which year was it?", "is it hard", "Granite or basalt?", "How is it?"],
)
def test_questions_are_read(
    question: str, passages: tuple[Passage, ...], encoder: TextEncoder
) -> None:
    reader = Pointing({"Normandy": 8.0})
    weighed = weigh(question, passages, encoder, reader)
    assert reader.asked == [question]
    assert (weighed.chance, weighed.found[0].text, weighed.ranked) == (0.8, "Normandy", ())


@pytest.mark.parametrize("words", ["normandy name", "Describe the Normans", "1911", "island"])
def test_other_words_are_compared_with_sentences(
    words: str, passages: tuple[Passage, ...], encoder: TextEncoder
) -> None:
    reader = Pointing({"Normandy": 8.0})
    weighed = weigh(words, passages, encoder, reader)
    assert (reader.asked, weighed.found) == ([], ())
    assert weighed.ranked


def test_the_sentence_of_the_answer_is_quoted(
    encoder: TextEncoder, hit: Callable[..., Hit]
) -> None:
    texts = ["Slate is soft. The quarry opened in 1850. It is closed.", "Nothing is known."]
    hits = [hit(text, rank=n) for n, text in enumerate(texts, 1)]
    assert said(Pointing({"1850": 8.0}), encoder, hits) == "The quarry opened in 1850. [1] "


def test_a_sentence_that_leans_brings_the_one_before(
    encoder: TextEncoder, hit: Callable[..., Hit]
) -> None:
    hits = [hit("Anna Ek owned a quarry. It opened in 1850. It is closed.")]
    both = "Anna Ek owned a quarry. [1] It opened in 1850. [1] "
    assert said(Pointing({"1850": 8.0}), encoder, hits) == both
    assert said(Pointing({"1850": 8.0}), encoder, hits, most=1) == "It opened in 1850. [1] "


def test_likely_answers_that_differ_are_all_told(
    encoder: TextEncoder, hit: Callable[..., Hit]
) -> None:
    texts = [
        "The quarry opened in 1850.",
        "Slate mines were opened in 1790 by the town.",
        "Much later, 1850 was called the year of stones.",
        "Others say that nobody opened anything before 1600.",
    ]
    hits = [hit(text, rank=n) for n, text in enumerate(texts, 1)]
    reader = Pointing({"1850": 8.0, "1790": 7.8, "1600": 7.0})
    expected = "The quarry opened in 1850. [1] Slate mines were opened in 1790 by the town. [2] "
    assert said(reader, encoder, hits) == expected


def test_a_better_rank_decides_between_equals(
    encoder: TextEncoder, hit: Callable[..., Hit]
) -> None:
    hits = [hit("It was in 1790 or so.", rank=1), hit("The year was 1850, they say.", rank=2)]
    found = weigh("When?", tuple(pack(hits, 8)), encoder, Pointing({"1790": 5.0, "1850": 5.0}))
    assert [one.text for one in found.found] == ["1790", "1850"]


def test_without_passages_there_is_no_chance(encoder: TextEncoder) -> None:
    assert weigh("When?", (), encoder, Pointing({})).chance == 0


def test_the_reader_is_a_setting() -> None:
    assert reader_for(GenerationSettings(reader="")) is None
    with pytest.raises(ReaderUnavailable, match="neither a folder nor"):
        reader_for(GenerationSettings(reader="no-such-reader"))
    assert find_reader("") is None


@dataclass(eq=False)
class Judging(Verifier):
    """A verifier that refuses the claims that the test names."""

    refused: set[str]
    asked: list[str] = field(default_factory=list)

    @property
    def threshold(self) -> float:
        return 0.5

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        self.asked += [claim for claim, _ in pairs]
        return [Verdict(0.1 if claim in self.refused else 0.9, 0.0) for claim, _ in pairs]


def test_a_verifier_has_the_last_word_on_words(hit: Callable[..., Hit]) -> None:
    passages = tuple(pack([hit("Arden beats Borlo at chess. Both are towns.")], 8))
    turned, right = "Borlo beats Arden at chess.", "At chess, Arden beats Borlo."
    verifier = Judging({turned})
    alone, judged = Verification(passages), Verification(passages, verifier)
    assert alone.claim(RawClaim(turned, (1,))).supported
    assert not judged.claim(RawClaim(turned, (1,))).supported
    assert judged.claim(RawClaim(right, (1,))).supported
    assert judged.claim(RawClaim("Both are towns.", (1,))).support == 1
    assert not judged.claim(RawClaim("Cando is a city of stones.", (1,))).supported
    assert verifier.asked == [turned, right]  # neither what is verbatim nor what has other words
    assert [one.quote for one in judged.citations] == [
        "Arden beats Borlo at chess.",
        "Both are towns.",
    ]


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("In 1850 the quarry near Arden opened.", True),
        ("In 1790 the quarry near Arden opened.", False),  # the year stands in the next sentence
        ("The quarry near Borlo opened in 1850.", False),
    ],
)
def test_the_verifier_that_ships_judges(
    hit: Callable[..., Hit], claim: str, *, supported: bool
) -> None:
    text = "The quarry near Arden opened in 1850. Borlo has been a town since 1790."
    verifier = find_verifier(GenerationSettings().verifier)
    assert verifier is not None
    judged = Verification(tuple(pack([hit(text)], 8)), verifier)
    assert judged.claim(RawClaim(claim, (1,))).supported is supported


@dataclass(eq=False)
class Denying(Judging):
    """A verifier to which a sentence contradicts everything."""

    denying: str = ""

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        return [Verdict(0.9, 0.8 if quote == self.denying else 0.0) for _, quote in pairs]


def test_no_sentence_of_a_quote_may_contradict(hit: Callable[..., Hit]) -> None:
    passages = tuple(pack([hit("Arden beats Borlo at chess. The match was held in May.")], 8))
    claim = RawClaim("In May, at chess, Arden beats Borlo in a match.", (1,))
    assert Verification(passages, Denying(set())).claim(claim).supported
    for denying in ("Arden beats Borlo at chess.", "The match was held in May."):
        assert not Verification(passages, Denying(set(), denying=denying)).claim(claim).supported


def test_the_rest_is_read_only_when_the_first_are_not_sure(
    encoder: TextEncoder, hit: Callable[..., Hit]
) -> None:
    texts = ["Nothing.", "It was 1790 or so.", "No.", "The year was 1850.", "Never."]
    passages = tuple(pack([hit(text, rank=n) for n, text in enumerate(texts, 1)], 8))
    for score, read in ((8.5, 3), (7.0, 5)):
        reader = Pointing({"1790": score, "1850": 9.9})
        found = weigh(f"When was it, {score}?", passages, encoder, reader).found
        assert len(found) == read - sum(
            text in ("Nothing.", "No.", "Never.") for text in texts[:read]
        )


@pytest.mark.parametrize("word", ["Granite", "Granite\n\nGranite resists frost"])
def test_a_heading_is_no_answer(encoder: TextEncoder, hit: Callable[..., Hit], word: str) -> None:
    hits = [hit("Granite\n\nGranite resists frost best of all. Slate is soft.")]
    expected = "Granite resists frost best of all. [1] "
    assert said(Pointing({word: 8.0}), encoder, hits) == expected
