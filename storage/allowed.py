"""Which chunks a search may find, in the forms that the indexes ask for, each made once.

What a filter lets through is the same for every search of a version. Making a form of it takes
milliseconds for a million chunks, so the last ones are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

if TYPE_CHECKING:
    import tantivy

    from ragstone.storage.keyword_segments import Layout

_KEPT = 16  # of versions and filters; a million chunks take 1.3 MB each, and see `extracts`


class Allowed:
    """A set of chunk keys that does not change.

    Parameters
    ----------
    lasting
        More than one search asks for it: it pays to prepare something.
    """

    def __init__(self, keys: BitMap64, *, lasting: bool = False) -> None:
        self.keys = keys
        self.lasting = lasting
        # By embedding space: the vectors of a few chunks, put together (see `segments`).
        self.extracts: dict[str, faiss.Index] = {}
        # By layout of a keyword index: what it is asked, so that it finds no others.
        self.filters: dict[Layout, tantivy.Query] = {}

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def listed(self) -> list[int]:
        """The keys, ascending."""
        return [int(key) for key in self.keys.to_array()]

    @cached_property
    def selector(self) -> faiss.IDSelector:
        """The keys as FAISS looks them up: a bit for each."""
        return faiss.IDSelectorBitmap(np.packbits(self._present, bitorder="little"))

    def has(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of `keys`, of shape (n,), are among them."""
        inside = np.minimum(keys, len(self._present) - 1)
        found: NDArray[np.bool_] = self._present[inside] & (inside == keys)
        return found

    @cached_property
    def _present(self) -> NDArray[np.bool_]:
        present = np.zeros(int(self.keys.max()) + 1 if self.keys else 1, dtype=bool)
        present[np.asarray(self.keys.to_array(), np.int64)] = True
        return present


Choice: TypeAlias = "Allowed | BitMap64"  # the keys alone do for a single search


def allowed_of(choice: Choice) -> Allowed:
    """Return `choice` as a search asks for it."""
    return choice if isinstance(choice, Allowed) else Allowed(choice)


class Allowances:
    """What filters let through, made once for each version and filter; the last are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], Allowed | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, version: str, where: Sequence[str], make: Callable[[], BitMap64 | None]
    ) -> Allowed | None:
        """Return what `where` lets through of the version with digest `version`.

        `make` finds it; None lets through all. What it raises is passed on, and not kept.
        """
        name = (version, *where)
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        keys = make()
        found = None if keys is None else Allowed(keys, lasting=True)
        with self._lock:
            self._kept[name] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def forget(self) -> None:
        """Let go of all: versions have changed, because something was erased."""
        with self._lock:
            self._kept.clear()
