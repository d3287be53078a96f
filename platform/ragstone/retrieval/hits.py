"""From places in the order to hits: what was found, why, and what stands around it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragstone.retrieval.highlight import Matches
from ragstone.retrieval.neighbours import Around, around
from ragstone.schemas.api import Hit

if TYPE_CHECKING:
    from ragstone.retrieval.order import Place
    from ragstone.retrieval.scope import Scope, Target
    from ragstone.schemas.api import ArmScore
    from ragstone.storage.store import Store


def hits_of(
    store: Store, scope: Scope, places: Sequence[Place], first: int, neighbours: int
) -> list[Hit]:
    """Return the hits at `places`, of which the first has the rank `first`."""
    keys = [place.key for place in places]
    rows = scope.rows({*keys, *(key for place in places for key in place.more)})
    beside = _beside(store, scope, keys, neighbours)
    arms = _arms(places)
    shared = [store.shared_sources(m.dataset_id, m.version) for m in scope.manifests]
    matches = [Matches(t.keyword.terms if t.keyword else set()) for t in scope.targets]
    hits = []
    for rank, place in enumerate(places, start=first):
        number, row = scope.number_of(place.key), rows[place.key]
        target, near = scope.targets[number], beside.get(place.key, Around())
        assert target.keyword is not None  # its index has the row
        source = shared[number].get(row["item_key"], (row["source"], row["name"]))
        hits.append(
            Hit(
                rank=rank,
                score=place.score,
                arms=arms[place.key],
                highlights=matches[number].places(
                    row["text"], target.keyword.index.analysis_of(row)
                ),
                before=near.before,
                after=near.after,
                more=[rows[key]["chunk_id"] for key in place.more],
                **_facts(target, row, source),
            )
        )
    return hits


def _facts(target: Target, row: dict[str, Any], source: tuple[str, str]) -> dict[str, Any]:
    """Return what a hit tells of its chunk, whoever asked."""
    names = ("chunk_id", "item_id", "title", "heading", "page", "text", "start", "end")
    return {
        **{name: row[name] for name in names},
        "source": source[0],
        "name": source[1],
        "metadata": json.loads(row["metadata"]),
        # rows of older workspaces have none of these
        "modality": row.get("modality", "text"),
        "from_ms": row.get("from_ms"),
        "to_ms": row.get("to_ms"),
        "dataset": target.manifest.dataset,
        "version": target.manifest.version,
    }


def _arms(places: Sequence[Place]) -> dict[int, dict[str, ArmScore]]:
    """Return what each arm says of each place, in the round that found it."""
    found: dict[int, dict[str, ArmScore]] = {}
    for fused in {id(place.fused): place.fused for place in places}.values():
        found |= fused.places([place.key for place in places if place.fused is fused])
    return found


def _beside(store: Store, scope: Scope, keys: Sequence[int], most: int) -> dict[int, Around]:
    found: dict[int, Around] = {}
    for number, own in scope.apart(keys).items():
        target = scope.targets[number]
        if target.keyword is not None:
            dataset_id = target.manifest.dataset_id
            beside = around(store, target.keyword.index, dataset_id, own, most)
            found |= {scope.key(number, key): value for key, value in beside.items()}
    return found
