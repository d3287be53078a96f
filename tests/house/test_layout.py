"""The house stands as drawn: packages, layers, names, and nothing that belongs to one machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import ragstone

ROOT = Path(__file__).parents[2]
WINGS = {
    "ragstone": "platform/ragstone",
    "ragstone.ingestion": "ingestion",
    "ragstone.schemas": "schemas",
    "ragstone.storage": "storage",
    "ragstone.ui": "ui",
}
TEXTS = {".py", ".md", ".toml", ".txt", ".sql", ".cfg", ".yml", ".yaml", ".json", ""}
SKIPPED = {"__pycache__", "build", "dist", "demo-workspace", "ragstone-workspace", "LICENSE"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def own_files() -> list[Path]:
    """Return the project's files: no caches, no build outputs, nothing hidden but .ci."""
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        foreign = any(
            part in SKIPPED or part.endswith(".egg-info") or (part[0] == "." and part != ".ci")
            for part in parts
        )
        if path.is_file() and not foreign:
            found.append(path)
    return found


def test_platform_is_no_package() -> None:
    """It would shadow the standard library's `platform` for all that starts at the root."""
    assert not (ROOT / "platform" / "__init__.py").exists()
    found = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.__file__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not found.startswith(str(ROOT / "platform"))


def test_the_listed_packages_are_the_folders(project: dict[str, Any]) -> None:
    found = set()
    for name, folder in WINGS.items():
        for file in (ROOT / folder).rglob("*.py"):
            below = file.parent.relative_to(ROOT / folder).parts
            found.add(".".join((name, *below)))
    assert sorted(found) == project["tool"]["setuptools"]["packages"]


def test_every_package_can_say_what_it_is(project: dict[str, Any]) -> None:
    for name in project["tool"]["setuptools"]["packages"]:
        wing = max((w for w in WINGS if f"{name}.".startswith(f"{w}.")), key=len)
        below = name.removeprefix(wing).strip(".").split(".")
        init = (ROOT / WINGS[wing]).joinpath(*below, "__init__.py")
        assert init.read_text(encoding="utf-8").startswith('"""'), init


def test_the_wings_are_mapped_in(project: dict[str, Any]) -> None:
    assert project["tool"]["setuptools"]["package-dir"] == WINGS


def test_every_migration_is_packaged(project: dict[str, Any]) -> None:
    names = sorted(path.name for path in (ROOT / "schemas" / "migrations").glob("*.sql"))
    assert [name[:5] for name in names] == [f"{n:04}_" for n in range(1, len(names) + 1)]
    packaged = project["tool"]["setuptools"]["package-data"]["ragstone.schemas.migrations"]
    assert packaged == ["*.sql"]


def test_the_public_surface() -> None:
    assert ragstone.__all__ == ["Client", "Workspace", "__version__", "connect", "open"]
    for name in ragstone.__all__:
        assert getattr(ragstone, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ragstone.nothing


def test_no_file_names_a_machine() -> None:
    places = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/(?!you\b)\w+")
    for path in own_files():
        if path.suffix in TEXTS and path != Path(__file__):
            match = places.search(path.read_text(encoding="utf-8"))
            assert not match, f"{path.relative_to(ROOT)} names {match[0]!r}"


def test_no_source_file_is_long() -> None:
    for path in own_files():
        if path.suffix == ".py" and "tests" not in path.parts and "benchmarks" not in path.parts:
            lines = len(path.read_text(encoding="utf-8").splitlines())
            # Lists by nature: all errors, settings and results, and all that a workspace can do.
            listing = path.stem in {"errors", "config", "api", "workspace", "modelling", "client"}
            assert lines <= 400 or listing, f"{path} has {lines} lines"


UNSAFE = {
    "pickle": r"^\s*(?:import|from) (?:pickle|dill|cloudpickle|joblib)\b",
    "torch.load": r"\btorch\.load\(",
    "remote code": r"trust_remote_code\s*=\s*True",
    "raw HTML": r"unsafe_allow_html\s*=\s*True",
    "shell": r"shell\s*=\s*True",
}


@pytest.mark.parametrize("what", UNSAFE)
def test_source_keeps_clear_of(what: str) -> None:
    for path in own_files():
        if path.suffix == ".py" and "tests" not in path.relative_to(ROOT).parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(UNSAFE[what], text, re.MULTILINE), path


def test_dependencies_are_pinned_and_only_they(project: dict[str, Any]) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    names = {line.split("==")[0] for line in pins}
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in pins)
    asked = [*project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    for requirement in asked:
        name = re.split(r"[<>=!\[; ]", requirement)[0].lower().replace("_", "-")
        assert name in names, f"{requirement} is not in constraints.txt"


@pytest.mark.parametrize("target", ["help", "demo", "ui", "test", "check", "bench"])
def test_make_knows(target: str) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:.*## \w", text, re.MULTILINE)


def test_the_ci_runs_what_people_run() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make check" in text
    assert "make test" in text
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
