"""The documentation says what the code does: commands, settings and errors, row by row."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from ragstone import errors
from ragstone.cli.app import app
from ragstone.config import Settings
from ragstone.errors import RagstoneError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def rows(text: str, columns: int) -> list[str]:
    """Return the rows of the tables of `columns` columns, without their heads."""
    cells = r"[^|\n]*\|" * columns
    found = re.findall(rf"^\|{cells}$", text, re.MULTILINE)
    return [row for row in found if row.startswith("| `")]


# ---------------------------------------------------------------- commands


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield name, command
        return
    for child, inner in children.items():
        yield from leaves(f"{name} {child}", inner)


COMMANDS = dict(leaves("ragstone", typer.main.get_command(app)))


def command_rows(command: Any) -> list[str]:
    """Return the rows of a command's table: arguments, then options."""
    expected = []
    for parameter in command.get_params(typer.Context(command)):
        names = [*parameter.opts, *parameter.secondary_opts]
        if parameter.param_type_name == "argument":
            names = [parameter.metavar or parameter.name.upper()]
        if "--help" not in names:
            expected.append(f"| `{'`, `'.join(names)}` | {parameter.help} |")
    return expected


def sections() -> dict[str, str]:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (ragstone .*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_a_section_in_the_order_of_the_help() -> None:
    assert list(sections()) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_and_option_is_described_in_the_words_of_the_help(name: str) -> None:
    expected = command_rows(COMMANDS[name])
    assert rows(sections()[name], 2) == expected, "\n".join(["docs/cli.md should say:", *expected])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    described = COMMANDS[name].help
    assert f"Example: {name}" in described
    assert described.splitlines()[0].endswith(".")


def printing(command: Any) -> bool:
    return "--json" in [name for p in command.params for name in p.opts]


def test_every_printing_command_takes_json() -> None:
    assert [name for name, command in COMMANDS.items() if not printing(command)] == [
        "ragstone demo",  # a show for people
        "ragstone mcp",  # JSON is all that it speaks
        "ragstone ui",
    ]


def test_exit_statuses_are_listed() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == ["0", "1", "2", "3", "4", "130"]


# ---------------------------------------------------------------- settings


def setting_rows() -> list[str]:
    expected = []
    for section, outer in Settings.model_fields.items():
        assert isinstance(outer.annotation, type)
        assert issubclass(outer.annotation, BaseModel)
        for name, field in outer.annotation.model_fields.items():
            default = toml(field.default)
            expected.append(f"| `{section}.{name}` | `{default}` | {field.description} |")
    return expected


def toml(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}".replace(",", "_")
    return json.dumps(value)


def test_every_setting_is_listed_with_its_default_and_meaning() -> None:
    expected = setting_rows()
    listed = rows((DOCS / "configuration.md").read_text(encoding="utf-8"), 3)
    assert listed == expected, "\n".join(["docs/configuration.md should say:", *expected])


# ---------------------------------------------------------------- errors


def classes() -> list[type[RagstoneError]]:
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [value for value in found if issubclass(value, RagstoneError)]


LEAVES = [kind for kind in classes() if not kind.__subclasses__()]
FAMILIES = [kind for kind in classes() if kind.__subclasses__()]


def error_row(kind: type[RagstoneError]) -> str:
    summary = (inspect.getdoc(kind) or "").splitlines()[0]
    retry = "yes" if kind.retryable else "no"
    return f"| `{kind.code}` | {summary} | {kind.http_status} | {kind.exit_status} | {retry} |"


def test_every_error_is_listed_with_status_and_retry() -> None:
    expected = [error_row(kind) for kind in LEAVES]
    listed = rows((DOCS / "errors.md").read_text(encoding="utf-8"), 5)
    assert listed == expected, "\n".join(["docs/errors.md should say:", *expected])


def test_every_family_is_listed_with_its_class() -> None:
    listed = rows((DOCS / "errors.md").read_text(encoding="utf-8"), 3)
    named = [(row.split("`")[1], row.split("`")[3]) for row in listed]
    assert named == [(kind.code, kind.__name__) for kind in FAMILIES]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in classes()]
    assert len(set(codes)) == len(codes)
    for kind in classes():
        assert "code" in vars(kind), kind
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)


def test_the_tree_at_the_top_of_errors_is_the_tree_of_the_classes() -> None:
    drawn = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│├└─ ]*)(\w+)\s", line + " ")
        if match and match[2][0].isupper():
            drawn.append((len(match[1]) // 4, match[2]))
    assert drawn == list(walk(RagstoneError, 0))


def walk(kind: type, depth: int) -> Iterator[tuple[int, str]]:
    yield depth, kind.__name__
    here = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in here:
        yield from walk(child, depth + 1)


def test_the_tree_gives_each_leaf_its_code() -> None:
    for kind in LEAVES:
        retry = " (retry helps)" if kind.retryable else ""
        assert re.search(
            rf"─ {kind.__name__} +{kind.code}{re.escape(retry)}\n", errors.__doc__ or ""
        )


# ---------------------------------------------------------------- the rest


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_changelog_names_the_version_of_the_package() -> None:
    import ragstone

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(ragstone.__version__)}\b", text, re.MULTILINE)
