"""`Workspace.tune`: what is learned, and that each version keeps its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragstone.errors import InvalidArgument, UnknownDataset, VersionConflict
from ragstone.schemas.api import FusionChoice, SearchResult
from ragstone.storage import manifests
from ragstone.storage.fusing import set_fusion
from ragstone.workspace import Workspace

from .conftest import Parts, query

QUERY = query(30)  # not one of those that it learns from


def found(result: SearchResult) -> list[tuple[str, float, object]]:
    return [(hit.chunk_id, hit.score, hit.arms) for hit in result.hits]


def hits(workspace: Workspace, reference: str) -> SearchResult:
    return workspace.search(QUERY, reference, k=5)


def test_the_choice_is_stored_as_a_version_with_the_same_items(parts: Parts) -> None:
    workspace = parts.workspace
    report = workspace.tune("parts", *parts.files)
    assert report.before == FusionChoice("minmax", 0.0, "settings")
    assert report.chosen.origin == "tuned"
    assert report.chosen.vector_weight > 0
    assert (report.stored, report.version, report.queries, report.folds) == (True, 2, 20, 5)
    assert report.held_out.after > report.held_out.before + 0.1
    assert report.held_out.p_value < 0.05
    assert [row.chosen for row in report.rows].count(True) == 1
    tuned, first = workspace.log("parts")
    assert (tuned.content, tuned.items, tuned.added, tuned.removed) == (first.content, 40, 0, 0)
    assert tuned.message.startswith("tuned: min-max, vector weight ")
    assert hits(workspace, "parts").fusion == report.chosen
    assert workspace.doctor().healthy


def test_other_versions_are_searched_as_before(parts: Parts) -> None:
    workspace = parts.workspace
    before = hits(workspace, "parts")
    chosen = workspace.tune("parts", *parts.files).chosen
    assert hits(workspace, "parts@1").hits == before.hits
    assert hits(workspace, "parts@1").fusion == before.fusion
    workspace.fork("parts@2", "tuned")
    workspace.fork("parts@1", "plain")
    workspace.restore("parts@1")
    assert hits(workspace, "tuned").fusion == hits(workspace, "parts@2").fusion == chosen
    assert found(hits(workspace, "plain")) == found(hits(workspace, "parts")) == found(before)
    assert workspace.doctor(rebuild=True).healthy
    assert hits(workspace, "parts@2").fusion == chosen


def test_changes_keep_the_choice_and_another_encoder_does_not(
    parts: Parts, small_model: Path, tmp_path: Path
) -> None:
    workspace = parts.workspace
    chosen = workspace.tune("parts", *parts.files).chosen
    (tmp_path / "more.txt").write_text("The pump itself is green.")
    workspace.ingest([tmp_path / "more.txt"], "parts")
    assert hits(workspace, "parts").fusion == chosen
    workspace.add_golden("parts", *parts.files)
    made = workspace.reembed("parts", str(small_model))
    assert hits(workspace, "parts").fusion == FusionChoice("minmax", 0.0, "settings")
    assert made.comparison is not None
    for version, quality in ((3, made.comparison.before), (4, made.comparison.after)):
        real = workspace.evaluate_retrieval(f"parts@{version}", modes=["hybrid"])
        assert quality.modes["hybrid"]["ndcg@10"] == real.modes["hybrid"]["ndcg@10"]


def test_a_dry_run_and_a_second_run_change_nothing(parts: Parts) -> None:
    workspace = parts.workspace
    dry = workspace.tune("parts", *parts.files, dry_run=True)
    assert (dry.stored, dry.version, len(workspace.log("parts"))) == (False, 1, 1)
    made = workspace.tune("parts", *parts.files)
    assert (made.rows, made.chosen, made.held_out) == (dry.rows, dry.chosen, dry.held_out)
    again = workspace.tune("parts", *parts.files)
    assert (again.stored, again.version, again.chosen) == (False, 2, made.chosen)
    assert again.before == made.chosen


def test_golden_queries_do_as_well_as_files(parts: Parts) -> None:
    workspace = parts.workspace
    with pytest.raises(InvalidArgument, match="ragstone golden parts"):
        workspace.tune("parts")
    workspace.add_golden("parts", *parts.files)
    golden = workspace.tune("parts", dry_run=True)
    assert golden.rows == workspace.tune("parts", *parts.files, dry_run=True).rows


def test_a_setting_passes_over_what_was_learned(parts: Parts) -> None:
    workspace = parts.workspace
    workspace.tune("parts", *parts.files)
    found = workspace.evaluate_retrieval(
        "parts", *parts.files, modes=["hybrid"], settings=["retrieval.use_tuned=false"]
    )
    plain = workspace.evaluate_retrieval("parts@1", *parts.files, modes=["hybrid"])
    assert found.modes == plain.modes
    assert found.comparisons[0].measures["ndcg@10"].difference < 0


def test_wrong_calls_say_what_is_wrong(parts: Parts, tmp_path: Path) -> None:
    workspace = parts.workspace
    few = tmp_path / "few.tsv"
    few.write_text("q1\tpart-1\t1\n")
    with pytest.raises(InvalidArgument, match="at least 10 judged ones"):
        workspace.tune("parts", parts.queries, few)
    strangers = tmp_path / "strangers.tsv"
    strangers.write_text("".join(f"q{n}\tnobody\t1\n" for n in range(20)))
    with pytest.raises(InvalidArgument, match="judgements of items by their names"):
        workspace.tune("parts", parts.queries, strangers)
    with pytest.raises(InvalidArgument, match="the newest is tuned"):
        workspace.tune("parts@1", *parts.files)
    with pytest.raises(UnknownDataset):
        workspace.tune("nothing", *parts.files)
    assert len(workspace.log("parts")) == 1


def test_a_choice_learned_with_other_data_is_refused(parts: Parts, tmp_path: Path) -> None:
    store = parts.workspace._store
    head = store.head("parts")
    (tmp_path / "more.txt").write_text("Something came meanwhile.")
    parts.workspace.ingest([tmp_path / "more.txt"], "parts")
    with pytest.raises(VersionConflict, match="Version 2"):
        set_fusion(store, head, None, "too late")


def test_a_manifest_without_the_field_reads_as_never_tuned(parts: Parts) -> None:
    store = parts.workspace._store
    head = store.head("parts")
    path = manifests.version_path(store.folder(head), 1)
    values = json.loads(path.read_text())
    del values["fusion"]
    values["digest"] = manifests.digest_of(values)
    path.write_text(json.dumps(values))
    assert manifests.read(path).fusion is None
