"""Each page, run by Streamlit's own test driver against a real server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ragstone.server.run import running
from ragstone.workspace import Workspace
from tests.ui.reading import alerts, drawer, is_inert, marked, text

Open = Callable[..., AppTest]
NAMES = (
    "home",
    "datasets",
    "explore",
    "duplicates",
    "search",
    "ask",
    "train",
    "generate",
    "evaluate",
    "jobs",
    "settings",
    "usage",
)


# ---------------------------------------------------------------- the drawer


def test_an_item_opens_with_its_text_and_its_chunks(open_page: Open, owned: Workspace) -> None:
    item = next(item for item in owned.items("stones") if item.name == "granite.md")
    app = open_page("datasets", dataset="stones", open=item.item_id)
    assert drawer(app)
    assert "text/markdown" in text(app)
    assert "where magma cools slowly" in text(app)
    assert marked(app) == []
    view = next(group for group in app.segmented_control if group.label == "View")
    view.set_value("Chunks").run()
    assert not app.exception
    assert "tokens" in text(app)


def test_a_picture_and_a_recording_are_seen_and_heard(open_page: Open, owned: Workspace) -> None:
    for item in owned.items("media"):
        app = open_page("datasets", dataset="media", open=item.item_id)
        assert not app.exception
        assert drawer(app)
        assert len(app.get("image")) == 1
        assert len(app.get("audio")) == (item.modality == "audio")


def test_a_long_text_is_shown_in_windows(open_page: Open, owned: Workspace) -> None:
    item = next(item for item in owned.items("stones") if item.name == "long.txt")
    app = open_page("datasets", dataset="stones", open=item.item_id)
    assert "Line 0 is" in text(app)
    assert "Line 999 is" not in text(app)
    earlier, later = (button for button in app.button if button.label in {"Earlier", "Later"})
    assert earlier.disabled
    later.click().run()
    assert "Line 0 is" not in text(app)
    assert "Line 250 is" in text(app)
    while not (later := next(b for b in app.button if b.label == "Later")).disabled:
        later.click().run()
    assert "Line 999 is" in text(app)


@pytest.mark.parametrize("span", ["9000-9030", "99999999-999999999", "x", "-1-5", "30-9"])
def test_any_span_in_the_url_opens_the_item(open_page: Open, owned: Workspace, span: str) -> None:
    item = next(item for item in owned.items("stones") if item.name == "long.txt")
    app = open_page("datasets", dataset="stones", open=item.item_id, span=span)
    assert drawer(app)
    assert not app.exception
    if span == "9000-9030":
        detail = owned.show(item.item_id)
        assert marked(app) == [detail.text[9000:9030]]  # type: ignore[union-attr]


def test_an_unknown_record_is_said_so_in_the_drawer(open_page: Open) -> None:
    app = open_page("datasets", open="0123456789")
    assert alerts(app) == ["This did not work."]
    assert "No item, chunk or answer has the id '0123456789'" in text(app)


# ---------------------------------------------------------------- search


def test_search_waits_for_a_query(open_page: Open) -> None:
    app = open_page("search", dataset="stones")
    assert not app.exception
    assert not alerts(app)
    assert "Type a query" in app.caption[0].value


def test_hits_show_words_scores_and_places(open_page: Open) -> None:
    app = open_page("search", dataset="stones")
    app.text_input[0].set_value("hard quartz stone").run()
    shown = text(app)
    assert not app.exception
    assert {"hard", "quartz", "stone"} <= set(marked(app))
    assert "granite.md" in shown
    assert "characters 0 to 145" in shown
    assert re.search(r"keywordrank 1, score \d+\.\d{3}vectorrank \d+, score 0\.\d{3}", shown)


def test_search_says_how_it_read_the_query(open_page: Open) -> None:
    shown = text(open_page("search", q="grannite -x", dataset="stones", mode="keyword"))
    assert "Read as a query" not in shown
    assert "No text has “grannite”. Did you mean granite?" in shown
    shown = text(open_page("search", q='"granite"', dataset="stones", mode="keyword"))
    assert "Read as a query with operators." in shown


def test_a_link_carries_the_whole_search(open_page: Open) -> None:
    app = open_page("search", q="stone", dataset="stones", version="1", mode="keyword", k="2")
    assert app.text_input[0].value == "stone"
    assert "version 1" in text(app)
    assert "keyword" in text(app)
    assert "vector" not in text(app)
    assert sum(button.label == "Open in document" for button in app.button) <= 2


def test_a_hit_opens_in_its_document(open_page: Open, owned: Workspace) -> None:
    app = open_page("search", q="hard quartz stone", dataset="stones")
    next(button for button in app.button if button.label == "Open in document").click().run()
    assert drawer(app)
    best = owned.search("hard quartz stone", "stones").hits[0]
    assert app.query_params["open"] == best.chunk_id
    assert marked(app)[-1] == best.text


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"q": "zyzzyva", "mode": "keyword"}, "No passage has any of these words"),
        ({"q": "granite", "where": "modality=image"}, "the filters leave none of them"),
    ],
)
def test_no_hits_say_why(open_page: Open, values: dict[str, str], advice: str) -> None:
    app = open_page("search", dataset="stones", **values)
    assert alerts(app) == ["Nothing was found."]
    assert any(advice in part.value for part in app.markdown)


def test_a_wrong_filter_is_explained(open_page: Open) -> None:
    app = open_page("search", q="granite", dataset="stones", where="<b>?</b>")
    assert alerts(app) == ["This did not work."]
    assert "Write FIELD OPERATOR VALUE" in text(app)
    assert "<b>?</b>" in text(app)


# ---------------------------------------------------------------- hostile contents


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("search", {"q": "hostile markup"}),
        ("search", {"q": "<script>alert(1)</script>", "where": "<img src=x>=1"}),
    ],
)
def test_markup_is_shown_and_not_obeyed(open_page: Open, name: str, values: dict[str, str]) -> None:
    app = open_page(name, dataset="stones", **values)
    assert not app.exception
    is_inert(app)


# ---------------------------------------------------------------- without a server


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_down_is_said_so(tmp_path: Path, open_page: Open, name: str) -> None:
    app = open_page(name, workspace=tmp_path)
    assert not app.exception
    assert alerts(app) == ["The Ragstone server does not answer."]
    assert "ragstone serve" in text(app)
    assert [button.label for button in app.button] == ["Try again"]


def test_the_page_recovers_when_the_server_is_back(workspace: Workspace, open_page: Open) -> None:
    app = open_page("search", workspace=workspace.path)
    assert alerts(app) == ["The Ragstone server does not answer."]
    with running(workspace):
        next(button for button in app.button if button.label == "Try again").click().run()
        assert "no dataset yet" in alerts(app)[0]


# ---------------------------------------------------------------- further than the first page


def test_the_next_page_and_back(open_page: Open, owned: Workspace) -> None:
    whole = owned.search("sandstone", "stones", k=6, mode="keyword").hits
    app = open_page("search", q="sandstone", dataset="stones", mode="keyword", k="3")
    app = app.button(key="next").click().run()
    assert "hits 4 to 6" in text(app)
    assert [b.key for b in app.button if b.key.startswith("open-")] == [
        f"open-{hit.chunk_id}" for hit in whole[3:]
    ]
    app = app.button(key="first").click().run()
    assert "3 hits" in text(app)
    assert "after" not in app.query_params


def test_a_page_of_another_search_begins_again(open_page: Open, owned: Workspace) -> None:
    cursor = owned.search("granite", "stones", k=1).next
    app = open_page("search", q="sandstone", dataset="stones", mode="keyword", after=str(cursor))
    assert not app.error
    assert "after" not in app.query_params
    assert "10 hits" in text(app)


def test_by_document(open_page: Open) -> None:
    app = open_page("search", q="sandstone", dataset="stones", mode="keyword", group="true")
    shown = text(app)
    assert "1 hit" in shown
    assert re.search(r"\d+ more passages", shown)


def test_more_like_a_hit_and_back(open_page: Open, owned: Workspace) -> None:
    best = owned.search("hard quartz stone", "stones").hits[0]
    app = open_page("search", q="hard quartz stone", dataset="stones")
    app = app.button(key=f"like-{best.chunk_id}").click().run()
    assert f"like chunk {best.chunk_id[:12]}" in text(app)
    assert f"open-{best.chunk_id}" not in [b.key for b in app.button]
    app = app.button(key="first").click().run()
    assert app.button(key=f"open-{best.chunk_id}")
