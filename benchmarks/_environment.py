"""A virtual environment of its own for the peers, so that their pins do not meet the project's."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

_TORCH = "torch==2.13.0"  # first and alone: a plain range brings several GB of CUDA packages


class Environment:
    """Python with the given packages in `folder`; what is there already is used again.

    Parameters
    ----------
    packages
        Requirements as pip takes them.
    torch
        Whether one of them needs torch.
    """

    def __init__(self, folder: Path, packages: list[str], *, torch: bool = False) -> None:
        self.python = folder / "bin" / "python"
        done = folder / "installed.json"
        wanted = json.dumps(packages)
        if done.exists() and done.read_text() == wanted:
            return
        if not self.python.exists():
            venv.create(folder, with_pip=True, symlinks=True)
        for requirements in ([_TORCH], packages) if torch else (packages,):
            self._pip("install", "--quiet", *requirements)
        done.write_text(wanted)

    def run(self, script: Path, *arguments: str) -> Any:
        """Run `script` and return the JSON it prints last."""
        done = subprocess.run(
            [str(self.python), str(script), *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    def versions(self, names: list[str]) -> dict[str, str]:
        """Return the versions of installed packages."""
        listed = json.loads(self._pip("list", "--format=json"))
        found = {row["name"].lower(): row["version"] for row in listed}
        return {name: found[name.lower()] for name in names}

    def _pip(self, *arguments: str) -> str:
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"pip {' '.join(arguments)} failed:\n{done.stderr}")
        return done.stdout
