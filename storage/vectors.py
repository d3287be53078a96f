"""Vector segments: immutable FAISS files, searched together.

A segment holds the vectors of the chunks that one version added, in the part's own float16: exact,
half the size of float32, and searched 2.5 times as fast, for a search reads every byte of them. A
rebuilt segment gives the same scores to the last bit.

The few vectors of a small version are not written twice: until they are merged, the part's own file
is their segment.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64
from ulid import ULID

from ragstone.errors import DamagedFile
from ragstone.storage.files import TEMPORARY, make_folder, stamp, sync_file, sync_folder, verify
from ragstone.storage.manifests import PartRef, SegmentRef, pack_bitmap, unpack_bitmap
from ragstone.storage.parts import read_embedded, read_vectors, space_in, vector_file
from ragstone.storage.ranked import Ranked, ranked

SUFFIX = ".faiss"
PART_SUFFIX = ".npy"
_OPEN_BYTES = 4 * 2**30  # kept open; an old version that is searched again is read again


def write_segment(
    root: Path,
    folder: Path,
    space: str,
    keys: NDArray[np.int64],
    vectors: NDArray[np.float16],
) -> SegmentRef:
    """Write a segment below `folder` (a dataset of the workspace `root`), durably.

    Parameters
    ----------
    keys
        Chunk keys, int64 of shape (n,), each once.
    vectors
        Unit vectors, float16 of shape (n, dimension). They are kept in the order of their keys,
        so the same vectors always give the same bytes.
    """
    order = np.argsort(keys)
    keys, vectors = keys[order], vectors[order]
    target = folder / "vectors" / space
    make_folder(target)
    index = _index_of(keys, vectors)
    name = f"{ULID()}{SUFFIX}"
    temporary = target / f"{TEMPORARY}{name}"
    # Given a path, FAISS takes no notice when the last bytes do not reach the disk.
    with temporary.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
    sync_file(temporary)
    written = stamp(temporary)
    final = target / name
    temporary.rename(final)
    sync_folder(target)
    path = final.relative_to(root).as_posix()
    return SegmentRef(path, space, len(keys), written, pack_bitmap(BitMap64(keys)))


def part_as_segment(part: PartRef, space: str, keys: NDArray[np.int64]) -> SegmentRef:
    """Return the vectors of `part` in `space` as a segment; nothing is written.

    `keys` are those of the chunks embedded there, int64 of shape (n,), ascending.
    """
    name = vector_file(space)
    held = pack_bitmap(BitMap64(keys))
    return SegmentRef(f"{part.path}/{name}", space, len(keys), part.files[name], held)


class Segments:
    """Opens segments once and shares them between versions; searching is thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, tuple[faiss.Index, int]] = {}  # with its size, last used last
        self._lock = threading.Lock()

    def search(
        self,
        segments: Sequence[SegmentRef],
        query: NDArray[np.float32],
        k: int,
        allowed: BitMap64 | None,
    ) -> Ranked:
        """Return the `k` nearest chunks with their cosine.

        Parameters
        ----------
        query
            Unit vector, float32 of shape (dimension,).
        allowed
            Chunk keys that may be found; None allows all.

        Raises
        ------
        DamagedFile
            A segment is not as its manifest promises.
        """
        selector = _selector(allowed)
        parameters = faiss.SearchParameters(sel=selector) if selector else None
        keys, scores = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        # FAISS shares queries out, and there is one: more threads only wait for each other, on a
        # busy machine 40 times as long as the search takes. The number is the calling thread's.
        faiss.omp_set_num_threads(1)
        for segment in segments:
            wanted = min(k, segment.vectors)
            found = self._index(segment).search(query[None, :], wanted, params=parameters)
            scores.append(found[0][0])
            keys.append(found[1][0])
        every = np.concatenate(keys)
        real = every >= 0  # FAISS fills up with -1 where a filter leaves too few
        return ranked(every[real], np.concatenate(scores)[real], k)

    def contents(self, segment: SegmentRef) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Return what a segment holds: keys of shape (n,), vectors of shape (n, dimension)."""
        index = self._index(segment)
        keys: NDArray[np.int64] = faiss.vector_to_array(index.id_map)
        codes = faiss.vector_to_array(faiss.downcast_index(index.index).codes)
        vectors: NDArray[np.float16] = codes.view(np.float16).reshape(len(keys), index.d)
        return keys, vectors

    def _index(self, segment: SegmentRef) -> faiss.Index:
        with self._lock:
            index, size = self._open.pop(segment.path, (None, segment.file.size))
            if index is None:
                index = self._load(segment)
            self._open[segment.path] = index, size
            while len(self._open) > 1 and sum(s for _, s in self._open.values()) > _OPEN_BYTES:
                self._open.pop(next(iter(self._open)))
            return index

    def _load(self, segment: SegmentRef) -> faiss.Index:
        path = self._root / segment.path
        verify(path, segment.file)  # FAISS itself reads a flipped byte without a word
        index = _from_part(segment, path) if path.suffix == PART_SUFFIX else _read(path)
        if index.ntotal != segment.vectors:
            raise DamagedFile(path, f"it holds {index.ntotal} vectors, not {segment.vectors}")
        return index

    def forget(self) -> None:
        """Close all segments."""
        with self._lock:
            self._open.clear()


def read_keys(path: Path) -> NDArray[np.int64]:
    """Return the chunk keys in the segment at `path`, int64 of shape (n,)."""
    keys: NDArray[np.int64]
    if path.suffix == PART_SUFFIX:
        keys, _ = read_embedded(path.parent, space_in(path.name))
    else:
        index = _read(path)  # keeps alive what `id_map` points into
        keys = faiss.vector_to_array(index.id_map)
    return keys


def _index_of(keys: NDArray[np.int64], vectors: NDArray[np.float16]) -> faiss.Index:
    halves = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index = faiss.IndexIDMap2(halves)
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), keys)
    return index


def _from_part(segment: SegmentRef, path: Path) -> faiss.Index:
    vectors = read_vectors(path.parent, segment.space)
    keys = unpack_bitmap(segment.keys)
    if len(keys) != len(vectors):
        raise DamagedFile(path, f"it holds {len(vectors)} vectors, not {len(keys)}")
    return _index_of(np.fromiter(keys, np.int64, len(keys)), vectors)


def _read(path: Path) -> faiss.Index:
    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise DamagedFile(path, str(error)) from error


def _selector(allowed: BitMap64 | None) -> faiss.IDSelector | None:
    if allowed is None:
        return None
    bits = np.zeros(int(allowed.max()) + 1 if allowed else 1, dtype=bool)
    bits[np.fromiter(allowed, dtype=np.int64, count=len(allowed))] = True
    return faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
