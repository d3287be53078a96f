"""The demonstration: its files are what they say, its texts are found, and it runs to its end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

import ragstone
from ragstone.cli import demo, demo_digits
from ragstone.cli.demo_docstrings import docstrings, modules, own_texts
from ragstone.cli.demo_files import change_file, pdf_bytes, write_files

Run = Callable[..., Any]


@pytest.fixture
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it read one page about itself instead of all: `own_texts` has its own test."""

    def one(folder: Path) -> list[Path]:
        folder.mkdir()
        page = folder / "page.md"
        page.write_text("# Quarantine\n\nWhat cannot be read goes to quarantine.\n", "utf-8")
        return [page]

    monkeypatch.setattr(demo, "own_texts", one)
    monkeypatch.setattr(demo_digits, "_MANY", 120)
    monkeypatch.setitem(demo_digits.SETTINGS, "steps", 20)
    monkeypatch.setenv("RAGSTONE_INGESTION__WORKERS", "0")


@pytest.mark.usefixtures("few_texts")
def test_the_whole_way(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "demo"
    done = run("demo", "--path", place)
    assert done.status == 0, done.err
    for shown in (
        "stones@1  11 added, 1 quarantined",
        "stones@1  11 unchanged, 1 quarantined; 0 chunks written",
        "stones@2  1 updated, 10 unchanged, 1 quarantined",
        "granite and fire",
        "keyword #1",
        "vector #1",
        "granite resists frost better",
        "[1] granite.txt",
        "not found in this dataset",
        "goes to quarantine. [1]",
        "digits@3  16 added",
        "made by digits@1",
        f"ragstone ui -w {place}",
    ):
        assert shown in done.out, shown
    assert "broken.pdf" in done.err
    with ragstone.open(place) as ws:
        assert [(d.name, d.version) for d in ws.datasets()] == [
            ("digits", 3),
            ("ragstone", 1),
            ("stones", 2),
        ]
        assert ws.log("digits")[0].synthetic == 16
        left = done.out.partition("no search finds it unless")[2]
        real, _, made = left.partition("--only-synthetic\n")
        assert "made by" not in real
        assert made.count("made by digits@1") == 2

    again = run("demo", "--path", place)  # afresh, over its own folder
    assert again.status == 0
    assert "stones@1  11 added" in again.out


def test_the_digits_are_real_and_named(tmp_path: Path) -> None:
    folder = demo_digits.write_digits(tmp_path / "digits", 30)
    names = sorted(path.name for path in folder.glob("*.png"))
    assert len(names) == 30
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert {row["digit"] for row in rows} == set("0123456789")
    assert all(row["file_name"].startswith(row["digit"]) for row in rows)


def test_what_it_proposes_are_commands(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo._say_what_next(tmp_path)
    lines = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("$ ragstone ")
    ]
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line.partition("(after")[0])[2:]
        assert run(*words, "--help").status == 0, line


def test_it_leaves_other_folders_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("important", encoding="utf-8")
    done = run("demo", "--path", tmp_path)
    assert done.status == 2
    assert "a new folder" in done.err
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "important"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_files_become_documents(workspace: ragstone.Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    names = write_files(folder)
    assert len(names) == len(set(names)) == 12
    result = workspace.ingest([folder], "stones")
    assert (result.items.added, result.items.quarantined) == (11, 1)
    types = {Path(i.name).suffix: i.media_type for i in workspace.items("stones")}
    assert len(types) == 11
    assert len(set(types.values())) >= 10
    words = {
        "kerbs": "granite.txt",
        "sap": "limestone.md",
        "statue": "marble.html",
        "cubes": "frost-test.pdf",
        "bedding": "sandstone.docx",
        "wire": "quarrying.pptx",
        "compressive": "strength.xlsx",
        "ribs": "mortar.epub",
        "nails": "slate-roof.eml",
        "Drachenfels": "cathedrals.csv",
        "lichen": "notes.jsonl",
    }
    for word, name in words.items():
        best = workspace.search(word, "stones", mode="keyword", k=1).hits[0]
        assert best.name == name, word
    change_file(folder)
    changed = workspace.ingest([folder], "stones")
    assert (changed.version, changed.items.updated, changed.items.unchanged) == (2, 1, 10)


def test_pdf_pages_and_special_characters() -> None:
    content = pdf_bytes([["First (page)", r"back\slash"], ["Zweite Seite: äöü"]])
    document = pypdfium2.PdfDocument(content)
    texts = [page.get_textpage().get_text_bounded() for page in document]
    assert [text.split("\r\n") for text in texts] == [
        ["First (page)", r"back\slash"],
        ["Zweite Seite: äöü"],
    ]


def test_docstrings_become_markdown() -> None:
    source = '"""A module."""\nclass A:\n    """A class."""\n    def b(self):\n        """Do."""\n'
    source += "    def _c(self):\n        \"\"\"Hidden.\"\"\"\ndef d():\n    '''Last.'''\n"
    assert docstrings("m", source) == (
        "# m\n\nA module.\n\n## A\n\nA class.\n\n### A.b\n\nDo.\n\n## d\n\nLast.\n"
    )
    assert docstrings("m", "x = 1\n") == ""


def test_all_modules_but_those_of_the_demonstration() -> None:
    names = [name for name, _ in modules()]
    assert len(names) == len(set(names))
    assert {"ragstone", "ragstone.storage", "ragstone.storage.store", "ragstone.ui"} <= set(names)
    assert not [name for name in names if "demo" in name]


def test_own_texts(tmp_path: Path) -> None:
    folder, *pages = own_texts(tmp_path / "docstrings")
    text = (folder / "ragstone.workspace.md").read_text(encoding="utf-8")
    assert text.startswith("# ragstone.workspace\n")
    assert "### Workspace.ingest" in text
    assert "README.md" in {page.name for page in pages}
