"""Rerankers: networks that read a query and a passage, and say how well they fit.

There are two kinds. A cross-encoder reads both at once (Nogueira and Cho, "Passage Re-ranking with
BERT", 2019). Late interaction reads them apart and compares their tokens (Khattab and Zaharia,
"ColBERT", SIGIR 2020), so that a passage needs to be read only once. Any text encoder can do the
latter with the vectors that it otherwise takes the mean of.

Nothing here imports torch: a network is loaded by the first query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ragstone.encoders.static_files import find_static
from ragstone.encoders.weights import (
    DEFAULT_MODEL,
    ModelFiles,
    NetworkFiles,
    adapted_base,
    find_model,
    find_pipeline,
    is_default,
)
from ragstone.errors import EncoderUnavailable, RerankerUnavailable

if TYPE_CHECKING:
    from ragstone.config import EncoderSettings

RERANKER = DEFAULT_MODEL  # where nobody names another
ADAPTER = "ragstone-reranker"  # the model_type of those that `ragstone train reranker` wrote
WEIGHTS = "model.safetensors"

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RerankerIdentity:
    """Which reranker gave a score; equal identities give comparable scores."""

    name: str
    digest: str  # SHA-256 over all files that decide what it gives, in hex


class Reranker(Protocol):
    """Says how well passages fit a query."""

    @property
    def identity(self) -> RerankerIdentity:
        """Name and digest; must not load the weights into memory."""
        ...

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return a score for each of `texts`, float64 of shape (len(texts),): more is better."""
        ...


def open_reranker(name: str, settings: EncoderSettings) -> Reranker:
    """Return the reranker `name`; its weights are loaded by the first query.

    Parameters
    ----------
    name
        A folder, or a name in the local hub cache: of a text encoder, whose token vectors are
        compared, a cross-encoder, a MultiVectorEncoder, or an adapter from
        `ragstone train reranker`.

    Raises
    ------
    RerankerUnavailable
        It is not on this machine, its files are damaged, or it is a network of another kind.
    """
    try:
        return _found(name, settings.device)
    except EncoderUnavailable as error:
        raise RerankerUnavailable(name, error.reason) from error


class NetworkReranker:
    """A reranker whose network is loaded when it is first needed; safe to share between threads."""

    def __init__(self, identity: RerankerIdentity, load: Callable[[], Reading]) -> None:
        self._identity = identity
        self._load = load
        self._network: Reading | None = None
        self._using = threading.Lock()  # the libraries' tokenizers are not thread-safe

    @property
    def identity(self) -> RerankerIdentity:
        """Name and digest, read from files."""
        return self._identity

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return a score for each of `texts`, float64 of shape (len(texts),): more is better.

        Raises
        ------
        RerankerUnavailable
            The weights cannot be loaded, or gave something that is no number.
        """
        if not texts:
            return np.empty(0, np.float64)
        name = self._identity.name
        with self._using:
            try:
                self._network = self._network or self._load()
            except EncoderUnavailable as error:
                raise RerankerUnavailable(name, error.reason) from error
            found = self._network.scores(query, texts)
        if not np.all(np.isfinite(found)):
            raise RerankerUnavailable(name, "it gave a score that is no number")
        return found


class Reading(Protocol):
    """A network in memory."""

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """As those of a `Reranker`."""
        ...


def _found(name: str, device: str) -> NetworkReranker:
    if is_default(name):
        return _by_tokens(find_model(name), device)
    if find_static(name) is not None:
        raise EncoderUnavailable(name, "it is a static encoder: no tokens in their context")
    files = find_pipeline(name)
    if files.architecture == ADAPTER:
        return _adapted(files, device)
    if _is_cross_encoder(files):
        labels = files.config.get("id2label") or {"0": ""}
        if len(labels) != 1:
            raise EncoderUnavailable(name, f"it gives {len(labels)} numbers for a pair, and not 1")
        return NetworkReranker(_identity(files), lambda: _loaded().CrossReading(files, device))
    kind = files.settings("config_sentence_transformers.json").get("model_type")
    if kind == "MultiVectorEncoder":
        return NetworkReranker(_identity(files), lambda: _loaded().late(files, device))
    return _by_tokens(find_model(name), device)


def _by_tokens(base: ModelFiles, device: str) -> NetworkReranker:
    identity = RerankerIdentity(base.identity.name, base.identity.digest)
    return NetworkReranker(identity, lambda: _loaded().tokens_of(base, device))


def _adapted(files: NetworkFiles, device: str) -> NetworkReranker:
    base = adapted_base(files)
    return NetworkReranker(_identity(files), lambda: _loaded().tokens_of(base, device, files))


def _identity(files: NetworkFiles) -> RerankerIdentity:
    return RerankerIdentity(files.name, files.digest)


def _is_cross_encoder(files: NetworkFiles) -> bool:
    """Tell whether it is a network that classifies a pair of texts."""
    architectures = files.config.get("architectures") or [""]
    return str(architectures[0]).endswith("ForSequenceClassification")


def _loaded() -> ModuleType:
    from ragstone.encoders import loaded_rerankers

    return loaded_rerankers
