"""Plain words of a sentence: what would load or lead somewhere when an answer is rendered goes.

Passages may hold links and images, and may talk a model into writing some; a page or a chat window
that renders an answer must not fetch or offer them.
"""

from __future__ import annotations

import re

_ALT = r"!\[([^\[\]]*)\]\([^()]*(?:\([^()]*\)[^()]*)*\)"
# Targets that lead away: a scheme, a path, an anchor, or something written to look like none.
_AWAY = r"\s*<?(?:[a-z][a-z0-9+.-]*:|www\.|[/\\#?&.])"
_IMAGE = re.compile(_ALT)
_LINK = re.compile(rf"\[([^\[\]]*)\]\((?={_AWAY})[^()]*(?:\([^()]*\)[^()]*)*\)", re.IGNORECASE)
_AUTOLINK = re.compile(r"<([a-z][a-z0-9+.-]*:[^<>\s]*)>", re.IGNORECASE)
_TAGS = (
    "a|audio|base|embed|form|frame|iframe|img|input|link|meta|object|script|source|style|svg|video"
)
_TAG = re.compile(rf"</?(?:{_TAGS})\b[^<>]*>", re.IGNORECASE)
# What has no end here could be closed by the next sentence.
_OPEN_LINK = re.compile(rf"(\])(\((?={_AWAY}))", re.IGNORECASE)
_OPEN_IMAGE = re.compile(r"(!)(\[[^\[\]]*\](?:\(|$))")
_OPEN_TAG = re.compile(rf"(<)(/?(?:{_TAGS})\b)", re.IGNORECASE)
_CUTS = ((_IMAGE, r"\1"), (_LINK, r"\1"), (_AUTOLINK, r"\1"), (_TAG, ""))
_BREAKS = (_OPEN_LINK, _OPEN_IMAGE, _OPEN_TAG)


def plain(text: str) -> str:
    """Return `text` with Markdown images and links reduced to their words, and HTML for such gone.

    Addresses that stand in the text themselves stay, as words.
    """
    before = ""
    while text != before:  # a link may hold an image
        before = text
        for pattern, instead in _CUTS:
            text = pattern.sub(instead, text)
    for pattern in _BREAKS:
        text = pattern.sub(r"\1 \2", text)
    return " ".join(text.split())
