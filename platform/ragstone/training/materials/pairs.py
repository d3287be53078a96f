"""Pairs of texts, such as a sentence and its translation, from the fields of an item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from ragstone.errors import InvalidArgument
from ragstone.models.base import GenerativeModel
from ragstone.models.beams import Beams, search
from ragstone.models.encdec import EncDec
from ragstone.models.sampling import Sampler, write_for
from ragstone.models.tokenizers import Tokenizer, make_tokenizer
from ragstone.training.dividing import divide
from ragstone.training.feeding_pairs import Padding, Pair, PairData
from ragstone.training.materials.base import Asked, Codec, Made, Material, Prepared, Request, facts
from ragstone.training.measures.base import Measured, Measuring
from ragstone.training.measures.pairs import translation

if TYPE_CHECKING:
    from ragstone.training.snapshots import Snapshot

TextPair = tuple[str, str]

_TEXT = "text"  # what names the text of an item; any other name is one of its metadata
_TOKEN = np.int32


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPairs(Prepared):
    """And the pairs that are held out, for the measures."""

    held_out: list[TextPair]


class Pairs(Material):
    """For models that write a text for a text."""

    settings: ClassVar[Mapping[str, str]] = {
        "source": "str",
        "target": "str",
        "tokenizer": "str",
        "tokens": "int",
        "synthetic": "bool",
    }

    def prepare(self, snapshot: Snapshot, asked: Asked) -> PreparedPairs:
        """See `Material.prepare`."""
        settings = asked.settings
        pairs = _read(snapshot, settings.get("source", _TEXT), settings.get("target", ""))
        synthetic = settings.get("synthetic", False)
        division = divide(snapshot, lambda row: row["item_id"] in pairs, synthetic=synthetic)
        ids, others_ids = (
            [item for item, side in division.held_out.items() if side == wanted]
            for wanted in (False, True)
        )
        training, held_out = ([pairs[item] for item in items] for items in (ids, others_ids))
        tokenizer = asked.codec or make_tokenizer(
            settings.get("tokenizer", "bpe"),
            (text for pair in training for text in pair),
            settings.get("tokens", 4096),
        )
        tokens, others = _tokens(tokenizer, training), _tokens(tokenizer, held_out)
        read = sum(len(source) + len(target) for source, target in tokens)
        written = sum(len(target) + 1 for _, target in others)  # with its end
        size = sum(len(target.encode()) for _, target in held_out)
        data = facts(snapshot.manifest, division, (read, written), size)
        return PreparedPairs(
            codec=tokenizer,
            decided={"vocabulary": tokenizer.size},
            feed=lambda config: PairData(
                tokens, others, Padding(tokenizer.end, config.context), ids
            ),
            data=data,
            per_byte=data.validation_tokens / max(1, data.validation_bytes),
            texts=lambda side: (target for _, target in (held_out if side else training)),
            held_out=held_out,
        )

    def open_codec(self, folder: Path) -> Codec:
        """See `Material.open_codec`."""
        return Tokenizer.open(folder)

    def make(self, model: GenerativeModel, codec: Any, request: Request) -> Made:
        """Translate the prompt: by beams, by a sampler, or by the likeliest tokens."""
        network = cast("EncDec", model)
        source = codec.encode(request.prompt)
        most = network.config.context - 1
        if not 0 < len(source) <= most:
            raise InvalidArgument("prompt", request.prompt, f"a text of 1 to {most:,} tokens")
        read = Padding(codec.end, network.config.context).sources([source])
        if request.beams > 1:
            beams = Beams(width=request.beams)
            (tokens,) = search(network, *read, codec.end, beams, request.tokens)
        else:
            sampler = request.sampler or Sampler(temperature=0)
            tokens = write_for(network, *read, codec.end, sampler)[: request.tokens]
        return Made(text=codec.decode(tokens))

    def measure(
        self, model: GenerativeModel, codec: Any, prepared: Prepared, asked: Measuring
    ) -> Measured:
        """Return BLEU and chrF of the first pairs that are held out."""
        pairs = cast("PreparedPairs", prepared).held_out[: asked.samples]
        return Measured(translation(cast("EncDec", model), codec, pairs))


def _read(snapshot: Snapshot, source: str, target: str) -> dict[str, TextPair]:
    """Return the pairs of a version by the ids of their items.

    Raises
    ------
    InvalidArgument
        No item has both fields.
    """
    found, names = {}, dict[str, None]()
    for row in snapshot.rows():
        names.update(dict.fromkeys(row["metadata"]))
        pair = _field(row, source), _field(row, target)
        if all(pair):
            found[row["item_id"]] = pair
    if not found or source == target:
        wrong = "target" if target not in names and target != _TEXT else "source"
        expected = f"a field that items have, beside {source!r}: {', '.join([_TEXT, *names])}. "
        expected += "A column that is not named by --text at ingestion becomes a field"
        value = {"source": source, "target": target}[wrong]
        raise InvalidArgument(wrong, value, expected)
    return found


def _field(row: Mapping[str, Any], name: str) -> str:
    """Return a field of an item as text; nothing where it has none, or a list or object."""
    value = row["text"] if name == _TEXT else row["metadata"].get(name)
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _tokens(tokenizer: Tokenizer, pairs: Iterable[TextPair]) -> list[Pair]:
    def encoded(text: str) -> np.ndarray:
        return tokenizer.encode(text).astype(_TOKEN)

    return [(encoded(source), encoded(target)) for source, target in pairs]
