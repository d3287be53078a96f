"""The Streamlit script: navigation over the pages. `ragstone ui` starts it."""

from __future__ import annotations

import streamlit as st
from PIL import Image, ImageDraw

from ragstone.ui import (
    inert,
    page_ask,
    page_datasets,
    page_duplicates,
    page_evaluate,
    page_explore,
    page_generate,
    page_home,
    page_jobs,
    page_search,
    page_settings,
    page_train,
    page_usage,
    session,
)
from ragstone.ui.failures import guarded


def main() -> None:
    """Draw the page that the URL names."""
    st.set_page_config(page_title="Ragstone", page_icon=_icon(), layout="wide")
    inert.show(inert.STYLE)
    pages = {
        "home": st.Page(
            guarded(page_home.page),
            title="Home",
            icon=":material/home:",
            url_path="home",
            default=True,
        ),
        "datasets": st.Page(
            guarded(page_datasets.page),
            title="Datasets",
            icon=":material/database:",
            url_path="datasets",
        ),
        "explore": st.Page(
            guarded(page_explore.page),
            title="Explore",
            icon=":material/grid_view:",
            url_path="explore",
        ),
        "duplicates": st.Page(
            guarded(page_duplicates.page),
            title="Duplicates",
            icon=":material/content_copy:",
            url_path="duplicates",
        ),
        "search": st.Page(
            guarded(page_search.page), title="Search", icon=":material/search:", url_path="search"
        ),
        "ask": st.Page(
            guarded(page_ask.page), title="Ask", icon=":material/forum:", url_path="ask"
        ),
        "train": st.Page(
            guarded(page_train.page),
            title="Train",
            icon=":material/model_training:",
            url_path="train",
        ),
        "generate": st.Page(
            guarded(page_generate.page),
            title="Generate",
            icon=":material/auto_awesome:",
            url_path="generate",
        ),
        "evaluate": st.Page(
            guarded(page_evaluate.page),
            title="Evaluate",
            icon=":material/straighten:",
            url_path="evaluate",
        ),
        "jobs": st.Page(
            guarded(page_jobs.page), title="Jobs", icon=":material/work_history:", url_path="jobs"
        ),
        "usage": st.Page(
            guarded(page_usage.page),
            title="Usage & feedback",
            icon=":material/monitoring:",
            url_path="usage",
        ),
        "settings": st.Page(
            guarded(page_settings.page),
            title="Settings & health",
            icon=":material/health_and_safety:",
            url_path="settings",
        ),
    }
    session.register(pages)
    chosen = st.navigation(list(pages.values()), position="top")
    chosen.run()


def _icon() -> Image.Image:
    """Return three courses of stone; an icon by name would be fetched from a font server."""
    icon = Image.new("RGBA", (32, 32))
    draw = ImageDraw.Draw(icon)
    for top, left in ((3, 8), (13, 2), (23, 8)):
        draw.rounded_rectangle((left, top, left + 13, top + 7), 2, fill="#0072b2")
        draw.rounded_rectangle((left + 15, top, 30, top + 7), 2, fill="#56b4e9")
    return icon


main()
