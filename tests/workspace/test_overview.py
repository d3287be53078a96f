"""The workspace at a glance, against what it holds."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from ragstone import overview
from ragstone.errors import InvalidArgument
from ragstone.workspace import Workspace

GRANITE = "Granite is a hard stone made of quartz, feldspar and mica."


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_an_empty_workspace(workspace: Workspace) -> None:
    found = workspace.overview()
    assert (found.datasets, found.modalities, found.jobs, found.quality) == ([], {}, [], [])
    assert [use.area for use in found.storage] == ["catalog"]
    assert (found.running, found.quarantined) == (0, 0)


def test_counts_are_those_of_the_newest_versions(workspace: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"granite.md": GRANITE, "broken.pdf": "%PDF-1.7 no"})
    workspace.ingest(folder, "stones")
    write(folder, {"chalk.txt": "Chalk is soft."})
    workspace.ingest(folder, "stones")
    (chalk,) = [item for item in workspace.items("stones") if item.name == "chalk.txt"]
    workspace.delete("stones", [chalk.item_id])
    workspace.fork("stones@2", "chalky")
    found = workspace.overview()
    chalky, stones = found.datasets
    assert (chalky.name, chalky.items, chalky.modalities) == ("chalky", 2, {"text": 2})
    assert (stones.version, stones.items, stones.bytes) == (3, 1, len(GRANITE))
    assert stones.changed == workspace.log("stones")[0].created
    assert (found.modalities, found.quarantined, stones.quarantined) == ({"text": 3}, 1, 1)
    assert [job.dataset for job in found.jobs] == ["stones", "stones"]


def test_storage_is_what_lies_there(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "_KEPT_SECONDS", 0.0)
    monkeypatch.setattr(overview, "_PATIENCE", 60.0)
    workspace.ingest(write(tmp_path / "in", {"granite.md": GRANITE}), "stones")
    storage = {use.area: use.bytes for use in workspace.overview().storage}
    files = [path for path in (workspace.path / "datasets").rglob("*") if path.is_file()]
    once = {path.stat().st_ino: path.stat().st_size for path in files}
    assert storage["datasets"] == sum(once.values())
    assert storage["originals"] == len(GRANITE)
    workspace.receive("01ARZ3NDEKTSV4RRFFQ69G5FAV", "a.md").keep()
    (workspace.path / "uploads" / "01ARZ3NDEKTSV4RRFFQ69G5FAV" / "a.md").write_bytes(b"x" * 77)
    assert {u.area: u.bytes for u in workspace.overview().storage}["uploads"] == 77


def test_a_walk_is_kept_for_a_moment(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "_PATIENCE", 60.0)
    workspace.overview()
    workspace.ingest(write(tmp_path / "in", {"granite.md": GRANITE}), "stones")
    assert "datasets" not in {use.area for use in workspace.overview().storage}


def test_nobody_waits_for_a_walk(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    going = threading.Event()

    def slow(_: Path) -> int:
        going.wait()
        return 77

    monkeypatch.setattr(overview, "_PATIENCE", 0.01)
    monkeypatch.setattr(overview, "_below", slow)
    assert [use.area for use in workspace.overview().storage] == ["catalog"]
    monkeypatch.setattr(overview, "_PATIENCE", 60.0)
    going.set()
    assert {"datasets", "models"} <= {use.area for use in workspace.overview().storage}


def test_quality_over_time(workspace: Workspace, tmp_path: Path) -> None:
    workspace.ingest(write(tmp_path / "in", {"granite.md": GRANITE, "b.md": "Basalt."}), "stones")
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    queries.write_text(json.dumps({"_id": "q1", "text": "hard stone"}), encoding="utf-8")
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\tgranite.md\t1\n", encoding="utf-8")
    first = workspace.evaluate_retrieval("stones", queries, qrels)
    workspace.evaluate_retrieval("stones", queries, qrels, modes=["keyword"])  # has no such number
    answers = tmp_path / "questions.jsonl"
    question = {"question": "What is granite made of?", "answers": ["quartz, feldspar and mica"]}
    answers.write_text(json.dumps(question), encoding="utf-8")
    second = workspace.evaluate_answers("stones", answers, counterfactual=0)
    points = workspace.overview().quality
    assert [point.evaluation for point in points] == [first.evaluation, second.evaluation]
    assert (points[0].measure, points[0].value) == ("ndcg@10", first.modes["hybrid"]["ndcg@10"])
    assert (points[1].measure, points[1].value) == ("f1", second.runs[-1].measures["f1"].value)
    assert {point.dataset for point in points} == {"stones"}


def test_jobs_come_in_pages(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(3):
        workspace.ingest(write(folder, {f"{number}.md": f"Stone {number}."}), "stones")
    every = workspace.jobs()
    assert len(every) == 3
    assert workspace.jobs(limit=2) == every[:2]
    assert workspace.jobs("stones", limit=2, offset=2) == every[2:]
    for wrong in ({"limit": 0}, {"offset": -1}):
        with pytest.raises(InvalidArgument, match=next(iter(wrong))):
            workspace.jobs(**wrong)  # type: ignore[arg-type]
