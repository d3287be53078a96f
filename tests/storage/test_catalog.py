"""The catalog's files: replaced whole, copied while in use, without a trace of what was deleted."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from errno import ENOSPC
from itertools import count, takewhile
from pathlib import Path

import duckdb
import pytest

from ragstone.config import StorageSettings
from ragstone.errors import StorageFault
from ragstone.storage import catalog as catalog_module
from ragstone.storage import catalog_file
from ragstone.storage.catalog import Catalog, now
from ragstone.storage.recovery import open_catalog

SETTINGS = StorageSettings()
COLUMNS = "(answer_id, dataset_id, version, created, record)"
ADD = f"INSERT INTO answers {COLUMNS} VALUES (?, 'd', 1, ?, ?)"  # noqa: S608
CANARY = "zwitscher-7c1e90"

Opener = Callable[[], Catalog]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.duckdb"


@pytest.fixture
def open_one(path: Path) -> Iterator[Opener]:
    opened: list[Catalog] = []

    def opener() -> Catalog:
        for catalog in opened:
            catalog.close()
        opened.append(Catalog(path, SETTINGS))
        return opened[-1]

    yield opener
    for catalog in opened:
        catalog.close()


def answer(catalog: Catalog, name: str, text: str = "") -> None:
    catalog.write(ADD, [name, now(), json.dumps({"question": text})])


def names(catalog: Catalog) -> list[str]:
    return [row[0] for row in catalog.rows("SELECT answer_id FROM answers ORDER BY ALL")]


def state(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written in place or replaced."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


# ---------------------------------------------------------------- the file is not written in place


def test_file_is_left_alone_by_commits_closing_and_opening(open_one: Opener, path: Path) -> None:
    catalog = open_one()
    before = state(path)
    answer(catalog, "a")
    catalog.write("DELETE FROM answers")
    answer(catalog, "b")
    assert names(open_one()) == ["b"]
    assert state(path) == before


def test_log_over_the_threshold_of_duckdb_leaves_the_file_alone(
    open_one: Opener, path: Path
) -> None:
    catalog = open_one()
    before = path.read_bytes()
    random = "(SELECT string_agg(md5(n || '-' || i), '') FROM range(600) t(n))"
    sql = f"INSERT INTO answers {COLUMNS} SELECT i, 'd', 1, now()::TIMESTAMP, to_json({random})"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_module, "LOG_BYTES", 1 << 40)
        catalog.write(f"{sql} FROM range(1500) r(i)")
        assert catalog_file.log_of(path).stat().st_size > 20 * 2**20
        assert len(names(open_one())) == 1500
        open_one().close()
    assert path.read_bytes() == before


@pytest.mark.parametrize("tail", ["cut", "zeros", "noise", "flipped"])
def test_damaged_end_of_the_log_costs_only_the_last_commit(
    tmp_path: Path, path: Path, tail: str
) -> None:
    catalog = Catalog(path, SETTINGS)
    answer(catalog, "kept")
    log = catalog_file.log_of(path)
    whole = log.stat().st_size
    answer(catalog, "torn")
    catalog.close()
    content = log.read_bytes()
    torn = len(content) - whole
    log.write_bytes(
        {
            "cut": content[:-7],
            "zeros": content[:whole] + bytes(torn),
            "noise": content[: whole + 30] + b"\x07" * (torn - 30),
            "flipped": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        }[tail]
    )
    (tmp_path / "datasets").mkdir()
    catalog, done = open_catalog(tmp_path, SETTINGS)
    assert names(catalog) == ["kept"]
    assert [what.startswith("catalog log, cut") for what in done] in ([], [True])
    answer(catalog, "after")
    catalog.close()
    catalog, done = open_catalog(tmp_path, SETTINGS)
    assert (names(catalog), done) == (["after", "kept"], [])
    catalog.close()
    aside = list(tmp_path.glob("catalog.duckdb.damaged-*.wal"))
    assert [file.read_bytes()[:whole] for file in aside] in ([], [content[:whole]])


def test_log_of_a_file_that_is_gone_is_kept_and_not_read(open_one: Opener, path: Path) -> None:
    answer(open_one(), "gone")
    open_one().close()
    log = catalog_file.log_of(path).read_bytes()
    path.unlink()
    assert names(open_one()) == []
    (aside,) = path.parent.glob("catalog.duckdb.damaged-*.wal")
    assert aside.read_bytes() == log


@pytest.mark.parametrize("damage", [b"", b"no database" * 500])
def test_damaged_file_is_moved_aside_with_its_log(
    open_one: Opener, tmp_path: Path, path: Path, damage: bytes
) -> None:
    answer(open_one(), "a")
    open_one().close()
    log = catalog_file.log_of(path).read_bytes()
    path.write_bytes(damage)
    (tmp_path / "datasets").mkdir()
    catalog, (done,) = open_catalog(tmp_path, SETTINGS)
    assert names(catalog) == []
    catalog.close()
    aside = path.with_name(done.removeprefix("catalog (the damaged one is ").removesuffix(")"))
    assert aside.read_bytes() == damage
    assert catalog_file.log_of(aside).read_bytes() == log


# ---------------------------------------------------------------- compacting


def test_compacting_keeps_every_row_of_every_table(open_one: Opener, path: Path) -> None:
    catalog = open_one()
    catalog.write(
        "INSERT INTO chunks SELECT 'd', i, 'c' || i, i, 0, i, i + 1, "
        "CASE WHEN i % 2 = 0 THEN i END, 'Überschrift \"' || i, 3, 'text', i, i + 9 "
        "FROM range(300000) r(i)"
    )
    answer(catalog, "a", "naïve \0 text")
    before = contents(catalog)
    log = catalog_file.log_of(path)
    assert log.exists()
    catalog.compact(fresh=True)
    assert contents(catalog) == before
    assert not log.exists()
    answer(catalog, "b")
    again = open_one()
    assert names(again) == ["a", "b"]
    again.write("DELETE FROM answers WHERE answer_id = 'b'")
    assert contents(again) == before


def contents(catalog: Catalog) -> dict[str, object]:
    """Return definition and rows, in their order, of each table."""
    sql = "SELECT table_name, sql FROM duckdb_tables() ORDER BY ALL"
    return {
        name: (definition, catalog.table(f'FROM "{name}"').to_pylist())
        for name, definition in catalog.rows(sql)
    }


def test_everything_in_the_catalog_is_a_table_or_an_index(open_one: Opener) -> None:
    """A copy is made of tables and their indexes; views and sequences would be left behind."""
    for kind in ("sequences", "views"):
        filtered = "WHERE NOT internal" if kind == "views" else ""
        sql = f"SELECT count(*) FROM duckdb_{kind}() {filtered}"  # noqa: S608
        assert open_one().rows(sql) == [(0,)], kind


def test_nothing_deleted_is_left_in_any_file(open_one: Opener, path: Path) -> None:
    long = "".join(f"{CANARY}-{n} " for n in range(5_000))  # 100 kB
    catalog = open_one()
    answer(catalog, "short", CANARY)
    answer(catalog, "long", long)
    answer(catalog, "kept", "harmless")
    catalog.compact(fresh=True)
    assert holding(path.parent, CANARY), "the search finds what is there"
    catalog.write("UPDATE answers SET record = '{}' WHERE answer_id = 'short'")
    catalog.write("DELETE FROM answers WHERE answer_id = 'long'")
    answer(catalog, "gone", CANARY)
    catalog.write("DELETE FROM answers WHERE answer_id = 'gone'")
    assert holding(path.parent, CANARY)
    catalog.compact(fresh=True)
    assert holding(path.parent, CANARY) == []
    assert names(open_one()) == ["kept", "short"]
    assert holding(path.parent, CANARY) == []


def holding(folder: Path, text: str) -> list[Path]:
    """Return the files that hold a piece of `text`: DuckDB may store a common part once."""
    piece = text[:12].encode()
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and piece in p.read_bytes()]


def test_compacts_by_itself_when_the_log_has_grown(
    open_one: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_one()
    log = catalog_file.log_of(path)
    before = state(path)
    monkeypatch.setattr(catalog_module, "LOG_COMMITS", 3)
    for n in range(3):
        answer(catalog, f"few {n}")
    assert (state(path), log.exists()) == (before, True)
    answer(catalog, "one more")
    assert state(path) != before
    assert not log.exists()
    monkeypatch.setattr(catalog_module, "LOG_BYTES", 10_000)
    monkeypatch.setattr(catalog_module, "LOG_SHARE", 0.0)
    answer(catalog, "small", "x" * 5_000)
    assert log.exists()
    answer(catalog, "big", "x" * 6_000)
    assert not log.exists()
    assert len(names(open_one())) == 6


def test_closing_compacts_what_a_transaction_could_not(
    open_one: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_one()
    answer(catalog, "a")
    monkeypatch.setattr(catalog_module, "LOG_COMMITS", 0)
    catalog.close()
    assert not catalog_file.log_of(path).exists()
    monkeypatch.undo()
    assert names(open_one()) == ["a"]


def test_failing_to_compact_leaves_all_as_it_was(
    open_one: Opener, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = open_one()
    answer(catalog, "a")
    with monkeypatch.context() as patch:
        patch.setattr(catalog_file, "sync_file", full_disk)
        with pytest.raises(StorageFault, match=r"could not be compacted: .*No space left"):
            catalog.compact(fresh=True)
        patch.setattr(catalog_module, "LOG_COMMITS", 0)
        answer(catalog, "b")  # acknowledged, whatever becomes of compacting
    assert "compacting failed" in caplog.text
    assert names(catalog) == ["a", "b"]
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.wal"]
    catalog.compact(fresh=True)
    assert names(open_one()) == ["a", "b"]


def full_disk(*_: object) -> None:
    raise OSError(ENOSPC, "No space left on device")


def test_failing_to_replace_asks_to_open_again(
    open_one: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_one()
    answer(catalog, "a")
    with monkeypatch.context() as patch:
        patch.setattr(catalog_file, "finish", full_disk)
        with pytest.raises(StorageFault, match="cannot go on: replacing the catalog failed"):
            catalog.compact(fresh=True)
    with pytest.raises(StorageFault, match="cannot go on"):
        names(catalog)
    assert names(open_one()) == ["a"]


@pytest.mark.parametrize("steps", [1, 2])
def test_opening_finishes_what_was_published(
    open_one: Opener, path: Path, tmp_path: Path, steps: int
) -> None:
    """The log of the past holds the same rows: read once more, they would be there twice."""
    catalog = open_one()
    answer(catalog, "a")
    catalog.copy_to(tmp_path / "other" / "new")
    catalog.close()
    shutil.move(tmp_path / "other" / "new", path.with_name("catalog.duckdb.next"))
    if steps == 2:
        catalog_file.log_of(path).unlink()
    catalog = open_one()
    assert names(catalog) == ["a"]
    assert [file.name for file in tmp_path.glob("catalog*")] == [path.name]


def test_unfinished_copy_is_no_catalog(open_one: Opener, path: Path) -> None:
    answer(open_one(), "a")
    catalog_file.temporary_of(path).write_bytes(b"half")
    catalog = open_one()
    catalog.compact(fresh=True)
    assert names(catalog) == ["a"]
    assert not catalog_file.temporary_of(path).exists()


# ---------------------------------------------------------------- threads


def test_compacting_and_copying_within_a_transaction_is_refused(
    open_one: Opener, tmp_path: Path
) -> None:
    catalog = open_one()
    with catalog.transaction() as cursor:
        cursor.execute(ADD, ["a", now(), "{}"])
        assert names(catalog) == []
        for call in (lambda: catalog.compact(fresh=True), lambda: catalog.copy_to(tmp_path / "x")):
            with pytest.raises(RuntimeError, match="within a transaction"):
                call()
    assert names(catalog) == ["a"]


def test_transaction_within_a_transaction(
    open_one: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "LOG_COMMITS", 0)
    catalog = open_one()
    with catalog.transaction() as cursor:
        cursor.execute(ADD, ["outer", now(), "{}"])
        answer(catalog, "inner")  # due, and put off until the outer one has ended
    assert names(open_one()) == ["inner", "outer"]


def test_nothing_is_lost_between_threads(
    open_one: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four write, two read, one copies, and the catalog is compacted every few commits.

    A commit compacts only when nobody copies, so they go on until it has happened often enough.
    """
    monkeypatch.setattr(catalog_module, "LOG_COMMITS", 7)
    catalog = open_one()
    stop, compacted, publish = threading.Event(), [0], catalog_file.publish
    written: list[str] = []

    def count_and_publish(target: Path) -> None:
        compacted[0] += 1
        publish(target)

    monkeypatch.setattr(catalog_file, "publish", count_and_publish)

    def write(writer: int) -> None:
        for n in takewhile(lambda n: n < 40 or (compacted[0] <= 3 and n < 1_000), count()):
            with catalog.transaction() as cursor:
                for half in "ab":
                    cursor.execute(ADD, [f"{writer} {n:03} {half}", now(), "{}"])
                assert catalog.rows("SELECT count(*) FROM jobs") == [(0,)]
            written.extend(f"{writer} {n:03} {half}" for half in "ab")

    def read() -> int:
        seen = 0
        while not stop.is_set():
            ((found,),) = catalog.rows("SELECT count(*) FROM answers")
            assert found >= seen
            assert found % 2 == 0
            seen = found
        return seen

    def copy() -> list[int]:
        counts = []
        while not stop.is_set():
            target = tmp_path / "copies" / f"{len(counts)}.duckdb"
            catalog.copy_to(target)
            counts.append(count_in(target))
            stop.wait(0.01)  # the writers' turn
        return counts

    with ThreadPoolExecutor(7) as pool:
        others = [pool.submit(read), pool.submit(read), pool.submit(copy)]
        for writer in [pool.submit(write, n) for n in range(4)]:
            writer.result()
        stop.set()
        assert others[0].result() > 0
        assert others[1].result() > 0
        counts = others[2].result()
    assert counts == sorted(counts)
    assert all(count % 2 == 0 for count in counts)
    assert compacted[0] > 3, "it was compacted meanwhile"
    assert names(catalog) == sorted(written)
    assert names(open_one()) == sorted(written)


def count_in(path: Path) -> int:
    """Count the answers in a copy, which must need no log."""
    assert not catalog_file.log_of(path).exists()
    with duckdb.connect(str(path), read_only=True) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM answers").fetchall()
        return int(count)


def test_copy_is_a_catalog(open_one: Opener, tmp_path: Path) -> None:
    catalog = open_one()
    answer(catalog, "a")
    target = tmp_path / "backup" / "catalog.duckdb"
    target.parent.mkdir()
    target.write_bytes(b"older")
    catalog.copy_to(target)
    answer(catalog, "later")
    copied = Catalog(target, SETTINGS)
    assert names(copied) == ["a"]
    copied.close()
    assert os.listdir(target.parent) == ["catalog.duckdb"]  # noqa: PTH208
    assert names(catalog) == ["a", "later"]


def test_copy_that_fails_leaves_the_older_one(
    open_one: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_one()
    target = tmp_path / "backup" / "catalog.duckdb"
    catalog.copy_to(target)
    older = target.read_bytes()
    answer(catalog, "a")
    monkeypatch.setattr(catalog_file, "sync_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        catalog.copy_to(target)
    assert target.read_bytes() == older
    assert [file.name for file in target.parent.iterdir()] == ["catalog.duckdb"]
