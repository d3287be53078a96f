"""Texts: one stream of tokens that a language model learns to go on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ragstone.errors import InvalidArgument
from ragstone.models.base import GenerativeModel
from ragstone.models.language import LanguageConfig, LanguageModel
from ragstone.models.sampling import Sampler, write
from ragstone.models.tokenizers import Tokenizer, make_tokenizer
from ragstone.training.corpus import Tokens, read_corpus, write_tokens
from ragstone.training.feeding import TokenData, TrainingData
from ragstone.training.feeding_notes import NoteData
from ragstone.training.materials.base import (
    Asked,
    Codec,
    Made,
    Material,
    Prepared,
    Request,
    facts,
)
from ragstone.training.measures.base import Measured, Measuring
from ragstone.training.measures.music import likeness
from ragstone.training.measures.texts import copying, variety

if TYPE_CHECKING:
    from ragstone.training.snapshots import Snapshot

TOKENIZER, TOKENS, _TRANSPOSE = "tokenizer", "tokens", "transpose"
_MEASURED = 300  # tokens of each sample


class Texts(Material):
    """For models that read from left to right."""

    settings: ClassVar[Mapping[str, str]] = {
        TOKENIZER: "str",
        TOKENS: "int",
        _TRANSPOSE: "int",
        "synthetic": "bool",
    }

    def prepare(self, snapshot: Snapshot, asked: Asked) -> Prepared:
        """See `Material.prepare`."""
        settings = asked.settings
        corpus = read_corpus(snapshot, synthetic=settings.get("synthetic", False))
        tokenizer = asked.codec or make_tokenizer(
            settings.get(TOKENIZER, "characters"),
            corpus.texts(held_out=False),
            settings.get(TOKENS, 4096),
        )
        semitones = settings.get(_TRANSPOSE, 0)
        if semitones and tokenizer.kind != "notes":
            raise InvalidArgument(_TRANSPOSE, semitones, "0, where the tokenizer is not notes")
        tokens = write_tokens(corpus, tokenizer, asked.folder / "tokens")
        size = tokens.held_out_bytes
        return Prepared(
            codec=tokenizer,
            decided={"vocabulary": tokenizer.size},
            feed=lambda config: self._feed(tokens, config, semitones),
            data=facts(
                snapshot.manifest,
                corpus.division,
                (len(tokens.training), len(tokens.held_out)),
                size,
                held_out=corpus.how,
            ),
            per_byte=(len(tokens.held_out) - 1) / size if size else 0.0,
            texts=lambda held_out: corpus.texts(held_out=held_out),
        )

    def _feed(self, tokens: Tokens, config: LanguageConfig, semitones: int) -> TrainingData:
        stretches = tokens.training, tokens.held_out, config.context, tokens.items
        if semitones:
            return NoteData(*stretches, semitones)
        return TokenData(*stretches)

    def open_codec(self, folder: Path) -> Codec:
        """See `Material.open_codec`."""
        return Tokenizer.open(folder)

    def make(self, model: GenerativeModel, codec: Any, request: Request) -> Made:
        """Write on after the prompt."""
        asked = [codec.end, *codec.encode(request.prompt).tolist()]
        sampler = request.sampler or Sampler()
        stream = write(cast("LanguageModel", model), asked, sampler, request.mixing)
        return Made(text=codec.decode(_until(codec.end, islice(stream, request.tokens))))

    def measure(
        self, model: GenerativeModel, codec: Any, prepared: Prepared, asked: Measuring
    ) -> Measured:
        """Return how varied what it writes is, and how much of it is copied."""
        made = []
        for seed in range(asked.samples):
            request = Request(tokens=_MEASURED, sampler=Sampler(seed=seed))
            made.append(self.make(model, codec, request).text)
        heard = likeness(made, prepared.texts) if codec.kind == "notes" else {}
        return Measured({**variety(made), **copying(made, prepared.texts), **heard})


def _until(end: int, tokens: Iterator[int]) -> Iterator[int]:
    for token in tokens:
        if token == end:
            return
        yield token
