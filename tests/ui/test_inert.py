"""People's text comes out as text, whatever it holds."""

from __future__ import annotations

import ast
import html
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragstone.ui
from ragstone.ui import inert
from ragstone.ui.inert import Bar, Mark

SOURCES = sorted(Path(ragstone.ui.__file__).parent.glob("*.py"))
TAG = re.compile(r'</?(?:div|span|mark|bdi)(?: (?:class|dir|style)="[a-z0-9:% -]*")*>')
HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            [
                "<script>alert(1)</script>",
                '"><img src=x onerror=alert(1)>',
                "&lt;",
                "&amp;",
                "\0",
                "\x1b[0m",
                "</div>",
                "<!--",
                "]]>",
                "\u202e",
                "\ud800",
                "{{",
                "[1]",
                "[x](javascript:a)",
                "\U0001f600",
                "'",
                "`",
                "<mark>",
                "\r\n",
            ]
        ),
    ),
    max_size=12,
).map("".join)


def readable(part: str) -> str:
    """What a reader sees: known tags taken out, and nothing that could be another is left."""
    bare = TAG.sub("", part)
    assert not re.search(r"[<>\"']", bare), bare
    return html.unescape(bare)


def shown(text: str) -> str:
    """The text with what HTML cannot carry replaced."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


@given(HOSTILE)
def test_text_is_read_as_written(content: str) -> None:
    assert readable(inert.text(content)) == shown(content)
    assert readable(inert.answer(content)) == shown(content)


@given(HOSTILE, st.lists(st.tuples(st.integers(-5, 80), st.integers(-5, 80)), max_size=6))
def test_highlights_change_no_character(content: str, spans: list[tuple[int, int]]) -> None:
    part = inert.text(content, [Mark(start, end) for start, end in spans])
    assert readable(part) == shown(content)
    marked = "".join(re.findall(r"<mark>(.*?)</mark>", part, re.DOTALL))
    covered = {at for start, end in spans for at in range(max(0, start), min(end, len(content)))}
    expected = "".join(shown(char) for at, char in enumerate(content) if at in covered)
    assert html.unescape(marked) == expected


@given(HOSTILE, HOSTILE)
def test_lines_are_one_line_and_short(first: str, second: str) -> None:
    for part in (
        inert.title(first, 3),
        inert.facts(first, second),
        inert.pairs({first: second}),
        inert.claim(first, [1, 2]),
        inert.bars([Bar(first, 0.5, second)]),
        inert.steps([(first, [second])]),
    ):
        readable(part)
    assert "\n" not in inert.title(first)


def test_inner_objects_are_named_by_their_path() -> None:
    shown = readable(inert.pairs({"width": 3, "quality": {"blur": 1.5, "of": {"a": [1, 2]}}}))
    for fact in ("width: 3", "quality.blur: 1.5", "quality.of.a: [1, 2]"):
        assert fact in shown
    assert "{" not in shown


def test_a_value_of_a_megabyte_is_cut() -> None:
    assert len(readable(inert.facts("<b> " * 250_000))) <= 300


def test_offsets_are_code_points_not_bytes() -> None:
    assert "<mark>stone</mark>" in inert.text("\U0001f600 & stone", [Mark(4, 9)])


def test_a_passage_and_a_word_look_different() -> None:
    part = inert.text("granite rock", [Mark(0, 7, "passage"), Mark(8, 12)])
    assert '<mark class="rs-passage">granite</mark> <mark>rock</mark>' in part


def test_references_are_set_apart() -> None:
    assert '<span class="rs-ref">[12]</span>' in inert.answer("Stone [12].")
    assert "rs-ref" not in inert.answer("Stone [a] [] [1234].")


@pytest.mark.parametrize(
    ("share", "width"), [(0.5, "50%"), (-1.0, "0%"), (2.0, "100%"), (math.nan, "0%")]
)
def test_a_bar_stays_in_its_track(share: float, width: str) -> None:
    assert f'style="width:{width}"' in inert.bars([Bar("keyword", share, "")])


def test_nothing_makes_nothing() -> None:
    assert inert.facts("", "") == ""
    assert inert.bars([]) == ""


# ---------------------------------------------------------------- the sources keep to it

MARKDOWN = {
    "badge", "button", "caption", "error", "expander", "form_submit_button", "header", "info",
    "markdown", "metric", "page_link", "popover", "segmented_control", "spinner", "subheader",
    "success", "text_area", "text_input", "title", "toast", "warning", "write", "multiselect",
    "number_input", "selectbox", "pills", "radio", "checkbox", "toggle", "set_page_config",
}  # fmt: skip


NUMBERS = {"f','", "f'.3f'"}  # formats that refuse a text


def calls() -> list[tuple[Path, ast.Call, str]]:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "st"
            ):
                found.append((path, node, node.func.attr))
    return found


def is_ours(node: ast.expr) -> bool:
    """A literal, or one with numbers in it."""
    if isinstance(node, ast.JoinedStr):
        return all(
            isinstance(part, ast.Constant)
            or (
                isinstance(part, ast.FormattedValue)
                and part.format_spec is not None
                and ast.unparse(part.format_spec) in NUMBERS
            )
            for part in node.values
        )
    return isinstance(node, ast.Constant)


def test_the_walk_sees_the_pages() -> None:
    assert len(SOURCES) >= 10
    assert len(calls()) > 40


def test_markdown_is_made_of_our_own_words_alone() -> None:
    for path, call, name in calls():
        if name in MARKDOWN:
            texts = [
                *call.args[:1],
                *(k.value for k in call.keywords if k.arg in {"help", "label"}),
            ]
            assert all(map(is_ours, texts)), f"{path.name}:{call.lineno} st.{name}"


def test_the_walk_would_see_a_foreign_word() -> None:
    for code in ("f'{name}'", "name", "'a' + name", "f'{name!r:>9}'", "str(name)"):
        assert not is_ours(ast.parse(code, mode="eval").body)
    assert is_ours(ast.parse("f'{count:,} items'", mode="eval").body)


def test_only_one_file_makes_html() -> None:
    assert {path.name for path, _, name in calls() if name in {"html", "iframe"}} == {"inert.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_unsafe_is_switched_on(path: Path) -> None:
    assert not re.search(r"unsafe_allow|components\.v1|components\.v2", path.read_text("utf-8"))
