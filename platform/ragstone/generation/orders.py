"""Sentences that tell a language model what to do: material that is quoted by nobody.

A passage can dictate a sentence to a model that obeys, and would then be the quote that supports
it. So what reads as an order to a model supports nothing, nor does what it dictates: all that
stands behind its colon, to the end of the paragraph. A sentence of its own that is merely false is
no order: it is what the source says.
"""

from __future__ import annotations

import re

_SAY = r"(?:answer|output|print|repeat|reply|respond|say|write)"
_TELL = r"tell\s+(?:the|your)\s+(?:users?|readers?)"
_LEAD = rf"\b{_SAY}\s+(?:\w+\s+){{0,2}}?(?:with|exactly|only)\b[^.!?:\n]{{0,40}}:"
_ORDERS = re.compile(
    "|".join(
        [
            r"\b(?:ignore|disregard|forget|override)\s+(?:\w+\s+){0,3}?"
            r"(?:rules?|instructions?|prompts?|questions?|passages?|guidelines?|context)\b",
            r"\b(?:new|real|actual|updated|following)\s+instructions?\s*:",
            r"\b(?:you|assistant|model|chatbot|ai)\b[^.!?]{0,20}\b(?:must|should|shall|will|are to)"
            rf"\s+(?:\w+\s+){{0,2}}?(?:{_SAY}|{_TELL})\b",
            rf"(?:^|[.!?:]\s)(?:always\s+(?:{_SAY}|{_TELL})|{_TELL})\b",
            _LEAD,
            r"(?:^|\s)(?:system|assistant|user)\s*:\s",
            r"<\|\w+\|>|\[/?INST\]|<</?SYS>>",
            r"\b(?:system|developer)\s+(?:prompt|message)\b",
        ]
    ),
    re.IGNORECASE,
)
_DICTATION = re.compile(rf"{_LEAD}\s*[^\n]+(?:\n[^\n]+)*", re.IGNORECASE)


def is_order(text: str) -> bool:
    """Tell whether `text` speaks to a language model instead of saying something."""
    return bool(_ORDERS.search(" ".join(text.split())))


def is_dictated(text: str, start: int, end: int) -> bool:
    """Tell whether `text[start:end]` is an order to a language model, or what one dictates."""
    return is_order(text[start:end]) or any(
        said.start() < end and start < said.end() for said in _DICTATION.finditer(text)
    )
