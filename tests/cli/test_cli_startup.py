"""The command line starts at once, and loads what is heavy only for those who need it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

HEAVY = {
    "duckdb",
    "faiss",
    "fastapi",
    "httpx",
    "numpy",
    "pyarrow",
    "pydantic",
    "sentence_transformers",
    "streamlit",
    "tantivy",
    "torch",
    "transformers",
}
REPORT = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"


def loaded(*words: str) -> set[str]:
    """Run the command line in a new process and return the modules it had at its end."""
    program = f"{REPORT}sys.argv = {['ragstone', *words]!r}\nfrom ragstone.cli import main\nmain()"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    program = f"{REPORT}import ragstone.cli.app"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert "ragstone.cli.app" in modules
    assert not HEAVY & modules


def test_help_loads_nothing_heavy() -> None:
    assert not HEAVY & loaded("--help")
    # Typer reads the words of a command with pydantic.
    assert not (HEAVY - {"pydantic"}) & loaded("search", "--help")


def test_keyword_search_needs_no_torch(stones: Any) -> None:
    words = ["search", "frost", "-d", "stones", "--mode", "keyword"]
    modules = loaded(*words, "--json", "-w", str(stones.workspace))
    assert "tantivy" in modules
    assert not {"torch", "transformers", "sentence_transformers"} & modules


def test_looking_needs_no_torch(stones: Any) -> None:
    for words in (["datasets"], ["log", "stones"], ["items", "stones"]):
        assert "torch" not in loaded(*words, "-w", str(stones.workspace))
