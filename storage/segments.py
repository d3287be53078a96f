"""The segments of a workspace as they are searched: opened once, and shared between versions.

One thread searches for one query: FAISS shares out queries, and there is one; segments in several
threads wait for each other on a busy machine, and other clients want a processor as well. With
cells, a segment of half a million vectors takes less than half a millisecond.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from ragstone.storage.allowed import Allowed, Choice, allowed_of
from ragstone.storage.cells import probed
from ragstone.storage.files import verify
from ragstone.storage.manifests import SegmentRef, unpack_bitmap
from ragstone.storage.ranked import NOTHING, Ranked, ranked
from ragstone.storage.vectors import MAPPED, SUFFIX, Halves, Keys, blocks, flat, open_segment

_OPEN_BYTES = 2**30  # kept in memory; large files are mapped, and do not count
# A filter that many searches ask for, and that lets through few: its vectors are put together.
_FEW = 20_000  # chunks; 15 MB at 384 dimensions, searched in half a millisecond
_FEW_OF = 8  # times as many are in the segments, or nothing is gained

Found = tuple[NDArray[np.float32], Keys]  # scores and keys, each of shape (n,)


@dataclass(frozen=True, slots=True)
class Opened:
    """A segment that is ready to be searched."""

    index: faiss.Index
    keys: BitMap64  # of its chunks
    size: int  # bytes of memory that are its own

    def search(self, query: NDArray[np.float32], k: int, allowed: Allowed | None) -> Found:
        """Return the nearest chunks, best first: `k`, or all when there are fewer.

        Scores do not depend on how many cells are looked into, nor on the filter.
        """
        held = count = self.index.ntotal
        if allowed is not None:
            count = allowed.keys.intersection_cardinality(self.keys)
        wanted = min(k, count)
        if not wanted:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        selector = allowed.selector if allowed is not None and count < held else None
        if not isinstance(self.index, faiss.IndexIVF):
            plain = faiss.SearchParameters(sel=selector) if selector else None
            return self._found(query, wanted, plain)
        for cells in (probed(self.index.nlist, count / held), self.index.nlist):
            narrow = faiss.SearchParametersIVF(nprobe=cells, sel=selector)
            scores, keys = self._found(query, wanted, narrow)
            if keys[-1] >= 0:  # FAISS fills up with -1 what it has not found
                break
        return scores, keys

    def _found(
        self, query: NDArray[np.float32], wanted: int, how: faiss.SearchParameters | None
    ) -> Found:
        scores, keys = self.index.search(query[None, :], wanted, params=how)
        return scores[0], keys[0]


class Segments:
    """Opens segments once and shares them between versions; searching is thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, Opened] = {}  # by path, last used last
        self._lock = threading.Lock()

    def search(
        self,
        segments: Sequence[SegmentRef],
        query: NDArray[np.float32],
        k: int,
        allowed: Choice | None,
    ) -> Ranked:
        """Return the `k` nearest chunks with their cosine.

        Among many vectors some of the nearest may be missed; the cosines are exact always.

        Parameters
        ----------
        segments
            All of one embedding space.
        query
            Unit vector, float32 of shape (dimension,).
        allowed
            Chunk keys that may be found; None allows all.

        Raises
        ------
        DamagedFile
            A segment is not as its manifest promises.
        """
        # More threads only wait for each other, on a busy machine 40 times as long as the search
        # takes. The number is the calling thread's.
        faiss.omp_set_num_threads(1)
        chosen = None if allowed is None else allowed_of(allowed)
        if chosen is not None and self._pays(segments, chosen):
            opened = [self._extract(segments, chosen)]
            chosen = None
        else:
            opened = [self._opened(segment) for segment in segments]
        found = [one.search(query, k, chosen) for one in opened]
        if not found:
            return NOTHING
        scores, keys = (np.concatenate(each) for each in zip(*found, strict=True))
        return ranked(keys, scores, k)

    def contents(self, segment: SegmentRef) -> tuple[Keys, Halves]:
        """Return what a segment holds, by key: keys of shape (n,), vectors (n, dimension)."""
        index = self._opened(segment).index
        keys = np.empty(segment.vectors, np.int64)
        vectors = np.empty((segment.vectors, index.d), np.float16)
        start = 0
        for some, rows in blocks(index):
            end = start + len(some)
            keys[start:end], vectors[start:end] = some, rows
            start = end
        if (np.diff(keys) > 0).all():
            return keys, vectors
        order = np.argsort(keys)
        return keys[order], vectors[order]

    # ------------------------------------------------------------ few vectors

    @staticmethod
    def _pays(segments: Sequence[SegmentRef], allowed: Allowed) -> bool:
        """Tell whether it is worth while to put together the vectors of a filter."""
        held = sum(segment.vectors for segment in segments)
        return allowed.lasting and 0 < len(allowed) <= min(_FEW, held // _FEW_OF)

    def _extract(self, segments: Sequence[SegmentRef], allowed: Allowed) -> Opened:
        """Return the vectors of the chunks `allowed`: all of them are looked at, and no others."""
        space = segments[0].space
        if space not in allowed.extracts:
            allowed.extracts[space] = self._put_together(segments, allowed)
        return Opened(allowed.extracts[space], allowed.keys, 0)

    def _put_together(self, segments: Sequence[SegmentRef], allowed: Allowed) -> faiss.Index:
        keys, vectors = [np.empty(0, np.int64)], []
        for segment in segments:
            index = self._opened(segment).index
            vectors.append(np.empty((0, index.d), np.float16))
            for some, rows in blocks(index):
                inside = allowed.has(some)
                if inside.any():
                    keys.append(some[inside])
                    vectors.append(rows[inside])
        return flat(np.concatenate(keys), np.concatenate(vectors))

    # ------------------------------------------------------------ opening

    def _opened(self, segment: SegmentRef) -> Opened:
        with self._lock:
            opened = self._open.pop(segment.path, None)
            if opened is None:
                opened = self._load(segment)
                self._make_room(opened.size)
            self._open[segment.path] = opened
            return opened

    def _make_room(self, size: int) -> None:
        """Close what was searched longest ago, until `size` bytes more are within the limit."""
        total = size + sum(opened.size for opened in self._open.values())
        for path in list(self._open):
            if total <= _OPEN_BYTES:
                return
            total -= self._open.pop(path).size

    def _load(self, segment: SegmentRef) -> Opened:
        verify(self._root / segment.path, segment.file)  # FAISS reads a flipped byte without a word
        index = open_segment(self._root, segment)
        keys = unpack_bitmap(segment.keys)
        if not keys:  # in format 1 only the file knows them
            keys = BitMap64.union(*(BitMap64(some) for some, _ in blocks(index)))
        mapped = segment.path.endswith(SUFFIX) and segment.file.size >= MAPPED
        return Opened(index, keys, 0 if mapped else segment.file.size)

    def forget(self) -> None:
        """Close all segments."""
        with self._lock:
            self._open.clear()
