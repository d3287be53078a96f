"""`ask_many` and `evaluate_answers` with a model of transformers, in a real workspace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import RagstoneError, UnknownDataset
from ragstone.generation.huggingface import TransformersGenerator
from ragstone.schemas.answers import Answer, AnswerError, StoredAnswer
from ragstone.workspace import Workspace

from ..generation.conftest import make_tokenizer  # noqa: F401 - a fixture

TEXTS = {
    "granite": "Granite resists frost best of all stones.",
    "slate": "Roofs have been covered with slate since 1300.",
    "chalk": "Chalk is made of the shells of foraminifera.",
}
QUESTIONS = [
    "Which stone resists frost best?",
    "Who won the football cup in Brazil?",
    "Since when are roofs covered with slate?",
    "",
    "What is chalk made of?",
]


@pytest.fixture(scope="module")
def llama(
    make_tokenizer: Callable[..., PreTrainedTokenizerFast],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A generator with weights that are random and large, so that it says something."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=2048,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return f"hf:{folder}"


@pytest.fixture
def stones(tmp_path: Path, encoder: TextEncoder) -> Iterator[Workspace]:
    settings = {"policy": "off", "batch": 2, "max_new_tokens": 24, "min_evidence": 0.3}
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    with ragstone.open(
        tmp_path / "workspace",
        create=True,
        encoder=encoder,
        ingestion={"workers": 0},
        generation=settings,
    ) as ws:
        ws.ingest([tmp_path / f"{name}.txt" for name in TEXTS], "stones")
        yield ws


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many prompts the model is given at once, batch by batch."""
    sizes: list[int] = []
    real = TransformersGenerator.stream_many

    def counted(self: TransformersGenerator, prompts: list, sampling: object) -> object:
        sizes.append(len(prompts))
        return real(self, prompts, sampling)  # type: ignore[arg-type]

    monkeypatch.setattr(TransformersGenerator, "stream_many", counted)
    return sizes


def content(answer: Answer | AnswerError) -> tuple[object, ...]:
    """Return what was said, or what went wrong without the id that the error names."""
    if isinstance(answer, AnswerError):
        return (answer.code, answer.message.partition(" (answer")[0])
    return (answer.question, answer.answer, answer.claims, answer.evidence, answer.tokens)


def one_by_one(ws: Workspace, generator: str) -> Iterator[tuple[object, ...]]:
    for question in QUESTIONS:
        try:
            yield content(ws.ask(question, "stones", generator=generator))
        except RagstoneError as error:
            yield content(AnswerError(error.code, error.message))


@pytest.mark.parametrize("kind", ["extractive", "llama"])
def test_many_are_answered_as_each_alone_and_kept(stones: Workspace, llama: str, kind: str) -> None:
    generator = llama if kind == "llama" else kind
    alone = list(one_by_one(stones, generator))
    many = list(stones.ask_many(QUESTIONS, "stones", generator=generator))
    assert [content(answer) for answer in many] == alone
    assert isinstance(many[3], AnswerError)
    assert many[3].code == "invalid_query"
    answered = [answer for answer in many if isinstance(answer, Answer)]
    assert len(answered) >= 3
    for answer in answered:
        kept = stones.show(answer.answer_id)
        assert isinstance(kept, StoredAnswer)
        assert (kept.answer, kept.state) == (answer, "done")
        assert stones.replay(answer.answer_id).differences == []


def test_what_has_evidence_is_written_at_once(
    stones: Workspace, llama: str, batches: list[int]
) -> None:
    asked = [QUESTIONS[0], QUESTIONS[2], QUESTIONS[4], QUESTIONS[0]]
    alone = [
        content(answer)
        for question in asked
        for answer in stones.ask_many([question], "stones", generator=llama)
    ]
    assert batches == []
    many = [content(answer) for answer in stones.ask_many(asked, "stones", generator=llama)]
    assert many == alone
    assert batches == [2, 2]


def test_an_evaluation_asks_many_at_once_and_finds_the_same(
    stones: Workspace, llama: str, batches: list[int], tmp_path: Path
) -> None:
    lines = [
        {"question": QUESTIONS[0], "answers": ["granite"]},
        {"question": QUESTIONS[2], "answers": ["1300"]},
        {"question": QUESTIONS[1], "answers": []},
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    asked = {"generators": [llama], "counterfactual": 0}
    [together] = stones.evaluate_answers("stones", path, **asked).runs
    assert batches == [2]
    with_one = stones.evaluate_answers("stones", path, settings=["generation.batch=1"], **asked)
    [alone] = with_one.runs
    assert batches == [2, 2]  # again for what it is compared with, and not for itself
    assert together.measures == alone.measures
    assert together.failed == alone.failed


def test_a_wrong_call_is_told_before_anything_is_asked(stones: Workspace) -> None:
    with pytest.raises(UnknownDataset):
        stones.ask_many(QUESTIONS, "pebbles")
    assert stones._store.catalog.rows("SELECT count(*) FROM answers") == [(0,)]
