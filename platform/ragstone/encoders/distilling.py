"""A static encoder distilled from any text encoder on this machine, as Model2Vec does it.

Tulkens and van Dongen, "Model2Vec" (MinishLab, 2024): the teacher reads every token of its
vocabulary once, alone; the vectors are weighted by SIF and reduced by PCA. With texts, the table is
fitted to the teacher's vectors of these in between (`fitting.py`). Nothing is random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from ragstone.encoders.fitting import agreement, bags, fitted, reduced, token_weights
from ragstone.encoders.static_table import pack, unpack
from ragstone.encoders.static_writing import write_static
from ragstone.encoders.text import SentenceEncoder
from ragstone.encoders.weights import ModelFiles, find_model
from ragstone.encoders.writing import check_new
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from tokenizers import Tokenizer

    from ragstone.encoders.base import Vectors

MAX_TEXTS = 12_000  # their kernel takes 1.2 GB, and a minute to solve
_BATCH = 512  # tokens that the teacher reads at a time, each alone
_HELD_OUT = 20  # every 20th text measures the table instead of shaping it
_FEWEST = 3 * _HELD_OUT

Heard = Callable[[str, int, int], None]  # what is being done, how much is done, of how much


@dataclass(frozen=True, slots=True)
class Distilled:
    """A static encoder, and how near it comes to its teacher.

    Parameters
    ----------
    folder
        To be given as `encoder.name`.
    teacher, digest
        Name of the teacher, and the digest of its files.
    texts
        Texts that the table was fitted to.
    held_out
        Further texts; the correlation of their similarities with the teacher's is `before` without
        the fit, and `after` with it.
    size
        Bytes of the table.
    """

    folder: str
    teacher: str
    digest: str
    tokens: int
    dimension: int
    max_tokens: int
    texts: int
    held_out: int
    before: float | None
    after: float | None
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts as the table sees them (bags of tokens) and as the teacher does (unit vectors)."""

    counted: csr_array  # (texts, tokens)
    targets: Vectors  # (texts, dimension of the teacher)

    def held_out(self, wanted: bool) -> _Texts:  # noqa: FBT001
        chosen = (np.arange(len(self.targets)) % _HELD_OUT == 0) == wanted
        return _Texts(self.counted[chosen], self.targets[chosen])

    def agreement(self, table: Vectors) -> float:
        return round(agreement(table, self.counted, self.targets), 4)


def distill(
    teacher: str,
    folder: Path,
    *,
    texts: Sequence[str] = (),
    dimension: int = 256,
    on_progress: Heard = lambda *_: None,
) -> Distilled:
    """Distil the text encoder `teacher` into `folder`.

    Parameters
    ----------
    teacher
        As in the setting encoder.name.
    folder
        Must not exist, or be empty.
    texts
        Like those that will be searched. Of more than `MAX_TEXTS`, some are left out evenly.
    dimension
        Even, and at most the teacher's.

    Raises
    ------
    EncoderUnavailable
        The teacher is not on this machine, or cannot be loaded.
    InvalidArgument
        The folder is not empty, the dimension does not fit, or the texts are too few.
    """
    started = monotonic()
    files = find_model(teacher)
    _check(files, folder, dimension)
    tokenizer = _tokenizer(files)
    chosen = _readable(texts, tokenizer)
    raw = _alone(files, tokenizer, on_progress)
    table = (raw - raw.mean(axis=0)) * token_weights(len(raw))
    before = after = None
    packed = pack(reduced(table, dimension))
    if chosen:
        read = _read(files, tokenizer, chosen, on_progress)
        shaping, measuring = read.held_out(False), read.held_out(True)
        before = measuring.agreement(unpack(packed))
        on_progress("fitting", 0, 1)
        packed = pack(reduced(fitted(table, shaping.counted, shaping.targets), dimension))
        after = measuring.agreement(unpack(packed))
    held_out = -(-len(chosen) // _HELD_OUT)
    result = Distilled(
        folder=str(folder),
        teacher=files.identity.name,
        digest=files.identity.digest,
        tokens=len(raw),
        dimension=dimension,
        max_tokens=files.identity.max_tokens,
        texts=len(chosen) - held_out,
        held_out=held_out,
        before=before,
        after=after,
        size=sum(tensor.nbytes for tensor in packed.values()),
        seconds=round(monotonic() - started, 1),
    )
    write_static(result, packed, files.tokenizer_file, folder)
    return result


def _check(files: ModelFiles, folder: Path, dimension: int) -> None:
    check_new(folder)
    most = files.identity.dimension
    if dimension % 2 or not 2 <= dimension <= most:
        raise InvalidArgument("dimension", dimension, f"an even number from 2 to {most}")


def _tokenizer(files: ModelFiles) -> Tokenizer:
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(files.tokenizer_file))
    found.no_padding()
    found.enable_truncation(files.identity.max_tokens)
    return found


def _readable(texts: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """Return the texts that are used: evenly chosen, each with at least one token."""
    step = max(1, -(-len(texts) // MAX_TEXTS))
    chosen = list(texts[::step])
    found = [text for text, ids in zip(chosen, _ids(tokenizer, chosen), strict=True) if ids]
    if texts and len(found) < _FEWEST:
        raise InvalidArgument("texts", len(found), f"at least {_FEWEST} texts")
    return found


def _ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    found = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [encoding.ids for encoding in found]


def _alone(files: ModelFiles, tokenizer: Tokenizer, on_progress: Heard) -> Vectors:
    """Return the teacher's vector of every token, read alone: shape (tokens, dimension)."""
    from ragstone.encoders.loaded import LoadedModel

    model = LoadedModel(files, "auto")
    first, last = _around(tokenizer)
    tokens = tokenizer.get_vocab_size()
    found = []
    for begin in range(0, tokens, _BATCH):
        batch = range(begin, min(tokens, begin + _BATCH))
        found.append(model.pooled([[*first, token, *last] for token in batch]))
        on_progress("reading tokens", batch.stop, tokens)
    return np.concatenate(found)


def _around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the special tokens that the teacher expects before and after a text."""
    whole = tokenizer.encode("a")
    own = [place for place, special in enumerate(whole.special_tokens_mask) if not special]
    return whole.ids[: own[0]], whole.ids[own[-1] + 1 :]


def _read(files: ModelFiles, tokenizer: Tokenizer, texts: list[str], on_progress: Heard) -> _Texts:
    def heard(done: int) -> None:
        on_progress("reading texts", done, len(texts))

    targets = SentenceEncoder(files).encode_documents(texts, heard)
    counted = bags(_ids(tokenizer, texts), tokenizer.get_vocab_size())
    return _Texts(counted, targets)
