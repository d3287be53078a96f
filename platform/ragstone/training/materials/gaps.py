"""Texts for a network that reads both ways: it learns to tell what was hidden of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.base import GenerativeModel
from ragstone.models.bert import BERT
from ragstone.models.filling import fill
from ragstone.models.sampling import Sampler
from ragstone.training.materials.base import Asked, Made, Prepared, Request
from ragstone.training.materials.texts import TOKENIZER, TOKENS, Texts
from ragstone.training.measures.base import Measured, Measuring

if TYPE_CHECKING:
    from ragstone.training.snapshots import Snapshot

MARK = "[MASK]"  # stands for a hidden token in a prompt
# With few tokens each is seen often, and a network that has little time learns what it goes with.
_DEFAULTS: Mapping[str, Any] = {TOKENIZER: "bpe", TOKENS: 1024}
_AT_ONCE = 32  # stretches of text that are measured together


class Gaps(Texts):
    """The same stretches of text; the tokens are to be told from those on both sides."""

    settings: ClassVar[Mapping[str, str]] = Texts.settings

    def prepare(self, snapshot: Snapshot, asked: Asked) -> Prepared:
        """See `Material.prepare`."""
        chosen = replace(asked, settings={**_DEFAULTS, **asked.settings})
        # A token that knows those after it says nothing of how short a text can be told.
        return replace(super().prepare(snapshot, chosen), per_byte=0.0)

    def make(self, model: GenerativeModel, codec: Any, request: Request) -> Made:
        """Fill each `MARK` of the prompt with one token.

        Raises
        ------
        InvalidArgument
            There is none, or the text is too long.
        """
        if MARK not in request.prompt:
            raise InvalidArgument("prompt", request.prompt, f"a text with {MARK} for each token")
        network = cast("BERT", model)
        # The first token of a word of `bpe` has the space before it.
        space = " ?" if codec.kind == "bpe" else ""
        pieces = re.split(space + re.escape(MARK), request.prompt)
        tokens = [codec.end]
        for number, piece in enumerate(pieces):
            tokens += [network.gap] * (number > 0) + codec.encode(piece).tolist()
        return Made(text=codec.decode(fill(network, tokens, request.sampler or Sampler())))

    def measure(
        self,
        model: GenerativeModel,
        codec: Any,  # noqa: ARG002
        prepared: Prepared,
        asked: Measuring,  # noqa: ARG002
    ) -> Measured:
        """Return the part of hidden tokens that are told right, and what the loss is to be beside.

        `entropy`: of the tokens that are held out, by how frequent they are, in nats.
        """
        counts: Counter[int] = Counter()
        right, total = 0.0, 0
        for batch, weight in prepared.feed(model.config).validation(_AT_ONCE):
            counts.update(batch["tokens"].flatten().tolist())
            with torch.inference_mode():
                loss = model.training_step(batch, torch.Generator(), "validate")
            right += loss.figures["right"] * weight
            total += weight
        chances = np.array(list(counts.values())) / counts.total()
        entropy = -float((chances * np.log(chances)).sum())
        return Measured({"right": right / total, "entropy": entropy})
