"""The migration that brings feedback: what older catalogs hold is as it was."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ragstone.config import StorageSettings
from ragstone.storage import catalog_file, feedback
from ragstone.storage.catalog import Catalog


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
