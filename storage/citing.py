"""Quotes and the texts that they are from: is a quote in its item, word for word, at its place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragstone.schemas.answers import Citation
    from ragstone.storage.store import Store

_TEXTS = 64  # kept in memory


@dataclass(frozen=True, slots=True)
class Cited:
    """The version that an answer was made from."""

    dataset_id: str
    version: int


class Quotes:
    """Looks up quotes in the texts of the items they name; to be used while `shared`.

    An item that is cited again and again is read once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.text = lru_cache(maxsize=_TEXTS)(self._read)

    def problem(self, cited: Cited, citation: Citation) -> str:
        """Say what is wrong with a citation; empty when its quote stands where it says.

        Raises
        ------
        DamagedFile
            The text cannot be read.
        """
        key = self.item_key(cited, citation.item_id)
        if key is None:
            return f"the version has no item {citation.item_id}"
        text = self.text(cited.dataset_id, key)
        if text[citation.start : citation.end] == citation.quote:
            return ""
        return (
            f"the item {citation.item_id} has another text from {citation.start} to "
            f"{citation.end} than the quote"
        )

    def item_key(self, cited: Cited, item_id: str) -> int | None:
        """Return the key that an item has in a version; None when it is not in there."""
        rows = self._store.catalog.rows(
            "SELECT item_key FROM items WHERE dataset_id = ? AND item_id = ? AND added <= ? "
            "AND (removed IS NULL OR removed > ?) ORDER BY item_key LIMIT 1",
            [cited.dataset_id, item_id, cited.version, cited.version],
        )
        return int(rows[0][0]) if rows else None

    def _read(self, dataset_id: str, item_key: int) -> str:
        return self._store.item_text(dataset_id, item_key)
