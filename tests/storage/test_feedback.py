"""Stored feedback: older catalogs take it up, and none outlives its answer."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ragstone.config import StorageSettings
from ragstone.errors import UnknownId
from ragstone.schemas.feedback import LOCAL_OWNER, Feedback
from ragstone.storage import catalog_file, feedback
from ragstone.storage.catalog import Catalog, now


def test_golden_queries_from_before_are_made_of_no_feedback(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    old = duckdb.connect(str(path))
    old.execute("CREATE TABLE migrations (number INTEGER NOT NULL, applied TIMESTAMP)")
    for number, sql in catalog_file.migrations():
        if number < 7:
            old.execute(sql)
            old.execute("INSERT INTO migrations VALUES (?, now())", [number])
    old.execute("INSERT INTO golden_queries VALUES ('d', 'q1', 'which stone', 'granite.md', 2)")
    old.close()
    catalog = Catalog(path, StorageSettings())
    for _ in range(2):
        assert catalog.rows("SELECT * FROM golden_queries") == [
            ("d", "q1", "which stone", "granite.md", 2, "")
        ]
        assert feedback.listed(catalog, None, None) == []
        catalog.compact(fresh=True)
    catalog.close()


def test_an_answer_that_was_erased_meanwhile_takes_none(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.duckdb", StorageSettings())
    given = Feedback(
        id="01M8G9JV22PQ1X8FFFWRN4SMQG",
        answer_id="01M8G9CXRDF7M090SJ6XBFK3GZ",
        dataset="stones",
        version=1,
        question="Which roof cover is oldest?",
        rating="bad",
        reason="",
        comment="",
        answer_text="what was erased",
        principal=LOCAL_OWNER,
        created=now(),
    )
    with pytest.raises(UnknownId, match=r"No answer has the id '01M8G9CXRDF7M090SJ6XBFK3GZ'"):
        feedback.insert(catalog, "d", given)
    assert catalog.rows("SELECT * FROM feedback") == []
    catalog.close()
