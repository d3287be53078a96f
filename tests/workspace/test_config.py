"""Settings: layers, and errors that name the layer at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragstone.config import load_settings
from ragstone.errors import InvalidConfig


def test_layers_win_over_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ragstone.toml").write_text("[retrieval]\ncandidates = 50\nvector_weight = 0.3\n")
    assert load_settings(tmp_path).retrieval.candidates == 50
    monkeypatch.setenv("RAGSTONE_RETRIEVAL__CANDIDATES", "60")
    assert load_settings(tmp_path).retrieval.candidates == 60
    settings = load_settings(tmp_path, retrieval={"candidates": 70}).retrieval
    assert (settings.candidates, settings.vector_weight) == (70, 0.3)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("RAGSTONE_RETRIEVAL__CANDIDATES", "many", "retrieval.candidates"),
        ("RAGSTONE_RETRIEVAL__CANDIDATE", "5", "retrieval.candidate"),
        ("RAGSTONE_RETRIEVAL", "abc", "retrieval"),
        ("RAGSTONE_BOGUS", "1", "RAGSTONE_BOGUS"),
    ],
)
def test_environment_is_blamed_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    (tmp_path / "ragstone.toml").write_text("[retrieval]\ncandidates = 50\n")
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidConfig, match=f"the environment.*{problem}"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("[retrieval]\ncandidates = 1", "retrieval.candidates"),
        ("[retrieval]\nnothing = 1", "retrieval.nothing"),
        ("[nothing]\na = 1", "nothing: there is no such section"),
        ("retrieval = 3", "expected its settings"),
        ("not toml", "ragstone.toml"),
    ],
)
def test_file_is_blamed_for_its_own(tmp_path: Path, toml: str, problem: str) -> None:
    (tmp_path / "ragstone.toml").write_text(toml)
    with pytest.raises(InvalidConfig, match=problem) as caught:
        load_settings(tmp_path)
    assert "ragstone.toml" in str(caught.value)


@pytest.mark.parametrize("overrides", [{"retrieval": 3}, {"nothing": {}}, {"limits": {"x": 1}}])
def test_call_is_blamed_for_its_own(tmp_path: Path, overrides: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match="the call"):
        load_settings(tmp_path, **overrides)
