"""Cursors: where the next page begins, and of which search on which versions.

A cursor keeps nothing on the server. It names the versions that the first page was read from, so
that later ones are read from the same, whatever has been ingested meanwhile; and digests of what
was asked, so that it is not taken for another search. It gives no rights: the datasets are those
of the call, and it only has to agree with them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from blake3 import blake3
from pydantic import TypeAdapter, ValidationError

from ragstone.errors import InvalidCursor
from ragstone.retrieval.question import MAX_OFFSET

if TYPE_CHECKING:
    from ragstone.config import RetrievalSettings
    from ragstone.retrieval.question import Question
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_FORMAT = 1
_LONGEST = 8_192  # characters
_LAST_SETTINGS = 16  # whose digests are kept
_DIGITS = 8  # of a digest: it tells searches apart, it guards nothing
# What a cursor belongs to, in the words of its error.
_ASKED = (
    "query",
    "mode",
    "filters",
    "picture or recording",
    "grouping",
    "reranking",
    "retrieval settings",
)

# Each search writes a cursor, and `json.dumps` makes an encoder each time.
_PACKED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_SORTED = json.JSONEncoder(sort_keys=True)

# Format, offset, digests of what was asked, and (reference, version, its digest) of each dataset.
_Written = tuple[int, int, list[str], list[tuple[str, int, str]]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins."""

    offset: int
    asked: tuple[str, ...]  # digests, one for each of `_ASKED`
    versions: tuple[tuple[str, int, str], ...]  # as the dataset was named, version, its digest

    @classmethod
    def of(
        cls,
        question: Question,
        settings: RetrievalSettings,
        references: Sequence[str],
        versions: Sequence[Manifest],
        offset: int,
        store: Store,
    ) -> Cursor:
        """Return the cursor of the hits from `offset` on."""
        named = zip(references, versions, strict=True)
        pinned = tuple((name, m.version, _state(store, m)) for name, m in named)
        return cls(offset, asked(question, settings), pinned)

    def __str__(self) -> str:
        written = (_FORMAT, self.offset, self.asked, self.versions)
        packed = _PACKED.encode(written).encode()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what `str` has written.

        Raises
        ------
        InvalidCursor
            It was not.
        """
        try:
            padded = text[:_LONGEST] + "=" * (-len(text) % 4)
            packed = base64.b64decode(padded, altchars=b"-_", validate=True)
            read = TypeAdapter(_Written).validate_json(packed)
        except (binascii.Error, ValueError, ValidationError) as error:
            raise InvalidCursor("cannot be read") from error
        form, offset, digests, versions = read
        if form != _FORMAT or len(digests) != len(_ASKED) or not 0 < offset <= MAX_OFFSET:
            raise InvalidCursor("cannot be read")
        return cls(offset, tuple(digests), tuple(versions))

    def check(
        self, question: Question, settings: RetrievalSettings, references: Sequence[str]
    ) -> None:
        """Raise when it was made by another search.

        Raises
        ------
        InvalidCursor
            With what is not the same.
        """
        for name, old, new in zip(_ASKED, self.asked, asked(question, settings), strict=True):
            if old != new:
                problem = f"is of a search with another {name}"
                raise InvalidCursor(problem)
        named = [reference for reference, _, _ in self.versions]
        if named != list(references):
            problem = f"is of a search in {', '.join(named)}"
            raise InvalidCursor(problem)

    def manifests(self, store: Store) -> list[Manifest]:
        """Return the versions that the pages before were read from.

        Raises
        ------
        InvalidCursor
            One is not what it was: items were erased from it.
        CollectedVersion, UnknownVersion, UnknownDataset
            One is gone.
        """
        found = []
        for reference, version, digest in self.versions:
            name = f"{reference.partition('@')[0]}@{version}"
            manifest = store.resolve(name)
            if _state(store, manifest) != digest:
                problem = f"is of {name} as it was before items were erased from it"
                raise InvalidCursor(problem)
            found.append(manifest)
        return found


def asked(question: Question, settings: RetrievalSettings) -> tuple[str, ...]:
    """Return a digest of each part of what is asked, in the order of `_ASKED`."""
    given = [one.data.tobytes().hex() for one in question.like]
    what = (question.query, question.mode, list(question.where), given)
    parts = (*what, question.group, question.rerank)
    return (*map(_digest, parts), _digest_of_settings(settings))


@lru_cache(_LAST_SETTINGS)
def _digest_of_settings(settings: RetrievalSettings) -> str:
    return _digest(settings.model_dump(mode="json"))


def _state(store: Store, manifest: Manifest) -> str:
    """Return a digest of a version as it is now: items may be erased from it, for good."""
    erased = store.erasures.concerning(manifest.dataset_id, manifest.version)
    return _digest([manifest.digest, [receipt.id for receipt in erased]])


def _digest(value: Any) -> str:
    return blake3(_SORTED.encode(value).encode()).hexdigest()[:_DIGITS]
