"""Feedback on answers: what somebody says of one, and what a reviewer made of it.

Plain frozen dataclasses, as in `ragstone.schemas.api`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

LOCAL_OWNER = "the local owner"  # whoever uses the workspace in a process of this machine

Rating = Literal["good", "bad"]
Reason = Literal[
    "wrong",  # it says what is not so
    "unsupported",  # its quotes do not say what it says
    "incomplete",
    "outdated",  # it was so once
    "not_found_though_there",  # the dataset has the answer
    "off_topic",  # it answers another question
    "other",
]
FeedbackState = Literal["open", "accepted", "rejected"]
Use = Literal["reader", "verifier"]  # what accepted feedback trains


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody says of an answer; it counts for nothing until it is accepted."""

    id: str
    answer_id: str
    dataset: str
    version: int
    question: str  # of the answer, as it was asked
    rating: Rating
    reason: Reason | Literal[""]
    comment: str
    answer_text: str  # the right answer; empty: none was given
    principal: str  # who gave it
    created: datetime
    state: FeedbackState = "open"
    reviewer: str = ""
    reviewed: datetime | None = None
    items: list[str] = field(default_factory=list)  # ids of those that answer the question
    golden: str = ""  # id of the golden query that its question is


@dataclass(frozen=True, slots=True)
class FeedbackExport:
    """A file of training examples that was made of accepted feedback."""

    file: str
    use: Use
    feedback: int  # how much of it gave an example
    examples: int
