"""Databases read from where the last version ended: nothing twice, and nothing left out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.schemas.api import IngestProgress, IngestResult, ItemCounts
from ragstone.workspace import Workspace

Row = tuple[int, str | None, int]  # id, body, at


class Notes:
    """A table of notes, taken into the dataset `notes` by its cursor `at`."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:///{path}"
        self.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, at INTEGER)")
        self.execute("CREATE INDEX in_order ON notes (at, id)")

    def execute(self, statement: str, *rows: Row) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            if rows:
                connection.executemany(statement, rows)
            else:
                connection.execute(statement)

    def add(self, *numbers: int) -> None:
        rows: list[Row] = [(n, f"Note {n} is about stone number {n}.", 10 * n) for n in numbers]
        self.execute("INSERT INTO notes VALUES (?, ?, ?)", *rows)

    def ingest(self, ws: Workspace, dataset: str = "notes", **changes: Any) -> IngestResult:
        heard = changes.pop("on_progress", None)
        text = changes.pop("text", ("body",))
        options = {"table": "notes", "key": "id", "cursor": "at"} | changes
        chosen = {name: value for name, value in options.items() if value is not None}
        return ws.ingest(self.url, dataset, text=text, options=chosen, on_progress=heard)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """Three notes."""
    table = Notes(tmp_path / "notes.db")
    table.add(1, 2, 3)
    return table


def keys(ws: Workspace, dataset: str = "notes") -> list[int]:
    return sorted(int(item.name) for item in ws.items(dataset))


def once(act: Callable[[], object]) -> Callable[[IngestProgress], None]:
    """Return what does something as soon as the first rows of a job were embedded."""
    done: list[object] = []

    def heard(progress: IngestProgress) -> None:
        if progress.stage == "embedding" and not done:
            done.append(None)
            act()

    return heard


def test_the_second_time_only_later_rows_are_read(workspace: Workspace, notes: Notes) -> None:
    assert notes.ingest(workspace).items == ItemCounts(added=3)
    assert notes.ingest(workspace).items == ItemCounts()
    notes.add(4)
    notes.execute("UPDATE notes SET body = 'Nobody sees this', at = 10 WHERE id = 1")
    notes.execute("UPDATE notes SET body = 'Note 2 was changed.', at = 50 WHERE id = 2")
    result = notes.ingest(workspace)
    assert (result.version, result.items) == (2, ItemCounts(added=1, updated=1))
    assert notes.ingest(workspace).items == ItemCounts()
    assert notes.ingest(workspace, cursor=None).items == ItemCounts(updated=1, unchanged=3)
    assert workspace.doctor().healthy


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ("{body} ({id})",)},
        {"cursor": "id"},
        {"table": None, "query": "SELECT * FROM notes WHERE id > 0"},
        {"dataset": "others"},
    ],
)
def test_another_reading_begins_at_the_beginning(
    workspace: Workspace, notes: Notes, changes: dict[str, Any]
) -> None:
    notes.ingest(workspace)
    assert sum(vars_of(notes.ingest(workspace, **changes).items)) == 3
    assert notes.ingest(workspace).items == ItemCounts()


def vars_of(counts: ItemCounts) -> tuple[int, ...]:
    return counts.added, counts.updated, counts.unchanged, counts.duplicate


def test_other_settings_begin_at_the_beginning(
    tmp_path: Path, encoder: TextEncoder, notes: Notes
) -> None:
    for tokens, counts in ((100, ItemCounts(added=3)), (120, ItemCounts(updated=3))):
        chunking = {"max_tokens": tokens, "context_tokens": 40}
        given: dict[str, Any] = {"chunking": chunking, "ingestion": {"workers": 0}}
        with ragstone.open(tmp_path / "ws", create=True, encoder=encoder, **given) as ws:
            assert notes.ingest(ws).items == counts
            assert notes.ingest(ws).items == ItemCounts()


def test_a_cursor_that_the_caller_gives_is_not_kept(workspace: Workspace, notes: Notes) -> None:
    assert notes.ingest(workspace, after=20).items == ItemCounts(added=1)
    assert notes.ingest(workspace).items == ItemCounts(added=2, unchanged=1)


# ---------------------------------------------------------------- jobs that end otherwise


def test_a_job_without_a_version_moves_nothing(workspace: Workspace, notes: Notes) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        notes.ingest(workspace, on_progress=once(fail))
    (job,) = workspace.jobs()
    assert job.state == "interrupted"
    notes.add(4)
    workspace.retry(job.job)
    assert keys(workspace) == [1, 2, 3, 4]
    notes.add(5)
    assert notes.ingest(workspace).items == ItemCounts(added=1)


def test_two_jobs_at_once_leave_nothing_out(workspace: Workspace, notes: Notes) -> None:
    def other() -> None:
        notes.add(4, 5)
        notes.ingest(workspace)

    notes.ingest(workspace, on_progress=once(other))
    assert keys(workspace) == [1, 2, 3, 4, 5]
    notes.add(6)
    assert notes.ingest(workspace).items == ItemCounts(added=1)
    assert workspace.doctor().healthy


def test_a_job_that_is_overtaken_by_a_restore_reads_again(
    workspace: Workspace, notes: Notes
) -> None:
    notes.ingest(workspace)
    notes.add(4)
    notes.ingest(workspace)
    notes.add(5)
    notes.ingest(workspace, on_progress=once(lambda: workspace.restore("notes@1")))
    assert keys(workspace) == [1, 2, 3, 4, 5]


def test_a_database_that_breaks_off_is_read_again(workspace: Workspace, notes: Notes) -> None:
    query = "SELECT id, at, json_extract(body, '$') AS body FROM notes"
    notes.execute("UPDATE notes SET body = '\"words ' || id || '\"', at = 10")  # all alike
    notes.execute("UPDATE notes SET body = '{broken' WHERE id = 3")
    chosen: dict[str, Any] = {"table": None, "query": query}
    result = notes.ingest(workspace, **chosen)
    assert (result.version, result.items.quarantined) == (1, 1)
    assert 3 not in keys(workspace)
    notes.execute("UPDATE notes SET body = '\"mended\"' WHERE id = 3")
    notes.ingest(workspace, **chosen)
    assert keys(workspace) == [1, 2, 3]
    assert notes.ingest(workspace, **chosen).items == ItemCounts()


# ---------------------------------------------------------------- versions


def test_a_restored_version_gets_the_rows_it_does_not_hold(
    workspace: Workspace, notes: Notes
) -> None:
    notes.ingest(workspace)
    notes.add(4, 5)
    notes.ingest(workspace)
    workspace.restore("notes@1")
    assert keys(workspace) == [1, 2, 3]
    assert notes.ingest(workspace).items == ItemCounts(added=2)
    workspace.fork("notes@1", "copy")
    notes.add(6)
    assert notes.ingest(workspace, "copy").items == ItemCounts(added=3)
    assert notes.ingest(workspace).items == ItemCounts(added=1)
    assert keys(workspace) == keys(workspace, "copy") == [1, 2, 3, 4, 5, 6]


def test_a_cursor_is_kept_over_changes_of_other_kinds(workspace: Workspace, notes: Notes) -> None:
    notes.ingest(workspace)
    workspace.delete("notes", [workspace.items("notes")[0].item_id])
    notes.add(4)
    assert notes.ingest(workspace).items == ItemCounts(added=1)
    assert len(keys(workspace)) == 3


# ---------------------------------------------------------------- sync and quarantine


def test_sync_goes_on_from_the_cursor_and_removes_nothing(
    workspace: Workspace, notes: Notes
) -> None:
    notes.ingest(workspace)
    notes.execute("DELETE FROM notes WHERE id IN (1, 3)")
    notes.add(4)
    assert workspace.sync("notes").items == ItemCounts(added=1)
    assert keys(workspace) == [1, 2, 3, 4]


def test_sync_reads_a_database_as_it_was_last_asked_for(workspace: Workspace, notes: Notes) -> None:
    notes.ingest(workspace)
    notes.ingest(workspace, cursor=None, text=("Read in full: {body}",))
    notes.execute("DELETE FROM notes WHERE id = 3")
    assert workspace.sync("notes").items == ItemCounts(unchanged=2, removed=1)
    notes.ingest(workspace)
    notes.execute("DELETE FROM notes WHERE id = 2")
    assert workspace.sync("notes").items == ItemCounts()


def test_a_refused_row_is_read_again_though_the_cursor_has_passed_it(
    workspace: Workspace, notes: Notes
) -> None:
    notes.execute("UPDATE notes SET body = '' WHERE id = 2")
    assert notes.ingest(workspace).items == ItemCounts(added=2, quarantined=1)
    notes.execute("UPDATE notes SET body = 'Words at last' WHERE id = 2")
    assert notes.ingest(workspace).items == ItemCounts()
    assert len(workspace.quarantine("notes")) == 1
    result = workspace.retry_quarantined("notes")
    assert result.items == ItemCounts(added=1, unchanged=2)
    assert workspace.quarantine("notes") == []
    notes.execute("DELETE FROM notes WHERE id = 1")
    notes.add(4)
    assert workspace.sync("notes").items == ItemCounts(added=1)  # by its cursor, as before
