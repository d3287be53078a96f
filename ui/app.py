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

_FIRST = "home"
_PAGES = {  # by their path in the URL, in the order of the navigation
    "home": (page_home, "Home", ":material/home:"),
    "datasets": (page_datasets, "Datasets", ":material/database:"),
    "explore": (page_explore, "Explore", ":material/grid_view:"),
    "duplicates": (page_duplicates, "Duplicates", ":material/content_copy:"),
    "search": (page_search, "Search", ":material/search:"),
    "ask": (page_ask, "Ask", ":material/forum:"),
    "train": (page_train, "Train", ":material/model_training:"),
    "generate": (page_generate, "Generate", ":material/auto_awesome:"),
    "evaluate": (page_evaluate, "Evaluate", ":material/straighten:"),
    "jobs": (page_jobs, "Jobs", ":material/work_history:"),
    "usage": (page_usage, "Usage & feedback", ":material/monitoring:"),
    "settings": (page_settings, "Settings & health", ":material/health_and_safety:"),
}


def main() -> None:
    """Draw the page that the URL names."""
    st.set_page_config(page_title="Ragstone", page_icon=_icon(), layout="wide")
    inert.show(inert.STYLE)
    pages = {
        name: st.Page(
            guarded(module.page), title=title, icon=icon, url_path=name, default=name == _FIRST
        )
        for name, (module, title, icon) in _PAGES.items()
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
