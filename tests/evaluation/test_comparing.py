"""`Workspace.evaluate_retrieval` and `evaluate_gate`: comparisons, losses, what is kept."""

from __future__ import annotations

import pytest

from ragstone.errors import InvalidArgument, InvalidConfig, UnknownId, UnknownVersion
from ragstone.workspace import Workspace

from .conftest import Parts

BY_MEANING = ["retrieval.vector_weight=1"]


@pytest.fixture
def golden(parts: Parts) -> Workspace:
    """The dataset with its golden queries, and a second version without what answers the first."""
    workspace = parts.workspace
    workspace.add_golden("parts", *parts.files)
    gone = [item.item_id for item in workspace.items("parts") if item.name in {"part-0", "part-8"}]
    workspace.delete("parts", gone)
    return workspace


def test_modes_are_compared_with_the_last_one(golden: Workspace) -> None:
    found = golden.evaluate_retrieval("parts", modes=["keyword", "vector"])
    (comparison,) = found.comparisons
    assert (comparison.before, comparison.after) == ("parts@2 keyword", "parts@2 vector")
    ndcg = comparison.measures["ndcg@10"]
    assert (ndcg.before, ndcg.after) == (
        found.modes["keyword"]["ndcg@10"],
        found.modes["vector"]["ndcg@10"],
    )
    assert ndcg.low > 0.5
    assert ndcg.p_value < 0.001
    assert (comparison.better, comparison.worse, comparison.same) == (20, 0, 0)
    assert set(comparison.measures) == {"ndcg@10", "recall@100", "mrr@10"}


def test_two_versions_are_compared_mode_by_mode(golden: Workspace) -> None:
    found = golden.evaluate_retrieval(
        "parts", modes=["vector", "hybrid"], against="parts@1", worst=2
    )
    by_meaning, hybrid = found.comparisons
    assert (by_meaning.before, hybrid.after) == ("parts@1 vector", "parts@2 hybrid")
    assert by_meaning.worse == 3, "the queries about granite"
    first, second = by_meaning.losses
    assert {first.query_id, second.query_id} < {"q0", "q8", "q16"}
    assert first.before - first.after >= second.before - second.after > 0
    names = [item.name for item in first.ranking_before]
    assert {"part-0", "part-8"} < {*names}
    assert {item.grade for item in first.ranking_before[:3]} <= {1, None}
    assert {"part-0", "part-8"}.isdisjoint(item.name for item in first.ranking_after)
    assert len(first.ranking_after) == 10


def test_settings_are_compared_with_those_of_the_workspace(golden: Workspace) -> None:
    found = golden.evaluate_retrieval("parts", modes=["hybrid"], settings=BY_MEANING)
    (comparison,) = found.comparisons
    assert comparison.before == "parts@2 hybrid"
    assert comparison.after == "parts@2 retrieval.vector_weight=1 hybrid"
    assert found.settings == BY_MEANING
    plain = golden.evaluate_retrieval("parts", modes=["vector"])
    assert found.modes["hybrid"]["ndcg@10"] == plain.modes["vector"]["ndcg@10"]
    assert comparison.losses == []


def test_a_setting_for_the_fusion_wins_over_what_was_learned(parts: Parts) -> None:
    parts.workspace.tune("parts", *parts.files)
    found = parts.workspace.evaluate_retrieval(
        "parts", *parts.files, modes=["hybrid"], settings=["retrieval.vector_weight=0"]
    )
    assert found.comparisons[0].measures["ndcg@10"].difference < -0.5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("retrieval.vector_weight=2", "vector_weight"),
        ("retrieval.nothing=2", "nothing"),
        ("vector_weight=2", "expected SECTION.NAME=VALUE"),
        ("retrieval.fusion", "expected SECTION.NAME=VALUE"),
    ],
)
def test_a_wrong_setting_is_refused(golden: Workspace, setting: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        golden.evaluate_retrieval("parts", settings=[setting])


def test_wrong_calls_say_what_is_wrong(golden: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="of the section retrieval"):
        golden.evaluate_retrieval("parts", settings=["chunking.max_tokens=64"])
    with pytest.raises(InvalidArgument, match="at least one"):
        golden.evaluate_retrieval("parts", modes=[])
    with pytest.raises(InvalidArgument, match="worst"):
        golden.evaluate_retrieval("parts", worst=-1)
    with pytest.raises(UnknownVersion):
        golden.evaluate_retrieval("parts", against="parts@9")
    assert golden.evaluations("parts") == []


def test_results_are_kept_and_found_again(golden: Workspace) -> None:
    first = golden.evaluate_retrieval("parts@1", modes=["vector"])
    second = golden.evaluate_retrieval("parts", modes=["vector"], against="parts@1", worst=3)
    assert golden.evaluation(second.evaluation) == second
    assert golden.evaluation(second.evaluation[:-2]) == second
    newest, oldest = golden.evaluations("parts")
    assert (newest.evaluation, oldest) == (second.evaluation, first)
    assert newest.comparisons[0].losses == []
    assert newest.comparisons[0].measures == second.comparisons[0].measures
    golden.fork("parts", "other")
    assert golden.evaluations("other") == []
    assert golden.doctor(rebuild=True).healthy
    assert len(golden.evaluations("parts")) == 2
    for wrong in ("", "%", first.evaluation[:7], first.evaluation + "x", "0" * 26):
        with pytest.raises(UnknownId, match="evaluation"):
            golden.evaluation(wrong)


def test_the_gate_says_why_it_does_not_let_through(golden: Workspace) -> None:
    found = golden.evaluate_gate("parts", mode="vector", min_ndcg=0.99, max_drop=0.001)
    assert found.gate is not None
    assert not found.gate.passed
    low, dropped = found.gate.reasons
    assert low == f"nDCG@10 is {found.gate.ndcg:.4f}, below 0.99"
    assert dropped.endswith("below that of parts@1 vector")
    assert found.comparisons[0].losses, "what lost most is shown without being asked for"
    assert golden.evaluation(found.evaluation) == found


def test_the_gate_lets_through_what_is_good_enough(golden: Workspace) -> None:
    enough = golden.evaluate_gate("parts", mode="vector", min_ndcg=0.5, max_drop=0.5)
    same = golden.evaluate_gate("parts", max_drop=0, against="parts@2")
    for found in (enough, same):
        assert found.gate is not None
        assert (found.gate.passed, found.gate.reasons) == (True, [])
    exact = enough.modes["vector"]["ndcg@10"]
    found = golden.evaluate_gate("parts", mode="vector", min_ndcg=exact)
    assert found.gate is not None
    assert found.gate.passed
    assert found.comparisons == []


def test_a_gate_without_a_limit_is_refused(golden: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="max_drop"):
        golden.evaluate_gate("parts")
    with pytest.raises(InvalidArgument, match="given with max_drop"):
        golden.evaluate_gate("parts", min_ndcg=0.1, against="parts@1")
    with pytest.raises(InvalidArgument, match="has only one"):
        golden.evaluate_gate("parts@1", max_drop=0.1)
