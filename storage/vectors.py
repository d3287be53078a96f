"""Vector segments: immutable FAISS files with the vectors of many chunks, or of few.

A segment holds the vectors of the chunks that one version added, or that a merge put together, in
the part's own float16: exact, half the size of float32, and searched 2.5 times as fast. One of few
vectors is flat: a search reads every byte of it. One of many is sorted into cells (an inverted
file), and a search reads those near the query. Its centres are in the same file and come from the
vectors of that file alone, so each segment stands for itself: nothing else has to be kept, checked,
backed up or erased with it, and one that is written anew without an erased vector has no trace of
it. Either way the same vectors give the same bytes, on any machine, and the same scores to the last
bit.

The few vectors of a small version are not written twice: until they are merged, the part's own file
is their segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64
from ulid import ULID

from ragstone.errors import DamagedFile
from ragstone.storage.cells import assigned, cell_count, centres_of
from ragstone.storage.files import TEMPORARY, make_folder, stamp, sync_file, sync_folder
from ragstone.storage.manifests import PartRef, SegmentRef, pack_bitmap, unpack_bitmap
from ragstone.storage.parts import read_embedded, read_vectors, space_in, vector_file

SUFFIX = ".faiss"
PART_SUFFIX = ".npy"
# Vectors from which on a segment has cells. A dataset has up to eleven segments of a size, so flat
# ones of twice this size would make a search read 140 MB at 384 dimensions.
IN_CELLS = 16_384
MAPPED = 2**24  # bytes from which on a file is mapped

Keys: TypeAlias = NDArray[np.int64]  # of chunks, shape (n,)
Halves: TypeAlias = NDArray[np.float16]  # their vectors, shape (n, dimension)


def write_segment(
    root: Path,
    folder: Path,
    space: str,
    keys: Keys,
    vectors: Halves,
    *,
    sorted_into_cells: bool | None = None,
) -> SegmentRef:
    """Write a segment below `folder` (a dataset of the workspace `root`), durably.

    Parameters
    ----------
    keys
        Chunk keys, int64 of shape (n,), each once.
    vectors
        Unit vectors, float16 of shape (n, dimension). They are kept in the order of their keys,
        so the same vectors always give the same bytes.
    sorted_into_cells
        None does so with many; before there were cells, no segment was.
    """
    if sorted_into_cells is None:
        sorted_into_cells = len(keys) >= IN_CELLS
    if (np.diff(keys) < 0).any():
        order = np.argsort(keys)
        keys, vectors = keys[order], vectors[order]
    target = folder / "vectors" / space
    make_folder(target)
    index = in_cells(keys, vectors) if sorted_into_cells else flat(keys, vectors)
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


def part_as_segment(part: PartRef, space: str, keys: Keys) -> SegmentRef:
    """Return the vectors of `part` in `space` as a segment; nothing is written.

    `keys` are those of the chunks embedded there, int64 of shape (n,), ascending.
    """
    name = vector_file(space)
    held = pack_bitmap(BitMap64(keys))
    return SegmentRef(f"{part.path}/{name}", space, len(keys), part.files[name], held)


def open_segment(root: Path, segment: SegmentRef) -> faiss.Index:
    """Open a segment whose bytes are as they were written; a large FAISS file is mapped, not read.

    Raises
    ------
    DamagedFile
        It is no such file, or holds more or fewer vectors than promised.
    """
    path = root / segment.path
    index = _from_part(segment, path) if path.suffix == PART_SUFFIX else _read(path)
    if index.ntotal != segment.vectors:
        raise DamagedFile(path, f"it holds {index.ntotal} vectors, not {segment.vectors}")
    return index


def read_keys(path: Path) -> Keys:
    """Return the chunk keys in the segment at `path`, int64 of shape (n,), ascending."""
    if path.suffix == PART_SUFFIX:
        keys, _ = read_embedded(path.parent, space_in(path.name))
        return keys
    index = _read(path)
    return np.sort(np.concatenate([np.empty(0, np.int64), *(k.copy() for k, _ in blocks(index))]))


def blocks(index: faiss.Index) -> Iterator[tuple[Keys, Halves]]:
    """Yield what a segment holds, cell by cell: views, valid as long as `index` is.

    Keys of shape (n,), and their vectors of shape (n, dimension).
    """
    if not isinstance(index, faiss.IndexIVF):
        codes = faiss.vector_to_array(faiss.downcast_index(index.index).codes)
        yield faiss.vector_to_array(index.id_map), _halves(codes, index.d)
        return
    lists = index.invlists
    for cell in range(index.nlist):
        if count := lists.list_size(cell):
            keys = faiss.rev_swig_ptr(lists.get_ids(cell), count)
            codes = faiss.rev_swig_ptr(lists.get_codes(cell), count * lists.code_size)
            yield keys, _halves(codes, index.d)


def flat(keys: Keys, vectors: Halves) -> faiss.Index:
    """Return an index that looks at every vector."""
    halves = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index = faiss.IndexIDMap2(halves)
    index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), keys)
    return index


def in_cells(keys: Keys, vectors: Halves) -> faiss.Index:
    """Return an index that looks into the cells whose centres are nearest."""
    centres = centres_of(vectors, cell_count(len(vectors)))
    cells = assigned(vectors, centres)
    coarse = faiss.IndexFlatIP(vectors.shape[1])
    coarse.add(centres)
    index = faiss.IndexIVFScalarQuantizer(
        coarse,
        vectors.shape[1],
        len(centres),
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,  # whole vectors, not what is left of them without the centre
    )
    index.is_trained = True  # halves need no training
    order = np.argsort(cells, kind="stable")
    ends = np.cumsum(np.bincount(cells, minlength=len(centres)))
    for cell, rows in enumerate(np.split(order, ends[:-1])):
        if len(rows):  # halves are put in as they are: adding would make floats of them, and back
            own, codes = keys[rows], np.ascontiguousarray(vectors[rows]).view(np.uint8)
            pointers = faiss.swig_ptr(own), faiss.swig_ptr(codes)
            index.invlists.add_entries(cell, len(rows), *pointers)
    index.ntotal = len(keys)
    return index


def _halves(codes: NDArray[np.uint8], dimension: int) -> Halves:
    return codes.view(np.float16).reshape(-1, dimension)


def _from_part(segment: SegmentRef, path: Path) -> faiss.Index:
    vectors = read_vectors(path.parent, segment.space)
    keys = unpack_bitmap(segment.keys)
    if len(keys) != len(vectors):
        raise DamagedFile(path, f"it holds {len(vectors)} vectors, not {len(keys)}")
    return flat(np.fromiter(keys, np.int64, len(keys)), vectors)


def _read(path: Path) -> faiss.Index:
    """Read a file; map a large one into memory, since it is never written to, only unlinked."""
    how = faiss.IO_FLAG_MMAP_IFC if path.stat().st_size >= MAPPED else 0
    try:
        return faiss.read_index(str(path), how)
    except RuntimeError as error:
        raise DamagedFile(path, str(error)) from error
