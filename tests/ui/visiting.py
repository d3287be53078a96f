"""What browser tests share: the pages as `ragstone ui` starts them, and a browser that looks."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
SHOTS = Path("artefacts")
WAIT = 60_000  # ms; the first search loads the encoder
LAUNCH = (
    "import sys; from ragstone.ui import launch;launch(sys.argv[1], port=0, open_browser=False)"
)


@contextmanager
def shown(workspace: Path) -> Iterator[str]:
    """Serve a workspace with its pages in a process of its own; give their address."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(workspace)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Open the browser, without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """A page, with what it asked of other hosts."""

    def __init__(self, browser: Browser, width: int, height: int) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(WAIT)
        self.foreign: list[str] = []
        self.page.on("request", self._note)

    def _note(self, request: object) -> None:
        address = str(getattr(request, "url", ""))
        if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", address):
            self.foreign.append(address)

    def shot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SHOTS.mkdir(exist_ok=True)
        self.page.wait_for_timeout(700)  # animations of the drawer
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
