"""Home: how to begin, and the workspace at a glance."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from ragstone.client import connect
from ragstone.server.run import running
from ragstone.workspace import Workspace

from .reading import alerts, is_inert, labelled, table, text, tick, wait_for_jobs

Open = Callable[..., AppTest]


def test_the_workspace_at_a_glance(open_page: Open, owned: Workspace) -> None:
    app = open_page("home")
    assert not app.exception
    numbers = {metric.label: metric.value for metric in app.metric}
    assert (numbers["Datasets"], numbers["Items"], numbers["In quarantine"]) == ("3", "8", "1")
    assert (numbers["Models"], numbers["Jobs under way"]) == ("0", "0")
    assert list(table(app, "Items")["Dataset"]) == ["another", "media", "stones"]
    assert len(table(app, "Asked")) == min(8, len(owned.jobs()))
    shown = text(app)
    assert "text6" in shown
    assert "originals" in shown
    assert [part.value for part in app.subheader] == [
        "Datasets",
        "Recent jobs",
        "Items by kind",
        "Storage",
    ]  # nothing was measured, so no quality is shown
    is_inert(app)


def test_rows_and_buttons_lead_on(open_page: Open, owned: Workspace) -> None:
    app = tick(open_page("home"), "Items", 2).run()
    assert (app.query_params["page"], app.query_params["dataset"]) == ("datasets", "stones")
    app = tick(open_page("home"), "Asked", 0).run()
    assert (app.query_params["page"], app.query_params["job"]) == ("jobs", owned.jobs()[0].job)
    app = open_page("home")
    labelled(app.button, "Look at the quarantine").click().run()
    assert app.query_params["show"] == "Quarantine"


def test_an_empty_workspace_takes_the_demo(workspace: Workspace, open_page: Open) -> None:
    with running(workspace) as address, connect(address.url, address.token) as client:
        app = open_page("home", workspace=workspace.path)
        assert not app.exception
        assert [part.value for part in app.subheader] == ["Drop files here", "Or try the demo"]
        assert not app.metric
        labelled(app.button, "Try the demo files").click().run()
        assert "The demo files are being read." in text(app)
        assert not app.exception
        (job,) = wait_for_jobs(client)
        assert job.state == "done"
        assert (client.log("stones")[0].items, len(client.quarantine("stones"))) == (11, 1)
        app.run()  # as the page does by itself
        assert "Ingestion of stones: doneversion 1: 11 added, 1 quarantined" in text(app)
        assert app.metric
        labelled(app.button, "Dismiss").click().run()
        assert "Ingestion of stones" not in text(app)


def test_dropped_files_make_the_first_dataset(workspace: Workspace, open_page: Open) -> None:
    with running(workspace) as address, connect(address.url, address.token) as client:
        app = open_page("home", workspace=workspace.path)
        labelled(app.button, "Upload").click().run()
        assert alerts(app) == ["Choose files, and name a dataset."]
        app.file_uploader[0].set_value([("a.txt", b"Slate splits.", "text/plain")])
        labelled(app.button, "Upload").click().run()
        wait_for_jobs(client)
        assert [info.name for info in client.datasets()] == ["documents"]


def test_quality_is_a_line(workspace: Workspace, open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "granite.md").write_text("Granite is hard.", encoding="utf-8")
    workspace.ingest(tmp_path / "granite.md", "stones")
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    queries.write_text(json.dumps({"_id": "q1", "text": "hard stone"}), encoding="utf-8")
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\tgranite.md\t1\n", encoding="utf-8")
    workspace.evaluate_retrieval("stones", queries, qrels)
    with running(workspace):
        app = open_page("home", workspace=workspace.path)
    assert app.subheader[-1].value == "Quality over time"
    assert b"stones: search, nDCG@10" in app.get("vega_lite_chart")[0].proto.SerializeToString()
