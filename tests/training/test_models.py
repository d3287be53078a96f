"""Language models of a workspace: trained on a version, kept, sampled, and asked for answers."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.cli.models import FAMILIES as TRAINED
from ragstone.encoders.base import TextEncoder
from ragstone.errors import (
    DamagedFile,
    GeneratorUnavailable,
    InvalidArgument,
    TrainingDiverged,
    UnknownModel,
)
from ragstone.models.families import FAMILIES
from ragstone.models.sampling import Sampler
from ragstone.schemas.models import ModelInfo
from ragstone.schemas.runs import Plan
from ragstone.storage.restoring import restore_backup
from ragstone.storage.store import Store
from ragstone.training.cards import card
from ragstone.training.corpus import read_corpus
from ragstone.training.feeding import TokenData
from ragstone.training.feeding_notes import NoteData
from ragstone.training.materials.known import MATERIALS
from ragstone.training.measures.texts import copying
from ragstone.training.settings import TrainingSettings
from ragstone.training.snapshots import Snapshot
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"steps": 60, "batch": 8, "context": 32, "width": 32, "layers": 2, "heads": 2}
SENTENCES = [
    "Granite resists frost best of all stones.",
    "Slate splits into thin plates for roofs.",
    "Marble takes a polish and fears acid.",
    "Basalt columns cool from lava.",
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stones")
    for number in range(40):
        text = " ".join(SENTENCES[(number + n * n) % 4] for n in range(9))
        (folder / f"{number:02}.txt").write_text(f"Note {number * 7919}. {text}")
    return folder


@pytest.fixture(scope="module")
def stones(
    sources: Path, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    path = tmp_path_factory.mktemp("models") / "workspace"
    ws = ragstone.open(
        path,
        create=True,
        encoder=encoder,
        ingestion={"workers": 0},
        generation={"min_evidence": 0.0, "max_new_tokens": 60},
    )
    ws.ingest([sources], "stones")
    return ws


@pytest.fixture(scope="module")
def trained(stones: Workspace) -> ModelInfo:
    plans: list[Plan] = []
    made = stones.train_model("gpt", "stones", settings=QUICK, on_plan=plans.append)
    assert [(p.begin, p.steps, p.parameters) for p in plans] == [(0, 60, made.parameters)]
    return made


def test_a_model_is_kept_with_what_made_it(stones: Workspace, trained: ModelInfo) -> None:
    version = stones.log("stones")[0]
    assert (trained.name, trained.number, trained.family) == ("stones", 1, "gpt")
    assert (trained.data.version, trained.data.digest) == (1, version.digest)
    assert trained.loss < 3.3  # of 3.7 for 40 characters that are alike
    assert trained.bits_per_byte == pytest.approx(trained.loss * 1.4427, rel=0.02)
    assert stones.models() == [trained]
    assert stones.model("stones") == stones.model("stones@1") == trained
    folder = stones.path / "models" / "stones" / "1"
    text = (folder / "card.md").read_text()
    assert f"{trained.loss:.4f}" in text
    assert version.digest[:16] in text
    assert not (folder.parent / ".training").exists()


def test_a_backup_has_the_models(
    stones: Workspace, trained: ModelInfo, encoder: TextEncoder, tmp_path: Path
) -> None:
    made = stones.backup(tmp_path / "backup")
    restore_backup(Path(made.folder), tmp_path / "again")
    with ragstone.open(tmp_path / "again", encoder=encoder) as again:
        assert trained in again.models()
        assert again.sample("stones@1", tokens=9) == stones.sample("stones@1", tokens=9)


def test_the_same_training_gives_the_same_model(stones: Workspace, trained: ModelInfo) -> None:
    again = stones.train_model("gpt", "stones@1", settings=QUICK)
    assert (again.number, again.digest) == (2, trained.digest)
    other = stones.train_model("gru", "stones@1", "other", {**_plain(QUICK), "seed": "1"})
    assert other.digest != trained.digest
    assert other.training["seed"] == 1


def test_it_writes_the_same_for_the_same_seed(stones: Workspace, trained: ModelInfo) -> None:
    greedy = Sampler(temperature=0)
    first = stones.sample("stones@1", "Granite", tokens=20, sampler=greedy)
    assert first == stones.sample("stones@1", "Granite", tokens=20, sampler=greedy)
    assert len(first.text) == 20
    warm = {stones.sample("stones@1", tokens=30, sampler=Sampler(seed=n)).text for n in range(3)}
    assert len(warm) == 3
    assert trained.number == 1


def test_neighbours_help(stones: Workspace, trained: ModelInfo) -> None:
    with pytest.raises(InvalidArgument, match="ragstone train knnlm"):
        stones.sample("stones@1", neighbours=True)
    with pytest.raises(GeneratorUnavailable, match="no datastore beside it"):
        stones.ask("What resists frost?", "stones", generator="model:stones@1+knn")
    made = stones.build_datastore("stones@1", "stones", neighbours=8)
    assert made.with_ < made.without
    assert 0 < made.weight < 1
    assert made.entries == trained.data.tokens - 1
    assert stones.model("stones@1").datastore == made
    assert stones.sample("stones@1", "Granite", tokens=9, neighbours=True).text


def test_an_answer_of_a_trained_model_is_cited_or_silent(
    stones: Workspace, trained: ModelInfo
) -> None:
    """These read too little to be shown a passage; `test_grounding` has one that is."""
    settings = {**QUICK, "steps": 150, "width": 48, "tokenizer": "bpe"}
    made = stones.train_model("gpt", "stones", "heart", {**settings, "tokens": 300})
    assert made.loss < trained.loss
    # The passages do not fit into its context: it goes on from the question's end.
    if stones.model("stones@1").datastore is None:
        stones.build_datastore("stones@1", "stones", neighbours=8)
    for name in ("model:heart", "model:stones@1+knn"):
        answer = stones.ask("What resists frost?", "stones", generator=name)
        assert answer.generator == name
        assert all(claim.citations for claim in answer.claims if claim.supported)
        for citation in answer.citations:
            shown = stones.show(citation.chunk_id)
            assert citation.quote in shown.text  # type: ignore[union-attr]
        assert stones.replay(answer.answer_id).differences == []
    listed = {entry.id: entry.available for entry in stones.generators()}
    assert listed["model:heart@1"]
    assert listed["model:stones@1+knn"]


def test_a_copy_for_transformers_answers_alike(
    stones: Workspace, trained: ModelInfo, tmp_path: Path
) -> None:
    folder = stones.export_model("stones@1", tmp_path / "copy", "transformers")
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= names
    with pytest.raises(InvalidArgument, match="new or empty"):
        stones.export_model("stones@1", folder)
    assert trained.family == "gpt"


def test_what_is_not_there_is_told(stones: Workspace, trained: ModelInfo) -> None:
    for name in ("nothing", "stones@99", "stones@x", "../stones"):
        with pytest.raises(UnknownModel, match="There is no model") as caught:
            stones.model(name)
        assert f"{trained.name}@1" in caught.value.hint
    with pytest.raises(GeneratorUnavailable, match="There is no model 'nothing'"):
        stones.ask("What?", "stones", generator="model:nothing")
    with pytest.raises(InvalidArgument, match="one of gpt"):
        stones.train_model("gtp", "stones")
    with pytest.raises(InvalidArgument, match="learning_rate"):
        stones.train_model("gpt", "stones", settings={"lr": "1"})
    with pytest.raises(InvalidArgument, match="of type int"):
        stones.train_model("gpt", "stones", settings={"steps": "many"})
    with pytest.raises(InvalidArgument, match="small letters"):
        stones.train_model("gpt", "stones", "A/B")


def test_a_damaged_model_is_not_used(stones: Workspace, trained: ModelInfo) -> None:
    made = stones.train_model("gpt", "stones", "damaged", {**QUICK, "steps": 5})
    file = stones.path / "models" / "damaged" / "1" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match="have changed"):
        stones.sample("damaged")
    assert made.steps == 5
    assert trained.name == "stones"


def test_a_number_that_is_given_again_is_another_model(stones: Workspace) -> None:
    """What was deleted must not be asked on, though it was loaded once."""
    stones.train_model("gru", "stones", "fleeting", {**_plain(QUICK), "steps": 2})
    first = stones.sample("fleeting@1", tokens=20).text
    shutil.rmtree(stones.path / "models" / "fleeting")
    made = stones.train_model("gru", "stones", "fleeting", {**_plain(QUICK), "seed": 5})
    assert made.number == 1
    assert stones.sample("fleeting@1", tokens=20).text != first


def test_a_training_goes_on_or_begins_anew(stones: Workspace, trained: ModelInfo) -> None:
    wild = {**QUICK, "optimiser": "adamw", "learning_rate": 1e30, "warmup": 0, "clip": 0}
    with pytest.raises(TrainingDiverged):
        stones.train_model("gpt", "stones", "wild", {**wild, "checkpoint_every": 1})
    with pytest.raises(InvalidArgument, match="same data and settings"):
        stones.train_model("gpt", "stones", "wild", QUICK)
    made = stones.train_model("gpt", "stones", "wild", QUICK, restart=True)
    assert made.digest == trained.digest


@pytest.mark.parametrize("name", list(FAMILIES))
def test_no_setting_has_two_meanings(name: str) -> None:
    known = FAMILIES[name]
    own = {field.name for field in fields(known.config)} - known.config.decided
    others = [{field.name for field in fields(TrainingSettings)}]
    others.append(set(MATERIALS[known.material].settings))
    assert own.isdisjoint(others[0] | others[1])
    assert others[0].isdisjoint(others[1])
    TrainingSettings.of(known.recipe)
    assert name in TRAINED


# ---------------------------------------------------------------- what is held out


def test_duplicates_and_items_stay_on_their_side(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    long = " ".join(f"word{n}" for n in range(80))
    for number in range(60):
        (folder / f"{number}.txt").write_text(f"About {number}: {long} {number * 31}")
    workspace.ingest([folder], "texts")
    workspace.set_duplicate_policy("texts", undo=True)  # near duplicates, and all are shown
    store = workspace._store
    first = _sides(store, "texts")
    assert {len(first[False]), len(first[True])} == {60, 0}  # one group, one side
    (folder / "3.txt").unlink()
    workspace.delete("texts", [workspace.items("texts")[0].item_id])
    second = _sides(store, "texts")
    whole = max(first.values(), key=len)
    assert set(max(second.values(), key=len)) < set(whole)


def test_an_item_keeps_its_side_in_every_version(
    stones: Workspace, sources: Path, encoder: TextEncoder, tmp_path: Path
) -> None:
    other = ragstone.open(tmp_path / "w", create=True, encoder=encoder, ingestion={"workers": 0})
    (tmp_path / "more").mkdir()
    for path in sorted(sources.iterdir())[::-1][:30]:
        (tmp_path / "more" / path.name).write_text(path.read_text())
    other.ingest([tmp_path / "more"], "part")
    whole, part = (_sides(ws._store, name) for ws, name in ((stones, "stones@1"), (other, "part")))
    other.close()
    assert part[True]
    assert set(part[True]) <= set(whole[True])
    assert set(part[False]) <= set(whole[False])


def test_of_few_texts_the_ends_are_held_out(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("abcdefghij" * 30)
    workspace.ingest([tmp_path / "one.txt"], "one")
    store = workspace._store
    sides = _sides(store, "one")
    assert [len(text) for text in (*sides[False], *sides[True])] == [270, 30]
    with pytest.raises(InvalidArgument, match="with more text"):
        workspace.train_model("gpt", "one", settings={"context": 200})


def _sides(store: Store, name: str) -> dict[bool, list[str]]:
    corpus = read_corpus(Snapshot.of(store, store.resolve(name)))
    return {side: list(corpus.texts(held_out=side)) for side in (False, True)}


def test_questions_and_what_models_made_are_left_out(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.txt").write_text(f"Note {number} of the quarry, {number * 31} blocks.")
    (folder / "faq.txt").write_text("FAQ. Why does granite resist frost so well? It is dense.")
    made = {"text": "A model made this note of the quarry.", "synthetic": {"model": "writer@1"}}
    (tmp_path / "made.jsonl").write_text(json.dumps(made))
    workspace.ingest([folder], "notes")
    workspace.ingest([tmp_path / "made.jsonl"], "notes", text="text")
    query, judged = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    query.write_text(json.dumps({"_id": "1", "text": "Why does granite resist FROST so well?"}))
    judged.write_text("query-id\tcorpus-id\tscore\n1\tfaq.txt\t1\n")
    workspace.add_golden("notes", query, judged)
    store = workspace._store
    division = read_corpus(Snapshot.of(store, store.resolve("notes"))).division
    assert division.left_out == {"holds a golden query": 1, "made by a model": 1}
    texts = " ".join(text for side in _sides(store, "notes").values() for text in side)
    assert "Note 29" in texts
    assert "granite" not in texts
    assert "A model made" not in texts
    asked = read_corpus(Snapshot.of(store, store.resolve("notes")), synthetic=True)
    assert asked.division.left_out == {"holds a golden query": 1}
    info = workspace.train_model("gru", "notes", "notes", {**_plain(QUICK), "steps": 2})
    assert info.data.left_out == division.left_out
    assert "1 (holds a golden query)" in card(info)


def test_what_a_model_copies_is_measured(stones: Workspace, trained: ModelInfo) -> None:
    found = stones.evaluate_model("stones@1", samples=2)
    assert found.data == "stones@1"
    assert found.loss == pytest.approx(trained.loss, rel=1e-5)
    assert 0 < found.measures["distinct_1"] <= 1
    again = stones.model("stones@1")
    assert again.measures == found.measures
    assert "| distinct_2 |" in card(again)
    heart = copying([SENTENCES[0] + " " + SENTENCES[1]], lambda held: [SENTENCES[1] * (not held)])
    assert heart["longest_copy"] == len(SENTENCES[1])
    whole = "".join(SENTENCES)
    assert copying([whole], lambda _: [whole])["copied"] == 1.0
    assert copying([whole], lambda _: [whole[::-1]])["copied"] == 0.0


def test_music_is_heard_in_other_keys_and_measured(workspace: Workspace, tmp_path: Path) -> None:
    for number in range(30):
        lines = [f"{48 + (n * 5 + number) % 12} {60 + (n * 7) % 12}" for n in range(40)]
        (tmp_path / f"{number}.txt").write_text("\n".join(lines))
    workspace.ingest([tmp_path / f"{number}.txt" for number in range(30)], "songs")
    settings = {**_plain(QUICK), "tokenizer": "notes", "transpose": 3}
    made = workspace.train_model("gru", "songs", settings=settings)
    assert (made.tokenizer, made.material["transpose"]) == ("notes, 132 tokens", 3)
    assert made.loss < 4.5  # of 4.9 for 132 tokens that are alike
    found = workspace.evaluate_model("songs", samples=1).measures
    assert 0 < found["pitch_distance_training"] < 0.5
    assert found["chord_distance_training"] == 0
    assert 0 <= found["transition_distance"] <= 1
    with pytest.raises(InvalidArgument, match="tokenizer is not notes"):
        workspace.train_model("gru", "songs", settings={"transpose": 3})


def test_the_keys_of_a_batch_are_a_function_of_the_step() -> None:
    tune = np.tile(np.array([64, 68, 71, 2, 131, 3, 0], np.int32), 40)
    data = NoteData(tune, tune, 14, (), 5)
    first, again = data.batch(3, 6, 0), data.batch(3, 6, 0)
    plain = TokenData(tune, tune, 14).batch(3, 6, 0)
    for name, tokens in first.items():
        assert torch.equal(tokens, again[name])
        moved = (tokens - plain[name]) * (plain[name] >= 4) * (plain[name] < 120)
        assert moved.abs().max() <= 5
        assert len(moved.unique()) > 2
        assert torch.equal(tokens[plain[name] < 4], plain[name][plain[name] < 4])
        assert tokens.max() <= 131
    assert data.digest != TokenData(tune, tune, 14).digest


def test_a_model_is_taken_to_another_workspace(
    stones: Workspace, trained: ModelInfo, encoder: TextEncoder, tmp_path: Path
) -> None:
    folder = stones.export_model("stones@1", tmp_path / "copy")
    other = ragstone.open(tmp_path / "w", create=True, encoder=encoder)
    made = other.import_model(folder, "taken")
    assert (made.name, made.number, made.digest) == ("taken", 1, trained.digest)
    assert other.import_model(folder, "taken").number == 2
    assert other.import_model(folder).name == "stones"
    written = stones.sample("stones@1", tokens=9).text
    assert other.sample("taken", tokens=9).text == written
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(DamagedFile, match="have changed"):
        other.import_model(folder, "broken")
    with pytest.raises(DamagedFile, match="have changed"):
        other.import_model(folder, "taken")  # though a whole one with this digest was loaded
    assert [info.name for info in other.models()] == ["stones", "taken", "taken"]
    assert [path.name for path in (other.path / "models").rglob(".*")] == []
    other.close()


# ---------------------------------------------------------------- the command line


def test_all_of_it_from_the_command_line(sources: Path, tmp_path: Path) -> None:
    run = CliRunner()

    def call(*words: str) -> str:
        result = run.invoke(app, ["-w", str(tmp_path / "w"), *words])
        assert result.exit_code == 0, result.output
        return result.output

    call("init", str(tmp_path / "w"))
    call("ingest", str(sources), "--dataset", "stones")
    sets = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
    text = call("train", "gpt", "stones", "--name", "writer", *sets)
    assert "60 steps" in text
    assert "writer@1: loss" in text
    assert "nats" in call("model", "writer")
    assert "neighbours (weight" in call("train", "knnlm", "stones", "writer")
    listed = json.loads(call("models", "--json"))
    assert [(one["name"], one["steps"]) for one in listed] == [("writer", 60)]
    made = json.loads(call("sample", "writer", "Granite", "--tokens", "12", "--json"))
    assert len(made["text"]) == 12
    assert "Written to" in call("export-model", "writer", "--out", str(tmp_path / "out"))
    assert "again@1" in call("import-model", str(tmp_path / "out"), "--name", "again")
    assert "copied_held_out" in call("evaluate", "model", "again", "--samples", "1")
    assert run.invoke(app, ["-w", str(tmp_path / "w"), "sample", "none"]).exit_code == 1
    wrong = ["-w", str(tmp_path / "w"), "train", "gpt", "stones", "--set", "steps"]
    assert run.invoke(app, wrong).exit_code == 2


def _plain(settings: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in settings.items() if name != "heads"}
