"""The explore page, run by Streamlit's own test driver against a real server."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.server.run import running
from ragstone.workspace import Workspace

Open = Callable[..., AppTest]


def text(app: AppTest) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", "\n".join(part.value for part in app.html)))


def openers(app: AppTest) -> list[str]:
    """The ids of the items in the grid."""
    keys = [button.key for button in app.button if button.key]
    return [key.removeprefix("open-") for key in keys if key.startswith("open-")]


@pytest.fixture(scope="module")
def rocks(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """A served workspace with a dataset of 60 rows that have fields."""
    folder = tmp_path_factory.mktemp("rocks")
    kinds = ("igneous", "sedimentary", 'it\'s "odd" <b>')
    rows = [
        {"id": f"r{n:02d}", "text": f"stone number {n}", "kind": kinds[n % 3], "year": 1960 + n}
        for n in range(60)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (
        ragstone.open(
            folder / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
        ) as opened,
        running(opened),
    ):
        opened.ingest([folder / "rows.jsonl"], "rocks", text="text", id="id")
        yield opened


def test_items_of_any_kind_are_cards(open_page: Open, owned: Workspace) -> None:
    app = open_page("explore", dataset="media")
    assert not app.exception
    assert sorted(openers(app)) == sorted(item.item_id for item in owned.items("media"))
    assert len(app.get("image")) == 2
    assert len(app.get("audio")) == 1
    shown = text(open_page("explore", dataset="stones"))

    assert "Granite is a hard stone" in shown


def test_pages_are_turned_and_named_by_the_url(open_page: Open, rocks: Workspace) -> None:
    app = open_page("explore", workspace=rocks.path, dataset="rocks", page="3")
    expected = [item.item_id for item in rocks.items("rocks", offset=48, limit=24)]
    assert openers(app) == expected
    assert len(expected) == 12
    app = open_page("explore", workspace=rocks.path, dataset="rocks", page="99")
    assert openers(app) == expected
    first = open_page("explore", workspace=rocks.path, dataset="rocks", page="x")
    assert openers(first) == [item.item_id for item in rocks.items("rocks", limit=24)]


def test_filters_and_order_stand_in_the_url(open_page: Open, rocks: Workspace) -> None:
    where = "kind=igneous and year>=2000"
    app = open_page("explore", workspace=rocks.path, dataset="rocks", where=where, order="-year")
    assert not app.exception
    expected = rocks.items("rocks", where=[where], order="-year")
    assert openers(app) == [item.item_id for item in expected]
    assert f"{len(expected)} of 60 items" in [part.value for part in app.caption]
    app.multiselect(key="where").set_value([]).run()
    assert "60 of 60 items" in [part.value for part in app.caption]
    assert openers(app)[0] == rocks.items("rocks", order="-year")[0].item_id


def test_a_filter_is_put_together_without_a_mouse(open_page: Open, rocks: Workspace) -> None:
    app = open_page("explore", workspace=rocks.path, dataset="rocks", page="2")
    app.selectbox(key="new-field").select("kind").run()
    assert 'it\'s "odd" <b>' in app.selectbox(key="new-value").options
    app.selectbox(key="new-value").select("sedimentary").run()
    app.button(key="add-filter").click().run()
    assert not app.exception
    assert app.multiselect(key="where").value == ['kind="sedimentary"']
    assert "page" not in app.query_params
    assert "20 of 60 items" in [part.value for part in app.caption]


@pytest.mark.parametrize("by", ["kind", "year", "size", "modality"])
def test_how_they_spread(open_page: Open, rocks: Workspace, by: str) -> None:
    app = open_page("explore", workspace=rocks.path, dataset="rocks", by=by)
    assert not app.exception
    assert not app.error
    assert len(app.get("echarts_chart")) == 1


def test_no_item_left_says_so(open_page: Open, rocks: Workspace) -> None:
    app = open_page("explore", workspace=rocks.path, dataset="rocks", where="kind=none", by="year")
    assert not app.exception
    assert [part.value for part in app.info] == ["The filters leave no item. Take one out."]


def test_a_wrong_filter_is_explained(open_page: Open, rocks: Workspace) -> None:
    app = open_page("explore", workspace=rocks.path, dataset="rocks", where="<b>?</b>")
    assert [part.value for part in app.error] == ["This did not work."]
    assert app.multiselect(key="where").value == ["<b>?</b>"]  # so that it can be taken out


def test_an_item_opens_in_the_drawer(open_page: Open, owned: Workspace) -> None:
    app = open_page("explore", dataset="stones")
    item = owned.items("stones")[0].item_id
    app.button(key=f"open-{item}").click().run()
    assert not app.exception
    assert app.query_params["open"] == item
    assert app.get("dialog")


def test_the_map_shows_all_items_until_a_lasso_chooses(open_page: Open, rocks: Workspace) -> None:
    app = open_page("explore", workspace=rocks.path, dataset="rocks", view="Map", colour="kind")
    assert not app.exception
    assert not app.error
    assert len(app.get("echarts_chart")) == 2
    assert "60 points" in text(app)
    assert "60 of 60 items" in [part.value for part in app.caption]


def test_a_lasso_in_the_url_chooses_items(open_page: Open, rocks: Workspace) -> None:
    found = rocks.projection("rocks")
    middle = sorted(found.x)[30]
    corners = [(-9, -9), (middle, -9), (middle, 9), (-9, 9)]
    lasso = ";".join(f"{x:.5g},{y:.5g}" for x, y in corners)
    inside = {item for item, x in zip(found.items, found.x, strict=True) if x < middle}
    app = open_page("explore", workspace=rocks.path, dataset="rocks", view="Map", lasso=lasso)
    assert not app.exception
    assert f"{len(inside)} items inside the lasso" in [part.value for part in app.caption]
    assert len(inside) > 24
    shown = set(openers(app))
    assert len(shown) == 24
    assert shown < inside
    more = open_page(
        "explore", workspace=rocks.path, dataset="rocks", view="Map", lasso=lasso, page="2"
    )
    assert shown | set(openers(more)) == inside


@pytest.mark.parametrize("lasso", ["", "x", "1,1;2,2", "1,1;;2", "9,9;10,9;10,10"])
def test_any_lasso_in_the_url_is_borne(open_page: Open, rocks: Workspace, lasso: str) -> None:
    app = open_page("explore", workspace=rocks.path, dataset="rocks", view="Map", lasso=lasso)
    assert not app.exception
    empty = "There is no item inside." in [part.value for part in app.info]
    assert empty == lasso.startswith("9")


def test_a_map_that_takes_long_is_offered(open_page: Open, rocks: Workspace) -> None:
    pytest.importorskip("umap")
    app = open_page("explore", workspace=rocks.path, dataset="rocks", view="Map", method="umap")
    assert not app.exception
    assert not app.error
    assert "Make the map" in buttons(app)
    assert len(openers(app)) == 24  # the grid is there all the same


def test_filters_choose_points_of_the_map(open_page: Open, rocks: Workspace) -> None:
    app = open_page(
        "explore", workspace=rocks.path, dataset="rocks", view="Map", where="kind=igneous"
    )
    assert "20 points" in text(app)


@pytest.fixture
def own(tmp_path: Path, encoder: TextEncoder) -> Iterator[Workspace]:
    """A served workspace that a test may change."""
    rows = [{"id": n, "text": f"stone {n}", "kind": ("odd", "even")[n % 2 == 0]} for n in range(6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (
        ragstone.open(
            tmp_path / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
        ) as opened,
        running(opened),
    ):
        opened.ingest([tmp_path / "rows.jsonl"], "rocks", text="text", id="id")
        yield opened


def buttons(app: AppTest) -> dict[str, str]:
    return {button.label: button.key for button in app.button}


def test_what_the_filters_leave_is_tagged_and_untagged(open_page: Open, own: Workspace) -> None:
    app = open_page("explore", workspace=own.path, dataset="rocks", where="kind=odd")
    app.text_input(key="tag").set_value("checked").run()
    app.button(key="tag-add").click().run()
    assert not app.exception
    assert own.count_items("rocks", where=["tags=checked"]) == 3
    assert [part.value for part in app.success] == ["Version 2 has it."]
    app.button(key="undo-last").click().run()
    assert own.items("rocks", where=["kind=odd"])[0].tags == []
    assert own.log("rocks")[0].version == 3


def test_what_a_lasso_holds_is_removed_and_brought_back(open_page: Open, own: Workspace) -> None:
    lasso = "-9,-9;9,-9;9,9;-9,9"
    app = open_page("explore", workspace=own.path, dataset="rocks", view="Map", lasso=lasso)
    assert "Remove 6 items" in buttons(app)
    assert any("restoring version 1 brings them back" in part.value for part in app.caption)
    app.button(key="remove").click().run()
    assert not app.exception
    assert own.count_items("rocks") == 0
    own.restore("rocks@1")
    assert own.count_items("rocks") == 6


def test_an_old_version_cannot_be_changed(open_page: Open, own: Workspace) -> None:
    own.delete("rocks", [own.items("rocks")[0].item_id])
    app = open_page("explore", workspace=own.path, dataset="rocks", version="1", where="kind=odd")
    assert "tag-add" not in buttons(app).values()
    assert "To tag or remove items, choose the newest version." in [
        part.value for part in app.caption
    ]


def test_an_item_shows_what_is_like_it_and_what_was_made_of_it(
    open_page: Open, owned: Workspace
) -> None:
    item = next(item for item in owned.items("stones") if item.name == "granite.md").item_id
    answer = owned.ask("What is granite made of?", "stones")
    app = open_page("explore", dataset="stones", open=item)
    view = next(group for group in app.segmented_control if group.key == f"view-{item}")
    view.set_value("Alike").run()
    assert not app.exception
    like = [hit.item_id for hit in owned.similar(item, k=8).hits]
    assert [key for key in buttons(app).values() if key.startswith("alike-")] or like == []
    assert f"alike-{like[0]}" in [button.key for button in app.button]
    view = next(group for group in app.segmented_control if group.key == f"view-{item}")
    view.set_value("Lineage").run()
    assert not app.exception
    assert answer.question in text(app)
    assert item in text(app)


def test_a_server_that_is_down_is_said_so(tmp_path: Path, open_page: Open) -> None:
    app = open_page("explore", workspace=tmp_path)
    assert [part.value for part in app.error] == ["The Ragstone server does not answer."]


def test_markup_is_shown_and_not_obeyed(open_page: Open) -> None:
    app = open_page("explore", dataset="stones")
    assert not app.exception
    for part in app.html:
        assert "<" not in re.sub(r"</?(div|span|mark|bdi)(?=[ >])[^<>]*>", "", part.value)
    for part in (*app.markdown, *app.caption, *app.error, *app.info):
        assert "<" not in part.value


def test_the_oddest_images_come_first(open_page: Open, taught: Workspace) -> None:
    app = open_page("explore", taught.path, dataset="squares", view="Oddest first", eye="draws@1")
    assert not app.exception
    (box,) = [one for one in app.selectbox if one.label == "As seen by"]
    assert box.options == ["draws@1", "draws@2"]  # the other one writes
    oddest = [one.item_id for one in taught.anomalies("squares", "draws@1", limit=24)]
    shown = [b.key.removeprefix("open-") for b in app.button if (b.key or "").startswith("open-")]
    assert shown == oddest


def test_without_a_model_that_tells_the_page_says_how(open_page: Open) -> None:
    app = open_page("explore", dataset="stones", view="Oddest first")
    assert not app.exception
    assert any("Train an autoencoder" in part.value for part in app.info)
