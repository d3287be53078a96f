"""Which items of a dataset version a training learns from, and which it is validated by.

Whether an item is held out is decided by its id, or by the least id of the duplicate group that it
is in: so it stays on its side in every version, and its duplicates with it. Left out altogether
are items that models made, and items that hold a question which answers are measured by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ragstone.errors import InvalidArgument
from ragstone.schemas.synthetic import MARK
from ragstone.training.questioned import Questions

if TYPE_CHECKING:
    from ragstone.training.snapshots import Snapshot

Row = Mapping[str, Any]

HELD_OUT = 0.1  # of the items, or of the end of each
FEW = 20  # items; of fewer texts, the end of each is held out
BY_ITEMS = f"{HELD_OUT:.0%} of the items, by their ids, duplicates together"
_LICENCES = ("licence", "license")  # keys of metadata


@dataclass(frozen=True, slots=True)
class Division:
    """What a training may use of a version."""

    held_out: Mapping[str, bool]  # by item id, in the order of the ids
    how: str  # what is held out, in words
    licences: list[str]
    left_out: dict[str, int]  # items by reason


def divide(
    snapshot: Snapshot, usable: Callable[[Row], bool], *, synthetic: bool = False
) -> Division:
    """Decide for each item of a version that is `usable` on which side it is.

    Parameters
    ----------
    usable
        Told of a row of the table of items, with `modality`, `text` and `metadata`, read.
    synthetic
        Take items that a model made, too.

    Raises
    ------
    InvalidArgument
        None is left.
    """
    questions = Questions(snapshot.questions)
    licences, left_out, ids = set[str](), Counter[str](), []
    for row in snapshot.rows():
        if not usable(row):
            continue
        if row["metadata"].get(MARK) and not synthetic:
            left_out["made by a model"] += 1
        elif questions.asked_in(row["text"]):
            left_out["holds a golden query"] += 1
        else:
            ids.append(row["item_id"])
            licences |= licences_of(row["metadata"])
    if not ids:
        raise nothing_left(snapshot.manifest.dataset, left_out)
    leaders = snapshot.leaders
    sides = {item: is_held_out(leaders.get(item, item)) for item in sorted(ids)}
    return Division(sides, BY_ITEMS, sorted(licences), dict(left_out))


def licences_of(metadata: Mapping[str, Any]) -> set[str]:
    """Return the licences that the metadata of an item name."""
    return {str(metadata[key]) for key in _LICENCES if metadata.get(key)}


def is_held_out(leader: str) -> bool:
    """Tell on which side items are that the one with this id leads, when they are used."""
    return int.from_bytes(blake3(leader.encode()).digest()[:4]) < HELD_OUT * 2**32


def nothing_left(dataset: str, left_out: Mapping[str, int]) -> InvalidArgument:
    """Return the error of a version without items to learn from, which says why each is out."""
    reasons = ", ".join(f"{number:,}: {reason}" for reason, number in left_out.items())
    expected = "one with items of this kind" + (f"; left out are {reasons}" if reasons else "")
    return InvalidArgument("dataset", dataset, expected)
