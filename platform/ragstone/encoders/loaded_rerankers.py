"""Rerankers in memory; importing this imports torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from sentence_transformers import CrossEncoder, MultiVectorEncoder
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch import nn

from ragstone.encoders.adapters import lay_over, read_adapter
from ragstone.encoders.devices import choose_device, limit_threads
from ragstone.encoders.quiet import no_progress_bar
from ragstone.encoders.rerankers import WEIGHTS, Scores
from ragstone.encoders.weights import ModelFiles, NetworkFiles, verify_weights
from ragstone.errors import EncoderUnavailable

_BATCH = 16  # passages: their activations fit a processor's caches
# Of token vectors in float16: 1,700 passages of 200 tokens and 384 dimensions.
_KEPT_BYTES = 256 * 2**20
_FAILURES = (
    OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError, SafetensorError,
)  # fmt: skip
_OPTIONS: dict[str, Any] = {"use_safetensors": True, "dtype": torch.float32}

Kind = TypeVar("Kind", CrossEncoder, MultiVectorEncoder)
Tokens = NDArray[np.float16]  # unit vectors, (tokens, dimension)


class CrossReading:
    """A cross-encoder: each passage is read together with the query."""

    def __init__(self, files: NetworkFiles, device: str) -> None:
        self._model = _saved(CrossEncoder, files, device)

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return what the network says of each pair, before any activation."""
        found = self._model.predict(
            [(query, text) for text in texts],
            batch_size=_BATCH,
            show_progress_bar=False,
            activation_fn=nn.Identity(),
        )
        return np.asarray(found, np.float64)


class LateReading:
    """Late interaction: the mean over the query's tokens of their best match in the passage.

    The token vectors of passages are kept, those used last longest, so that reading the same ones
    again for another query takes no time.
    """

    def __init__(self, model: MultiVectorEncoder) -> None:
        self._model = model
        self._kept: OrderedDict[str, Tokens] = OrderedDict()
        self._bytes = 0

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return the mean cosine of the best matches, -1 to 1."""
        asked = self._read([query], "query")[0].astype(np.float32)
        passages = self._passages(texts)
        lengths = [len(tokens) for tokens in passages]
        every = np.concatenate(passages).astype(np.float32)  # (all tokens, dimension)
        begins = np.cumsum([0, *lengths[:-1]])
        best = np.maximum.reduceat(asked @ every.T, begins, axis=1)  # (query's tokens, texts)
        return np.asarray(best.mean(axis=0), np.float64)

    def _passages(self, texts: Sequence[str]) -> list[Tokens]:
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        read = dict(zip(new, self._read(new, "document"), strict=True)) if new else {}
        found = []
        for text in texts:
            if text in self._kept:
                self._kept.move_to_end(text)
            found.append(read[text] if text in read else self._kept[text])
        for text, tokens in read.items():
            self._kept[text] = tokens
            self._bytes += tokens.nbytes
        while self._bytes > _KEPT_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return found

    def _read(self, texts: list[str], task: str) -> list[Tokens]:
        encode = self._model.encode_query if task == "query" else self._model.encode_document
        vectors = encode(texts, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)
        return [np.asarray(tokens, np.float16) for tokens in vectors]


def late(files: NetworkFiles, device: str) -> LateReading:
    """Load a model of late interaction as sentence-transformers saved it.

    Raises
    ------
    EncoderUnavailable
        Its files are damaged, or of another kind.
    """
    return LateReading(_saved(MultiVectorEncoder, files, device))


def _saved(kind: Callable[..., Kind], files: NetworkFiles, device: str) -> Kind:
    """Load what sentence-transformers saved, from its folder and from nowhere else."""
    limit_threads()
    chosen = choose_device(device)
    try:
        with no_progress_bar():
            model = kind(
                str(files.folder),
                device=str(chosen),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs=dict(_OPTIONS),
            )
    except _FAILURES as error:
        raise EncoderUnavailable(files.name, str(error)) from error
    model.eval()
    return model


def tokens_of(base: ModelFiles, device: str, adapter: NetworkFiles | None = None) -> LateReading:
    """Load the network of a text encoder for its token vectors, with an adapter laid over it.

    Raises
    ------
    EncoderUnavailable
        The weights or the adapter are damaged, or do not fit each other.
    """
    limit_threads()
    transformer = trunk(base)
    if adapter is not None:
        tensors = read_adapter(adapter.name, adapter.folder / WEIGHTS)
        lay_over(adapter.name, transformer.auto_model, tensors)
    units = Normalize(module_input_name="token_embeddings")
    modules: list[nn.Module] = [transformer, MultiVectorMask(), units]
    model = MultiVectorEncoder(modules=modules, device=str(choose_device(device)))
    return LateReading(model.eval())


def trunk(base: ModelFiles) -> Transformer:
    """Load the network of a text encoder, without what makes one vector of its tokens' vectors.

    Raises
    ------
    EncoderUnavailable
        Its weights are damaged, or not the published ones.
    """
    verify_weights(base)
    try:
        with no_progress_bar():
            network: Transformer = Transformer(
                str(base.folder),
                model_kwargs={**_OPTIONS, "local_files_only": True},
                max_seq_length=base.identity.max_tokens,
            )
    except _FAILURES as error:
        raise EncoderUnavailable(base.identity.name, str(error)) from error
    return network
