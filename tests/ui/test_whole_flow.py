"""One journey in a real browser, from files to what a model makes of them; and two at a time."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import ragstone

from .conftest import STONES
from .visiting import CHROMIUM, WAIT, Visit, chromium, shown

expect.set_options(timeout=WAIT)
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
QUESTION = "What is granite made of?"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with nothing in it."""
    folder = tmp_path_factory.mktemp("flow") / "workspace"
    ragstone.open(folder, create=True).close()
    return folder


@pytest.fixture(scope="module")
def url(empty: Path) -> Iterator[str]:
    with shown(empty) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A page; how it looked in the end is kept, also when something was not found on it."""
    opened = Visit(browser, 1280, 900)
    yield opened
    opened.shot("flow-last")
    opened.page.close()
    assert opened.foreign == []


def upload(page: Page, files: dict[str, str]) -> None:
    """Upload files by the form of the page Datasets."""
    page.get_by_role("button", name="Upload files").click()
    page.locator("input[type=file]").first.set_input_files(
        [
            {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
            for name, text in files.items()
        ]
    )
    page.get_by_label("New dataset").first.fill("stones")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Upload", exact=True).click()


def metric(page: Page, label: str, value: str) -> None:
    """Expect a number, however long it takes to come by itself."""
    found = page.get_by_test_id("stMetric").filter(has_text=label)
    expect(found.filter(has_text=value).first).to_be_visible(timeout=3 * WAIT)


def test_from_files_to_what_a_model_makes_of_them(visit: Visit, url: str) -> None:
    page = visit.page

    page.goto(f"{url}/datasets")
    upload(page, STONES)
    metric(page, "Items", "4")  # the job has ended, and the page says so by itself
    visit.shot("flow-1-uploaded")

    page.goto(f"{url}/search?dataset=stones")
    box = page.get_by_role("searchbox", name="Query").or_(page.get_by_label("Query")).first
    box.fill("hard quartz stone")
    box.press("Enter")
    expect(page.locator("mark", has_text="quartz").first).to_be_visible()
    visit.shot("flow-2-found")

    page.goto(f"{url}/ask?dataset=stones")
    question = page.get_by_test_id("stChatInputTextArea")
    question.fill(QUESTION)
    question.press("Enter")
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()
    page.get_by_role("button", name="Open passage").first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.locator("mark.rs-passage").first).to_contain_text("quartz")
    visit.shot("flow-3-citation")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page).not_to_have_url(re.compile("open="))

    page.get_by_role("radio", name="Thumbs down").click()
    page.get_by_role("combobox", name=re.compile("What is wrong with it")).fill("incomplete")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    visit.shot("flow-4-feedback")

    page.goto(f"{url}/train?dataset=stones&family=gru&time=Ten+seconds")
    page.get_by_role("button", name="Estimate the time").click(timeout=3 * WAIT)
    page.get_by_role("button", name="Start training").click(timeout=3 * WAIT)
    expect(page.get_by_text("stones-gru@1").first).to_be_visible(timeout=3 * WAIT)
    visit.shot("flow-5-trained")

    page.goto(f"{url}/generate?model=stones-gru@1")
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page.get_by_role("heading", name="What it made")).to_be_visible()
    page.get_by_text("Save to a dataset").click()
    page.get_by_role("button", name="Save as synthetic").click()
    expect(page.get_by_text("1 added, in version 2.")).to_be_visible()
    visit.shot("flow-6-made")

    page.goto(f"{url}/datasets?dataset=stones&show=Differences")
    expect(page.get_by_text(re.compile("1 added|added 1|Added")).first).to_be_visible()
    visit.shot("flow-7-difference")


def test_two_browsers_and_the_command_line_at_once(
    browser: Browser, url: str, empty: Path, tmp_path: Path
) -> None:
    """Nobody is locked out, and each sees after a reload what the others have done."""
    first, second = (Visit(browser, 1280, 900) for _ in range(2))
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text(f"Pebble {number} is round. " * 50)
    program = str(Path(sys.executable).with_name("ragstone"))
    command = [program, "ingest", str(tmp_path), "--dataset", "pebbles"]
    ingest = subprocess.Popen(
        [*command, "--workspace", str(empty)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    for visit in (first, second):
        visit.page.goto(f"{url}/search?dataset=stones&q=granite&mode=keyword")
    for visit in (first, second):
        expect(
            visit.page.locator("mark", has_text=re.compile("granite", re.I)).first
        ).to_be_visible()
        expect(visit.page.get_by_text("This did not work.")).to_be_hidden()
    said, _ = ingest.communicate(timeout=300)
    assert ingest.returncode == 0, said
    for visit in (first, second):
        visit.page.goto(f"{url}/datasets?dataset=pebbles")
        metric(visit.page, "Items", "30")
        expect(visit.page.get_by_text("This did not work.")).to_be_hidden()
        visit.page.close()
