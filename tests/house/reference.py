"""The tables that the documentation must hold, made from the code. Not a test itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ragstone import errors
from ragstone.cli.app import app
from ragstone.config import Settings
from ragstone.errors import RagstoneError

ROOT = Path(__file__).parents[2]


def commands() -> dict[str, Any]:
    """Return each command by its full name, `ragstone evaluate retrieval`."""
    return dict(_commands("ragstone", typer.main.get_command(app)))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield name, command
        return
    for child, inner in children.items():
        yield from _commands(f"{name} {child}", inner)


def command_rows(command: Any) -> list[str]:
    """Return the rows of a command's table: arguments, then options."""
    context = typer.Context(command)
    rows = []
    for parameter in command.get_params(context):
        if "--help" in parameter.opts:
            continue
        names = [*parameter.opts, *parameter.secondary_opts]
        if parameter.param_type_name == "argument":
            names = [parameter.metavar or parameter.name.upper()]
        rows.append(f"| `{'`, `'.join(names)}` | {parameter.help} |")
    return rows


def settings() -> Iterator[tuple[str, FieldInfo]]:
    """Yield each setting as `retrieval.candidates`."""
    for section, outer in Settings.model_fields.items():
        assert isinstance(outer.annotation, type)
        assert issubclass(outer.annotation, BaseModel)
        for name, inner in outer.annotation.model_fields.items():
            yield f"{section}.{name}", inner


def setting_rows() -> list[str]:
    return [
        f"| `{name}` | `{_toml(field.default)}` | {field.description} |"
        for name, field in settings()
    ]


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:,}".replace(",", "_")


def error_classes() -> list[type[RagstoneError]]:
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [value for value in found if issubclass(value, RagstoneError)]


def error_leaves() -> list[type[RagstoneError]]:
    return [kind for kind in error_classes() if not kind.__subclasses__()]


def error_rows() -> list[str]:
    rows = []
    for kind in error_leaves():
        summary = (inspect.getdoc(kind) or "").splitlines()[0]
        retry = "yes" if kind.retryable else "no"
        rows.append(
            f"| `{kind.code}` | {summary} | {kind.http_status} | {kind.exit_status} | {retry} |"
        )
    return rows
