"""The page Settings & health: the doctor, storage and gc, settings and libraries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from ragstone.client import Address
from ragstone.server.run import running
from ragstone.workspace import Workspace
from tests.ui.reading import is_inert, labelled, table, text

Open = Callable[..., AppTest]


def test_the_doctor_is_asked_and_its_report_stays(open_page: Open, owned: Workspace) -> None:
    app = open_page("settings")
    assert not app.dataframe
    app.button(key="doctor").click().run()
    assert [part.value for part in app.success] == ["Everything is as it has to be."]
    assert list(table(app, "Check")["Check"]) == list(owned.doctor().checks)
    app.run()
    assert list(table(app, "Check")["Problems"]) == [0] * len(owned.doctor().checks)


def test_what_is_wrong_comes_with_its_remedy(
    open_page: Open, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Slate splits.", encoding="utf-8")
    workspace.ingest([tmp_path / "a.txt"], "stones")
    (blob,) = [path for path in (workspace.path / "blobs").rglob("*") if path.is_file()]
    blob.chmod(0o644)
    blob.write_bytes(b"Slate splats.")
    with running(workspace):
        app = open_page("settings", workspace.path)
        app.button(key="doctor").click().run()
        (finding, *_) = workspace.doctor().findings
        assert app.error[0].value.startswith("Found ")
        assert finding.problem in text(app)
        assert finding.remedy in text(app)
        is_inert(app)


def test_the_token_is_never_shown_whole(open_page: Open, address: Address) -> None:
    app = open_page("settings")
    assert f"token {address.token[:4]}…" in text(app)
    everything = text(app) + "".join(part.value for part in (*app.caption, *app.code))
    assert address.token not in everything


def test_old_versions_are_given_up_after_a_look(
    open_page: Open, workspace: Workspace, tmp_path: Path
) -> None:
    for word in ("slate", "chalk"):
        (tmp_path / "a.txt").write_text(f"It is about {word}.", encoding="utf-8")
        workspace.ingest([tmp_path / "a.txt"], "stones")
    with running(workspace):
        app = open_page("settings", workspace.path, view="Storage")
        assert "in all" in text(app)
        labelled(app.number_input, "Newest versions to keep").set_value(1)
        labelled(app.toggle, "Say what would go").set_value(True).run()
        assert not app.exception
        assert "stones@1" in text(app)
        assert labelled(app.metric, "Versions").value == "1"
        assert len(workspace.log("stones")) == 2
        app.button(key="gc-now").click().run()
        assert not app.exception
        assert [entry.version for entry in workspace.log("stones")] == [2]
        assert "Deleted 1 version" in text(app)


def test_settings_are_listed_with_who_says_so(open_page: Open, owned: Workspace) -> None:
    app = open_page("settings", view="Settings")
    rows = table(app, "Setting")
    assert len(rows) == len(owned.about().settings)
    app = open_page("settings", view="Settings", changed="true")
    rows = table(app, "Setting")
    assert dict(zip(rows["Setting"], rows["Says who"], strict=True)) == {
        "ingestion.workers": "call"
    }
    libraries = table(app, "Library")
    assert owned.about().libraries["duckdb"] in list(libraries["Version"])


def test_encoders_and_generators_are_listed(open_page: Open, owned: Workspace) -> None:
    app = open_page("settings", view="Encoders and generators")
    assert set(table(app, "Space")["Dataset"]) == {info.name for info in owned.datasets()}
    assert list(table(app, "Generator")["Generator"]) == [info.id for info in owned.generators()]
