"""From places in the order to hits: what was found, why, and what stands around it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragstone.retrieval.highlight import Matches
from ragstone.retrieval.neighbours import Around, around
from ragstone.schemas.api import Hit

if TYPE_CHECKING:
    from ragstone.retrieval.order import Place
    from ragstone.retrieval.scope import Scope
    from ragstone.schemas.api import ArmScore, Highlight
    from ragstone.storage.analysis import Analysis
    from ragstone.storage.store import Store


def hits_of(
    store: Store, scope: Scope, places: Sequence[Place], first: int, neighbours: int
) -> list[Hit]:
    """Return the hits at `places`, of which the first has the rank `first`."""
    keys = [place.key for place in places]
    rows = scope.rows({*keys, *(key for place in places for key in place.more)})
    beside = _beside(store, scope, keys, neighbours)
    arms, marked = _arms(places), _marked(scope, keys, rows)
    shared = [store.shared_sources(m.dataset_id, m.version) for m in scope.manifests]
    hits = []
    for rank, place in enumerate(places, start=first):
        number, row = scope.number_of(place.key), rows[place.key]
        near = beside.get(place.key) or Around()
        source, name = shared[number].get(row["item_key"]) or (row["source"], row["name"])
        manifest = scope.targets[number].manifest
        hits.append(
            Hit(
                rank=rank,
                score=place.score,
                chunk_id=row["chunk_id"],
                item_id=row["item_id"],
                source=source,
                name=name,
                title=row["title"],
                heading=row["heading"],
                page=row["page"],
                text=row["text"],
                start=row["start"],
                end=row["end"],
                arms=arms[place.key],
                highlights=marked[place.key],
                metadata=json.loads(row["metadata"]),
                # rows of older workspaces have none of these
                modality=row.get("modality", "text"),
                from_ms=row.get("from_ms"),
                to_ms=row.get("to_ms"),
                dataset=manifest.dataset,
                version=manifest.version,
                before=near.before,
                after=near.after,
                more=[rows[key]["chunk_id"] for key in place.more],
            )
        )
    return hits


def _marked(
    scope: Scope, keys: Sequence[int], rows: Mapping[int, Mapping[str, Any]]
) -> dict[int, list[Highlight]]:
    """Return which words of the chunks `keys` match, of those that are analysed alike at once."""
    alike: dict[tuple[int, Analysis], list[int]] = {}
    for key in keys:
        number = scope.number_of(key)
        keyword = scope.targets[number].keyword
        assert keyword is not None  # its index has the row
        alike.setdefault((number, keyword.index.analysis_of(rows[key])), []).append(key)
    marked: dict[int, list[Highlight]] = {}
    for (number, analysis), own in alike.items():
        keyword = scope.targets[number].keyword
        matches = Matches(keyword.terms if keyword else set())
        texts = [rows[key]["text"] for key in own]
        marked |= zip(own, matches.places(texts, analysis), strict=True)
    return marked


def _arms(places: Sequence[Place]) -> dict[int, dict[str, ArmScore]]:
    """Return what each arm says of each place, in the round that found it."""
    found: dict[int, dict[str, ArmScore]] = {}
    for fused in {id(place.fused): place.fused for place in places}.values():
        found |= fused.places([place.key for place in places if place.fused is fused])
    return found


def _beside(store: Store, scope: Scope, keys: Sequence[int], most: int) -> dict[int, Around]:
    found: dict[int, Around] = {}
    for number, own in scope.apart(keys).items() if most else ():
        target = scope.targets[number]
        if target.keyword is not None:
            dataset_id = target.manifest.dataset_id
            beside = around(store, target.keyword.index, dataset_id, own, most)
            found |= {scope.key(number, key): value for key, value in beside.items()}
    return found
