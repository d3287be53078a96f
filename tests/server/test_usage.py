"""How a workspace was used: searches are noted by the server, answers and thumbs are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.client import Client, connect
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, UnknownDataset
from ragstone.schemas.feedback import LOCAL_OWNER
from ragstone.server.run import running
from ragstone.workspace import Workspace


def rows(workspace: Workspace) -> list[tuple[Any, ...]]:
    workspace._usage.flush()
    return workspace._store.catalog.rows(
        "SELECT principal, mode, hits, query, seconds FROM searches ORDER BY created"
    )


def made(folder: Path, encoder: TextEncoder, **settings: Any) -> Workspace:
    text = folder / "slate.txt"
    text.write_text("Slate splits into thin plates.", encoding="utf-8")
    opened = ragstone.open(
        folder / "ws", create=True, encoder=encoder, ingestion={"workers": 0}, **settings
    )
    opened.ingest([text], "stones")
    return opened


def search(workspace: Workspace, *queries: str) -> None:
    with running(workspace) as address, connect(address.url, address.token) as client:
        for query in queries:
            client.search(query, "stones", mode="keyword")


def test_a_search_is_noted_without_its_words(tmp_path: Path, encoder: TextEncoder) -> None:
    with made(tmp_path, encoder) as workspace:
        search(workspace, "slate", "zyzzyva")
        workspace.search("slate", "stones")  # not through the server
        noted = rows(workspace)
        assert [row[:4] for row in noted] == [
            (LOCAL_OWNER, "keyword", 1, ""),
            (LOCAL_OWNER, "keyword", 0, ""),
        ]
        assert all(0 < row[4] < 60 for row in noted)


def test_words_are_kept_where_the_setting_says_so(tmp_path: Path, encoder: TextEncoder) -> None:
    with made(tmp_path, encoder, usage={"queries": True}) as workspace:
        search(workspace, "slate")
        assert [row[3] for row in rows(workspace)] == ["slate"]


def test_nothing_is_noted_where_it_is_off(tmp_path: Path, encoder: TextEncoder) -> None:
    with made(tmp_path, encoder, usage={"record": False}) as workspace:
        search(workspace, "slate")
        assert rows(workspace) == []
        assert not workspace.usage().recording


def test_notes_outlive_the_process_and_go_after_their_days(
    tmp_path: Path, encoder: TextEncoder
) -> None:
    with made(tmp_path, encoder) as workspace:
        search(workspace, "slate")
    with ragstone.open(tmp_path / "ws", encoder=encoder, usage={"keep_days": 1}) as workspace:
        assert len(rows(workspace)) == 1
        workspace._store.catalog.write("UPDATE searches SET created = created - INTERVAL 2 DAY")
        search(workspace, "zyzzyva")
        assert [row[2] for row in rows(workspace)] == [0]


def test_usage_counts_searches_answers_and_thumbs(tmp_path: Path, encoder: TextEncoder) -> None:
    with made(tmp_path, encoder) as workspace:
        with running(workspace) as address, connect(address.url, address.token) as client:
            client.search("slate", "stones", mode="keyword")
            client.search("zyzzyva", "stones", mode="keyword")
            answer = client.ask("What does slate split into?", "stones")
            client.ask("Who won the chess championship?", "stones")
            client.feedback(answer.answer_id, good=True)
            found = client.usage()
            assert found.total == workspace.usage().total
        total = found.total
        assert (total.searches, total.found) == (2, 1)
        assert (total.answers, total.answered, total.failed) == (2, int(answer.found), 0)
        assert (total.good, total.bad) == (1, 0)
        assert 0 < total.search_p50 <= total.search_p95
        assert 0 < total.answer_p50 <= total.answer_p95
        (day,), (dataset,) = found.days, found.datasets
        assert (dataset.key, dataset.searches) == ("stones", 2)
        assert day.searches == 2
        people = {figures.key: figures for figures in found.people}
        assert people[LOCAL_OWNER].searches == 2
        assert people[""].answers == 2


def test_a_dataset_has_its_own_figures(client: Client, owned: Workspace) -> None:
    client.search("stone", "rocks")
    before = client.usage(dataset="rocks")
    client.search("stone", "rocks")
    after = client.usage(7, "rocks")
    assert after.total.searches == before.total.searches + 1
    assert [figures.key for figures in after.datasets] == ["rocks"]
    assert owned.usage(7, "rocks").total == after.total


def test_errors(client: Client) -> None:
    with pytest.raises(UnknownDataset):
        client.usage(dataset="nothing")
    with pytest.raises(InvalidArgument):
        client.usage(0)
