"""Re-embedding, blue and green: the same rows with the vectors of another encoder, in one commit.

The new vectors are written beside the old ones, part by part, into a staging folder; searches go on
with the old ones. The version that names the new parts is the switch. Vectors of two encoders never
meet: a version has one embedding space, and its segments are written from its parts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from ragstone.errors import RagstoneError, StorageFault, VersionConflict
from ragstone.storage import living, manifests, parts
from ragstone.storage.composing import created_after
from ragstone.storage.files import remove
from ragstone.storage.manifests import Manifest, PartRef, SegmentRef
from ragstone.storage.merging import LARGEST_VECTORS
from ragstone.storage.ranked import NOTHING, Ranked, ranked
from ragstone.storage.vectors import write_segment

if TYPE_CHECKING:
    from ragstone.storage.store import Store

_SCORES = 2**24  # at a time: 64 MB
# Chunk keys, of shape (n,), and their vectors, of shape (n, dimension).
Batch = tuple[NDArray[np.int64], NDArray[np.float16]]


@dataclass(frozen=True, slots=True)
class NewSpace:
    """Where the vectors of a dataset go."""

    space: str
    encoder: str  # the setting encoder.name that opens its encoder
    settings: str  # digest of what shaped the chunks


def living_parts(root: Path, manifest: Manifest) -> list[PartRef]:
    """Return the parts of a version with a source or a chunk in it that lives."""
    items = manifests.unpack_bitmap(manifest.removed_items)
    items -= manifests.unpack_bitmap(manifest.hidden)  # they may be shown again
    sources = manifests.unpack_bitmap(manifest.removed_sources)
    return [
        part
        for part in manifest.parts
        if _keys(root, part, "sources", "source_key") - sources
        or _keys(root, part, "items", "item_key") - items
    ]


def nearest(
    root: Path,
    head: Manifest,
    made: Sequence[PartRef],
    space: str,
    queries: NDArray[np.float32],
    k: int,
) -> list[Ranked]:
    """Return the `k` nearest living chunks of each query, by all vectors of the parts `made`.

    So a space can be tried before anything is switched. `queries` are unit vectors, float32 of
    shape (queries, dimension).
    """
    best = [NOTHING] * len(queries)
    rows = max(256, _SCORES // max(1, len(queries)))
    for keys, vectors in _batches(root, head, made, space, rows):
        for start in range(0, len(keys), rows):
            block = vectors[start : start + rows].astype(np.float32)  # (rows, dimension)
            scores = queries @ block.T  # (queries, rows)
            for number, found in enumerate(scores):
                top = np.argpartition(-found, k)[:k] if k < len(found) else np.arange(len(found))
                best[number] = ranked(
                    np.concatenate([best[number].keys, keys[start : start + rows][top]]),
                    np.concatenate([best[number].scores, found[top]]),
                    k,
                )
    return best


def switch(
    store: Store, head: Manifest, to: NewSpace, made: Sequence[PartRef], message: str
) -> Manifest:
    """Publish the version after `head` with the parts `made` in the place of its own.

    `made` holds, staged anywhere in the workspace, one part for each of `living_parts`.

    Raises
    ------
    VersionConflict
        The head has moved: parts without new vectors may have come.
    """
    with store.writing():
        if store.head(head.dataset).digest != head.digest:
            raise VersionConflict(head.dataset, head.version + 1)
        folder = store.folder(head)
        placed: list[PartRef] = []
        segments: list[SegmentRef] = []
        manifest: Manifest | None = None
        try:
            for part in made:
                placed.append(parts.link_part(store.root, part, folder / "parts"))
            segments = _segments(store.root, folder, head, placed, to.space)
            manifest = manifests.seal(_next(head, to, placed, segments, message))
            return store.publish(manifest, head)
        except BaseException as error:
            if not isinstance(error, RagstoneError) or isinstance(error, StorageFault):
                store.expect_leftovers()
            if not (manifest and manifests.stands(folder, manifest)):
                _take_back(store.root, placed, segments)
            raise


def _next(
    head: Manifest,
    to: NewSpace,
    placed: list[PartRef],
    segments: list[SegmentRef],
    message: str,
) -> Manifest:
    return replace(
        head,
        version=head.version + 1,
        parent=head.digest,
        message=message or f"re-embedded: {head.space} to {to.space}",
        created=created_after(head),
        settings=to.settings,
        space=to.space,
        encoder=to.encoder,
        added=0,
        removed=0,
        parts=placed,
        segments=[*segments, *(s for s in head.segments if parts.modality_of(s.space) != "text")],
        origin="",
        fusion=None,  # it was learned with the old vectors
        format=manifests.MANIFEST_FORMAT,
        digest="",
    )


def _segments(
    root: Path, folder: Path, head: Manifest, placed: Sequence[PartRef], space: str
) -> list[SegmentRef]:
    """Write the living vectors of the parts, none of the segments larger than a merge makes."""
    return [
        write_segment(root, folder, space, keys, vectors)
        for keys, vectors in _batches(root, head, placed, space, LARGEST_VECTORS)
    ]


def _batches(
    root: Path, head: Manifest, of: Iterable[PartRef], space: str, most: int
) -> Iterator[Batch]:
    """Yield what lives in `head` of the vectors of the parts `of`, up to `most` at a time.

    A part is never divided: one that is larger is a batch of its own.
    """
    waiting: list[Batch] = []
    for part in of:
        fresh = _living_vectors(root, head, part, space)
        if waiting and sum(len(keys) for keys, _ in (*waiting, fresh)) > most:
            yield _joined(waiting)
            waiting = []
        if len(fresh[0]):
            waiting.append(fresh)
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[Batch]) -> Batch:
    keys, vectors = zip(*batches, strict=True)
    return np.concatenate(keys), np.concatenate(vectors)


def _living_vectors(root: Path, head: Manifest, part: PartRef, space: str) -> Batch:
    live = living.chunks_in(root, [part], head)
    held, vectors = parts.read_embedded(root / part.path, space)
    alive = np.isin(held, np.fromiter(live, np.int64, len(live)))
    return held[alive], np.asarray(vectors[alive])


def _take_back(root: Path, placed: Sequence[PartRef], segments: Sequence[SegmentRef]) -> None:
    """Delete what was written; the parts are staged as before, for the next try."""
    for path in (*(segment.path for segment in segments), *(part.path for part in placed)):
        remove(root / path)


def _keys(root: Path, part: PartRef, table: str, column: str) -> BitMap64:
    return BitMap64(parts.read_table(root / part.path, table, [column])[column].to_numpy())
