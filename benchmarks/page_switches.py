"""How long a switch from one page to another takes in a real browser, on a large dataset.

Run: python benchmarks/page_switches.py WORKSPACE [--dataset many]

`benchmarks/pages.py --workspace WORKSPACE` makes such a dataset. Each page is gone to by a click in
the navigation, nine times; a switch has ended when what the page is for stands on it. A page that
asks the server for nothing but how it is, is the least that a switch can take.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import monotonic

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
RUNS = 9
PATIENCE = 60_000  # ms
# By the word in the navigation: what is waited for.
PAGES = {
    "Jobs": r"Tick a job|No job",
    "Datasets": r"in this version",
    "Explore": r"of [\d,]+ items",
    "Search": r"Type a query",
    "Train": r"The estimate times a few steps|holds nothing",
    "Duplicates": r"Rules|twice",
}


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--dataset", default="many")
    chosen = parser.parse_args()
    program = Path(sys.executable).with_name("ragstone")
    command = [str(program), "ui", "--no-browser", "--workspace", str(chosen.workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        found = measured(url, chosen.dataset)
    finally:
        process.terminate()
        process.wait(timeout=30)
    print("| page | first, s | median of the others, s | longest, s |")
    print("| --- | --- | --- | --- |")
    for name, (first, *others) in found.items():
        print(f"| {name} | {first:.2f} | {median(others):.2f} | {max(others):.2f} |")


def measured(url: str, dataset: str) -> dict[str, list[float]]:
    """Return the seconds of each switch, by the page that was gone to."""
    found: dict[str, list[float]] = {name: [] for name in PAGES}
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}/datasets?dataset={dataset}")
        expect(page.get_by_text(re.compile(PAGES["Datasets"])).first).to_be_visible()
        for _ in range(RUNS + 1):
            for name, wanted in PAGES.items():
                found[name].append(switch(page, name, wanted))
        browser.close()
    return found


def switch(page: Page, name: str, wanted: str) -> float:
    """Go to a page, and return how long it took until it stood there."""
    begun = monotonic()
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", name=re.compile(f"^{name}")).first).to_be_visible()
    expect(page.get_by_text(re.compile(wanted)).first).to_be_visible()
    return monotonic() - begun


if __name__ == "__main__":
    main()
