"""The datasets page: what there is, what comes in, versions, differences, and all that is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import ragstone
from ragstone.client import Client, connect
from ragstone.encoders.base import TextEncoder
from ragstone.server.run import running
from ragstone.workspace import Workspace

from .reading import alerts, is_inert, labelled, table, text, tick, wait_for_jobs

Open = Callable[..., AppTest]
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder
) -> Iterator[tuple[Workspace, Client]]:
    """A workspace of its own, to be changed: `rocks` has three versions and a broken file."""
    folder = tmp_path_factory.mktemp("changed")
    sources = folder / "sources"
    sources.mkdir()
    (sources / "granite.md").write_text("# Granite\n\nGranite is hard.\n", encoding="utf-8")
    (sources / "chalk.md").write_text("# Chalk\n\nChalk is soft.\n", encoding="utf-8")
    (sources / "broken.pdf").write_bytes(b"%PDF-1.7 this is no document")
    with ragstone.open(
        folder / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as opened:
        opened.ingest([sources], "rocks", message="two stones")
        (sources / "granite.md").write_text(
            f"# Granite\n\nGranite is grey {SCRIPT} and hard.\n", encoding="utf-8"
        )
        opened.ingest([sources], "rocks", message=f"grey {SCRIPT}")
        (sources / "slate.md").write_text("# Slate\n\nSlate splits.\n", encoding="utf-8")
        opened.ingest([sources], "rocks", message="slate")
        with running(opened) as address, connect(address.url, address.token) as client:
            yield opened, client


@pytest.fixture
def change(served: tuple[Workspace, Client], open_page: Open) -> Callable[..., AppTest]:
    def run(**values: str) -> AppTest:
        app = open_page("datasets", workspace=served[0].path, **values)
        assert not app.exception
        return app

    return run


# ---------------------------------------------------------------- looking


def test_datasets_lists_them_and_the_items_of_one(open_page: Open) -> None:
    app = open_page("datasets", dataset="stones")
    assert not app.exception
    overview = app.dataframe[0].value
    assert list(overview["Dataset"]) == ["another", "media", "stones"]
    assert list(overview["Items"]) == [1, 2, 5]
    assert list(overview["In quarantine"]) == [0, 0, 1]
    assert overview["Kinds"][1] in {"1 audio, 1 image", "1 image, 1 audio"}
    assert {"granite.md", "chalk.txt"} <= set(table(app, "Title")["Name"])
    assert [metric.value for metric in app.metric][:2] == ["2", "5"]


def test_an_old_version_lists_its_own_items(open_page: Open) -> None:
    app = open_page("datasets", dataset="stones", version="1")
    assert "chalk.txt" not in set(table(app, "Title")["Name"])
    assert [metric.value for metric in app.metric][:2] == ["1", "4"]
    assert not [one for one in app.toggle if one.label == "Choose several"]  # nothing to delete


def test_versions_are_a_timeline(open_page: Open, owned: Workspace) -> None:
    app = open_page("datasets", dataset="stones", show="Versions")
    shown = text(app)
    newest, oldest = owned.log("stones")
    assert shown.index("Version 2: chalk too") < shown.index("Version 1: all stones <script>")
    assert "4 added, 0 removed" in shown
    assert newest.digest[:12] in shown
    assert oldest.digest not in shown
    is_inert(app)


def test_choosing_a_dataset_puts_it_into_the_url(open_page: Open) -> None:
    app = open_page("datasets")
    assert app.query_params["dataset"] == "another"
    labelled(app.selectbox, "Dataset").select("stones").run()
    assert app.query_params["dataset"] == "stones"
    assert labelled(app.selectbox, "Dataset").value == "stones"
    assert not app.exception


def test_a_version_that_the_next_dataset_lacks_gives_way(open_page: Open) -> None:
    app = open_page("datasets", dataset="stones", version="2")
    labelled(app.selectbox, "Dataset").select("another").run()
    assert not app.exception
    assert labelled(app.selectbox, "Version").value == "newest"


def test_a_dataset_that_is_gone_gives_way_to_the_first(open_page: Open) -> None:
    app = open_page("datasets", dataset="forgotten", version="77")
    assert labelled(app.selectbox, "Dataset").value == "another"
    assert labelled(app.selectbox, "Version").value == "newest"
    assert app.query_params["dataset"] == "another"


def test_the_quarantine_of_one(open_page: Open) -> None:
    app = open_page("datasets", dataset="stones", show="Quarantine")
    assert next(iter(table(app, "Reason")["Source"])).endswith("broken.pdf")
    app = open_page("datasets", dataset="another", show="Quarantine")
    assert "Nothing was refused" in app.caption[-1].value


def test_an_empty_workspace_says_how_to_begin(workspace: Workspace, open_page: Open) -> None:
    with running(workspace):
        app = open_page("datasets", workspace=workspace.path)
        assert "no dataset yet" in alerts(app)[0]
        assert "ragstone ingest" in app.code[0].value
        assert labelled(app.button, "Try the demo files")
        assert [one.label for one in app.text_input].count("New dataset") == 2


# ---------------------------------------------------------------- differences


def test_the_last_change_is_compared_first(change: Callable[..., AppTest]) -> None:
    app = change(dataset="rocks", show="Differences", version="2")
    assert [labelled(app.selectbox, side).value for side in ("Before", "After")] == [1, 2]
    shown = text(app)
    assert "-Granite is hard." in shown
    assert f"+Granite is grey {SCRIPT} and hard." in shown
    assert "size" in shown
    counts = {metric.label: metric.value for metric in app.metric}
    assert (counts["Changed"], counts["Added"], counts["Same"]) == ("1", "0", "1")
    is_inert(app)


def test_any_two_versions_are_compared_by_their_link(change: Callable[..., AppTest]) -> None:
    app = change(dataset="rocks", show="Differences", before="1", after="3")
    assert [labelled(app.selectbox, side).value for side in ("Before", "After")] == [1, 3]
    counts = {metric.label: metric.value for metric in app.metric}
    assert (counts["Changed"], counts["Added"]) == ("1", "1")
    labelled(app.selectbox, "Before").select(3).run()
    assert alerts(app) == ["Both versions hold the same."]


def test_many_differences_come_in_pages(
    change: Callable[..., AppTest], served: tuple[Workspace, Client], tmp_path: Path
) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_text(f"Pebble {number} is small.", encoding="utf-8")
    served[0].ingest([tmp_path], "pebbles")
    (tmp_path / "one.txt").write_text("One more.", encoding="utf-8")
    served[0].ingest([tmp_path], "pebbles")
    served[0].delete("pebbles", [i.item_id for i in served[0].items("pebbles")])
    app = change(dataset="pebbles", show="Differences", before="2", after="3")
    assert text(app).count("Removed") == 10
    app = change(dataset="pebbles", show="Differences", before="2", after="3", changes="2")
    assert text(app).count("Removed") == 3


def test_one_version_has_nothing_to_compare_with(open_page: Open) -> None:
    app = open_page("datasets", dataset="another", show="Differences")
    assert "only one version" in alerts(app)[0]


# ---------------------------------------------------------------- bringing in


def test_files_are_uploaded_into_a_new_dataset(
    change: Callable[..., AppTest], served: tuple[Workspace, Client]
) -> None:
    client = served[1]
    app = change(dataset="rocks")
    tuff = ("tuff.txt", b"Tuff is volcanic ash.", "text/plain")
    other = ("tuff.txt", b"Tuff is light.", "text/plain")
    broken = (f"{SCRIPT}.pdf", b"%PDF-1.7 no document", "application/pdf")
    app.file_uploader[0].set_value([tuff, other, broken])
    into = app.selectbox(key="upload-dataset-rocks-0")
    into.options.append("brought")  # the driver knows no options that are typed
    into.set_value("brought")
    next(b for b in app.button if b.label == "Upload").click().run()
    assert not app.exception
    (job,) = wait_for_jobs(client, "brought")
    app.run()
    assert app.query_params["dataset"] == "brought"
    assert job.state == "done"
    assert {item.name for item in client.items("brought")} == {"tuff.txt", "2/tuff.txt"}
    assert "tuff.txt" in job.message
    app = change(dataset="brought", show="Quarantine")
    kept = f"{job.sources[0]}/_script_alert(1)_/script_.pdf"
    assert list(table(app, "Reason")["Source"]) == [kept]
    is_inert(app)


def test_a_source_is_added(
    change: Callable[..., AppTest], served: tuple[Workspace, Client], tmp_path: Path
) -> None:
    client = served[1]
    (tmp_path / "tuff.txt").write_text("Tuff is volcanic ash.", encoding="utf-8")
    app = change(dataset="rocks")
    labelled(app.text_input, "Path or address").set_value(str(tmp_path))
    app.text_input(key="source-message-0").set_value("tuff")
    next(b for b in app.button if b.label == "Add").click().run()
    assert "The source is being read." in text(app)
    job = wait_for_jobs(client, "rocks")[0]
    assert (job.message, job.state) == ("tuff", "done")
    assert "tuff.txt" in {item.name for item in client.items("rocks")}


def test_a_source_that_is_not_there_is_said_so(change: Callable[..., AppTest]) -> None:
    app = change(dataset="rocks")
    next(b for b in app.button if b.label == "Add").click().run()
    assert alerts(app) == ["Say what to read, and name a dataset."]
    labelled(app.text_input, "Path or address").set_value("/nowhere/<b>")
    next(b for b in app.button if b.label == "Add").click().run()
    assert alerts(app) == ["This did not work."]
    assert "/nowhere/<b>" in text(app)
    is_inert(app)


def test_sync_asks_and_becomes_a_job(
    change: Callable[..., AppTest], served: tuple[Workspace, Client]
) -> None:
    app = change(dataset="rocks")
    before = len(served[1].jobs("rocks"))
    app.button(key="sync-sure").click().run()
    assert "restore version" in text(app)  # also when the job has ended at once
    assert wait_for_jobs(served[1], "rocks")[0].message == "sync"
    assert len(served[1].jobs("rocks")) == before + 1


# ---------------------------------------------------------------- versions


def test_tag_untag_fork_restore(
    change: Callable[..., AppTest], served: tuple[Workspace, Client], tmp_path: Path
) -> None:
    client = served[1]
    app = change(dataset="rocks", version="1", show="Versions")
    assert app.button(key="tag-sure").disabled
    app.text_input(key="tag-name-0").set_value("first").run()
    app.button(key="tag-sure").click().run()
    assert "Version 1 is now called first." in text(app)
    assert [tag.tag for tag in client.tags("rocks")] == ["first"]
    assert "tag first" in text(app)
    app.button(key="untag-sure").click().run()
    assert client.tags("rocks") == []

    newest = client.log("rocks")[0].version
    app = change(dataset="rocks", version="1", show="Versions")
    app.button(key="restore-sure").click().run()
    assert client.log("rocks")[0].version == newest + 1
    assert client.diff("rocks@1", "rocks").counts.changed == 0
    assert f"restore version {newest}" in text(app)
    assert labelled(app.selectbox, "Version").value == "newest"

    app = change(dataset="rocks", version="1", show="Versions")
    app.text_input(key="fork-name-0").set_value("forked").run()
    app.button(key="fork-sure").click().run()
    assert app.query_params["dataset"] == "forked"
    assert {info.name for info in client.datasets()} >= {"rocks", "forked"}

    app.text_input(key="export-folder-1").set_value(str(tmp_path / "out")).run()
    app.button(key="export-sure").click().run()
    assert (tmp_path / "out" / "ragstone.json").exists()
    assert str(tmp_path / "out") in text(app)


def test_a_tag_that_is_taken_is_refused(
    change: Callable[..., AppTest], served: tuple[Workspace, Client]
) -> None:
    served[1].tag("rocks@2", "taken")
    app = change(dataset="rocks", version="1", show="Versions")
    app.text_input(key="tag-name-0").set_value("taken").run()
    app.button(key="tag-sure").click().run()
    assert alerts(app) == ["This did not work."]


# ---------------------------------------------------------------- deleting


def test_items_are_deleted_after_asking_and_come_back(
    change: Callable[..., AppTest], served: tuple[Workspace, Client]
) -> None:
    client = served[1]
    app = change(dataset="rocks")
    labelled(app.toggle, "Choose several").set_value(True).run()
    tick(app, "Title", 0).run()
    before = client.log("rocks")[0]
    gone = client.items("rocks")[0]
    assert gone.name in text(app)
    app.button(key="delete-sure").click().run()
    after = client.log("rocks")[0]
    assert (after.version, after.removed) == (before.version + 1, 1)
    assert gone.item_id not in {item.item_id for item in client.items("rocks")}
    assert f"restore version {before.version}" in text(app)
    client.restore(f"rocks@{before.version}")
    assert gone.item_id in {item.item_id for item in client.items("rocks")}
