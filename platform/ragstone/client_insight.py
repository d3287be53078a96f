"""The part of the client that looks back: at answers, at pages, and at what a change would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragstone.schemas.answers import AnswerList
from ragstone.schemas.api import DuplicatePreview, GoldenQuery, ItemComparison, Media
from ragstone.schemas.insight import About, Usage
from ragstone.transport import part

if TYPE_CHECKING:
    from ragstone.transport import Transport


class InsightClient:
    """What people look at; a base of `Client`, which has the connections."""

    _http: Transport

    def answers(
        self,
        dataset: str | None = None,
        *,
        session: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> AnswerList:
        """Return a page of the stored answers, newest first, also those that failed."""
        chosen = {"dataset": dataset, "session": session, "limit": limit, "offset": offset}
        query = {name: value for name, value in chosen.items() if value is not None}
        return self._http.get("/answers", AnswerList, query)

    def page_image(self, item: str, page: int, *, quote: str = "") -> Media:
        """Return a page of a PDF as a picture, with a quote marked where it stands."""
        path, query = f"/items/{part(item)}/pages/{page:d}", {"quote": quote}
        response = self._http.send("GET", path, params=query)
        return Media(response.content, response.headers["Content-Type"])

    def preview_duplicates(
        self,
        dataset: str,
        *,
        keep: Mapping[str, str] | None = None,
        thresholds: Mapping[str, float] | None = None,
        undo: bool = False,
        kind: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> DuplicatePreview:
        """Say what another policy would make of a version; nothing is changed."""
        rules = {"keep": dict(keep or {}), "thresholds": dict(thresholds or {}), "undo": undo}
        body = {**rules, "kind": kind, "limit": limit, "offset": offset}
        path = f"/datasets/{part(dataset)}/duplicates/preview"
        return self._http.wait(path, DuplicatePreview, body)

    def compare_items(self, first: str, second: str) -> ItemComparison:
        """Say in what two items differ: fields, and texts line by line."""
        path = f"/items/{part(first)}/compare/{part(second)}"
        return self._http.get(path, ItemComparison)

    def add_golden_query(self, dataset: str, query: str, items: Sequence[str]) -> GoldenQuery:
        """Keep one golden query, and return it with all its judgements."""
        body = {"query": query, "items": list(items)}
        return self._http.post(f"/datasets/{part(dataset)}/golden/query", GoldenQuery, body)

    def about(self) -> About:
        """Say what the server runs with: settings and who says so, libraries, encoders."""
        return self._http.get("/about", About)

    def usage(self, days: int = 30, dataset: str | None = None) -> Usage:
        """Say what was asked in the last `days`, of one dataset when given."""
        query: dict[str, Any] = {"days": days} | ({} if dataset is None else {"dataset": dataset})
        return self._http.get("/usage", Usage, query)
