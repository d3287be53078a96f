"""Queries whose answers are known, in the BEIR layout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.errors import InvalidArgument, UnknownSource

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

Judgements = dict[str, dict[str, int]]  # query id -> item name -> grade
Names = dict[int, str]  # chunk key -> name of its item


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """Queries that have judgements, and the judgements."""

    queries: dict[str, str]  # id -> text
    judgements: Judgements


def read_judged(queries: Path, qrels: Path) -> JudgedQueries:
    """Read `queries` (JSONL with `_id` and `text`) and `qrels` (query-id, corpus-id, score).

    Raises
    ------
    UnknownSource, InvalidArgument
        A file is missing or not in this layout, or no query has a judgement.
    """
    judgements: Judgements = {}
    for query, item, grade in _qrels(qrels):
        judgements.setdefault(query, {})[item] = grade
    texts = dict(_queries(queries))
    # In one order, wherever they come from: resamples and folds are drawn by place.
    judged = {key: text for key, text in sorted(texts.items()) if key in judgements}
    if not judged:
        raise InvalidArgument("qrels", str(qrels), "judgements of at least one of the queries")
    return JudgedQueries(judged, {key: judgements[key] for key in judged})


def check_names(judged: JudgedQueries, names: Names) -> None:
    """Refuse judgements that name no item at all: all measures would be 0 without a reason.

    Raises
    ------
    InvalidArgument
        So it is.
    """
    wanted = {item for grades in judged.judgements.values() for item in grades}
    if wanted.isdisjoint(names.values()):
        example = next(iter(names.values()), "(the version is empty)")
        expected = f"judgements of items by their names, such as {example!r} (see --id)"
        raise InvalidArgument("qrels", min(wanted), expected)


def item_names(store: Store, manifest: Manifest) -> Names:
    """Return chunk key -> name of its item, as judgements call it."""
    version = manifest.version
    rows = store.catalog.rows(
        "SELECT c.chunk_key, min_by(s.name, s.source_key) FROM chunks c "
        "JOIN sources s USING (dataset_id, item_key) WHERE c.dataset_id = ? "
        "AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?) GROUP BY c.chunk_key",
        [manifest.dataset_id, version, version],
    )
    return {int(key): str(name) for key, name in rows}


def names_of(store: Store, manifest: Manifest, items: Iterable[str]) -> dict[str, str]:
    """Return id -> name, as judgements call it, of those `items` that a version has."""
    version = manifest.version
    rows = store.catalog.rows(
        "SELECT i.item_id, min_by(s.name, s.source_key) FROM items i "
        "JOIN sources s USING (dataset_id, item_key) WHERE i.dataset_id = ? "
        "AND list_contains(?::VARCHAR[], i.item_id) "
        "AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?) GROUP BY i.item_id",
        [manifest.dataset_id, list(items), version, version],
    )
    return {str(item): str(name) for item, name in rows}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((n, line) for n, line in enumerate(file, start=1) if line.strip())
    except FileNotFoundError as error:
        raise UnknownSource(str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(path.name, str(path), f"a readable UTF-8 file ({error})") from error


def _queries(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            yield str(row["_id"]), str(row["text"])
        except (ValueError, KeyError, TypeError) as error:
            expected = f"JSON lines with _id and text (line {number})"
            raise InvalidArgument("queries", str(path), expected) from error


def _qrels(path: Path) -> Iterator[tuple[str, str, int]]:
    for number, line in _lines(path):
        fields = line.rstrip("\n").split("\t") if "\t" in line else line.split()
        fields = [fields[0], *fields[-2:]] if len(fields) == 4 else fields  # TREC: query 0 item n
        header = number == 1 and not fields[-1].lstrip("-").isdigit()
        if header:
            continue
        if len(fields) != 3 or not fields[2].lstrip("-").isdigit():
            expected = f"lines of query-id, corpus-id and score (line {number})"
            raise InvalidArgument("qrels", str(path), expected)
        yield fields[0], fields[1], int(fields[2])
