"""Take the pictures of the pages that README.md and docs/ui.md show.

Run: make demo, then .venv/bin/python docs/screenshots.py .demo

It needs Chromium and Playwright (`pip install '.[test]'`). The pages are those of the
demonstration's workspace; the pictures go to docs/pictures, each 1,280 pixels wide.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

import ragstone

PICTURES = Path(__file__).with_name("pictures")
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
SIZE = {"width": 1280, "height": 800}
PATIENCE = 120_000  # ms; the first search loads the encoder
COLOURS = 128  # of a picture: text and few colours need no more
QUESTION = "What is granite made of?"
WORKSPACE = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".demo")


@contextmanager
def shown(workspace: Path) -> Iterator[str]:
    """Give the address of the pages of a workspace."""
    program = Path(sys.executable).with_name("ragstone")
    command = [str(program), "ui", "--no-browser", "--workspace", str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(timeout=30)


def home(page: Page, url: str) -> None:
    """Wait for the overview."""
    page.goto(url)
    expect(page.get_by_text("originals")).to_be_visible()


def search(page: Page, url: str) -> None:
    """Wait for the hits."""
    page.goto(f"{url}/search?dataset=stones&q=hard+stone+with+quartz")
    expect(page.locator("mark").first).to_be_visible()


def ask(page: Page, url: str) -> None:
    """Ask, and wait for the sources."""
    page.goto(f"{url}/ask?dataset=stones")
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()


def explore(page: Page, url: str) -> None:
    """Wait for the map of the digits."""
    page.goto(f"{url}/explore?dataset=digits&view=Map&colour=digit")
    expect(page.locator("[class*='st-key-map-'] canvas").first).to_be_visible()
    page.wait_for_timeout(5_000)  # points and thumbnails
    page.mouse.wheel(0, 330)


def train(page: Page, url: str) -> None:
    """Open the newest run, and wait for its curves."""
    with ragstone.connect(WORKSPACE) as client:
        run = client.runs()[0].run
    page.goto(f"{url}/train?run={run}")
    expect(page.locator("canvas").first).to_be_visible()
    page.wait_for_timeout(4_000)


def generate(page: Page, url: str) -> None:
    """Let the newest model draw each digit of a label."""
    page.goto(f"{url}/generate?label=3")
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page.get_by_role("heading", name="What it made")).to_be_visible()
    page.wait_for_timeout(6_000)
    page.mouse.wheel(0, 420)


PAGES: dict[str, Callable[[Page, str], None]] = {
    "home": home,
    "explore": explore,
    "search": search,
    "ask": ask,
    "train": train,
    "generate": generate,
}


def main() -> None:
    """Take all pictures."""
    with shown(WORKSPACE) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, visit in PAGES.items():
            page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            page.set_default_timeout(PATIENCE)
            expect.set_options(timeout=PATIENCE)
            visit(page, url)
            page.wait_for_timeout(1_500)  # what moves has come to rest
            place = PICTURES / f"page-{name}.png"
            page.screenshot(path=place)
            with Image.open(place) as taken:
                small = taken.convert("RGB").quantize(COLOURS)
            small.save(place, optimize=True)
            print(f"{place} ({place.stat().st_size / 1e3:.0f} kB)", flush=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
