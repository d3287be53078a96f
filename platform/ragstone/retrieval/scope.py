"""Where a question is put to: one version, or several datasets at a time, as one set of arms.

**How scores of several datasets are compared.** Vectors of one embedding space are: a cosine means
the same in each dataset, so they are one arm. Vectors of different spaces are not: each space is an
arm of its own, stretched to 0..1 and guarded against its own noise, so that the best match of each
space counts alike unless its space has nothing to say. A chunk can be found by the arm of its own
space alone, so no dataset has more arms than another.

BM25 of different indexes is not comparable as it comes: a word that is rare in one dataset and
common in the other scores high in the first for that reason alone. So each word is weighed by its
inverse document frequency in all of them together, which makes the keywords one arm (see
`SharedStatistics`). What stays of each dataset is its average length, by which BM25 says whether a
chunk is a long one.

The key of a chunk tells its dataset too: the number of the dataset stands in the bits above
`_BITS`. The datasets are numbered by name, so that ties do not depend on how they were listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pyroaring import BitMap64

from ragstone.storage.ranked import Ranked, best_of, ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragstone.retrieval.keyword_arm import KeywordQuery
    from ragstone.storage.allowed import Choice
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_BITS = 40  # of a key within its dataset


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What is looked for in one embedding space: the nearest to any of `vectors`."""

    space: str
    vectors: NDArray[np.float32]  # (parts of the query, dimension)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One version, and the question as its indexes take it."""

    manifest: Manifest
    keyword: KeywordQuery | None
    words: bool  # they are an arm
    allowed: Choice | None  # chunks that pass the filters; None: all
    narrowed: Choice | None  # those of them that have what the query demands
    probes: Mapping[str, Probe] = field(default_factory=dict)  # by arm
    without: BitMap64 = field(default_factory=BitMap64)  # a few chunks that are not wanted

    def arms(self, store: Store, depth: int) -> dict[str, Ranked]:
        """Return the best `depth` chunks of each arm."""
        if not self.without:
            return self._arms(store, depth)
        found = self._arms(store, depth + len(self.without))
        return {name: _left(arm, self.without, depth) for name, arm in found.items()}

    def _arms(self, store: Store, depth: int) -> dict[str, Ranked]:
        found: dict[str, Ranked] = {}
        if self.words and self.keyword:
            found["keyword"] = self.keyword.search(depth, self.allowed)
        for name, probe in self.probes.items():
            segments = [s for s in self.manifest.segments if s.space == probe.space]
            search = store.segments.search
            several = [search(segments, v, depth, self.narrowed) for v in probe.vectors]
            found[name] = best_of(several, depth)
        return found


class Scope:
    """The versions that a search is made in, by name."""

    def __init__(self, store: Store, targets: Sequence[Target]) -> None:
        self._store = store
        self.targets = sorted(targets, key=lambda target: target.manifest.dataset)

    @property
    def manifests(self) -> list[Manifest]:
        """The versions, by name."""
        return [target.manifest for target in self.targets]

    def arms(self, depth: int) -> dict[str, Ranked]:
        """Return the best `depth` chunks of each arm, of all versions together."""
        found: dict[str, list[Ranked]] = {}
        for number, target in enumerate(self.targets):
            for name, arm in target.arms(self._store, depth).items():
                found.setdefault(self._label(name, target), []).append(_numbered(number, arm))
        return {name: _merged(several, depth) for name, several in found.items()}

    def searched(self, name: str) -> dict[str, list[Manifest]]:
        """Return the versions that each arm of a kind searches, by what the arm is called."""
        found: dict[str, list[Manifest]] = {}
        for target in self.targets:
            if name in target.probes:
                found.setdefault(self._label(name, target), []).append(target.manifest)
        return found

    def _label(self, name: str, target: Target) -> str:
        """Return what an arm is called: with its space, where there are several of the kind."""
        spaces = {t.probes[name].space for t in self.targets if name in t.probes}
        if len(spaces) < 2:
            return name
        space = target.probes[name].space
        return space if space.startswith(f"{name}.") else f"{name}.{space}"

    def rows(self, keys: Collection[int]) -> dict[int, dict[str, Any]]:
        """Return the stored rows of the chunks `keys`."""
        rows: dict[int, dict[str, Any]] = {}
        for number, own in self.apart(keys).items():
            keyword = self.targets[number].keyword
            if keyword is not None:  # who found a chunk has an index of it
                found = keyword.index.fetch(own)
                rows |= {self.key(number, key): row for key, row in found.items()}
        return rows

    def key(self, number: int, own: int) -> int:
        """Return the key, of a chunk or an item, that tells the number of its target too."""
        return number << _BITS | own

    def number_of(self, key: int) -> int:
        """Return the number of the target that a chunk is from."""
        return key >> _BITS

    def items_of(self, keys: Collection[int]) -> dict[int, int]:
        """Return the items of chunks, as keys that tell their datasets too."""
        rows = self.rows(keys)
        return {key: self.key(self.number_of(key), int(rows[key]["item_key"])) for key in keys}

    def apart(self, keys: Iterable[int]) -> dict[int, list[int]]:
        """Return the keys by the number of their target, as its own indexes know them."""
        found: dict[int, list[int]] = {}
        for key in keys:
            found.setdefault(self.number_of(key), []).append(key & ((1 << _BITS) - 1))
        return found


def _numbered(number: int, arm: Ranked) -> Ranked:
    return Ranked(arm.keys | (number << _BITS), arm.scores) if number else arm


def _left(arm: Ranked, without: BitMap64, depth: int) -> Ranked:
    wanted = ~np.isin(arm.keys, np.fromiter(without, np.int64, len(without)))
    return Ranked(arm.keys[wanted][:depth], arm.scores[wanted][:depth])


def _merged(several: Sequence[Ranked], depth: int) -> Ranked:
    if len(several) == 1:
        return several[0]
    keys = np.concatenate([one.keys for one in several])
    return ranked(keys, np.concatenate([one.scores for one in several]), depth)
