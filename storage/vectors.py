"""Vector segments: immutable FAISS files, searched together.

A segment holds the vectors of the chunks that one version added, in the part's own float16: exact,
half the size of float32, and searched 2.5 times as fast, for a search reads every byte of them. A
rebuilt segment gives the same scores to the last bit.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray
from ulid import ULID

from ragstone.errors import DamagedFile
from ragstone.storage.files import TEMPORARY, make_folder, stamp, sync_file, sync_folder, verify
from ragstone.storage.manifests import SegmentRef
from ragstone.storage.ranked import Ranked, ranked

if TYPE_CHECKING:
    from pyroaring import BitMap64


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
        Unit vectors, float16 of shape (n, dimension).
    """
    target = folder / "vectors" / space
    make_folder(target)
    halves = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index = faiss.IndexIDMap2(halves)
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), keys)
    name = f"{ULID()}.faiss"
    temporary = target / f"{TEMPORARY}{name}"
    # Given a path, FAISS takes no notice when the last bytes do not reach the disk.
    with temporary.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
    sync_file(temporary)
    written = stamp(temporary)
    final = target / name
    temporary.rename(final)
    sync_folder(target)
    return SegmentRef(final.relative_to(root).as_posix(), space, len(keys), written)


class Segments:
    """Opens segments once and shares them between versions; searching is thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, faiss.Index] = {}
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
        for segment in segments:
            wanted = min(k, segment.vectors)
            found = self._index(segment).search(query[None, :], wanted, params=parameters)
            scores.append(found[0][0])
            keys.append(found[1][0])
        every = np.concatenate(keys)
        real = every >= 0  # FAISS fills up with -1 where a filter leaves too few
        return ranked(every[real], np.concatenate(scores)[real], k)

    def _index(self, segment: SegmentRef) -> faiss.Index:
        with self._lock:
            index = self._open.get(segment.path)
            if index is None:
                index = self._open[segment.path] = self._load(segment)
            return index

    def _load(self, segment: SegmentRef) -> faiss.Index:
        path = self._root / segment.path
        verify(path, segment.file)  # FAISS itself reads a flipped byte without a word
        index = _read(path)
        if index.ntotal != segment.vectors:
            raise DamagedFile(path, f"it holds {index.ntotal} vectors, not {segment.vectors}")
        return index

    def forget(self) -> None:
        """Close all segments."""
        with self._lock:
            self._open.clear()


def read_keys(path: Path) -> NDArray[np.int64]:
    """Return the chunk keys in the segment at `path`, int64 of shape (n,)."""
    index = _read(path)  # keeps alive what `id_map` points into
    keys: NDArray[np.int64] = faiss.vector_to_array(index.id_map)
    return keys


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
