"""The page Search beyond a query: media, two settings side by side, golden queries."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image
from streamlit.testing.v1 import AppTest

from ragstone.workspace import Workspace
from tests.ui.reading import alerts, is_inert, text

Open = Callable[..., AppTest]
QUERY = "hard quartz stone"


def badges(app: AppTest) -> list[str]:
    parts = [part.value for part in app.html if "rs-badge" in part.value]
    return [part.split("<bdi>")[1].split("</bdi>")[0] for part in parts]


def test_a_picture_finds_what_resembles_it(open_page: Open) -> None:
    given = io.BytesIO()
    Image.linear_gradient("L").save(given, "PNG")
    app = open_page("search", dataset="media")
    app.file_uploader[0].upload("sky.png", given.getvalue(), "image/png").run()
    assert not app.exception
    assert "sky.png" in text(app)


def test_two_settings_stand_side_by_side(open_page: Open, owned: Workspace) -> None:
    app = open_page("search", dataset="stones", q=QUERY, compare="true", mode="vector")
    assert not app.exception
    sides = [owned.search(QUERY, "stones", mode=mode).hits for mode in ("vector", "keyword")]
    ranks = [{hit.chunk_id: hit.rank for hit in hits} for hits in sides]
    expected = [
        "only on this side"
        if hit.chunk_id not in ranks[1 - number]
        else "same rank"
        if ranks[1 - number][hit.chunk_id] == hit.rank
        else f"{ranks[1 - number][hit.chunk_id]} on the other side"
        for number, hits in enumerate(sides)
        for hit in hits
    ]
    assert len(set(expected)) > 1
    assert [badge.split(",")[0] for badge in badges(app)] == expected
    moved = sum(mark != "same rank" for mark in expected[: len(sides[0])])
    assert f"{moved} of {len(sides[0])} stand elsewhere on the other side." in [
        caption.value for caption in app.caption
    ]


def test_the_second_may_be_another_version(open_page: Open) -> None:
    values = {"q": "chalk", "compare": "true", "mode": "keyword", "version2": "1"}
    app = open_page("search", dataset="stones", **values)
    assert "version 2" in text(app)
    assert "version 1" in text(app)
    assert alerts(app) == ["Nothing was found."]  # of version 1, which had no chalk


def test_what_is_wrong_is_said_on_each_side(open_page: Open) -> None:
    app = open_page("search", dataset="stones", q=QUERY, compare="true", where="<b>?</b>")
    assert alerts(app) == ["This did not work."] * 2
    is_inert(app)


def test_a_query_is_saved_as_golden(open_page: Open, owned: Workspace) -> None:
    app = open_page("search", dataset="stones", q="stone of <b>quartz</b>", mode="keyword")
    best = owned.search("stone of <b>quartz</b>", "stones", mode="keyword").hits[0]
    app.button(key="golden-save").click().run()
    assert alerts(app) == ["Choose at least one document."]
    app.multiselect(key="golden-items").set_value([best.item_id])
    app.button(key="golden-save").click().run()
    assert not app.exception
    assert [part.value for part in app.success] == ["Kept. Documents judged for it: 1"]
    kept = next(q for q in owned.golden("stones") if q.query == "stone of <b>quartz</b>")
    assert kept.documents == {best.name: 1}
    is_inert(app)
    owned.clear_golden("stones")
