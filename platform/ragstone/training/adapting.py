"""A text encoder's network with an adapter that can be trained, its lower layers left as they are.

What the lower layers make of a text never changes, so it is kept: a passage that comes again costs
the upper layers alone.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional

from ragstone.encoders.adapters import tensor_names
from ragstone.encoders.loaded_rerankers import trunk
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ragstone.encoders.weights import ModelFiles

_KEPT_BYTES = 2**31  # of hidden states in float16: 14,000 passages of 200 tokens at 384 dimensions
_BATCH = 16
_HIDDEN = -1e9  # added to the attention to padding


class LowRank(nn.Module):
    """A linear map W x + B A x; W stays as it is, and B begins at 0."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        scale = 1 / math.sqrt(base.in_features)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) * scale)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map `states` of shape (..., inputs) to (..., outputs)."""
        own: torch.Tensor = self.base(states)
        # The scale of the paper, alpha / rank, with alpha twice the rank.
        return own + 2 * functional.linear(functional.linear(states, self.down), self.up)


class AdaptedTrunk:
    """Token vectors of texts, through a network of the BERT kind.

    Parameters
    ----------
    base
        Text encoder whose network it is.
    layers
        How many of its upper layers are adapted.
    max_tokens
        Texts are read so far.

    Raises
    ------
    InvalidArgument
        The network is of another kind, or has fewer layers.
    """

    def __init__(self, base: ModelFiles, layers: int, rank: int, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        # Loaded for inference: no dropout.
        self._network: Any = cast("Any", trunk(base).auto_model)
        for parameter in self._network.parameters():
            parameter.requires_grad_(False)
        self._adapted = adapt(base.identity.name, self._network, layers, rank)
        every = self._network.encoder.layer
        self._lower, self._upper = every[: len(every) - layers], every[len(every) - layers :]
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(base.tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._bytes = 0

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return [part for one in self._adapted.values() for part in (one.down, one.up)]

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the adapter as it is written: float16, the scale in B."""
        return adapter_tensors(self._adapted)

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return token vectors, (texts, tokens, hidden), and which of them are real."""
        states, mask = _padded(self._below(texts))
        for layer in self._upper:
            states = layer(states, _attention(mask))
        return states, mask

    @torch.no_grad()
    def _below(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """Return what the lower layers make of each text: (tokens, hidden)."""
        new = sorted({*texts} - self._kept.keys(), key=lambda text: (-len(text), text))
        for begin in range(0, len(new), _BATCH):
            self._read(new[begin : begin + _BATCH])
        found = [self._kept[text].float() for text in texts]
        while self._bytes > _KEPT_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return found

    def _read(self, texts: list[str]) -> None:
        lists = [torch.tensor(e.ids) for e in self._tokenizer.encode_batch_fast(texts)]
        lengths = [len(ids) for ids in lists]
        ids = nn.utils.rnn.pad_sequence(lists, batch_first=True)
        mask = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
        states = self._network.embeddings(input_ids=ids)
        for layer in self._lower:
            states = layer(states, _attention(mask))
        for text, row, length in zip(texts, states, lengths, strict=True):
            self._kept[text] = row[:length].half()
            self._bytes += self._kept[text].nbytes


def adapt(name: str, network: Any, layers: int | None, rank: int) -> dict[str, LowRank]:
    """Put an adapter into every linear map of the upper `layers` (None: of all), in place.

    Parameters
    ----------
    name
        Of the encoder whose network it is, for the error.

    Raises
    ------
    InvalidArgument
        The network is of another kind, or has fewer layers.
    """
    every = getattr(getattr(network, "encoder", None), "layer", None)
    if every is None or len(every) < (layers or 1):
        expected = f"a network of the BERT kind with {layers or 1} layers or more"
        raise InvalidArgument("encoder", name, expected)
    found = {}
    for number in range(len(every) - (layers or len(every)), len(every)):
        prefix = f"encoder.layer.{number}"
        linear = [
            name
            for name, module in network.get_submodule(prefix).named_modules()
            if isinstance(module, nn.Linear)
        ]
        for own in linear:
            whole = f"{prefix}.{own}"
            parent, _, last = whole.rpartition(".")
            found[whole] = LowRank(network.get_submodule(whole), rank)
            setattr(network.get_submodule(parent), last, found[whole])
    return found


def adapter_tensors(adapted: Mapping[str, LowRank]) -> dict[str, torch.Tensor]:
    """Return adapters as they are written: float16, the scale in B."""
    found = {}
    for name, module in adapted.items():
        down, up = tensor_names(name)
        found[down] = module.down.detach().half().contiguous()
        found[up] = (2 * module.up.detach()).half().contiguous()
    return found


def _padded(lists: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(one) for one in lists])
    states = nn.utils.rnn.pad_sequence(list(lists), batch_first=True)
    return states, torch.arange(states.shape[1])[None, :] < lengths[:, None]


def _attention(mask: torch.Tensor) -> torch.Tensor | None:
    """Return what is added to the attention: (texts, 1, 1, tokens), None without padding."""
    if bool(mask.all()):
        return None
    return torch.zeros(mask.shape).masked_fill(~mask, _HIDDEN)[:, None, None, :]
