"""The map in a real browser: a lasso drawn with the mouse chooses the items below.

Screenshots are kept in `artefacts/` (ignored by git) under the folder the tests run in.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

import ragstone
from ragstone.encoders.base import TextEncoder

from .visiting import CHROMIUM, SHOTS, WAIT, Visit, chromium, shown

KINDS = ("granite quartz feldspar", "a pump with a button", "the sea and its shells")
LASSO = (36, 28)  # pixels from the corner of the chart
CORNERS = 32

expect.set_options(timeout=WAIT)
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[str]:
    """The pages of a workspace whose items lie in three heaps."""
    folder = tmp_path_factory.mktemp("explored")
    rows = [{"id": n, "text": f"{KINDS[n % 3]} {n}", "kind": KINDS[n % 3]} for n in range(45)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    workspace = folder / "workspace"
    with ragstone.open(workspace, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        opened.ingest([folder / "rows.jsonl"], "rocks", text="text", id="id")
    with shown(workspace) as address:
        yield address


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield Visit(browser, 1280, 1100).page


def drag_around(page: Page, chart: Locator, left: float, right: float) -> None:
    """Draw a lasso around what lies between two shares of the width of the chart."""
    box = chart.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + LASSO[0], box["y"] + LASSO[1])
    wide, high = box["width"] * (right - left) / 2, (box["height"] - 60) / 2
    x, y = box["x"] + box["width"] * (left + right) / 2, box["y"] + 52 + high
    page.mouse.move(x + wide, y)
    page.mouse.down()
    for corner in range(1, CORNERS + 1):
        # A rounded rectangle: an ellipse would cut the corners of the chart off.
        angle = corner / CORNERS * 2 * math.pi
        across, up = math.cos(angle), math.sin(angle)
        far = max(abs(across), abs(up))
        page.mouse.move(x + wide * across / far, y + high * up / far)
    page.mouse.up()


def test_a_lasso_chooses_what_the_grid_shows(page: Page, url: str) -> None:
    page.goto(f"{url}/explore?dataset=rocks&view=Map&colour=kind")
    chart = page.locator("[class*='st-key-map-'] canvas").first
    expect(chart).to_be_visible()
    expect(page.get_by_text("45 of 45 items")).to_be_visible()
    page.wait_for_timeout(1_500)  # the points are drawn on a canvas
    drag_around(page, chart, 0.0, 0.5)
    expect(page.get_by_text("items inside the lasso")).to_be_visible()
    expect(page).to_have_url(re.compile("lasso="))
    some = int(page.get_by_text("items inside the lasso").inner_text().split()[0])
    assert 0 < some < 45
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / "map-lasso.png", full_page=True)

    link = page.url
    page.goto("about:blank")
    page.goto(link)  # the link alone shows the same items
    expect(page.get_by_text(f"{some} items inside the lasso")).to_be_visible()


def test_a_click_on_a_bar_adds_its_filter(page: Page, url: str) -> None:
    page.goto(f"{url}/explore?dataset=rocks&by=kind")
    bars = page.locator("[class*='st-key-bars-'] canvas").first
    expect(bars).to_be_visible()
    page.wait_for_timeout(1_500)
    box = bars.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.65, box["y"] + box["height"] * 0.2)
    expect(page.get_by_text("15 of 45 items")).to_be_visible()
    expect(page).to_have_url(re.compile("where="))
