"""What a model made, on a page: a picture, a recording or a text."""

from __future__ import annotations

import io

import streamlit as st
from PIL import Image

from ragstone.ui import inert

_WIDTH = 320  # pixels that a picture is shown by, at least
_LARGEST = 12  # times that a small one is enlarged, at most


def show(media: bytes, media_type: str, text: str) -> None:
    """Show one thing."""
    if media_type.startswith("image/"):
        st.image(enlarged(media))
    elif media_type.startswith("audio/"):
        st.audio(media, format=media_type)
    else:
        inert.show(inert.text(text))


def enlarged(media: bytes, width: int = _WIDTH) -> Image.Image:
    """Return a small picture so many times as large that its pixels can be seen."""
    with Image.open(io.BytesIO(media)) as opened:
        opened.load()
        times = max(1, min(_LARGEST, width // opened.width))
        size = (opened.width * times, opened.height * times)
        return opened.resize(size, Image.Resampling.NEAREST)
