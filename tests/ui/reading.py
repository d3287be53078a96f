"""How tests read a page that Streamlit's test driver has run, and wait for what it started."""

from __future__ import annotations

import html
import re
import time
from typing import Any

from streamlit.testing.v1 import AppTest

from ragstone.client import Client
from ragstone.schemas.api import JobInfo

PATIENCE = 240.0  # seconds


def text(app: AppTest) -> str:
    """All that the page shows through the inert helper, as a reader sees it."""
    return html.unescape(re.sub(r"<[^>]*>", "", "\n".join(part.value for part in app.html)))


def marked(app: AppTest) -> list[str]:
    parts = "\n".join(part.value for part in app.html)
    return [html.unescape(word) for word in re.findall(r"<mark[^>]*>(.*?)</mark>", parts, re.S)]


def drawer(app: AppTest) -> bool:
    return bool(app.get("dialog"))


def alerts(app: AppTest) -> list[str]:
    return [part.value for part in (*app.error, *app.warning, *app.info)]


def labelled(widgets: Any, label: str) -> Any:
    """Return the only widget with this label."""
    (found,) = [one for one in widgets if one.label == label]
    return found


def tables(app: AppTest) -> list[list[str]]:
    """Return the columns of each table, in order."""
    return [list(table.value.columns) for table in app.dataframe]


def table(app: AppTest, column: str) -> Any:
    """Return the last table that has a column of this name."""
    return [one.value for one in app.dataframe if column in one.value.columns][-1]


def wait_for_jobs(client: Client, dataset: str | None = None) -> list[JobInfo]:
    """Return the jobs when none of them runs or waits any more."""
    end = time.monotonic() + PATIENCE
    while True:
        found = client.jobs(dataset)
        if all(job.ended_for_good for job in found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def is_inert(app: AppTest) -> None:
    """Check that nothing people wrote is obeyed as markup, or read as Markdown."""
    allowed = r"</?(div|span|mark|bdi)(?=[ >])[^<>]*>"
    for part in app.html:
        assert "<" not in re.sub(allowed, "", part.value)
    for part in (*app.markdown, *app.caption, *app.error, *app.info, *app.warning):
        assert "<" not in part.value


def tick(app: AppTest, column: str, *rows: int) -> AppTest:
    """Tick rows of the last table that has a column of this name."""
    found = [one for one in app.dataframe if column in one.value.columns][-1]
    app.session_state[found.key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return app
