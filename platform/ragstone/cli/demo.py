"""`ragstone demo`: the whole way from files to a cited answer, on data it makes itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli.demo_digits import draw
from ragstone.cli.demo_docstrings import own_texts
from ragstone.cli.demo_files import change_file, write_files
from ragstone.cli.find import show_answer
from ragstone.cli.hits import show_hits
from ragstone.cli.ingest import show_result
from ragstone.cli.output import clean, print_table, say, styled
from ragstone.cli.progress import reporting
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import Mode

if TYPE_CHECKING:
    from ragstone.workspace import Workspace

MARK = ".ragstone-demo"  # a folder with this file was made by the demonstration
FILES, DOCSTRINGS = "sample-files", "docstrings"
STONES, OWN = "stones", "ragstone"
SEARCHES: tuple[tuple[Mode, str], ...] = (
    ("keyword", "freeze-thaw cycles"),
    ("vector", "which rock survives cold winters"),
    ("hybrid", "why do stones crack in winter"),
)
QUESTION = "Why does granite resist frost?"
UNANSWERABLE = "Who won the chess championship of 1985?"
ABOUT_ITSELF = "What goes to quarantine?"


def demo(
    path: Annotated[
        Path,
        typer.Option(help="Folder of the demonstration; one of an earlier run is made anew."),
    ] = Path("demo-workspace"),
) -> None:
    """Show it all once: make files, ingest, version, search, answer, train. Takes some two minutes.

    Example: ragstone demo --path /tmp/ragstone-demo
    """
    import ragstone

    _make_place(path)
    with ragstone.open(path, create=True) as ws:
        _take_in(ws, path / FILES)
        _find(ws)
        _answer(ws)
        _read_itself(ws, path / DOCSTRINGS)
        _headline(7, "Train a model on real digits, and keep what it draws apart from them")
        draw(ws, path, _command)
    _say_what_next(path)


def _make_place(path: Path) -> None:
    if path.exists() and any(path.iterdir()):
        if not (path / MARK).exists():
            raise InvalidArgument("path", str(path), "a new folder, or one of an earlier demo")
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARK).touch()


def _headline(number: int, text: str) -> None:
    say("", styled(f"{number}. {text}", "bold underline"))


def _command(text: str) -> None:
    say(styled(f"$ ragstone {text}", "bold blue"))


def _ingest(ws: Workspace, sources: list[Path], dataset: str, message: str) -> None:
    _command(f'ingest {" ".join(s.name for s in sources)} --dataset {dataset} -m "{message}"')
    with reporting(as_json=False) as reporter:
        result = ws.ingest(sources, dataset, message=message, on_progress=reporter)
    show_result(result)


def _take_in(ws: Workspace, folder: Path) -> None:
    _headline(1, "Ingest a folder: eleven formats, and one broken file")
    names = write_files(folder)
    say(styled(f"{folder}: {', '.join(names)}", "dim"))
    _ingest(ws, [folder], STONES, "the stone library")

    _headline(2, "The same again: nothing has changed, so there is nothing to do")
    _ingest(ws, [folder], STONES, "again")

    _headline(3, "Change one file: a new version, and only that file is read")
    say(styled(f"({change_file(folder)} gets a paragraph about fire)", "dim"))
    _ingest(ws, [folder], STONES, "granite and fire")
    _command(f"log {STONES}")
    rows = [(v.version, v.items, v.chunks, v.message) for v in ws.log(STONES)]
    print_table(("version", "items", "chunks", "message"), rows, "")


def _find(ws: Workspace) -> None:
    _headline(4, "Search: by words, by meaning, and by both")
    for mode, query in SEARCHES:
        say("")
        _command(f'search "{query}" --dataset {STONES} --mode {mode} -k 2')
        show_hits(ws.search(query, STONES, k=2, mode=mode))


def _answer(ws: Workspace) -> None:
    _headline(5, "Ask: an answer with quotes, or none")
    for question in (QUESTION, UNANSWERABLE):
        say("")
        _command(f'ask "{question}" --dataset {STONES}')
        show_answer(ws.ask(question, STONES))


def _read_itself(ws: Workspace, folder: Path) -> None:
    _headline(6, "Ragstone reads its own documentation and docstrings")
    _ingest(ws, own_texts(folder), OWN, "what Ragstone says about itself")
    say("")
    _command(f'ask "{ABOUT_ITSELF}" --dataset {OWN}')
    show_answer(ws.ask(ABOUT_ITSELF, OWN))


def _say_what_next(path: Path) -> None:
    where = clean(str(path))
    _headline(8, "Now you")
    for line in (
        f'search "acid rain" -d {STONES}@1 -w {where}',
        f'ask "How should a sandstone block be laid?" -d {STONES} -w {where}',
        f"quarantine list -w {where}",
        f"ui -w {where}",
        "ingest YOUR-FOLDER --dataset NAME       (after: ragstone init)",
    ):
        _command(line)
