"""The embedded reader: which sentences it takes, and how it says them."""

from __future__ import annotations

import re
from collections.abc import Callable

from ragstone.encoders.base import TextEncoder
from ragstone.generation.base import Passage, Prompt, Sampling
from ragstone.generation.evidence import weigh
from ragstone.generation.extractive import ExtractiveReader
from ragstone.generation.prompts import build_prompt, pack
from ragstone.generation.ranking import rank
from ragstone.schemas.api import Hit


def prompt(question: str, passages: list[Passage] | tuple[Passage, ...]) -> Prompt:
    return build_prompt(
        question, passages, budget=10**6, count_tokens=lambda prompt: len(prompt.text)
    )


def answer(encoder: TextEncoder, asked: Prompt, **settings: int) -> str:
    return "".join(ExtractiveReader(encoder, **settings).stream(asked, Sampling()))


def test_the_best_sentence_is_given_with_its_marker(
    encoder: TextEncoder, passages: tuple[Passage, ...]
) -> None:
    text = answer(encoder, prompt("At what temperature does water boil?", passages))
    assert text.startswith("Water boils at 100 degrees Celsius at sea level. [2]")


def test_every_piece_is_verbatim_and_marked(
    encoder: TextEncoder, passages: tuple[Passage, ...]
) -> None:
    reader = ExtractiveReader(encoder, max_sentences=5)
    for question in ("Who were the Normans?", "boiling water", "steam", "1911"):
        for piece in reader.stream(prompt(question, passages), Sampling()):
            found = re.fullmatch(r"(.+) \[(\d)\][ \n]", piece)
            assert found is not None
            source = passages[int(found[2]) - 1].text
            assert found[1] in " ".join(source.split())


def test_no_more_sentences_than_asked_for(
    encoder: TextEncoder, passages: tuple[Passage, ...]
) -> None:
    asked = prompt("Who were the Normans and where did they come from?", passages)
    for most in (1, 2, 3):
        pieces = list(ExtractiveReader(encoder, most).stream(asked, Sampling()))
        assert 1 <= len(pieces) <= most


def test_headings_and_list_lines_are_passed_over(
    encoder: TextEncoder, passages: tuple[Passage, ...]
) -> None:
    text = answer(encoder, prompt("boiling", passages))
    assert not text.startswith("Boiling [2]")
    assert text.split(" [")[0].endswith(".")


def test_a_fragment_is_better_than_nothing(encoder: TextEncoder, hit: Callable[..., Hit]) -> None:
    asked = prompt("steam engines", pack([hit("- ice\n- steam engines use boiling water")], 1))
    assert answer(encoder, asked) == "steam engines use boiling water [1]\n"


def test_a_short_sentence_that_answers_is_not_passed_over(
    encoder: TextEncoder, hit: Callable[..., Hit]
) -> None:
    texts = ["Granite resists frost. Its pores are small.", "Basalt is a volcanic rock."]
    asked = prompt("What resists frost?", pack([hit(t, rank=n) for n, t in enumerate(texts, 1)], 8))
    assert answer(encoder, asked).startswith("Granite resists frost. [1]")


def test_near_repeats_are_said_once(encoder: TextEncoder, hit: Callable[..., Hit]) -> None:
    same = [
        hit("Water boils at 100 degrees Celsius at sea level.", rank=1),
        hit("At sea level, water boils at 100 degrees Celsius.", rank=2),
        hit("Water boils at sea level at 100 degrees, as is known.", rank=3),
    ]
    text = answer(encoder, prompt("When does water boil?", pack(same, 8)))
    assert text.count("[") == 1


def test_the_best_sentence_comes_first_the_rest_in_reading_order(
    encoder: TextEncoder, passages: tuple[Passage, ...]
) -> None:
    ranked = rank("Who were the Normans?", passages, encoder)
    picked = ExtractiveReader(encoder, max_sentences=6).pick(ranked)
    places = [(sentence.passage.number, sentence.start) for sentence in picked[1:]]
    assert places == sorted(places)


def test_without_passages_nothing_is_said(encoder: TextEncoder) -> None:
    assert answer(encoder, prompt("Who?", [])) == ""
    assert weigh("Who?", (), encoder).chance == 0


def test_the_same_prompt_gives_the_same_answer(
    encoder: TextEncoder, passages: tuple[Passage, ...]
) -> None:
    asked = prompt("Who were the Normans?", passages)
    reader = ExtractiveReader(encoder)
    answers = {
        "".join(reader.stream(asked, Sampling(seed=seed, temperature=2))) for seed in range(3)
    }
    assert len(answers) == 1


def test_the_reader_counts_words_and_names_itself(encoder: TextEncoder) -> None:
    reader = ExtractiveReader(encoder)
    prompt = Prompt("none@1", "Who?", (), "three short", "words")
    assert (reader.id, reader.count_tokens(prompt)) == ("extractive", 3)


def test_evidence_is_high_for_answers_and_low_for_other_topics(
    encoder: TextEncoder, passages: tuple[Passage, ...]
) -> None:
    def best(question: str) -> float:
        return weigh(question, passages, encoder).chance

    for good in ("Where do the Normans come from?", "boiling point", "normandy name"):
        for other in ("Which team won the football cup?", "tax law", "How do I bake bread?"):
            assert 0 <= best(other) < best(good) <= 1


def test_rare_words_of_the_question_decide(encoder: TextEncoder, hit: Callable[..., Hit]) -> None:
    names = ("Alpha", "Beta", "Gamma", "Delta")
    texts = [f"The setting {name} is described in the manual of the system." for name in names]
    passages = tuple(pack([hit(text, rank=n) for n, text in enumerate(texts, 1)], 8))
    ranked = rank(
        "What does the manual of the system say about the setting Gamma?", passages, encoder
    )
    assert "Gamma" in ranked[0].sentence.text
    assert ranked[0].coverage > ranked[1].coverage
