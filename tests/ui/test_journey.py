"""One journey in a real browser: datasets, search, ask, open a citation; on a desk and a phone.

Screenshots are kept in `artefacts/` (ignored by git) under the folder the tests run in.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from ragstone.server.run import running
from ragstone.workspace import Workspace

from .visiting import CHROMIUM, WAIT, Visit, chromium, shown

expect.set_options(timeout=WAIT)
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


@pytest.fixture(scope="module")
def url(built: Path) -> Iterator[str]:
    """The pages as `ragstone ui` starts them."""
    with shown(built) as address:
        yield address


@pytest.fixture
def pages_alone(workspace: Workspace) -> Iterator[str]:
    """The pages of a workspace that is open in this process but not served."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "ragstone.ui.process", str(port)],
        env=os.environ | {"RAGSTONE_WORKSPACE": str(workspace.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{address}/_stcore/health", trust_env=False)
            break
        time.sleep(0.1)
    yield address
    process.stdin.close()  # as when its parent ends
    process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width, height = request.param
    opened = Visit(browser, width, height)
    yield opened
    assert opened.foreign == []
    opened.page.close()


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_the_whole_way(visit: Visit, url: str, request: pytest.FixtureRequest) -> None:
    page, where = visit.page, request.node.callspec.id

    page.goto(url)
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    expect(page.get_by_text("originals")).to_be_visible()
    visit.shot(f"home-{where}")
    assert fits(page)

    page.goto(f"{url}/datasets")
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    expect(page.get_by_text("4 in this version")).to_be_visible()
    visit.shot(f"datasets-{where}")
    assert fits(page)

    page.goto(f"{url}/search?dataset=stones")
    box = page.get_by_role("searchbox", name="Query").or_(page.get_by_label("Query")).first
    box.fill("hard quartz stone")
    box.press("Enter")
    expect(page.locator("mark", has_text="quartz").first).to_be_visible()
    expect(page.get_by_text("rank 1, score").first).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=hard\+quartz\+stone"))
    visit.shot(f"search-{where}")
    assert fits(page)

    page.get_by_role("button", name="Open in document").first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.locator("mark.rs-passage")).to_contain_text("hard stone made of quartz")
    expect(page).to_have_url(re.compile("open="))
    visit.shot(f"document-{where}")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page).not_to_have_url(re.compile("open="))

    page.goto(f"{url}/ask?dataset=stones")
    question = page.get_by_test_id("stChatInputTextArea")
    question.fill("What is granite made of?")
    question.press("Enter")
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()
    expect(page).to_have_url(re.compile("answer="))
    visit.shot(f"ask-{where}")
    assert fits(page)
    page.get_by_role("button", name="Open passage").first.click()
    expect(drawer.locator("mark.rs-passage")).to_contain_text("quartz")
    visit.shot(f"citation-{where}")


def test_the_way_back_and_a_shared_link(visit: Visit, url: str) -> None:
    page = visit.page
    page.goto(f"{url}/search?dataset=stones&q=basalt&mode=keyword")
    expect(page.locator("mark", has_text="Basalt").first).to_be_visible()
    page.get_by_role("button", name="Open in document").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("open="))
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("mark", has_text="Basalt").first).to_be_visible()
    expect(page.get_by_role("radio", name="keyword")).to_be_checked()


def test_hostile_contents_do_nothing(visit: Visit, url: str) -> None:
    """No script runs, no foreign image is asked for, no link appears; the text is all there."""
    page = visit.page
    page.goto(f"{url}/search?dataset=stones&q=hostile+markup")
    hit = page.locator(".rs-text", has_text="onerror=alert(1)").first
    expect(hit).to_contain_text("<img src=http://evil.example/a.png onerror=alert(1)>")
    expect(hit).to_contain_text("![picture](http://evil.example/b.png) $x^2$ :red[red]")
    expect(hit).to_contain_text("&lt;b&gt;")
    page.get_by_role("button", name="Open in document").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("document.title='broken'")
    assert page.locator("a[href*='evil']").count() == 0
    assert page.locator("img[src*='evil']").count() == 0
    assert "broken" not in page.title()


def test_the_item_table_opens_items(visit: Visit, url: str) -> None:
    page = visit.page
    page.goto(f"{url}/datasets?dataset=stones")
    expect(page.get_by_text("4 in this version")).to_be_visible()
    table = page.get_by_test_id("stDataFrame").last
    expect(table).to_be_visible()
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(1_000)  # the table is drawn on a canvas
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 17, box["y"] + 53)  # the tick box of the first row
    expect(page.get_by_role("dialog")).to_contain_text("since version 1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_an_upload_is_read_while_one_looks_on(visit: Visit, url: str) -> None:
    page = visit.page
    name = f"tuff-{page.viewport_size['width']}" if page.viewport_size else "tuff"
    page.goto(f"{url}/datasets?dataset=stones")
    page.get_by_role("button", name="Upload files").click()
    page.locator("input[type=file]").first.set_input_files(
        [{"name": f"{name}.txt", "mimeType": "text/plain", "buffer": b"Tuff is volcanic ash."}]
    )
    page.get_by_role("combobox", name="Into dataset").first.fill(name)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("The files have come in, and are being read.")).to_be_visible()
    expect(page.get_by_text("1 in this version")).to_be_visible(timeout=3 * WAIT)  # by itself
    expect(page).to_have_url(re.compile(f"dataset={name}"))
    visit.shot(f"uploaded-{name}")
    assert fits(page)


def test_a_page_goes_on_by_itself_when_the_server_comes(
    browser: Browser, pages_alone: str, workspace: Workspace
) -> None:
    page = Visit(browser, 1280, 900).page
    page.goto(f"{pages_alone}/search")
    expect(page.get_by_text("The Ragstone server does not answer.")).to_be_visible()
    with running(workspace):
        expect(page.get_by_text("This workspace has no dataset yet.")).to_be_visible()
        expect(page.get_by_text("does not answer")).to_be_hidden()
    page.close()
