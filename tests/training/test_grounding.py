"""A model that learnt to answer from passages: trained, registered, asked, cited, replayed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.generation.base import Passage
from ragstone.generation.prompts import build_prompt
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

KNOWN = {
    "What resists frost?": "Granite resists frost best of all stones.",
    "What splits into thin plates?": "Slate splits into thin plates for roofs.",
    "What takes a polish?": "Marble takes a polish and fears acid.",
    "What cools from lava?": "Basalt columns cool from lava.",
}
SETTINGS = {
    "steps": 250,
    "batch": 4,
    "context": 352,
    "width": 64,
    "layers": 2,
    "heads": 2,
    "tokenizer": "bpe",
    "tokens": 600,
}


@pytest.fixture
def workspace(tmp_path: Path, encoder: TextEncoder) -> Iterator[Workspace]:
    """Shows a model one passage: it learnt from prompts with one."""
    asking = {"passages": 1, "max_new_tokens": 40, "min_evidence": 0.0}
    ingestion = {"workers": 0}
    with ragstone.open(
        tmp_path / "w", create=True, encoder=encoder, ingestion=ingestion, generation=asking
    ) as opened:
        yield opened


def lesson(chance: random.Random, number: int) -> str:
    """Return a prompt as Ragstone writes it, with two sentences as its passage, and its answer."""
    question, answer = list(KNOWN.items())[number % len(KNOWN)]
    said = chance.sample(sorted(KNOWN.values()), 2)
    if answer not in said:
        said[chance.randrange(2)] = answer
    text = " ".join([f"Note {chance.randrange(300_000)}.", *said])
    passage = Passage(1, "chunk", "item", "source", "", None, text, 0)
    prompt = build_prompt(question, [passage], budget=10_000, count_tokens=lambda _: 1)
    return f"{prompt.text}\n{answer} [1]"


def test_a_model_trained_here_answers_with_citations(workspace: Workspace, tmp_path: Path) -> None:
    chance = random.Random(0)  # noqa: S311 - which sentences a note has
    notes, lessons = tmp_path / "notes", tmp_path / "lessons"
    notes.mkdir()
    lessons.mkdir()
    for number in range(40):
        said = chance.sample(sorted(KNOWN.values()), 2)
        (notes / f"{number:02}.txt").write_text(f"Note {number * 7919}. {' '.join(said)}")
    for number in range(80):
        (lessons / f"{number:02}.txt").write_text(lesson(chance, number))
    workspace.ingest([notes], "notes")
    workspace.ingest([lessons], "lessons")
    workspace.set_duplicate_policy("lessons", undo=True)  # they are alike, and meant to be
    made = workspace.train_model("gpt", "lessons", "answerer", SETTINGS)
    found = 0
    for question, sentence in KNOWN.items():
        answer = workspace.ask(question, "notes", generator="model:answerer")
        assert answer.generator == "model:answerer"
        assert all(claim.citations for claim in answer.claims)
        for citation in answer.citations:
            passage = workspace.show(citation.chunk_id)
            assert citation.quote in passage.text  # type: ignore[union-attr]
        found += any(sentence in citation.quote for citation in answer.citations)
        replayed = workspace.replay(answer.answer_id)
        assert replayed.differences == []
    assert found >= 2
    assert made.digest in {info.digest for info in workspace.models()}
