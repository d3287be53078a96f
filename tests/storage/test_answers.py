"""Stored answers: none is changed or taken away without the doctor seeing it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ragstone.config import StorageSettings
from ragstone.storage import answers, catalog_file
from ragstone.storage.catalog import Catalog
from ragstone.storage.doctor import examine
from ragstone.storage.files import digest_bytes
from ragstone.storage.forgetting import forget
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import commit
from .stored_answers import cited, found, keep, record

Opener = Callable[[], Store]
TEXT = "Granite is hard. Slate splits. Chalk is soft"
ITEM = digest_bytes(TEXT.encode())
QUOTE = "Slate splits"


@pytest.fixture
def asked(store: Store) -> Store:
    """A store with five answers; the second one quotes the only item."""
    version = commit(store, {"stones": TEXT})
    for name in "ABCDE":
        citations = [cited(ITEM, QUOTE, TEXT.index(QUOTE))] if name == "B" else []
        keep(store, version, record(version, name, [found(ITEM, TEXT)], citations))
    return store


def problems(store: Store) -> list[tuple[str, str]]:
    return [(f.where, f.problem) for f in examine(store).findings if f.check == "answers"]


def test_answers_as_they_were_stored_are_healthy(asked: Store) -> None:
    report = examine(asked)
    assert report.findings == []
    assert {name: report.checks[name] for name in ("answers", "seals", "quotes")} == {
        "answers": 5,
        "seals": 5,
        "quotes": 1,
    }


@pytest.mark.parametrize(
    "change",
    [
        "record = replace(CAST(record AS VARCHAR), 'This.', 'That.')",
        "record = replace(CAST(record AS VARCHAR), '\"evidence\": 0.5', '\"evidence\": 0.6')",
        "dataset_id = 'another'",
        "created = created + INTERVAL 1 SECOND",
        "state = 'failed'",
        "session_id = 'S'",
    ],
)
def test_a_changed_row_is_seen(asked: Store, change: str) -> None:
    asked.catalog.write(f"UPDATE answers SET {change} WHERE answer_id = 'C'")  # noqa: S608
    assert ("answer C", "its record was changed after it was stored") in problems(asked)


def test_a_record_that_is_spelt_otherwise_says_the_same(asked: Store) -> None:
    ((body,),) = asked.catalog.rows("SELECT record FROM answers WHERE answer_id = 'C'")
    spelt = json.dumps(json.loads(body), indent=2, sort_keys=True, ensure_ascii=False)
    asked.catalog.write("UPDATE answers SET record = ? WHERE answer_id = 'C'", [spelt])
    assert problems(asked) == []


def test_a_record_that_is_none_is_seen(asked: Store) -> None:
    asked.catalog.write("UPDATE answers SET record = '{}' WHERE answer_id = 'C'")
    assert ("answer C", "its record is none of an answer") in problems(asked)


def test_an_answer_taken_away_is_seen(asked: Store) -> None:
    asked.catalog.write("DELETE FROM answers WHERE answer_id = 'C'")
    assert problems(asked) == [("answer C", "its record was taken away")]


def test_an_answer_taken_away_with_its_seal_is_seen_by_the_next_one(asked: Store) -> None:
    for table in ("answers", "seals"):
        asked.catalog.write(f"DELETE FROM {table} WHERE answer_id = 'C'")  # noqa: S608
    problem = "its seal has the number 4 instead of 3: some were taken away"
    assert problems(asked) == [("answer D", problem)]


def test_an_answer_with_another_record_and_its_digest_breaks_the_chain(asked: Store) -> None:
    asked.catalog.write(
        "UPDATE answers SET record = replace(CAST(record AS VARCHAR), 'This.', 'That.') "
        "WHERE answer_id = 'C'"
    )
    ((row, _),) = answers.matching(asked.catalog, "C")
    asked.catalog.write("UPDATE seals SET digest = ? WHERE answer_id = 'C'", [row.digest])
    assert problems(asked) == [("answer C", "its seal does not follow from the one before it")]


def test_a_seal_taken_away_does_not_make_an_answer_an_old_one(asked: Store) -> None:
    asked.catalog.write("DELETE FROM seals WHERE answer_id = 'E'")
    assert problems(asked) == [("answer E", "its seal was taken away")]


def test_an_answer_from_before_there_were_seals_is_healthy(asked: Store) -> None:
    version = asked.head("docs")
    keep(asked, version, record(version, "OLD", [], receipt=False))
    asked.catalog.write("DELETE FROM seals WHERE answer_id = 'OLD'")
    assert problems(asked) == []


def test_a_quote_that_is_not_at_its_place_is_seen(store: Store) -> None:
    version = commit(store, {"stones": TEXT})
    at = TEXT.index(QUOTE)
    for name, citation in (
        ("shifted", cited(ITEM, QUOTE, at + 1)),
        ("reworded", cited(ITEM, "Slate sprits", at)),
        ("elsewhere", cited("0" * 64, QUOTE, at)),
    ):
        keep(store, version, record(version, name.upper(), [], [citation]))
    assert [where for where, _ in problems(store)] == [
        "answer SHIFTED",
        "answer REWORDED",
        "answer ELSEWHERE",
    ]
    assert problems(store)[2][1] == f"quote 1: the version has no item {'0' * 64}"


def test_quotes_of_versions_that_were_given_up_are_not_looked_up(asked: Store) -> None:
    commit(asked, {"chalk": "Chalk is soft"})
    collect(asked, Policy(newest=1), dry_run=False)
    report = examine(asked)
    assert report.findings == []
    assert report.checks["seals"] == 5
    assert "quotes" not in report.checks


def test_forgotten_answers_leave_their_seals_and_no_finding(asked: Store) -> None:
    version = asked.head("docs")
    keep(asked, version, record(version, "F", []))
    forget(asked, [ITEM], "asked to")
    assert asked.catalog.rows("SELECT answer_id FROM answers") == [("F",)]
    assert asked.catalog.rows("SELECT count(*) FROM seals") == [(6,)]
    assert asked.catalog.rows("SELECT count(*) FROM answer_sources") == [(0,)]
    assert examine(asked).findings == []


# ---------------------------------------------------------------- what an answer used


def uses(store: Store) -> list[tuple[str, bool]]:
    sql = "SELECT answer_id, cited FROM answer_sources WHERE item_id = ? ORDER BY ALL"
    return [(str(row[0]), bool(row[1])) for row in store.catalog.rows(sql, [ITEM])]


USES = [("A", False), ("B", True), ("C", False), ("D", False), ("E", False)]


def test_what_an_answer_used_can_be_looked_up(asked: Store, open_store: Opener) -> None:
    assert uses(asked) == USES
    asked.catalog.compact(fresh=True)
    assert uses(asked) == USES
    assert uses(open_store()) == USES


def test_the_look_up_goes_by_an_index_also_after_compacting(asked: Store) -> None:
    sql = "SELECT index_name FROM duckdb_indexes() WHERE table_name = 'answer_sources'"
    assert asked.catalog.rows(sql) == [("answer_sources_by_item",)]
    asked.catalog.compact(fresh=True)
    assert asked.catalog.rows(sql) == [("answer_sources_by_item",)]


def test_answers_from_before_the_table_are_filled_in(
    asked: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = asked.catalog.table("SELECT * EXCLUDE (state, session_id) FROM answers")
    path = tmp_path_factory.mktemp("old") / "catalog.duckdb"
    old = older(path, 5)
    old.register("kept", kept)
    old.execute("INSERT INTO answers SELECT *, 'done', '' FROM kept")
    old.close()
    catalog = Catalog(path, StorageSettings())
    sql = "SELECT answer_id, cited FROM answer_sources WHERE item_id = ? ORDER BY ALL"
    assert catalog.rows(sql, [ITEM]) == USES
    assert catalog.rows("SELECT * FROM seals") == []
    catalog.close()


def older(path: Path, newest: int) -> duckdb.DuckDBPyConnection:
    """Return a catalog that has seen the migrations up to `newest` alone."""
    connection = duckdb.connect(str(path))
    connection.execute("CREATE TABLE migrations (number INTEGER NOT NULL, applied TIMESTAMP)")
    for number, sql in catalog_file.migrations():
        if number <= newest:
            connection.execute(sql)
            connection.execute("INSERT INTO migrations VALUES (?, now())", [number])
    return connection
