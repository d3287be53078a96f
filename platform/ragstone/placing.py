"""Maps as they are shown: kept points, which of them pass the filters, and their labels."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ragstone import mapping
from ragstone.errors import NoMap
from ragstone.mapping import Plane
from ragstone.retrieval import filter_times
from ragstone.retrieval.facets import values_of
from ragstone.retrieval.fields import is_measured, kind_of
from ragstone.retrieval.filters import chosen_items
from ragstone.retrieval.histograms import histogram
from ragstone.schemas.api import HistogramBin, Projection
from ragstone.storage import maps

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_STRETCHES = 5  # that many numbers or times are put into


def projection(
    store: Store, reference: str, space: str, method: str, label: str, where: Sequence[str]
) -> Projection:
    """See `Workspace.projection`."""
    mapping.check_method(method)
    with store.keeping():
        manifest = store.resolve(reference)
        chosen = mapping.chosen_space(manifest, space)
        plane = made(store, manifest, chosen, method) if chosen else Plane([], [], [], [], 0)
        labels = _labels(store, manifest, label, where)
    shown = [place for place, item in enumerate(plane.items) if item in labels]
    return Projection(
        dataset=manifest.dataset,
        version=manifest.version,
        space=chosen,
        method=method,
        items=[plane.items[place] for place in shown],
        x=[plane.x[place] for place in shown],
        y=[plane.y[place] for place in shown],
        labels=[labels[plane.items[place]] for place in shown] if label else [],
        explained=plane.explained,
        placed=len(plane.items),
        total=plane.total,
    )


def made(store: Store, manifest: Manifest, space: str, method: str) -> Plane:
    """Return the map that is kept, or make one that is soon made; while files are kept.

    Raises
    ------
    NoMap
        It takes long, so it is for a job.
    """
    found = maps.kept(store.root, manifest, space, method)
    if found is not None:
        return Plane(**found)
    if method not in mapping.QUICK:
        raise NoMap(manifest.dataset, manifest.version, space, method)
    plane = mapping.plane(store.root, manifest, space, method)
    maps.keep(store.root, manifest, space, method, asdict(plane))
    return plane


# ---------------------------------------------------------------- labels


def _labels(store: Store, manifest: Manifest, field: str, where: Sequence[str]) -> dict[str, str]:
    """Return a label of each item that passes the filters, by id; empty where it has no value."""
    chosen = chosen_items(store, manifest, where)
    if not field:
        rows = store.catalog.rows(f"SELECT item_id FROM ({chosen.sql})", chosen.parameters)  # noqa: S608
        return {str(item): "" for (item,) in rows}
    rows = store.catalog.rows(
        f"WITH {values_of(store, manifest, chosen, field)} "  # noqa: S608
        "SELECT i.item_id, min(f.value) FROM chosen i LEFT JOIN found f USING (item_key) "
        "GROUP BY i.item_id",
        chosen.parameters,
    )
    values = {str(item): "" if value is None else str(value) for item, value in rows}
    if not is_measured(kind_of(list(filter(None, values.values())))):
        return values
    return _stretches(values, histogram(store, manifest, field, where, _STRETCHES).bins)


def _stretches(values: dict[str, str], bins: Sequence[HistogramBin]) -> dict[str, str]:
    """Return the bin of each value, as `LOW to HIGH`."""
    edges = [_measure(one.low) for one in bins]
    names = [f"{one.low} to {one.high}" for one in bins]

    def name(value: str) -> str:
        place = bisect_right(edges, _measure(value)) - 1 if value else -1
        return names[place] if place >= 0 else ""

    return {item: name(value) for item, value in values.items()}


def _measure(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        span = filter_times.stretch(text)
        return float(span[0]) if span else float("-inf")
