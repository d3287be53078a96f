"""Networks that read pairs of texts, in memory; importing this imports torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from ragstone.encoders.adapters import lay_over, read_adapter
from ragstone.encoders.devices import choose_device, limit_threads
from ragstone.encoders.loaded_rerankers import trunk
from ragstone.encoders.pairs import HEAD_BIAS, HEAD_WEIGHT, Window
from ragstone.encoders.rerankers import WEIGHTS
from ragstone.encoders.weights import ModelFiles, NetworkFiles
from ragstone.errors import EncoderUnavailable

MAX_TOKENS = 320  # of both texts
_MAX_FIRST = 96  # tokens of the first text: a longer one loses its end
_OVERLAP = 64  # tokens that neighbouring windows share
_BATCH = 8  # windows: their activations fit a processor's caches


class LoadedPairs:
    """An encoder's network with an adapter and a head; one batch at a time.

    Raises
    ------
    EncoderUnavailable
        A file is damaged, or the adapter is one of another network.
    """

    def __init__(self, base: ModelFiles, adapter: NetworkFiles, device: str) -> None:
        limit_threads()
        tensors = read_adapter(adapter.name, adapter.folder / WEIGHTS)
        self._device = choose_device(device)
        network: Any = trunk(base).auto_model
        lay_over(adapter.name, network, tensors)
        try:
            self._head = tensors[HEAD_WEIGHT], tensors[HEAD_BIAS]
        except KeyError as error:
            raise EncoderUnavailable(adapter.name, f"it has no {error}") from error
        self._network: Any = torch.nn.Module.to(network, self._device).eval()
        self._tokenizer = PairTokenizer(base, positions_of(self._network))
        self._using = threading.Lock()  # two batches at once take longer than one after the other

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[list[Window]]:
        """Return the windows of each pair, in the order of the second text."""
        with self._using, torch.inference_mode():
            return read_windows(self._tokenizer.encode(pairs), self._read)

    def _read(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        ids, types, mask = padded(encodings)
        states = self._network(
            input_ids=ids.to(self._device),
            token_type_ids=types.to(self._device),
            attention_mask=mask.to(self._device),
        ).last_hidden_state.cpu()
        return torch.nn.functional.linear(states.float(), *self._head)


def read_windows(
    encodings: Sequence[Encoding], network: Callable[[Sequence[Encoding]], torch.Tensor]
) -> list[list[Window]]:
    """Return what `network` says of each pair: one window, or several where it is long.

    Parameters
    ----------
    network
        Gives the outputs for each token: (texts, tokens, outputs).
    """
    found: list[list[Window]] = [[] for _ in encodings]
    entries = [
        (place, window)
        for place, encoding in enumerate(encodings)
        for window in (encoding, *encoding.overflowing)
    ]
    entries.sort(key=lambda entry: len(entry[1].ids))  # like lengths together: less padding
    for begin in range(0, len(entries), _BATCH):
        batch = entries[begin : begin + _BATCH]
        outputs = network([window for _, window in batch]).numpy()
        for (place, encoding), row in zip(batch, outputs, strict=True):
            found[place].append(_window(encoding, row))
    for windows in found:
        windows.sort(key=lambda window: int(window.offsets[:1, 0].sum()))
    return found


class PairTokenizer:
    """The encoder's tokenizer for two texts; the second is cut into windows that overlap.

    Parameters
    ----------
    positions
        Tokens that the network has room for.
    """

    def __init__(self, base: ModelFiles, positions: int) -> None:
        most = min(MAX_TOKENS, positions)
        self._max_first = min(_MAX_FIRST, most // 3)
        self._single: Tokenizer = Tokenizer.from_file(str(base.tokenizer_file))
        self._single.no_padding()
        self._single.no_truncation()
        self._pair: Tokenizer = Tokenizer.from_str(self._single.to_str())
        overlap = min(_OVERLAP, most // 5)
        self._pair.enable_truncation(most, stride=overlap, strategy="only_second")

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[Encoding]:
        """Return the encoding of each pair; a first text that is too long loses its end."""
        short = [(self._beginning(first), second) for first, second in pairs]
        found: list[Encoding] = self._pair.encode_batch(short)
        return found

    def _beginning(self, text: str) -> str:
        if len(text) <= self._max_first:  # no token is shorter than a character
            return text
        encoding = self._single.encode(text, add_special_tokens=False)
        if len(encoding.ids) <= self._max_first:
            return text
        return text[: encoding.offsets[self._max_first - 1][1]]


def positions_of(network: Any) -> int:
    """Return how many tokens a network of `transformers` has room for."""
    return int(network.config.max_position_embeddings)


def padded(encodings: Sequence[Encoding]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, types and mask, each of shape (texts, tokens), int64."""
    shape = len(encodings), max(len(encoding.ids) for encoding in encodings)
    ids, types, mask = (torch.zeros(shape, dtype=torch.int64) for _ in range(3))
    for row, encoding in enumerate(encodings):
        length = len(encoding.ids)
        ids[row, :length] = torch.tensor(encoding.ids)
        types[row, :length] = torch.tensor(encoding.type_ids)
        mask[row, :length] = 1
    return ids, types, mask


def second_tokens(encoding: Encoding) -> list[int]:
    """Return the places of the second text's tokens."""
    return [place for place, of in enumerate(encoding.sequence_ids) if of == 1]


def _window(encoding: Encoding, outputs: np.ndarray[Any, np.dtype[np.float32]]) -> Window:
    places = second_tokens(encoding)
    offsets = np.asarray([encoding.offsets[p] for p in places], np.int64).reshape(-1, 2)
    return Window(outputs[0], outputs[places], offsets)
