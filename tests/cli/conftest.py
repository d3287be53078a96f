"""A workspace made through the command line, and a way to run it in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ragstone.cli.app import app

FAST = "[ingestion]\nworkers = 0\n"  # reads in this process: no start of another

GRANITE = "# Granite\n\nGranite resists frost, because hardly any water gets into it.\n"
MARBLE = "# Marble\n\nThin panels of marble bow when they are heated and cooled for years.\n"


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of the output."""
        return json.loads(self.out.splitlines()[-1])

    @property
    def error(self) -> dict[str, str]:
        """The error printed for programs."""
        body = json.loads(self.err.splitlines()[-1])
        assert list(body) == ["error"]
        assert sorted(body["error"]) == ["code", "hint", "message"]
        return dict(body["error"])


Run = Callable[..., Outcome]


def invoke(*words: str | Path, env: dict[str, str] | None = None) -> Outcome:
    result = CliRunner().invoke(app, [str(word) for word in words], env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def run() -> Run:
    return invoke


@dataclass(frozen=True)
class Place:
    """A workspace with the dataset `stones`, and the folder it came from."""

    workspace: Path
    sources: Path


def make_place(root: Path) -> Place:
    place = Place(root / "library", root / "sources")
    place.sources.mkdir(parents=True)
    (place.sources / "granite.md").write_text(GRANITE, encoding="utf-8")
    (place.sources / "marble.md").write_text(MARBLE, encoding="utf-8")
    assert invoke("init", place.workspace).status == 0
    (place.workspace / "ragstone.toml").write_text(FAST, encoding="utf-8")
    made = invoke("ingest", place.sources, "-d", "stones", "-m", "first", "-w", place.workspace)
    assert made.status == 0, made.err
    return place


@pytest.fixture(scope="session")
def stones(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Shared by the tests that only look."""
    return make_place(tmp_path_factory.mktemp("stones"))


@pytest.fixture
def own_stones(tmp_path: Path) -> Place:
    """One of its own, for a test that changes something."""
    return make_place(tmp_path)
