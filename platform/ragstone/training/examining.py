"""What the doctor looks at in the models of a workspace."""

from __future__ import annotations

import json
from pathlib import Path

from ragstone.schemas.api import DoctorReport, Finding
from ragstone.schemas.models import ModelInfo
from ragstone.storage.files import stamp
from ragstone.training.registry import CARD, CONFIG, WEIGHTS, Registry

_REMEDY = "Restore the folder from a backup, or train the model again and delete it."


def with_models(report: DoctorReport, root: Path) -> DoctorReport:
    """Add to `report` the models of the workspace `root`: weights, settings and cards."""
    registry = Registry(root / "models")
    whole, broken = registry.all(), registry.damaged()
    found = [
        _finding(_place(one.name, one.number), f"it is damaged: {one.damaged}") for one in broken
    ]
    for info in whole:
        place = _place(info.name, info.number)
        found += [_finding(place, problem) for problem in _problems(root / place, info)]
    checks = {**report.checks, "models": len(whole) + len(broken)}
    return DoctorReport(checks, [*report.findings, *found], report.rebuilt, report.moved)


def _problems(folder: Path, info: ModelInfo) -> list[str]:
    """Say what of a model's files is not as it was written."""
    found = []
    try:
        if stamp(folder / WEIGHTS).blake3 != info.digest:
            found.append(f"{WEIGHTS} has changed since it was written")
    except OSError as error:
        found.append(f"{WEIGHTS} cannot be read ({error})")
    try:
        json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        found.append(f"{CONFIG} cannot be read ({error})")
    try:
        (folder / CARD).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        found.append(f"{CARD} cannot be read ({error})")
    return found


def _place(name: str, number: int) -> str:
    return f"models/{name}/{number}"


def _finding(where: str, problem: str) -> Finding:
    return Finding("models", where, problem, _REMEDY)
