"""A question to a search: what is looked for, and which of what is found is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from ragstone.errors import InvalidArgument, InvalidQuery
from ragstone.schemas.api import Mode

if TYPE_CHECKING:
    from ragstone.config import RetrievalSettings
    from ragstone.schemas.records import Payload

MODES: tuple[Mode, ...] = get_args(Mode)
MAX_HITS = 1_000  # of a page
MAX_OFFSET = 10_000  # hits before a page: each one costs as much as those before it together
MAX_NEIGHBOURS = 10  # on each side
MAX_DATASETS = 64  # searched together


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What `Workspace.search` is asked, apart from where."""

    query: str
    k: int = 10
    mode: Mode = "hybrid"
    where: Sequence[str] = ()
    # A picture, or the windows of a recording: what resembles it is found as well; with an empty
    # query alone.
    like: Sequence[Payload] = ()
    offset: int = 0
    after: str | None = None  # cursor
    group: bool = False  # one hit for each item
    neighbours: int = 0  # chunks on each side of a hit
    rerank: bool | None = None  # None: as tuned, or as the settings say

    def check(self, settings: RetrievalSettings) -> None:
        """Raise when something is not as it may be.

        Raises
        ------
        InvalidQuery, InvalidArgument
            The message says what.
        """
        self._check_query(settings.max_query_words)
        self.check_page()
        if self.mode not in MODES:
            raise InvalidArgument("mode", self.mode, f"one of {', '.join(MODES)}")

    def check_page(self) -> None:
        """Raise `InvalidArgument` when what is wanted of the hits is not as it may be."""
        check_number("k", self.k, 1, MAX_HITS)
        if isinstance(self.where, str):
            raise InvalidArgument("where", self.where, "a list of filters")
        check_number("offset", self.offset, 0, MAX_OFFSET)
        if self.after is not None and self.offset:
            raise InvalidArgument("offset", self.offset, "0 where a cursor says where to go on")
        check_number("neighbours", self.neighbours, 0, MAX_NEIGHBOURS)

    def _check_query(self, limit: int) -> None:
        if not (self.query.strip() or self.like):
            raise InvalidQuery("is empty", "Give at least one word.")
        words = len(self.query.split())
        if words > limit:
            problem = f"has {words:,} words, over the limit of {limit:,}"
            raise InvalidQuery(
                problem, "Search for a part of it, or raise retrieval.max_query_words."
            )


def check_references(references: Sequence[str]) -> None:
    """Raise `InvalidArgument` when these are not datasets to search together."""
    names = [reference.partition("@")[0] for reference in references]
    if not 1 <= len(names) <= MAX_DATASETS or len(set(names)) < len(names):
        expected = f"1 to {MAX_DATASETS} datasets, each of them once"
        raise InvalidArgument("dataset", list(references), expected)


def check_number(name: str, value: int, least: int, most: int) -> None:
    """Raise `InvalidArgument` when a number is out of its bounds."""
    if not least <= value <= most:
        raise InvalidArgument(name, value, f"a number from {least} to {most}")
