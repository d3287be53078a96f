"""The record of a training: whole, without double points, whatever ends it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.cli.runs import chart
from ragstone.config import StorageSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import TrainingDiverged, UnknownId
from ragstone.schemas.runs import RunCurve, RunPoint
from ragstone.storage import catalog_file, runs
from ragstone.storage.catalog import Catalog
from ragstone.training.progress import Progress
from ragstone.training.recording import Recorder

from .language_runs import data, recorded, trainer

RUN = Path(__file__).with_name("language_runs.py")


def measured(curve: RunCurve) -> list[tuple[object, ...]]:
    """What does not depend on how fast the machine is."""
    return [
        (one.step, one.loss, one.gradient_norm, one.learning_rate, one.validation)
        for one in curve.points
    ]


def only_run(catalog: Catalog) -> RunCurve:
    (run,) = runs.listed(catalog)
    return runs.find(catalog, run.run)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog.duckdb", StorageSettings())


def test_a_run_is_kept_with_its_points(tmp_path: Path, catalog: Catalog) -> None:
    recorder = Recorder(partial(runs.record, catalog))
    outcome = recorded(trainer(tmp_path, recorder=recorder), recorder)
    curve = only_run(catalog)
    run, points = curve.run, curve.points
    assert [point.step for point in points] == [10, 20, 30]
    assert points[1].loss == pytest.approx(math.fsum(outcome.losses[10:20]) / 10)
    assert {point.step: point.validation for point in points} == outcome.validations
    assert points[0].figures == {}
    assert all(point.examples_per_second > 0 for point in points)
    assert points[0].tokens_per_second == pytest.approx(16 * points[0].examples_per_second)
    assert points[0].mfu is None  # on a CPU
    assert (run.state, run.model, run.error) == ("done", "small@1", "")
    assert (run.steps, run.step, run.loss) == (30, 30, points[-1].loss)
    assert run.validation == outcome.best
    assert (run.data_digest, run.seed) == (data().digest, 0)
    assert run.settings["width"] == 16
    assert run.settings["batch"] == 8
    assert run.ended is not None
    assert run.ended >= run.began


def test_a_run_that_was_killed_goes_on_without_double_points(tmp_path: Path) -> None:
    settings, place = json.dumps({"steps": 60}), tmp_path / "catalog.duckdb"
    command = [sys.executable, str(RUN), str(tmp_path / "cut"), settings, str(place)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as killed:
        assert killed.stdout is not None
        while int(killed.stdout.readline()) < 30:
            pass
        killed.send_signal(signal.SIGKILL)
    catalog = Catalog(place, StorageSettings())
    runs.end_lost(catalog)
    (before,) = runs.listed(catalog)
    assert before.state == "stopped"
    assert before.ended is not None
    assert 20 <= before.step < 60
    catalog.close()
    other = tmp_path / "other.duckdb"  # by a process of its own: threads change the last digits
    again = [sys.executable, str(RUN), str(tmp_path / "whole"), settings, str(other)]
    for each in (command, again):
        subprocess.run(each, check=True, env=environment, stdout=subprocess.DEVNULL)
    first, second = (Catalog(path, StorageSettings()) for path in (place, other))
    cut, whole = only_run(first), only_run(second)
    assert cut.run.run == before.run
    assert cut.run.state == "done"
    assert measured(cut) == measured(whole)
    first.close()
    second.close()


def test_what_was_measured_after_the_checkpoint_is_replaced(
    tmp_path: Path, catalog: Catalog
) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 20:
            raise KeyboardInterrupt

    first, again = Recorder(partial(runs.record, catalog)), Recorder(partial(runs.record, catalog))
    with pytest.raises(KeyboardInterrupt):
        recorded(trainer(tmp_path, stop, recorder=first), first)
    stopped = only_run(catalog)
    assert stopped.run.state == "stopped"
    assert [point.step for point in stopped.points] == [10, 20]  # and the checkpoint is of 14
    recorded(trainer(tmp_path, recorder=again), again)
    curve = only_run(catalog)
    assert (curve.run.run, curve.run.state) == (first.run, "done")
    assert [point.step for point in curve.points] == [10, 20, 30]


def test_a_run_that_fails_says_why(tmp_path: Path, catalog: Catalog) -> None:
    def poison(progress: Progress) -> None:
        if progress.step == 10:
            next(made.model.parameters()).data.fill_(math.inf)

    recorder = Recorder(partial(runs.record, catalog))
    made = trainer(tmp_path, poison, recorder=recorder)
    with pytest.raises(TrainingDiverged):
        recorded(made, recorder)
    run = only_run(catalog).run
    assert run.state == "failed"
    assert "in step 10 the loss was nan" in run.error


def test_what_is_begun_anew_is_another_run(tmp_path: Path, catalog: Catalog) -> None:
    for folder in ("a", "b"):
        recorder = Recorder(partial(runs.record, catalog))
        recorded(trainer(tmp_path / folder, recorder=recorder), recorder)
    newest, oldest = runs.listed(catalog)
    assert newest.run > oldest.run
    assert runs.find(catalog, newest.run.lower()).run == newest
    for unknown in (newest.run[:4], "01JJJJJJJJ", ""):
        with pytest.raises(UnknownId, match="No run has the id"):
            runs.find(catalog, unknown)


# ---------------------------------------------------------------- in a workspace


def test_a_catalog_of_before_takes_up_runs(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    old = duckdb.connect(str(path))
    old.execute("CREATE TABLE migrations (number INTEGER NOT NULL, applied TIMESTAMP)")
    for number, sql in catalog_file.migrations():
        if number < 8:
            old.execute(sql)
            old.execute("INSERT INTO migrations VALUES (?, now())", [number])
    old.close()
    catalog = Catalog(path, StorageSettings())
    assert runs.listed(catalog) == []
    catalog.close()


def test_a_model_knows_its_run_and_a_run_its_model(tmp_path: Path, encoder: TextEncoder) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(30):
        (notes / f"{number:02}.txt").write_text(f"Note {number}. Granite is dense. " * 9)
    place = tmp_path / "workspace"
    quick = {"steps": 30, "context": 16, "width": 16, "layers": 1, "evaluate_every": 10}
    with ragstone.open(place, create=True, encoder=encoder, ingestion={"workers": 0}) as ws:
        ws.ingest([notes], "stones")
        made = ws.train_model("gpt", "stones", "small", quick)
        (run,) = ws.runs()
        assert (made.run, run.model, run.state) == (run.run, "small@1", "done")
        assert ws.model("small").run == run.run
        assert (run.dataset, run.version, run.steps, run.step) == ("stones", 1, 30, 30)
        assert run.validation == made.loss
        info = place / "models" / "small" / "1" / "model.json"
        told = json.loads(info.read_text())
        del told["run"]
        info.write_text(json.dumps(told))  # as models of before were
        assert ws.model("small").run == ""
        wild = {**quick, "optimiser": "adamw", "learning_rate": 1e30, "warmup": 0, "clip": 0}
        with pytest.raises(TrainingDiverged) as caught:
            ws.train_model("gpt", "stones", "wild", wild)
        ids = {item.item_id for item in ws.items("stones")}
        assert all(
            name.split(" of item ")[1].split(" and ")[0] in ids for name in caught.value.examples
        )
    command = CliRunner()

    def told_by(*words: str) -> str:
        result = command.invoke(app, [*words, "-w", str(place)])
        assert result.exit_code == 0, result.output
        return result.output

    listing = [line.split() for line in told_by("runs").splitlines()]
    assert [words[1:5] for words in listing if words and words[0].startswith("01")] == [
        ["wild", "gpt", "stones@1", "failed"],
        ["small@1", "gpt", "stones@1", "done"],
    ]
    shown = told_by("run", run.run)
    assert "seed 0" in shown
    assert "done after 30 of 30 steps, made small@1" in shown
    assert "┤" in shown
    points = json.loads(told_by("run", run.run[:12], "--json"))["points"]
    assert [point["step"] for point in points] == [10, 20, 30]
    assert json.loads(told_by("runs", "--json"))[0]["error"].startswith("The training diverged")


def test_a_chart_shows_each_loss_where_it_is() -> None:
    points = [RunPoint(step, 4.0 - step / 100, 1.0, 0.1, 1.0, 1.0) for step in (100, 200)]
    points.append(replace(points[-1], step=300, loss=1.0, validation=2.5))
    lines = chart(points)
    assert len(lines) == 11
    body = [line.split("┤")[1] for line in lines[:-1]]
    marks = {
        (row, column): mark
        for row, line in enumerate(body)
        for column, mark in enumerate(line)
        if mark != " "
    }
    assert marks == {(0, 20): "·", (4, 39): "·", (9, 59): "·", (2, 59): "o"}
    assert lines[0].startswith("       3 ┤")
    assert lines[9].startswith("       1 ┤")
    assert lines[10].endswith("300")
    assert chart([]) == []
