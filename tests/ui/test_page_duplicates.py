"""The page Duplicates: groups, another threshold, the version it would make, and its undoing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from ragstone.server.run import running
from ragstone.workspace import Workspace
from tests.ui.reading import alerts, drawer, is_inert, text

Open = Callable[..., AppTest]


def words(seed: int, changed: tuple[int, ...] = ()) -> str:
    drawn = random.Random(seed).choices([f"word{n}" for n in range(90)], k=120)  # noqa: S311
    return "\n".join(f"<b>{n}</b>" if n in changed else word for n, word in enumerate(drawn))


@pytest.fixture
def copies(workspace: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """Two near texts (0.05), two less near ones (0.3), a picture twice, one that is alone."""
    texts = {
        "a.txt": words(1),
        "b.txt": words(1, (60,)),
        "c.txt": words(2),
        "d.txt": words(2, (20, 40, 60, 80, 100)),
        "e.txt": words(3),
    }
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in texts.items():
        (folder / name).write_text(content, encoding="utf-8")
    picture = Image.effect_mandelbrot((200, 160), (-2.0, -1.5, 1.0, 1.5), 80).convert("RGB")
    picture.save(folder / "one.png")
    picture.save(folder / "two.bmp")
    workspace.ingest([folder], "copies")
    with running(workspace):
        yield workspace


def opened(open_page: Open, copies: Workspace, **values: str) -> AppTest:
    app = open_page("duplicates", copies.path, dataset="copies", **values)
    assert not app.exception
    return app


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def slide(app: AppTest, kind: str, distance: float) -> AppTest:
    slider = next(s for s in app.slider if s.key and s.key.startswith(f"distance-{kind}-"))
    return slider.set_value(distance).run()


def test_groups_are_listed_with_what_is_kept(open_page: Open, copies: Workspace) -> None:
    app = opened(open_page, copies)
    report = copies.duplicates("copies")
    table = app.dataframe[0].value
    assert list(table["Kind"]) == [entry.kind for entry in report.kinds]
    assert list(table["Hidden"]) == [entry.hidden for entry in report.kinds]
    shown = text(app)
    for group in report.groups:
        assert group.group in shown
        for member in group.members:
            assert member.name in shown
    assert len(app.get("image")) == 2
    hidden = next(m for g in report.groups if g.kind == "text" for m in g.members if not m.visible)
    assert f"hidden, distance {hidden.distance:.3f}" in shown
    assert metrics(app) == {"Visible": f"{copies.log('copies')[0].items}", "Hidden": "2"}


def test_one_kind_alone(open_page: Open, copies: Workspace) -> None:
    app = opened(open_page, copies, kind="text")
    assert "a.txt" in text(app)
    assert "one.png" not in text(app)
    assert len(app.get("image")) == 0
    assert alerts(opened(open_page, copies, kind="audio")) == ["No duplicates of this kind."]


def test_a_threshold_regroups_and_changes_nothing(open_page: Open, copies: Workspace) -> None:
    before = copies.log("copies")
    app = opened(open_page, copies, kind="text")
    assert "c.txt" not in text(app)
    slide(app, "text", 0.5)
    assert not app.exception
    assert "c.txt" in text(app)
    assert metrics(app)["Newly hidden"] == "1"
    slide(app, "text", 0.0)
    assert "a.txt" not in text(app)
    assert (metrics(app)["Newly hidden"], metrics(app)["Shown again"]) == ("0", "1")
    assert copies.log("copies") == before


def test_rules_are_put_in_force_and_undone(open_page: Open, copies: Workspace) -> None:
    items, rules = copies.log("copies")[0].items, copies.duplicates("copies").policy
    app = slide(opened(open_page, copies), "text", 0.5)
    assert any(f"{items - 1:,} visible items" in caption.value for caption in app.caption)
    app.button(key="apply-now").click().run()
    assert not app.exception
    newest = copies.log("copies")[0]
    assert (newest.version, newest.items) == (2, items - 1)
    assert copies.duplicates("copies").policy["text"]["threshold"] == 0.5
    assert "Newly hidden" not in metrics(app)
    app.button(key="undo").click().run()
    assert not app.exception
    assert copies.log("copies")[0].items == items
    assert copies.duplicates("copies").policy == rules


def test_everything_is_shown_again(open_page: Open, copies: Workspace) -> None:
    items = copies.log("copies")[0].items
    app = opened(open_page, copies)
    app.button(key="show-all-now").click().run()
    assert copies.log("copies")[0].items == items + 2
    assert metrics(app)["Hidden"] == "0"


def test_changes_are_discarded(open_page: Open, copies: Workspace) -> None:
    app = slide(opened(open_page, copies), "text", 0.5)
    app.button(key="no").click().run()
    assert not app.exception
    assert "Newly hidden" not in metrics(app)


def test_an_old_version_can_only_be_looked_at(open_page: Open, copies: Workspace) -> None:
    app = slide(opened(open_page, copies, version="1"), "text", 0.5)
    assert not app.exception
    assert "apply-now" not in {button.key for button in app.button}
    assert any("old version" in caption.value for caption in app.caption)


def test_what_differs_is_shown_inert(open_page: Open, copies: Workspace) -> None:
    app = opened(open_page, copies, kind="text")
    app.toggle[0].set_value(True).run()
    assert not app.exception
    assert "+<b>60</b>" in text(app)
    is_inert(app)


def test_a_member_opens(open_page: Open, copies: Workspace) -> None:
    app = opened(open_page, copies, kind="text")
    next(button for button in app.button if button.label == "Open item").click().run()
    assert drawer(app)
