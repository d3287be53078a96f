"""The small parts: text made harmless, tables, snippets, progress, and which workspace is meant."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ragstone.cli import progress, session
from ragstone.cli.hits import title_of
from ragstone.cli.output import clean, plural, print_json, print_table
from ragstone.cli.snippet import snippet, window
from ragstone.config import CONFIG_FILE
from ragstone.schemas.api import Highlight, Hit, IngestProgress, ItemCounts, ReembedProgress
from ragstone.storage.owner import OWNER_FILE
from ragstone.training.progress import Progress as Training


def hit(text: str, *words: str, title: str = "", heading: str = "", page: int | None = None) -> Hit:
    marks = [Highlight(text.index(word), text.index(word) + len(word)) for word in words]
    return Hit(
        rank=1,
        score=1.0,
        chunk_id="c",
        item_id="i",
        source="/s/file.txt",
        name="file.txt",
        title=title,
        heading=heading,
        page=page,
        text=text,
        start=0,
        end=len(text),
        arms={},
        highlights=marks,
        metadata={},
    )


# ---------------------------------------------------------------- output


def test_text_from_files_cannot_drive_the_terminal() -> None:
    assert clean("a\x1b]0;title\x07b\x9b31m") == "a�]0;title�b�31m"
    assert clean("tab\tand\nline") == "tab\tand\nline"


@given(st.text())
def test_clean_keeps_the_length(text: str) -> None:
    assert len(clean(text)) == len(text)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in clean(text))


def test_json_is_one_line_in_its_own_script(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": "Гранит\nMarble"})
    assert capsys.readouterr().out == '{"title": "Гранит\\nMarble"}\n'


def test_brackets_of_foreign_text_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "size"), [("[red]x[/red] :smile:", 1_234)], "none")
    out = capsys.readouterr().out
    assert "[red]x[/red] :smile:" in out
    assert "1,234" in out


def test_a_long_cell_is_folded_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [("x" * 400,)], "none")
    assert capsys.readouterr().out.count("x") == 400


@pytest.mark.parametrize(("count", "text"), [(0, "0 items"), (1, "1 item"), (2000, "2,000 items")])
def test_plural(count: int, text: str) -> None:
    assert plural(count, "item") == text


def test_titles() -> None:
    assert title_of(hit("x")) == "file.txt"
    assert title_of(hit("x", title="A", heading="B", page=3)) == "A › B, page 3"
    assert title_of(hit("x", title="A", heading="A")) == "A"


# ---------------------------------------------------------------- snippets


def test_a_short_text_is_shown_whole_with_its_words_marked() -> None:
    shown = snippet(hit("Frost\n\n breaks   stone.", "Frost", "stone"))
    assert shown.plain == "Frost breaks stone."
    assert [shown.plain[span.start : span.end] for span in shown.spans if span.style] == [
        "Frost",
        "stone",
    ]


def test_a_long_text_is_cut_around_the_most_words() -> None:
    text = "lonely start " + "filler " * 200 + "ice and snow and hail " + "filler " * 200
    shown = snippet(hit(text, "lonely", "ice", "snow", "hail"), 100).plain
    assert "ice and snow and hail" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= 102


def test_a_long_text_without_marks_is_shown_from_its_start() -> None:
    shown = snippet(hit("word " * 200), 50).plain
    assert shown.startswith("word")
    assert shown.endswith("…")


def test_marks_that_overlap_are_shown_once() -> None:
    whole = hit("sandstone")
    marked = [Highlight(0, 9), Highlight(4, 9)]
    shown = snippet(cast("Hit", SimpleNamespace(text=whole.text, highlights=marked)))
    assert shown.plain == "sandstone"


@given(
    st.text(alphabet="ab \n", min_size=0, max_size=900),
    st.lists(st.tuples(st.integers(0, 899), st.integers(1, 30)), max_size=6),
    st.integers(40, 400),
)
def test_a_window_lies_in_the_text(text: str, places: list[tuple[int, int]], width: int) -> None:
    marks = [Highlight(s, min(s + n, len(text))) for s, n in sorted(places) if s < len(text)]
    start, end = window(text, marks, width)
    assert 0 <= start <= end <= len(text)
    assert end - start <= max(width, 0) or len(text) <= width
    if text:
        assert end > start


# ---------------------------------------------------------------- progress


def event(stage: Any = "embedding", seen: int = 3, left: float | None = 65.0) -> IngestProgress:
    return IngestProgress(stage, seen, 10, 42, 1.5, left, ItemCounts(added=seen))


def test_progress_in_a_line() -> None:
    assert progress.describe(event()) == ("embedding: 3 of 10 inputs, 42 chunks, 1.5/s, 1:05 left")
    assert progress.describe(event(left=None)).endswith("1.5/s")
    embedding = ReembedProgress("embedding", 1_200, 3_000, 40.0, 45.0)
    said = "embedding: 1,200 of 3,000 chunks, 40.0/s, 0:45 left"
    assert progress.describe(embedding) == said


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    lines: list[int] = []
    reporter = progress._Lines(10, lambda progress: lines.append(progress.seen))
    for second in range(31):
        now = 100.0 + second
        reporter(event(seen=second))
    assert lines == [10, 20, 30]


def test_a_terminal_gets_a_bar_with_rate_and_time_left() -> None:
    out = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress._bar(out) as reporter:
        reporter(event())
    shown = cast("io.StringIO", out.file).getvalue()
    assert "embedding" in shown
    assert "1.5/s" in shown
    assert "1:05 left" in shown


def test_the_bar_of_a_re_embedding_counts_chunks() -> None:
    out = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress._bar(out) as reporter:
        reporter(ReembedProgress("embedding", 30, 40, 7.5, None))
    shown = cast("io.StringIO", out.file).getvalue()
    assert "embedding" in shown
    assert "30/40" in shown
    assert "7.5/s" in shown


def _trained(step: int, validation: float | None = None) -> Training:
    return Training(step, 50, 2.0 / step, 0.5, 3e-3, 8.0, 1234.5, 0.413, 65.0, validation)


def test_a_terminal_gets_one_line_of_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(progress, "console", lambda **_: out)
    with progress.learning(as_json=False) as show:
        show(_trained(10, validation=1.75))
        show(_trained(20))
    shown = cast("io.StringIO", out.file).getvalue()
    assert "step 20 of 50 · loss 0.100 · validation 1.750 · rate 0.003 · gradients 0.5" in shown
    assert "1,234 tokens/s · MFU 41% · 1:05 left" in shown


def test_each_trial_is_told_by_its_number_and_own_validation() -> None:
    told = progress._Told()
    assert told(replace(_trained(10, 1.75), trial=0)).startswith("trial 1 · step 10 of 50")
    assert "validation 1.750" in told(replace(_trained(20), trial=0))
    assert "validation" not in told(replace(_trained(10), trial=1))


def test_a_log_gets_a_line_of_a_training_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now, out = 0.0, Console(file=io.StringIO(), width=160)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    monkeypatch.setattr(progress, "console", lambda **_: out)
    with progress.learning(as_json=False) as show:
        for step in range(1, 32):
            now = float(step)
            show(_trained(step, validation=1.25 if step == 20 else None))
    lines = cast("io.StringIO", out.file).getvalue().splitlines()
    assert [line.split(" · ")[0] for line in lines] == ["step 15 of 50", "step 30 of 50"]
    assert ["validation 1.250" in line for line in lines] == [False, True]


def test_programs_are_told_the_result_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.learning(as_json=True) as show:
        show(_trained(10))
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- which workspace


def test_names_are_those_of_the_storage() -> None:
    assert session.CONFIG_FILE == CONFIG_FILE
    assert session.OWNER_FILE == OWNER_FILE


def test_the_nearest_workspace(tmp_path: Path) -> None:
    deep = tmp_path / "project" / "notes" / "may"
    deep.mkdir(parents=True)
    assert session.nearest(deep) == deep / "ragstone-workspace"
    beside = tmp_path / "project" / "ragstone-workspace"
    beside.mkdir()
    (beside / "ragstone.toml").touch()
    assert session.nearest(deep) == beside
    (deep.parent / "ragstone.toml").touch()
    assert session.nearest(deep) == deep.parent


def test_what_is_said_wins_over_what_is_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    child = typer.Context(root.command, parent=root)
    assert session.locate(child, None) == tmp_path / "ragstone-workspace"
    root.obj = Path("before")
    assert session.locate(child, None) == Path("before")
    assert session.locate(child, Path("after")) == Path("after")
