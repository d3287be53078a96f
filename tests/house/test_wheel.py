"""Ragstone works from its wheel, in a clean environment, away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".*", "build", "dist", "*.egg-info", "__pycache__", "*-workspace", "tests", "benchmarks"
)


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and a folder to work in."""

    bin: Path
    folder: Path

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / "ragstone", *words],
            cwd=self.folder,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )


def clean_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "RAGSTONE", "PIP"))}
    return kept | {"HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that nothing is left in the checkout and nothing in it interferes."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(ROOT, folder / "copy", ignore=NOT_SOURCE)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(folder / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("ragstone-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel beside the libraries that the tests run with, without a network.

    A `.pth` file makes those libraries importable. It does not run the `.pth` files among them, so
    the editable installation of this checkout stays out.
    """
    folder = tmp_path_factory.mktemp("away")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    options = ["install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    packages = next((environment / "lib").glob("python3.*/site-packages"))
    libraries = "\n".join(site.getsitepackages())
    (packages / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
    return Installed(environment / "bin", folder)


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith("/METADATA"))
        described = archive.read(metadata).decode()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"ragstone", metadata.split("/")[0]}
    assert "ragstone/py.typed" in names
    assert "ragstone/schemas/migrations/0001_foundation.sql" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: Apache-2.0" in described
    sources = {
        *(ROOT / "platform").rglob("*.py"),
        *(path for wing in ("schemas", "storage", "ingestion", "ui") for path in
          (ROOT / wing).rglob("*.py")),
    }  # fmt: skip
    assert len([name for name in names if name.endswith(".py")]) == len(sources)


def test_the_import_is_the_wheel(installed: Installed) -> None:
    program = "import ragstone, ragstone.storage.store as s; print(ragstone.__file__, s.__file__)"
    done = subprocess.run(
        [installed.bin / "python", "-c", program],
        cwd=installed.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    for file in done.stdout.split():
        assert Path(file).is_relative_to(installed.folder)


def test_from_an_empty_folder_to_a_hit(installed: Installed) -> None:
    shown = installed.run("--help")
    assert shown.returncode == 0, shown.stderr
    assert "ingest" in shown.stdout

    notes = installed.folder / "notes"
    notes.mkdir()
    (notes / "slate.md").write_text("# Slate\n\nA sound slate rings.\n", encoding="utf-8")
    (notes / "tuff.txt").write_text("Tuff is made of volcanic ash.\n", encoding="utf-8")
    assert installed.run("init").returncode == 0
    taken = installed.run("ingest", "notes", "--dataset", "stones", "--json")
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout.splitlines()[-1])["items"]["added"] == 2

    found = installed.run("search", "volcanic ash", "-d", "stones", "--mode", "keyword", "--json")
    assert found.returncode == 0, found.stderr
    assert [hit["name"] for hit in json.loads(found.stdout)["hits"]] == ["tuff.txt"]
    assert (installed.folder / "ragstone-workspace" / "ragstone.toml").is_file()


def test_the_demonstration_finds_its_texts(installed: Installed) -> None:
    program = (
        "from pathlib import Path; from ragstone.cli.demo_docstrings import own_texts; "
        "print(*own_texts(Path('texts')), sep='\\n')"
    )
    done = subprocess.run(
        [installed.bin / "python", "-c", program],
        cwd=installed.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["texts"]  # the documentation is in the checkout only
    assert (installed.folder / "texts" / "ragstone.storage.store.md").is_file()
