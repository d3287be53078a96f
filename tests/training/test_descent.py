"""Models beside their data: damaged ones, what an item was learnt by, and what forgetting takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.encoders.base import TextEncoder
from ragstone.errors import DamagedFile, GeneratorUnavailable
from ragstone.models.families import FAMILIES
from ragstone.models.tokenizers import make_tokenizer
from ragstone.schemas.models import ModelData, ModelInfo
from ragstone.schemas.tracing import LearntModel
from ragstone.training.corpus import read_corpus
from ragstone.training.dividing import BY_ITEMS
from ragstone.training.model_files import write_model
from ragstone.training.registry import Registry
from ragstone.training.snapshots import Snapshot
from ragstone.workspace import Workspace

SIZE = 40  # texts: so many that whole items are held out


@pytest.fixture
def stones(tmp_path: Path, encoder: TextEncoder) -> Iterator[Workspace]:
    """A workspace with the dataset `stones` of 40 texts in its only version."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for number in range(SIZE):
        text = f"Stone number {number} comes from quarry {number * 37 % 101}."
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    with ragstone.open(
        tmp_path / "ws", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as ws:
        ws.ingest([folder], "stones")
        yield ws


def keep(
    ws: Workspace,
    name: str = "gpt",
    reference: str = "stones@1",
    held_out: str = BY_ITEMS,
    family: str = "gpt",
) -> ModelInfo:
    """Keep a model of random weights that says it has learnt from a version."""
    manifest = ws._store.resolve(reference)
    tokenizer = make_tokenizer("characters", ["Stone number 0123456789 comes from quarry ."])
    known = FAMILIES["gpt"]
    config = known.config.of(
        {"vocabulary": tokenizer.size, "context": 16, "width": 16, "layers": 1, "heads": 2}
    )
    model = known.build(config)
    registry = Registry(ws.path / "models")
    info = ModelInfo(
        name=name,
        number=registry.next_number(name),
        family=family,
        digest="",
        parameters=model.parameters_count,
        config=json.loads(config.to_json()),
        training={},
        tokenizer=tokenizer.about,
        data=ModelData(
            manifest.dataset,
            manifest.version,
            manifest.digest,
            manifest.items,
            held_out,
            tokens=1,
            validation_tokens=1,
            validation_bytes=1,
        ),
        steps=1,
        best_step=1,
        loss=1.0,
        bits_per_byte=1.0,
        seconds=1.0,
        created="2026-11-28T00:00:00+00:00",
        ragstone="0.1.0",
    )
    return registry.add(info, lambda place: write_model(place, model, tokenizer))


def item(ws: Workspace, *, held_out: bool) -> str:
    """Return the id of an item on one side."""
    sides = read_corpus(Snapshot.of(ws._store, ws._store.resolve("stones@1"))).division.held_out
    return next(one for one, side in sides.items() if side == held_out)


# ---------------------------------------------------------------- damaged


@pytest.mark.parametrize("content", ["{", "[]", '{"data": 1}', None])
def test_a_damaged_model_is_told_and_stops_nothing(stones: Workspace, content: str | None) -> None:
    keep(stones, "good")
    keep(stones, "bad")
    path = stones.path / "models/bad/1/model.json"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert [info.name for info in stones.models()] == ["good"]
    [broken] = stones.damaged_models()
    assert (broken.name, broken.number) == ("bad", 1)
    assert "it does not describe a model" in broken.damaged
    listed = {each.id: each for each in stones.generators()}
    assert listed["model:good@1"].available
    assert not listed["model:bad@1"].available
    assert listed["model:bad@1"].note.startswith("damaged: ")
    assert stones.ask("Where does stone number 3 come from?", "stones").answer
    with pytest.raises(GeneratorUnavailable, match="is damaged"):
        stones.ask("Where?", "stones", generator="model:bad")
    with pytest.raises(DamagedFile):
        stones.model("bad")
    assert Registry(stones.path / "models").next_number("bad") == 2


def test_the_command_lists_it_with_its_reason(stones: Workspace) -> None:
    keep(stones, "good")
    keep(stones, "bad")
    (stones.path / "models/bad/1/model.json").write_text("{", encoding="utf-8")
    path = str(stones.path)
    stones.close()
    shown = CliRunner().invoke(app, ["models", "-w", path])
    assert shown.exit_code == 0
    assert "bad@1 is damaged: it does not describe a model" in " ".join(shown.stdout.split())
    told = json.loads(CliRunner().invoke(app, ["models", "--json", "-w", path]).stdout)
    assert [(one["name"], "damaged" in one) for one in told] == [("good", False), ("bad", True)]


def test_a_model_that_goes_on_with_no_text_is_no_generator(stones: Workspace) -> None:
    keep(stones, "pictures", family="vae")
    assert "model:pictures@1" not in {each.id for each in stones.generators()}
    with pytest.raises(GeneratorUnavailable, match="family vae does not go on with a text"):
        stones.ask("Where?", "stones", generator="model:pictures")


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("model.safetensors", b"other", "model.safetensors has changed since it was written"),
        ("model.safetensors", None, "model.safetensors cannot be read"),
        ("config.json", b"{", "config.json cannot be read"),
        ("card.md", None, "card.md cannot be read"),
        ("model.json", b"{", "it is damaged: it does not describe a model"),
    ],
)
def test_doctor_looks_at_models(
    stones: Workspace, file: str, content: bytes | None, problem: str
) -> None:
    keep(stones, "good")
    keep(stones, "bad")
    report = stones.doctor()
    assert (report.checks["models"], report.findings) == (2, [])
    path = stones.path / "models/bad/1" / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    report = stones.doctor()
    assert report.checks["models"] == 2
    [found] = report.findings
    assert (found.check, found.where) == ("models", "models/bad/1")
    assert found.problem.startswith(problem)


# ---------------------------------------------------------------- what learnt from an item


def test_trace_names_the_models_and_the_side_of_the_item(stones: Workspace) -> None:
    keep(stones)
    stones.build_datastore("gpt", "stones@1", neighbours=4)
    keep(stones, "few", held_out="the last 10% of each of 12 items")
    learnt, held = item(stones, held_out=False), item(stones, held_out=True)
    both = LearntModel("few@1", "stones@1", "both")
    store = LearntModel("gpt@1+knn", "stones@1", "training")
    assert stones.trace(learnt).models == [
        both,
        LearntModel("gpt@1", "stones@1", "training"),
        store,
    ]
    assert stones.trace(held).models[1] == LearntModel("gpt@1", "stones@1", "held out")
    shown = CliRunner()
    path = str(stones.path)
    stones.close()
    said = shown.invoke(app, ["trace", held, "-w", path]).stdout
    assert "model gpt@1  was validated by it  stones@1" in said


def test_only_versions_that_held_the_item_count(stones: Workspace, tmp_path: Path) -> None:
    new = tmp_path / "new.txt"
    new.write_text("Basalt is dark.", encoding="utf-8")
    gone = item(stones, held_out=False)
    stones.ingest([new], "stones")
    stones.delete("stones", [gone])
    keep(stones, "first", "stones@1")
    keep(stones, "second", "stones@2")
    keep(stones, "third", "stones@3")
    added = next(one.item_id for one in stones.items("stones", limit=100) if one.name == "new.txt")
    assert [model.name for model in stones.trace(added).models] == ["second@1", "third@1"]
    assert [model.name for model in stones.trace(gone).models] == ["first@1", "second@1"]


def test_a_model_of_another_version_with_the_same_name_does_not_count(stones: Workspace) -> None:
    keep(stones, "foreign")
    path = stones.path / "models/foreign/1/model.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["data"]["digest"] = "0" * 64
    path.write_text(json.dumps(values), encoding="utf-8")
    assert stones.trace(item(stones, held_out=False)).models == []


# ---------------------------------------------------------------- forgetting


def test_forget_names_the_models_and_leaves_them(stones: Workspace) -> None:
    keep(stones)
    stones.build_datastore("gpt", "stones@1", neighbours=4)
    (stones.path / "models/other/.training").mkdir(parents=True)
    receipt = stones.forget([item(stones, held_out=False)])
    assert (receipt.learnt, receipt.deleted) == (["gpt@1", "gpt@1+knn", "other"], [])
    assert stones.forgotten()[0] == receipt
    assert stones.model("gpt").datastore is not None
    assert (stones.path / "models/other/.training").exists()


def test_forget_deletes_them_when_it_is_told_to(stones: Workspace, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("Basalt is dark.", encoding="utf-8")
    stones.ingest([tmp_path / "new.txt"], "stones")
    keep(stones, "first", "stones@1")
    keep(stones, "second", "stones@2")
    stones.build_datastore("first", "stones@2", neighbours=4)
    (stones.path / "models/other/.training").mkdir(parents=True)
    added = next(one.item_id for one in stones.items("stones", limit=100) if one.name == "new.txt")
    path = str(stones.path)
    stones.close()
    said = CliRunner().invoke(app, ["forget", added, "--models", "--yes", "-w", path]).stdout
    assert "models deleted with them: first@1+knn, other, second@1" in said
    with ragstone.open(path) as ws:
        assert [(info.name, info.datastore) for info in ws.models()] == [("first", None)]
        assert not (ws.path / "models/second/1").exists()
        assert not (ws.path / "models/other/.training").exists()
        assert ws.doctor().findings == []


def test_what_cannot_be_erased_takes_no_model_with_it(stones: Workspace) -> None:
    keep(stones)
    part = next((stones.path / "datasets").glob("*/parts/*/items.parquet"))
    erased = item(stones, held_out=False)
    part.write_bytes(b"damaged")
    with pytest.raises(DamagedFile):
        stones.forget([erased], models=True)
    assert stones.model("gpt").number == 1
