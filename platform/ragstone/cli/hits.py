"""How hits are printed for people: rank, score with its arms, title, text, source."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from ragstone.cli.output import plural, say, styled
from ragstone.cli.snippet import snippet
from ragstone.schemas.answers import Citation
from ragstone.schemas.api import Hit, SearchResult
from ragstone.schemas.synthetic import model_of
from ragstone.text import fusion_words, heard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.text import Text

    from ragstone.schemas.api import ArmScore

INDENT = (0, 0, 0, 4)


def show_hits(result: SearchResult, *, explain: bool = False) -> None:
    """Print hits for people: rank, score with its arms, title, snippet, source.

    With `explain`, also what each score is the sum of.
    """
    name = ", ".join(result.datasets) or f"{result.dataset}@{result.version}"
    _show_reading(result)
    if not result.hits:
        nothing = "Nothing more found" if result.offset else "Nothing found"
        say(styled(f"{nothing} in {name}."))
        return
    say(styled(f"{plural(len(result.hits), 'hit')} in {name}, {result.mode}", "dim"))
    if explain:
        say(styled(_fused(result), "dim"))
        if result.like and result.like.terms:
            say(styled(f"words: {' '.join(result.like.terms)}", "dim"))
    for hit in result.hits:
        _show_hit(hit, several=len(result.datasets) > 1)
        if explain:
            _show_sum(hit)
    if result.next:
        further = result.offset + len(result.hits)
        say("", styled(f"More: the same with --offset {further}", "dim"))


def _show_reading(result: SearchResult) -> None:
    """Say when operators were read in the query, and what may have been meant by a word."""
    if result.reading == "query":
        say(styled("Read as a query with operators.", "dim"))
    for meant in result.suggestions:
        say(styled(f"No text has “{meant.word}”. Did you mean {' or '.join(meant.instead)}?"))


def _fused(result: SearchResult) -> str:
    how = result.fusion
    if how is None:
        return "one arm, whose own scores count"
    return f"{fusion_words(how)} ({how.origin})"


def _show_sum(hit: Hit) -> None:
    """Print weight x normalised score of each arm, which add up to the score."""
    from rich.padding import Padding

    parts = [
        f"{name} {arm.weight:.3f} x {arm.normalised:.3f}"
        for name, arm in sorted(hit.arms.items())
        if arm.weight is not None and arm.normalised is not None
    ]
    if parts:
        total = f"{' + '.join(parts)} = {hit.score:.3f}"
        say(Padding(styled(total, "green"), INDENT, expand=False))


def _show_hit(hit: Hit, *, several: bool) -> None:
    from rich.padding import Padding

    def indented(text: Text) -> Padding:
        return Padding(text, INDENT, expand=False)

    say(
        "",
        styled(f"{hit.rank:>2}. ", "bold")
        + styled(title_of(hit), "bold cyan")
        + styled(f"  {hit.score:.3f}", "green")
        + styled(f" ({arm_places(hit.arms)})", "dim"),
        *(indented(styled(_line(near.text), "dim")) for near in hit.before),
        indented(snippet(hit)),
        *(indented(styled(_line(near.text), "dim")) for near in hit.after),
        indented(styled(_place(hit, several=several), "dim")),
    )


def arm_places(arms: Mapping[str, ArmScore]) -> str:
    """Say at which rank, and with which score, each arm has a chunk."""
    return ", ".join(f"{name} #{arm.rank} {arm.score:.3f}" for name, arm in sorted(arms.items()))


def _place(hit: Hit, *, several: bool) -> str:
    """Return where a hit is from, and how many more its item has."""
    parts = [hit.source, f"chunk {hit.chunk_id[:12]}"]
    if made := model_of(hit.metadata):
        parts.append(f"made by {made}")
    if several:
        parts.insert(0, f"{hit.dataset}@{hit.version}")
    if hit.more:
        parts.append(f"and {plural(len(hit.more), 'more passage')}")
    return "  ".join(parts)


def _line(text: str) -> str:
    """Return the text around a hit in one line."""
    return " ".join(text.split())


def title_of(place: Hit | Citation) -> str:
    """Return title (or name, or source) with the page, or the time."""
    name = place.title or getattr(place, "name", "") or PurePath(place.source).name
    heading = getattr(place, "heading", "")
    parts = [name, *([heading] if heading and heading != name else [])]
    page = f", page {place.page}" if place.page is not None else ""
    time = f", {heard(place.from_ms, place.to_ms)}" if place.from_ms is not None else ""
    return " › ".join(parts) + page + time
