"""Sentences that tell a language model what to do: material that is quoted by nobody.

A passage can dictate a sentence to a model that obeys, and would then be the quote that supports
it. So what reads as an order to a model supports nothing. A sentence of its own that is merely
false is no order: it is what the source says.
"""

from __future__ import annotations

import re

_SAY = r"(?:answer|output|print|repeat|reply|respond|say|write)"
_ORDERS = re.compile(
    "|".join(
        [
            r"\b(?:ignore|disregard|forget|override)\s+(?:\w+\s+){0,3}?"
            r"(?:rules?|instructions?|prompts?|questions?|passages?|guidelines?|context)\b",
            r"\b(?:new|real|actual|updated|following)\s+instructions?\s*:",
            r"\b(?:you|assistant|model|chatbot|ai)\b[^.!?]{0,20}\b(?:must|should|shall|will|are to)"
            rf"\s+(?:\w+\s+){{0,2}}?{_SAY}\b",
            rf"\b{_SAY}\s+(?:\w+\s+){{0,2}}?(?:with|exactly|only)\s*:",
            r"(?:^|\s)(?:system|assistant|user)\s*:\s",
            r"<\|\w+\|>|\[/?INST\]|<</?SYS>>",
            r"\b(?:system|developer)\s+(?:prompt|message)\b",
        ]
    ),
    re.IGNORECASE,
)


def is_order(text: str) -> bool:
    """Tell whether `text` speaks to a language model instead of saying something."""
    return bool(_ORDERS.search(" ".join(text.split())))
