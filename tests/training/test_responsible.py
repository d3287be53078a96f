"""What is refused, what is warned of before a model is handed on, and licences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ragstone
from ragstone.config import ModelSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import CopyingModel, InvalidConfig, RefusedSample, UnknownDataset
from ragstone.schemas.models import ModelData, ModelInfo
from ragstone.training.copying import copying
from ragstone.training.licences import terms
from ragstone.training.refusing import check_asked
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "prompt",
    ["Tell of DYNAMITE.", "tell of dyna\uff4dite", "a  real\nPerson smiles", "pass-phrase"],
)
def test_what_the_settings_name_is_refused(prompt: str, tmp_path: Path) -> None:
    settings = ModelSettings(refused=("dynamite", "A real person", "re:pass.?phrase"))
    with pytest.raises(RefusedSample, match="no model of this workspace is asked for"):
        check_asked(settings, tmp_path, prompt, {})
    with pytest.raises(RefusedSample, match="The label holds"):
        check_asked(settings, tmp_path, "", {"label": prompt})


def test_what_they_do_not_name_is_not(tmp_path: Path) -> None:
    settings = ModelSettings(refused=("ram", "re:^$"))
    check_asked(settings, tmp_path, "A program on a tram", {"label": "7"})
    check_asked(ModelSettings(), tmp_path, "anything", {})


def test_a_file_may_have_the_list(tmp_path: Path) -> None:
    settings = ModelSettings(refused_file="refused.txt")
    with pytest.raises(InvalidConfig, match="refused_file"):
        check_asked(settings, tmp_path, "anything", {})
    (tmp_path / "refused.txt").write_text("# a comment\n\nnitro\n")
    check_asked(settings, tmp_path, "a comment", {})
    with pytest.raises(RefusedSample, match="nitro"):
        check_asked(settings, tmp_path, "nitro, please", {})
    with pytest.raises(InvalidConfig, match=r"re:\(: missing"):
        check_asked(ModelSettings(refused=("re:(",)), tmp_path, "x", {})


def test_a_model_is_not_asked_and_a_copying_one_not_handed_on(
    tmp_path: Path, encoder: TextEncoder
) -> None:
    (tmp_path / "notes").mkdir()
    for number in range(25):
        text = f"Note {number}: granite lies on slate, and slate on chalk."
        (tmp_path / "notes" / f"{number}.txt").write_text(text)
    options = {"encoder": encoder, "ingestion": {"workers": 0}, "models": {"refused": ["chalk"]}}
    with ragstone.open(tmp_path / "workspace", create=True, **options) as ws:
        ws.ingest([tmp_path / "notes"], "notes")
        ws.train_model("gru", "notes", "gru", {"steps": 2, "batch": 2, "width": 8, "context": 16})
        with pytest.raises(RefusedSample):
            ws.sample("gru", "Slate and Chalk", ingest="notes")
        with pytest.raises(RefusedSample, match="chalk"):
            ws.ask("Where is the chalk?", "notes", generator="model:gru")
        assert ws.ask("Where is the chalk?", "notes").question  # nobody asks a model
        assert ws.log("notes")[0].version == 1
        assert ws.copying("gru").verdict == "unknown"
        ws.export_model("gru", tmp_path / "first")
        registry = ws._models
        registry.measured("gru@1", {"copied": 0.6, "copied_held_out": 0.1, "longest_copy": 400.0})
        found = ws.copying("gru")
        assert (found.verdict, found.figures["copied"]) == ("copies", 0.6)
        with pytest.raises(CopyingModel, match="60% of what it writes stands in its data, 10%"):
            ws.export_model("gru", tmp_path / "second")
        assert not (tmp_path / "second").exists()
        assert ws.export_model("gru", tmp_path / "second", despite_copies=True).is_dir()


@pytest.mark.parametrize(
    ("measures", "verdict"),
    [
        ({"memorised": 0.05, "memorised_z": -9.0}, "no"),
        ({"memorised": 0.2, "memorised_z": 1.0}, "some"),
        ({"memorised": 0.2, "memorised_z": -4.0}, "copies"),
        ({"memorised": 0.9, "memorised_z": 0.0}, "copies"),
        ({"nearest_training": 3.0, "nearest_held_out": 40.0}, "copies"),
        ({"nearest_training": 39.0, "nearest_held_out": 40.0}, "no"),
        ({"copied": 0.5, "copied_held_out": 0.45}, "no"),
        ({}, "unknown"),
    ],
)
def test_what_counts_as_copying(measures: dict[str, float], verdict: str) -> None:
    data = ModelData("d", 1, "", 1, "", 1, 1, 1)
    info = ModelInfo(
        "m", 1, "vae", "", 1, {}, {}, "", data, 1, 1, 1.0, None, 1.0, "", "", measures=measures
    )
    assert copying(info).verdict == verdict


def test_licences_are_counted_and_conflicts_named(workspace: Workspace, tmp_path: Path) -> None:
    names = ["CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "GPL-3.0-only", "CC-BY-ND-2.0", ""]
    rows = [{"text": f"Stone {n}.", "licence": name} for n, name in enumerate(names)]
    rows.append({"text": "A model's stone.", "synthetic": {"model": "writer@1"}})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest([tmp_path / "rows.jsonl"], "stones", text="text")
    found = workspace.licences("stones")
    assert (found.of, found.items, found.missing, found.synthetic) == ("stones@1", 7, 1, 1)
    assert {one.licence: one.items for one in found.licences} == dict.fromkeys(names[:-1], 1)
    said = " / ".join(found.conflicts)
    assert "CC-BY-NC-4.0 (1) forbid commercial use" in said
    assert "CC-BY-SA-4.0 (1), GPL-3.0-only (1) each want" in said
    assert "cannot both be kept" in said
    assert "1 items name no licence" in said
    with pytest.raises(UnknownDataset):
        workspace.licences("none")


def test_what_licences_ask_for() -> None:
    assert terms("CC-BY-NC-ND-3.0") == ["no derivatives", "not commercial", "attribution"]
    assert terms("MIT") == ["attribution"]
    assert terms("LGPL-2.1") == ["share alike"]
    assert terms("© 2020 Somebody. All rights reserved.") == ["all rights reserved"]
    assert terms("CC0-1.0") == []
