"""A map of a version: its items as points in a plane, near each other where their vectors are.

The vector of an item is the mean direction of the vectors of its chunks. The plane is that of the
two principal components (PCA; Pearson 1901), or what UMAP makes (McInnes, Healy and Melville 2018,
arXiv:1802.03426). Of very many items a sample is taken, always the same one.

Read from files alone, so any process can make it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument, MissingExtra
from ragstone.ingestion.dedup.semantic import item_vectors
from ragstone.storage import manifests, parts

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest

MOST = 20_000  # points: more than a browser draws smoothly, and an eye tells apart
Method = Literal["pca", "umap"]
METHODS: tuple[Method, ...] = ("pca", "umap")
QUICK = frozenset({"pca"})  # a second or two, for as many points as are shown
_SEED = 0
_DIGITS = 5  # that a coordinate is kept with
_FEWEST = 4  # items that UMAP can place

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plane:
    """Items as points; of each array the shape is (n,)."""

    items: list[str]  # ids
    x: list[float]
    y: list[float]
    explained: list[float]  # share of the variance that each axis shows; none of UMAP
    total: int  # items that have a vector

    @classmethod
    def of(cls, items: list[str], points: Floats, explained: list[float], total: int) -> Plane:
        """Take points of shape (n, 2)."""
        x, y = ([_rounded(value) for value in axis] for axis in points.T.tolist())
        return cls(items, x, y, explained, total)


def check_method(method: str) -> None:
    """Refuse a way to make maps that there is not.

    Raises
    ------
    InvalidArgument, MissingExtra
        It has no name that is known, or its package is not installed.
    """
    if method not in METHODS:
        raise InvalidArgument("method", method, f"one of {', '.join(METHODS)}")
    if method == "umap" and find_spec("umap") is None:
        raise MissingExtra("a map by UMAP", "map")


def spaces(manifest: Manifest) -> list[str]:
    """Return the embedding spaces that a version has vectors in: that of texts first."""
    held = {segment.space for segment in manifest.segments}
    ours = [manifest.space, *(media.space for media in manifest.media.values())]
    return [space for space in dict.fromkeys(ours) if space in held]


def chosen_space(manifest: Manifest, wanted: str) -> str:
    """Return the space that is wanted, or the first there is; empty where there is none.

    Raises
    ------
    InvalidArgument
        The version has no vectors in it.
    """
    known = spaces(manifest)
    if wanted and wanted not in known:
        raise InvalidArgument("space", wanted, f"one of {', '.join(known)}")
    return wanted or next(iter(known), "")


def plane(root: Path, manifest: Manifest, space: str, method: str) -> Plane:
    """Return the map of the visible items of a version that have vectors in `space`.

    The same files give the same map, on the same machine.

    Raises
    ------
    InvalidArgument, MissingExtra
        As `check_method`.
    DamagedFile
        A part cannot be read.
    """
    check_method(method)
    held = [part for part in manifest.parts if space in parts.spaces_of(part)]
    owners = [_owners(root / part.path, space) for part in held]
    gone = manifests.unpack_bitmap(manifest.removed_items)
    living = np.setdiff1d(
        np.concatenate([np.empty(0, np.int64), *owners]), np.fromiter(gone, np.int64, len(gone))
    )
    shown = _sample(living)
    found: list[tuple[NDArray[np.int64], Floats]] = []
    ids: dict[int, str] = {}
    for part, of in zip(held, owners, strict=True):
        folder, here = root / part.path, np.isin(of, shown)
        if here.any():
            vectors = parts.read_vectors(folder, space)[here]
            found.append(item_vectors(of[here], vectors))  # all chunks of an item are in one part
            ids |= _ids(folder, found[-1][0])
    if not found:
        return Plane([], [], [], [], 0)
    keys, means = np.concatenate([k for k, _ in found]), np.concatenate([v for _, v in found])
    order = np.argsort(keys)
    keys, means = keys[order], means[order]
    explained: list[float] = []
    if method == "umap" and len(keys) >= _FEWEST:
        points = umap_points(means)
    else:
        points, explained = principal_points(means)
    return Plane.of([ids[key] for key in keys.tolist()], points, explained, len(living))


def _owners(folder: Path, space: str) -> NDArray[np.int64]:
    """Return the item of each vector of a part, in their order."""
    chunks = parts.read_table(folder, "chunks", ["item_key", "modality", "tokens"])
    owners: NDArray[np.int64] = chunks["item_key"].to_numpy()[parts.embedded_in(chunks, space)]
    return owners


def _ids(folder: Path, keys: NDArray[np.int64]) -> dict[int, str]:
    items = parts.read_table(folder, "items", ["item_key", "item_id"])
    wanted = set(keys.tolist())
    pairs = zip(items["item_key"].to_pylist(), items["item_id"].to_pylist(), strict=True)
    return {key: item for key, item in pairs if key in wanted}


def _sample(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(keys) <= MOST:
        return keys
    chosen = np.random.default_rng(_SEED).choice(len(keys), MOST, replace=False)
    return keys[np.sort(chosen)]


def principal_points(vectors: Floats) -> tuple[Floats, list[float]]:
    """Return the two principal components, shape (n, 2), and the share of the variance of each.

    Of each component the largest weight is positive, so that a map is never its own mirror image.
    """
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    first = axes[:, ::-1][:, :2]
    weights = first[np.abs(first).argmax(0), np.arange(first.shape[1])]
    points = np.zeros((len(vectors), 2), np.float32)
    points[:, : first.shape[1]] = centred @ (first * np.sign(weights))
    whole = float(variances.clip(0).sum())
    shares = variances[::-1][:2].clip(0) / whole if whole else np.zeros(2)
    return points, [round(float(share), _DIGITS) for share in shares]


def umap_points(vectors: Floats) -> Floats:
    """Return what UMAP makes of unit vectors, shape (n, 2)."""
    umap: Any = __import__("umap")
    near = min(15, len(vectors) - 1)
    start = "spectral" if len(vectors) > 2 * near else "random"
    how = umap.UMAP(n_neighbors=near, metric="cosine", init=start, random_state=_SEED, n_jobs=1)
    points: Floats = how.fit_transform(vectors).astype(np.float32)
    return points


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
