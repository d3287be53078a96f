"""Tokenizers of language models: bytes, characters, or pairs of bytes learnt from the texts.

All are tokenizers of the library `tokenizers`, kept as its JSON, so that `transformers` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Whole

from ragstone.errors import InvalidArgument

Kind = Literal["bytes", "characters", "bpe"]

FILE = "tokenizer.json"
END = "<|end|>"  # between two texts, and before the first
_UNKNOWN = "<|unknown|>"
_LEAST = 257  # tokens of bpe: the bytes and `END`


class Tokenizer:
    """Texts to numbers and back."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        end = whole.token_to_id(END)
        if end is None:
            raise InvalidArgument("tokenizer", None, f"one with the token {END}")
        self.end = end

    @property
    def size(self) -> int:
        """Tokens that there are."""
        return int(self._whole.get_vocab_size())

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the tokens of a text, int64 (tokens,)."""
        return np.asarray(self._whole.encode(text, add_special_tokens=False).ids, np.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, without `END`; what is no text, as U+FFFD."""
        return str(self._whole.decode(list(tokens), skip_special_tokens=True))

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        return str(self._whole.to_str(pretty=False))

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Read what `to_json` wrote."""
        return cls(Whole.from_str(text))

    @property
    def about(self) -> str:
        """Its kind and size, in words."""
        return f"{self.kind}, {self.size:,} tokens"

    @property
    def kind(self) -> Kind:
        """What it was made as."""
        if isinstance(self._whole.model, models.WordLevel):
            return "characters"
        return "bpe" if self.size > _LEAST else "bytes"

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` into a folder."""
        (folder / FILE).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Tokenizer:
        """Read what `save` wrote."""
        return cls.from_json((folder / FILE).read_text(encoding="utf-8"))


def make_tokenizer(kind: str, texts: Iterable[str], size: int = 4096) -> Tokenizer:
    """Return a tokenizer of some kind; a function of the texts.

    Parameters
    ----------
    texts
        What characters, or pairs of bytes, are learnt from.
    size
        Tokens of `bpe`.

    Raises
    ------
    InvalidArgument
        There is no such kind, or `size` is too small.
    """
    if kind == "bytes":
        return Tokenizer(_of_bytes([], 0))
    if kind == "characters":
        return Tokenizer(_of_characters(texts))
    if kind == "bpe":
        if size < _LEAST:
            raise InvalidArgument("tokens", size, f"at least {_LEAST}")
        return Tokenizer(_of_bytes(texts, size))
    raise InvalidArgument("tokenizer", kind, "one of " + ", ".join(get_args(Kind)))


def _of_bytes(texts: Iterable[str], size: int) -> Whole:
    """Byte-level BPE (Sennrich and others 2016; Radford and others 2019); without texts, bytes."""
    whole = Whole(models.BPE())
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=bool(size))
    whole.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(size, _LEAST),
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    whole.train_from_iterator(texts, trainer)
    return whole


def _of_characters(texts: Iterable[str]) -> Whole:
    characters = sorted(set().union(*map(set, texts)))
    vocabulary = {name: number for number, name in enumerate([END, _UNKNOWN, *characters])}
    whole = Whole(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    whole.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    whole.decoder = decoders.Fuse()
    whole.add_special_tokens([END, _UNKNOWN])
    return whole
