"""A hit as other frameworks keep it: text, and plain JSON about where it is from and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ragstone.schemas.api import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragstone.schemas.api import Hit, Mode, SearchResult

_KEPT = (
    "chunk_id", "item_id", "dataset", "version", "source", "name", "title", "heading", "page",
    "modality", "start", "end", "from_ms", "to_ms", "rank", "score",
)  # fmt: skip


@runtime_checkable
class Searches(Protocol):
    """A `Workspace` or a `Client`."""

    def search(
        self,
        query: str,
        dataset: str | Sequence[str],
        *,
        k: int,
        mode: Mode,
        where: Sequence[str],
        rerank: bool | None,
    ) -> SearchResult:
        """Return the best `k` chunks for `query`."""
        ...


def described(hit: Hit) -> dict[str, Any]:
    """Return all that is known of a hit but its text.

    `start` and `end` count code points of the item's text; `arms` holds rank and score of each arm
    that found it; `metadata` is what came with the item.
    """
    kept = {name: getattr(hit, name) for name in _KEPT}
    arms = {arm: {"rank": s.rank, "score": s.score} for arm, s in hit.arms.items()}
    return {**kept, "arms": arms, "metadata": to_json(hit.metadata)}
