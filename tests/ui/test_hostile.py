"""Contents that try to break the pages are shown on every page, and nothing of them is obeyed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.server.run import running
from ragstone.workspace import Workspace

from .conftest import PAGE

MARK = "zirkon"
SCRIPT = f"<script>document.title='{MARK}'</script>"
REMOTE = f"![{MARK}](http://evil.example/{MARK}.png)"
TITLE = f"{SCRIPT} {REMOTE} **bold** $x^2$ :red[red] \u202eback\u202c \U0001f600"
LONG = f"<b>{MARK}</b>" * 60_000  # more than a megabyte
PAGES = (
    "home",
    "datasets",
    "explore",
    "duplicates",
    "search",
    "ask",
    "train",
    "evaluate",
    "jobs",
    "usage",
    "settings",
)
# Elements that Streamlit reads as Markdown, or as HTML.
READ = (
    "markdown",
    "caption",
    "title",
    "header",
    "subheader",
    "info",
    "warning",
    "error",
    "success",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """A workspace whose titles, texts, metadata and messages are hostile; served."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {"title": TITLE, "body": f"{TITLE} a\x00b stone {number}", "note": LONG, "kind": TITLE}
        for number in range(3)
    ]
    table = folder / "rows.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with ragstone.open(
        folder / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as opened:
        opened.ingest([table], "stones", text="body", message=TITLE)
        opened.tag("stones@1", "first", message=TITLE)
        opened.ask(f"What is {TITLE}?", "stones")
        with running(opened):
            yield opened


def shown(app: AppTest, kind: str) -> list[str]:
    return [str(part.value) for part in getattr(app, kind)]


@pytest.mark.parametrize("name", PAGES)
def test_no_page_obeys(hostile: Workspace, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("RAGSTONE_WORKSPACE", str(hostile.path))
    app = AppTest.from_string(PAGE.format(name), default_timeout=60)
    values = {"dataset": "stones", "q": "stone", "answer": hostile.answers().answers[0].answer_id}
    for key in ("dataset", *(("q",) if name == "search" else ()), *(("answer",) * (name == "ask"))):
        app.query_params[key] = values[key]
    app.run()
    assert not app.exception
    for part in shown(app, "html"):
        assert SCRIPT not in part
        assert "<img" not in part.lower()
    for kind in READ:
        assert not [part for part in shown(app, kind) if MARK in part], kind


def test_an_item_opens_with_all_that_is_wrong_with_it(
    hostile: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGSTONE_WORKSPACE", str(hostile.path))
    app = AppTest.from_string(PAGE.format("explore"), default_timeout=60)
    app.query_params["dataset"] = "stones"
    app.query_params["open"] = hostile.items("stones")[0].item_id
    app.run()
    assert not app.exception
    page = "".join(shown(app, "html"))
    assert "&lt;script&gt;" in page  # it is there, letter by letter
    assert SCRIPT not in page
    assert "\x00" not in page
    assert len(page) < len(LONG) / 10  # a value of a megabyte is cut
