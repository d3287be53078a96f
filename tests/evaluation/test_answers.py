"""`Workspace.evaluate_answers`: each measure is wrong where an answer is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import GeneratorTimeout, InvalidArgument, InvalidConfig, UnknownVersion
from ragstone.evaluation.asked import read_expected
from ragstone.evaluation.replies import Reply
from ragstone.generation.base import Generator, Prompt, Sampling
from ragstone.schemas.evaluations import AnswerEvaluation, AnswerRun
from ragstone.workspace import Workspace

TEXTS = {
    "granite": "Granite resists frost best of all stones.",
    "slate": "Roofs have been covered with slate since 1300.",
    "chalk": "Chalk is made of the shells of foraminifera.",
    "basalt": "Basalt columns form when lava cools slowly.",
}
ASKED: list[dict[str, object]] = [
    {"question": "Which stone resists frost best?", "answers": ["granite"], "items": ["granite"]},
    {"question": "Since when are roofs covered with slate?", "answers": ["1300", "since 1300"]},
    {"question": "What is chalk made of?", "answers": ["shells", "the shells of foraminifera"]},
    {"question": "Who won the football cup in Brazil?", "answers": []},
]
Write = Callable[[Prompt], str]


class Scripted:
    """A generator that says what it is told to; it knows the question and the passages."""

    def __init__(self, write: Write, name: str) -> None:
        self._write, self.id = write, name

    context_length = 100_000

    def count_tokens(self, prompt: Prompt) -> int:
        return len(prompt.text.split())

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:
        del sampling
        yield self._write(prompt)


def _quotes(prompt: Prompt) -> str:
    """Repeat the first sentence of the best passage, as an honest generator does."""
    return f"{prompt.passages[0].text.strip()} [1]" if prompt.passages else "Not found."


def _invents(prompt: Prompt) -> str:
    return f"The moon is made of old cheese, {len(prompt.question)}. [1]"


def _fails_on_slate(prompt: Prompt) -> str:
    if "slate" in prompt.question:
        raise GeneratorTimeout("scripted", 1)
    return _quotes(prompt)


def _knows_better(prompt: Prompt) -> str:
    """Say what it has learned elsewhere, whatever the passages are."""
    del prompt
    return "Granite resists frost best of all stones. [1]"


def _declines(prompt: Prompt) -> str:
    del prompt
    return "Not found in this dataset."


WRITERS: dict[str, Write] = {
    "quotes": _quotes,
    "invents": _invents,
    "fails": _fails_on_slate,
    "knows": _knows_better,
    "declines": _declines,
}


@pytest.fixture
def stones(
    tmp_path: Path, encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """Four texts, and generators of each kind beside the extractive one."""
    from ragstone.generation import generators

    real = generators.open_generator

    def opened(name: str, encoder: TextEncoder, settings: object, models: Path) -> Generator:
        if name in WRITERS:
            return Scripted(WRITERS[name], name)
        return real(name, encoder, settings, models)  # type: ignore[arg-type]

    monkeypatch.setattr(generators, "open_generator", opened)
    rows = [{"id": name, "text": text} for name, text in TEXTS.items()]
    (tmp_path / "stones.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = {"ingestion": {"workers": 0}}
    with ragstone.open(tmp_path / "ws", create=True, encoder=encoder, **options) as ws:
        ws.ingest([tmp_path / "stones.jsonl"], "stones", text=["text"], id="id")
        yield ws


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return _written(tmp_path, ASKED)


def _written(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def _values(run: AnswerRun) -> dict[str, float | None]:
    return {name: found.value for name, found in run.measures.items()}


def _without_times(found: AnswerEvaluation) -> AnswerEvaluation:
    runs = [replace(run, latency=found.runs[0].latency) for run in found.runs]
    return replace(found, runs=runs, evaluation="", created=None)


def test_good_answers_have_good_measures(stones: Workspace, questions: Path) -> None:
    found = stones.evaluate_answers("stones", questions)
    (run,) = found.runs
    assert (found.questions, found.unanswerable, run.failures) == (4, 1, 0)
    assert run.label == "stones@1 extractive"
    values = _values(run)
    assert values.pop("exact_match") == 1
    assert set(values.values()) == {1.0}, values
    assert run.measures["f1"].of == 3
    assert run.measures["abstention_recall"].of == 1
    assert run.latency.first_p50 is not None
    assert 0 < run.latency.first_p50 <= run.latency.whole_p50 <= run.latency.whole_p95


def test_answers_are_not_stored_and_measured_alike_again(
    stones: Workspace, questions: Path
) -> None:
    first = stones.evaluate_answers("stones", questions)
    second = stones.evaluate_answers("stones", questions)
    rows = stones._store.catalog.rows("SELECT count(*) FROM answers")
    assert rows == [(0,)], "the lists of answers are of those who asked"
    times = first.runs[0].latency
    again = replace(second, runs=[replace(run, latency=times) for run in second.runs])
    assert _without_times(first) == _without_times(again)
    assert stones.evaluation(second.evaluation) == second
    assert [one.evaluation for one in stones.evaluations("stones")] == [
        second.evaluation,
        first.evaluation,
    ]


def test_what_is_invented_is_not_supported(stones: Workspace, questions: Path) -> None:
    found = stones.evaluate_answers(
        "stones", questions, generators=["invents"], settings=["generation.policy=off"]
    )
    (run,) = found.runs
    values = _values(run)
    assert (values["support"], values["exact_match"]) == (0, 0)
    assert values["f1"] == pytest.approx(0.0667, abs=1e-3), "the word of"
    assert values["citation_precision"] is None, "it has no citation at all"
    assert values["retrieval_recall"] == 1, "that is not the generator's doing"
    strict = stones.evaluate_answers("stones", questions, generators=["invents"])
    values = _values(strict.runs[0])
    assert values["support"] is None, "nothing that it wrote was said"
    assert (values["abstention_recall"], values["abstention_balanced"]) == (1, 0.5)
    assert values["abstention_precision"] == 0.25


def test_a_failure_counts_as_wrong(stones: Workspace, questions: Path) -> None:
    found = stones.evaluate_answers("stones", questions, generators=["fails"])
    (run,) = found.runs
    assert (run.failures, run.failed[0].code) == (1, "generator_timeout")
    assert run.failed[0].question == ASKED[1]["question"]
    assert run.measures["f1"].of == 3, "it is not left out"
    values = _values(run)
    assert values["citation_recall"] == pytest.approx(2 / 3, abs=1e-3)
    assert values["abstention_precision"] == 0.5
    assert values["abstention_balanced"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-3)


def test_a_dataset_without_the_answer_has_to_say_so(stones: Workspace, tmp_path: Path) -> None:
    path = _written(tmp_path, [{"question": "Which stone resists frost best?", "answers": []}])
    (talks,) = stones.evaluate_answers("stones", path, generators=["knows"]).runs
    values = _values(talks)
    assert (values["abstention_recall"], values["citation_precision"]) == (0, 0)
    assert values["f1"] is None
    assert values["abstention_balanced"] is None
    (declines,) = stones.evaluate_answers("stones", path, generators=["declines"]).runs
    assert _values(declines)["abstention_recall"] == 1


def test_a_wrong_item_is_no_right_citation(stones: Workspace, tmp_path: Path) -> None:
    asked = {"question": "Which stone resists frost best?", "answers": ["granite"]}
    (run,) = stones.evaluate_answers(
        "stones", _written(tmp_path, [{**asked, "items": ["chalk", "granite"]}])
    ).runs
    values = _values(run)
    assert (values["citation_precision"], values["citation_recall"]) == (1, 0.5)
    (run,) = stones.evaluate_answers(
        "stones", _written(tmp_path, [{**asked, "items": ["elsewhere"]}])
    ).runs
    values = _values(run)
    assert (values["retrieval_recall"], values["citation_precision"]) == (0, 0)
    assert values["exact_match"] == 1


def test_a_quote_that_does_not_stand_there_is_found(
    stones: Workspace, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ragstone.evaluation import replies

    def planted(*given: object) -> Reply:
        said = reply(*given)  # type: ignore[arg-type]
        if said.grounded is None or not said.grounded.citations:
            return said
        moved = [replace(c, start=c.start + 1) for c in said.grounded.citations]
        return replace(said, grounded=replace(said.grounded, citations=moved))

    reply = replies.reply
    monkeypatch.setattr(replies, "reply", planted)
    (run,) = stones.evaluate_answers("stones", questions, counterfactual=0).runs
    assert _values(run)["quote_validity"] == 0
    assert run.faithfulness is None


def test_generators_are_compared_on_the_same_questions(stones: Workspace, questions: Path) -> None:
    found = stones.evaluate_answers(
        "stones", questions, generators=["extractive", "declines"], worst=2
    )
    (comparison,) = found.comparisons
    assert (comparison.before, comparison.after) == ("stones@1 extractive", "stones@1 declines")
    assert comparison.measures["f1"].difference == -1
    assert comparison.measures["abstention_recall"].difference == 0
    assert (comparison.better, comparison.worse, comparison.same) == (0, 3, 1)
    first, second = comparison.losses
    assert (first.before, first.after, first.said_after) == (1, 0, "")
    assert first.right == ["granite"]
    assert first.said_before == "Granite"
    assert second.question == ASKED[1]["question"]
    (kept,) = stones.evaluations("stones")
    assert kept.comparisons[0].losses == []


def test_versions_and_settings_are_compared(stones: Workspace, questions: Path) -> None:
    (item,) = [one.item_id for one in stones.items("stones") if one.name == "chalk"]
    stones.delete("stones", [item])
    found = stones.evaluate_answers("stones", questions, against="stones@1", worst=3)
    (comparison,) = found.comparisons
    assert comparison.before == "stones@1 extractive"
    assert (comparison.better, comparison.worse, comparison.same) == (0, 1, 3)
    assert comparison.losses[0].question == ASKED[2]["question"]
    recall = comparison.measures["retrieval_recall"]
    assert recall.difference == pytest.approx(-1 / 3, abs=1e-3)
    found = stones.evaluate_answers("stones@1", questions, settings=["generation.min_evidence=1"])
    (comparison,) = found.comparisons
    assert comparison.after == "stones@1 generation.min_evidence=1 extractive"
    assert comparison.measures["exact_match"].after == 0


def test_an_answer_from_elsewhere_is_unfaithful(stones: Workspace, questions: Path) -> None:
    loose = ["generation.policy=off", "generation.min_evidence=0"]
    asked = {"generators": ["knows"], "settings": loose}
    (run,) = stones.evaluate_answers("stones", questions, **asked).runs  # type: ignore[arg-type]
    assert run.faithfulness is not None
    assert run.faithfulness.rate.value == 0
    assert run.faithfulness.unfaithful == run.faithfulness.rate.of > 0
    (run,) = stones.evaluate_answers("stones", questions, counterfactual=2).runs
    assert run.faithfulness is not None
    assert (run.faithfulness.rate.value, run.faithfulness.rate.of) == (1, 2)


def test_another_item_that_holds_it_is_a_source(
    stones: Workspace, questions: Path, tmp_path: Path
) -> None:
    row = {"id": "twin", "text": f"{TEXTS['granite']} Masons know it."}
    (tmp_path / "twin.jsonl").write_text(json.dumps(row))
    stones.ingest([tmp_path / "twin.jsonl"], "stones", text=["text"], id="id")
    (run,) = stones.evaluate_answers("stones", questions, generators=["quotes"]).runs
    assert run.faithfulness is not None
    assert run.faithfulness.elsewhere == 1
    assert run.faithfulness.rate.value == 1


def test_intervals_hold_the_mean_and_narrow_with_more_questions() -> None:
    from ragstone.evaluation.answers import estimate

    source = np.random.default_rng(0)
    few, many = (
        estimate(np.stack([source.random((n, 1)) < 0.7, np.ones((n, 1))], axis=2))
        for n in (20, 500)
    )
    for found in (few, many):
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
    assert many.high - many.low < (few.high - few.low) / 2  # type: ignore[operator]


def test_wrong_calls_say_what_is_wrong(stones: Workspace, questions: Path) -> None:
    with pytest.raises(InvalidArgument, match="other than generator and servers"):
        stones.evaluate_answers("stones", questions, settings=["generation.servers=http://x"])
    with pytest.raises(InvalidArgument, match="other than generator"):
        stones.evaluate_answers("stones", questions, settings=["chunking.max_tokens=64"])
    with pytest.raises(InvalidConfig):
        stones.evaluate_answers("stones", questions, settings=["generation.passages=0"])
    with pytest.raises(InvalidArgument, match="each of them once"):
        stones.evaluate_answers("stones", questions, generators=["quotes", "quotes"])
    with pytest.raises(InvalidArgument, match="generator"):
        stones.evaluate_answers("stones", questions, generators=["nobody"])
    with pytest.raises(UnknownVersion):
        stones.evaluate_answers("stones", questions, against="stones@9")
    for name, value in (("worst", -1), ("counterfactual", -1), ("limit", 0)):
        with pytest.raises(InvalidArgument, match=name):
            stones.evaluate_answers("stones", questions, **{name: value})  # type: ignore[arg-type]
    assert stones.evaluations("stones") == []


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"question": "x"}',
        '{"question": "x", "answers": "y"}',
        '{"question": "", "answers": []}',
        '{"question": "x", "answers": [""]}',
        "",
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(line)
    with pytest.raises(InvalidArgument, match=r"JSON lines.*" if line else "at least one"):
        read_expected(path)


def test_other_forms_and_a_sample_are_read(tmp_path: Path) -> None:
    asked = [
        {"question": "Which?", "answers": [{"text": "frost", "answer_start": 0}]},
        {"question": "Who?", "is_impossible": True, "answers": []},
    ]
    article = {"title": "Stones", "paragraphs": [{"context": "frost and ice", "qas": asked}]}
    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"data": [article]}))
    assert [one.answers for one in read_expected(path)] == [("frost",), ()]
    rows = [{"question": str(number), "answers": []} for number in range(50)]
    drawn = [int(one.question) for one in read_expected(_written(tmp_path, rows), 10)]
    assert drawn == sorted(drawn)
    assert len(drawn) == 10
    assert drawn != list(range(10))
    assert [int(one.question) for one in read_expected(_written(tmp_path, rows), 10)] == drawn
