"""The part of the façade that looks back: at answers, at pages, and at what a change would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ragstone.listing import MAX_OFFSET, MAX_PAGE
from ragstone.retrieval.question import check_number
from ragstone.schemas.feedback import LOCAL_OWNER

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.schemas.answers import AnswerList
    from ragstone.schemas.api import (
        DuplicatePreview,
        GoldenQuery,
        ItemComparison,
        Media,
        SearchResult,
    )
    from ragstone.schemas.insight import About, Usage
    from ragstone.storage.store import Store
    from ragstone.usage import UsageDesk


class Insight:
    """What people look at; a base of `Workspace`, which has the store."""

    _store: Store
    _usage: UsageDesk
    settings: Settings

    def answers(
        self,
        dataset: str | None = None,
        *,
        session: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> AnswerList:
        """Return a page of the stored answers, newest first, also those that failed.

        Parameters
        ----------
        session
            Id or name of the session that they were given in.
        limit, offset
            Page of the answers; the count is of all.

        Raises
        ------
        UnknownDataset, InvalidArgument
            There is no such dataset, or the page is out of bounds.
        """
        from ragstone.storage.answer_listing import listed

        check_number("limit", limit, 1, MAX_PAGE)
        check_number("offset", offset, 0, MAX_OFFSET - 1)
        dataset_id = None if dataset is None else self._store.head(dataset).dataset_id
        return listed(self._store.catalog, dataset_id, session, offset, limit)

    def page_image(self, item: str, page: int, *, quote: str = "") -> Media:
        """Return a page of a PDF as a picture (WebP), with a quote marked where it stands.

        Parameters
        ----------
        page
            From 1.

        Raises
        ------
        UnknownId
            There is no such item, or a prefix fits more than one.
        InvalidArgument
            It is no PDF, or has no such page.
        Rejected
            The page cannot be drawn within the limits.
        """
        from ragstone.originals import page_image

        return page_image(self._store, item, page, quote, self.settings.limits)

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
        """Return what `set_duplicate_policy` would make of "D" or "D@V"; nothing is changed.

        The pairs that are stored are grouped anew. Pairs of the same meaning are looked for only
        where their rule keeps one of them: else there are none to group.

        Parameters
        ----------
        keep, thresholds, undo
            As of `set_duplicate_policy`.
        kind
            List the groups of this kind alone.
        limit, offset
            Page of the groups, the largest first; the counts are of all.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument
            The call is wrong, and the message says how.
        """
        from ragstone.duplicates import changed_policy, policy, preview

        old = policy(self._store, dataset)
        new = changed_policy(old, keep or {}, thresholds or {}, undo=undo)
        return preview(self._store, dataset, new, kind, limit, offset)

    def compare_items(self, first: str, second: str) -> ItemComparison:
        """Return in what two items differ: fields, and texts line by line.

        Parameters
        ----------
        first, second
            Ids, or prefixes of 8 characters.

        Raises
        ------
        UnknownId
            There is no such item, or a prefix fits more than one.
        """
        from ragstone.duplicates import compare

        return compare(self._store, first, second)

    def add_golden_query(self, dataset: str, query: str, items: Sequence[str]) -> GoldenQuery:
        """Keep one golden query, and return it with all its judgements.

        Parameters
        ----------
        items
            Ids, or prefixes, of items of the newest version that answer it.

        Raises
        ------
        UnknownDataset, UnknownId, InvalidArgument
            Nothing was kept.
        """
        from ragstone.golden import add_query

        return add_query(self._store, dataset, query, items)

    def about(self) -> About:
        """Return what the workspace runs with: settings and who says so, libraries, encoders.

        Passwords in addresses are left out, and no key or token is in it.
        """
        from ragstone.about import about

        return about(self._store, self.settings)

    def usage(self, days: int = 30, dataset: str | None = None) -> Usage:
        """Return what was asked in the last `days`, of one dataset when given.

        Answers and thumbs are counted as they are stored; searches as servers have noted them,
        which the settings `usage` may turn off.

        Raises
        ------
        UnknownDataset, InvalidArgument
            There is no such dataset, or `days` is out of bounds.
        """
        return self._usage.usage(days, dataset)

    def note_search(
        self, found: SearchResult, seconds: float, *, principal: str = LOCAL_OWNER
    ) -> None:
        """Note a search that was answered, for `usage`; nothing waits for it to be written.

        Its words are kept only where the setting usage.queries says so.
        """
        self._usage.note(found, seconds, principal)
