"""Filling gaps: how a network that reads both ways says what was hidden."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ragstone.models.bert import BERT
from ragstone.models.sampling import Sampler


@torch.inference_mode()
def fill(model: BERT, tokens: Sequence[int], sampler: Sampler) -> list[int]:
    """Return `tokens` with a token picked for each `model.gap`.

    The one that the network is surest of goes first, and the others then know it.

    Raises
    ------
    InvalidArgument
        There are more tokens than the context.
    """
    rng = torch.Generator().manual_seed(sampler.seed)
    device = next(model.parameters()).device
    text = torch.tensor([tokens], device=device)
    gaps = [place for place, token in enumerate(tokens) if token == model.gap]
    while gaps:
        logits = model(text)[0, gaps]
        surest = int(logits.softmax(dim=-1).amax(dim=-1).argmax())
        known = text[text != model.gap].tolist()
        text[0, gaps.pop(surest)] = sampler.pick(logits[surest], known, rng)
    return [int(token) for token in text[0]]
