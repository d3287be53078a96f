"""The texts of a dataset version, parted into those to learn from and those to validate by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ragstone.models.tokenizers import Tokenizer
from ragstone.storage.files import TEMPORARY, remove
from ragstone.training.dividing import FEW, HELD_OUT, Division, divide

if TYPE_CHECKING:
    from ragstone.training.snapshots import Snapshot

_TOKEN = np.int32


class Corpus:
    """Texts of a version, read from its parts as often as they are asked for.

    Parameters
    ----------
    division
        Its items that have a text. Of few, the end of each is held out.
    """

    def __init__(self, snapshot: Snapshot, division: Division) -> None:
        self._snapshot = snapshot
        self.division = division
        self._cut = len(division.held_out) < FEW
        few = f"the last {HELD_OUT:.0%} of each of {len(division.held_out)} items"
        self.how = few if self._cut else division.how

    def texts(self, *, held_out: bool) -> Iterator[str]:
        """Yield the texts of one side, in the order of the parts."""
        return (text for _, text, side in self.pieces() if side == held_out)

    def pieces(self) -> Iterator[tuple[str, str, bool]]:
        """Yield id of the item, text, and whether it is held out."""
        sides = self.division.held_out
        for row in self._snapshot.rows():
            item, text = row["item_id"], row["text"]
            if item not in sides:
                continue
            if not self._cut:
                yield item, text, sides[item]
                continue
            cut = round(len(text) * (1 - HELD_OUT))
            yield item, text[:cut], False
            yield item, text[cut:], True


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a corpus, mapped from files; the token of their end stands before each text."""

    training: NDArray[np.integer]
    held_out: NDArray[np.integer]
    held_out_bytes: int  # of the texts in UTF-8
    items: list[tuple[int, str]]  # to train on: where each begins, and its id


def read_corpus(snapshot: Snapshot, *, synthetic: bool = False) -> Corpus:
    """Return the texts of a version.

    Raises
    ------
    InvalidArgument
        It has no text.
    """
    usable = divide(snapshot, lambda row: bool(row["text"].strip()), synthetic=synthetic)
    return Corpus(snapshot, usable)


def write_tokens(corpus: Corpus, tokenizer: Tokenizer, folder: Path) -> Tokens:
    """Write the tokens of a corpus into `folder`, texts by the ids of their items; map the files.

    No more than a part of the version is in memory at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / f"{TEMPORARY}tokens"
    found: dict[bool, list[tuple[str, int, int]]] = {False: [], True: []}
    end = size = 0
    with raw.open("wb") as file:
        for item, text, held_out in corpus.pieces():
            tokens = np.asarray([tokenizer.end, *tokenizer.encode(text)], _TOKEN)
            file.write(tokens.tobytes())
            found[held_out].append((item, end, end + len(tokens)))
            end += len(tokens)
            size += len(text.encode()) if held_out else 0
    unsorted = np.memmap(raw, _TOKEN, "r") if end else np.zeros(0, _TOKEN)
    training, held_out_tokens = (
        _ordered(unsorted, found[side], folder / f"{name}.npy")
        for side, name in ((False, "training"), (True, "held-out"))
    )
    remove(raw)
    return Tokens(training, held_out_tokens, size, _begins(found[False]))


def _begins(places: list[tuple[str, int, int]]) -> list[tuple[int, str]]:
    """Return where each item begins when they are ordered, and its id."""
    at, found = 0, []
    for item, begin, end in sorted(places):
        found.append((at, item))
        at += end - begin
    return found


def _ordered(
    tokens: NDArray[np.integer], places: list[tuple[str, int, int]], path: Path
) -> NDArray[np.integer]:
    """Write the stretches of `tokens` by item id; return them, mapped."""
    remove(path)
    length = sum(end - begin for _, begin, end in places)
    if not length:
        return np.zeros(0, _TOKEN)
    ordered = open_memmap(path, "w+", _TOKEN, (length,))
    at = 0
    for _, begin, end in sorted(places):
        ordered[at : at + end - begin] = tokens[begin:end]
        at += end - begin
    ordered.flush()
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
