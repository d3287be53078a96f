"""A text encoder without a network: the vector of a text is the sum of its tokens' vectors.

Needs neither torch nor a GPU: a table is looked up and added. `distilling.py` makes such tables
out of any text encoder; those of Model2Vec (Tulkens and van Dongen, MinishLab 2024) are read too.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragstone.encoders.base import EncoderIdentity, Vectors
from ragstone.encoders.static_files import StaticFiles
from ragstone.errors import EncoderUnavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ragstone.encoders.static_table import Table

_BATCH = 512  # texts: both threads of the tokenizer are busy, and the tokens fit the caches


class StaticEncoder:
    """Text to unit vectors by adding up token vectors; safe to share between threads.

    A vector depends on its text alone, to the last bit: not on its neighbours, nor on the batch.
    A text without a known token gets the vector of the unknown token.

    Parameters
    ----------
    files
        From `find_static`.
    """

    def __init__(self, files: StaticFiles) -> None:
        self._files = files
        self._parts: tuple[Tokenizer, Table] | None = None
        self._loading = threading.Lock()

    @property
    def identity(self) -> EncoderIdentity:
        """Name, digest and dimension, read from the folder's small files."""
        return self._files.identity

    @property
    def tokenizer_file(self) -> Path:
        """The `tokenizer.json` that the table was made for."""
        return self._files.tokenizer_file

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(texts), dimension), in the given order.

        Parameters
        ----------
        texts
            Each is read up to `identity.max_tokens`; what follows is not seen.
        on_batch
            Called after each batch with the number of texts done so far.

        Raises
        ------
        EncoderUnavailable
            The table is damaged, or does not fit its tokenizer.
        """
        vectors = np.empty((len(texts), self.identity.dimension), dtype=np.float32)
        if not texts:
            return vectors
        tokenizer, table = self._loaded()
        for begin in range(0, len(texts), _BATCH):
            batch = list(texts[begin : begin + _BATCH])
            found = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            lists = [encoding.ids for encoding in found]
            lengths = np.fromiter(map(len, lists), np.int64, len(lists))
            ids = np.fromiter(chain.from_iterable(lists), np.int64, int(lengths.sum()))
            vectors[begin : begin + len(batch)] = table.sums(ids, lengths)
            if on_batch is not None:
                on_batch(begin + len(batch))
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode_documents`: a table has no prompts."""
        return self.encode_documents(texts)

    def _loaded(self) -> tuple[Tokenizer, Table]:
        with self._loading:
            if self._parts is None:
                from ragstone.encoders.static_table import load_table

                tokenizer = _tokenizer(self._files)
                unknown = _unknown(self._files, tokenizer)
                table = load_table(self._files, tokenizer.get_vocab_size(), unknown)
                self._parts = tokenizer, table
            return self._parts


def _tokenizer(files: StaticFiles) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_file(str(files.tokenizer_file))
    except Exception as error:
        if type(error) is not Exception:  # the library's own is just that
            raise
        raise EncoderUnavailable(files.identity.name, f"tokenizer.json: {error}") from error
    found.no_padding()
    found.enable_truncation(files.identity.max_tokens)
    return found


def _unknown(files: StaticFiles, tokenizer: Tokenizer) -> int | None:
    """Return the id of the token that stands for unknown words, when there is one."""
    model = json.loads(files.tokenizer_file.read_text(encoding="utf-8"))["model"]
    if isinstance(model.get("unk_token"), str):
        return tokenizer.token_to_id(model["unk_token"])
    number: int | None = model.get("unk_id")  # where the vocabulary is a list
    return number
