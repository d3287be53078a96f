"""`ragstone diff`: what changed between two versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, say, styled
from ragstone.cli.session import reached

if TYPE_CHECKING:
    from ragstone.schemas.api import ItemChange, TextChange, VersionDiff

_MARKS = {
    "added": ("+", "green"),
    "removed": ("-", "red"),
    "moved": (">", "cyan"),
    "changed": ("~", "yellow"),
}
_LINE_STYLES = {"+": "green", "-": "red", " ": "dim"}


def diff(
    context: typer.Context,
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="DATASET@VERSION, or DATASET for its newest.")
    ],
    after: Annotated[
        str | None,
        typer.Argument(
            metavar="[AFTER]",
            help="What to compare it with. Without it: BEFORE against the version it followed.",
            show_default=False,
        ),
    ] = None,
    *,
    limit: Annotated[int, typer.Option(help="List at most so many of each kind.")] = 50,
    offset: Annotated[
        int, typer.Option(help="Leave out so many of each kind at the beginning.")
    ] = 0,
    text: Annotated[
        bool, typer.Option("--text/--no-text", help="Show which lines of a text changed.")
    ] = True,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show what changed between two versions, of one dataset or of two.

    Items are compared by their source: + added, - removed, > moved, ~ changed.

    Example: ragstone diff stones@1 stones@3
    """
    with reached(context, workspace) as ws:
        found = ws.diff(before, after, limit=limit, offset=offset, text=text)
    if as_json:
        print_json(found)
    else:
        show_diff(found, offset)


def show_diff(found: VersionDiff, offset: int = 0) -> None:
    """Print a comparison for people: counts, then the items of the page."""
    before, after, counts = found.before, found.after, found.counts
    old = f"{before.dataset}@{before.version}" if before.version else "nothing"
    say(styled(f"{old} → {after.dataset}@{after.version}", "bold"))
    numbers = [f"{getattr(counts, kind):,} {kind}" for kind in _MARKS]
    say(
        styled(f"{', '.join(numbers)}, {counts.same:,} the same; ")
        + styled(f"chunks +{counts.chunks_added:,} -{counts.chunks_removed:,}")
    )
    if before.synthetic or after.synthetic:
        say(styled(f"made by models: {before.synthetic:,} → {after.synthetic:,} items"))
    if found.reembedded:
        say(styled(f"other embedding space: {before.space} → {after.space}", "yellow"))
    if found.resettled:
        say(styled("read with other settings", "yellow"))
    for item in found.items:
        _show_item(item)
    shown = {kind: sum(item.kind == kind for item in found.items) for kind in _MARKS}
    left = {kind: getattr(counts, kind) - offset - shown[kind] for kind in _MARKS}
    more = [f"{number:,} {kind}" for kind, number in left.items() if number > 0]
    if more:
        say(styled(f"… and {', '.join(more)} more; --limit and --offset list them", "dim"))


def _show_item(item: ItemChange) -> None:
    mark, style = _MARKS[item.kind]
    source = item.source if item.was is None else f"{item.was} → {item.source}"
    title = f"  {item.title}" if item.title and item.title != item.name else ""
    made = f"  made by {item.synthetic}" if item.synthetic else ""
    say(styled(f"{mark} {source}", style) + styled(title + made, "dim"))
    for change in item.fields:
        say(
            styled(f"    {change.field}: ")
            + styled(_value(change.before), "red")
            + styled(" → ")
            + styled(_value(change.after), "green")
        )
    if item.text is not None:
        _show_text(item.text)


def _show_text(text: TextChange) -> None:
    for hunk in text.hunks:
        old = sum(line[0] != "+" for line in hunk.lines)
        new = sum(line[0] != "-" for line in hunk.lines)
        say(styled(f"    @@ -{hunk.before},{old} +{hunk.after},{new} @@", "cyan"))
        for line in hunk.lines:
            say(styled(f"    {line}", _LINE_STYLES[line[0]]))
    if text.cut:
        say(styled("    … more of the text differs", "dim"))


def _value(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
