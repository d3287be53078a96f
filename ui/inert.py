"""The one place that makes HTML, and so the one to audit: people's text comes out inert.

Titles, texts, answers, file names and error messages are written by others and may hold markup.
They reach the page through this file alone: every piece of text goes through `_escape`, the result
is an `Html`, and only `show` hands one to Streamlit (which sanitises it a second time). Nothing
else in the user interface passes such text to a function that reads Markdown or HTML; a test walks
the sources to see to it. Tables and select boxes take plain text and may have it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NewType

import streamlit as st

Html = NewType("Html", str)

# Characters that HTML cannot carry (C0 and C1 controls but tab and line ends; lone surrogates).
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_REFERENCE = re.compile(r"\[\d{1,3}\]")
_LINE = 300  # characters shown of a value that belongs on one line

STYLE = Html(
    """<style>
.stMainBlockContainer { padding-top: 4.5rem; max-width: 80rem; }
.rs-text { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; }
.rs-answer { font-size: 1.15rem; }
.rs-title { font-weight: 600; overflow-wrap: anywhere; }
.rs-rank { display: inline-block; min-width: 1.6rem; opacity: .6; font-weight: 400;
  font-variant-numeric: tabular-nums; }
.rs-facts { font-size: .82rem; opacity: .75; overflow-wrap: anywhere; margin: .15rem 0 .4rem; }
.rs-facts span:not(:last-child)::after { content: " · "; white-space: pre; }
.rs-text mark { color: inherit; border-radius: .2em; padding: .05em .1em;
  background: rgba(230, 159, 0, .35); box-decoration-break: clone; }
.rs-text mark.rs-passage { background: rgba(86, 180, 233, .28); padding: .1em 0; }
.rs-ref { color: #2b87c8; font-weight: 600; font-size: .85em; }
.rs-bars { display: grid; grid-template-columns: max-content minmax(3rem, 9rem) auto;
  gap: .15rem .6rem; align-items: center; font-size: .8rem; margin-top: .5rem;
  font-variant-numeric: tabular-nums; }
.rs-track { height: .4rem; border-radius: .2rem; background: rgba(128, 128, 128, .2); }
.rs-bar { height: 100%; border-radius: .2rem; background: #0072b2; }
.rs-bar.rs-low { background: #d55e00; }
.rs-lines { font-family: monospace; font-size: .82rem; line-height: 1.5; overflow-wrap: anywhere;
  white-space: pre-wrap; border-left: 2px solid rgba(128, 128, 128, .3); padding-left: .6rem;
  margin: .3rem 0; }
.rs-lines div.rs-old { background: rgba(213, 94, 0, .16); }
.rs-lines div.rs-new { background: rgba(0, 114, 178, .16); }
.rs-changes { display: grid; grid-template-columns: minmax(5rem, max-content) 1fr 1fr;
  gap: .2rem .8rem; font-size: .85rem; margin: .3rem 0; overflow-wrap: anywhere; }
.rs-changes .rs-head { opacity: .6; }
.rs-badge { display: inline-block; font-size: .78rem; border-radius: .3rem; padding: 0 .45rem; }
.rs-badge.rs-same { background: rgba(128, 128, 128, .15); }
.rs-badge.rs-moved { background: rgba(230, 159, 0, .3); }
.rs-badge.rs-only { background: rgba(86, 180, 233, .35); }
.rs-steps { padding-left: 1.1rem; border-left: 2px solid rgba(128, 128, 128, .3); }
.rs-step { position: relative; margin-bottom: 1.1rem; }
.rs-step::before { content: ""; position: absolute; left: -1.5rem; top: .45rem;
  width: .7rem; height: .7rem; border-radius: 50%; background: #0072b2; }
</style>"""
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch `[start, end)` of a text to highlight, in code points."""

    start: int
    end: int
    kind: Literal["word", "passage"] = "word"


@dataclass(frozen=True, slots=True)
class Bar:
    """A labelled bar, `share` (0 to 1) of its track wide, with its value in words."""

    label: str
    share: float
    value: str
    low: bool = False


def show(*parts: Html) -> None:
    """Put the parts on the page, in order."""
    st.html("".join(parts))


def title(text: str, rank: int | None = None) -> Html:
    """A heading of one line, with a number before it if it has one."""
    number = "" if rank is None else f'<span class="rs-rank">{rank:d}</span>'
    return Html(f'<div class="rs-title">{number}{_line(text)}</div>')


def facts(*values: str) -> Html:
    """Small grey facts on a line, those that are empty left out."""
    spans = "".join(f"<span>{_line(value)}</span>" for value in values if value)
    return Html(f'<div class="rs-facts">{spans}</div>') if spans else Html("")


def _flat(values: Mapping[str, object], before: str) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def badge(word: str, kind: Literal["same", "moved", "only"]) -> Html:
    """A small note that stands out by its colour and its word."""
    return Html(f'<div class="rs-badge rs-{kind}">{_line(word)}</div>')


def pairs(values: Mapping[str, object]) -> Html:
    """Facts with their names, as metadata has them; those of an inner object as `outer.name`."""
    return facts(*(f"{key}: {value}" for key, value in _flat(values, "")))


def text(content: str, marks: Iterable[Mark] = ()) -> Html:
    """A text with its spaces and line ends, and its highlights."""
    return Html(f'<div class="rs-text" dir="auto">{_marked(content, marks)}</div>')


def answer(content: str) -> Html:
    """An answer, its references such as [1] set apart."""
    return Html(f'<div class="rs-text rs-answer" dir="auto">{_with_references(content)}</div>')


def claim(content: str, numbers: Sequence[int]) -> Html:
    """A sentence of an answer and the numbers of its citations."""
    references = "".join(f' <span class="rs-ref">[{number:d}]</span>' for number in numbers)
    return Html(f'<div class="rs-text" dir="auto">{_escape(content)}{references}</div>')


def bars(rows: Iterable[Bar]) -> Html:
    """A small bar chart, one row each."""
    cells = "".join(map(_bar, rows))
    return Html(f'<div class="rs-bars">{cells}</div>') if cells else Html("")


def steps(entries: Iterable[tuple[str, Sequence[str]]]) -> Html:
    """A timeline: each entry has a line and facts below it."""
    lines = "".join(
        f'<div class="rs-step">{title(head)}{facts(*details)}</div>' for head, details in entries
    )
    return Html(f'<div class="rs-steps">{lines}</div>')


def lines(content: Iterable[str]) -> Html:
    """Lines of a comparison: each begins with `-` (old), `+` (new) or a space (both)."""
    kinds = {"-": ' class="rs-old"', "+": ' class="rs-new"'}
    made = "".join(f"<div{kinds.get(line[:1], '')}>{_escape(line)}</div>" for line in content)
    return Html(f'<div class="rs-lines" dir="auto">{made}</div>')


def changes(rows: Iterable[tuple[str, str, str]]) -> Html:
    """A small table of names with what was before, and what is after."""
    cells = "".join(f"<div>{_line(cell)}</div>" for row in rows for cell in row)
    if not cells:
        return Html("")
    head = "".join(f'<div class="rs-head">{name}</div>' for name in ("Field", "Before", "After"))
    return Html(f'<div class="rs-changes">{head}{cells}</div>')


# ---------------------------------------------------------------- text becomes HTML here


def _escape(value: str) -> str:
    """Return `value` as HTML text: what is read is what was written, and nothing runs."""
    return html.escape(_UNPRINTABLE.sub("\ufffd", value), quote=True)


def _line(value: str) -> str:
    """Return a value as one line of HTML; the isolate keeps right-to-left text to itself."""
    words = " ".join(value[: 4 * _LINE].split())
    shown = words if len(words) <= _LINE else words[: _LINE - 1] + "…"
    return f"<bdi>{_escape(shown)}</bdi>"


def _marked(content: str, marks: Iterable[Mark]) -> str:
    """Escape piece by piece, so that offsets count code points of the text, not of the HTML."""
    pieces: list[str] = []
    done = 0
    for mark in sorted(marks, key=lambda mark: mark.start):
        start, end = max(mark.start, done), min(mark.end, len(content))
        if start >= end:
            continue  # outside the text, or inside a mark before it
        kind = ' class="rs-passage"' if mark.kind == "passage" else ""
        inside = _escape(content[start:end])
        pieces += [_escape(content[done:start]), f"<mark{kind}>{inside}</mark>"]
        done = end
    return "".join([*pieces, _escape(content[done:])])


def _with_references(content: str) -> str:
    pieces: list[str] = []
    done = 0
    for match in _REFERENCE.finditer(content):
        pieces += [
            _escape(content[done : match.start()]),
            f'<span class="rs-ref">{_escape(match.group())}</span>',
        ]
        done = match.end()
    return "".join([*pieces, _escape(content[done:])])


def _bar(bar: Bar) -> str:
    share = min(1.0, max(0.0, bar.share))
    low = " rs-low" if bar.low else ""
    return (
        f"<span>{_line(bar.label)}</span>"
        f'<span class="rs-track"><div class="rs-bar{low}" style="width:{share:.0%}"></div></span>'
        f"<span>{_line(bar.value)}</span>"
    )
