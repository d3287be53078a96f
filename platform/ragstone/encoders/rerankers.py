"""Rerankers: networks that read a query and a passage, and say how well they fit.

There are two kinds. A cross-encoder reads both at once (Nogueira and Cho, "Passage Re-ranking with
BERT", 2019). Late interaction reads them apart and compares their tokens (Khattab and Zaharia,
"ColBERT", SIGIR 2020), so that a passage needs to be read only once.

Nothing here imports torch: a network is loaded by the first query.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ragstone.encoders.weights import (
    NetworkFiles,
    find_model,
    find_pipeline,
    verify_files,
)
from ragstone.errors import EncoderUnavailable, RerankerUnavailable

if TYPE_CHECKING:
    from ragstone.config import EncoderSettings

RERANKER = "all-MiniLM-L6-v2-reranker"  # ships with Ragstone
ADAPTER = "ragstone-reranker"  # the model_type of those that `ragstone train reranker` wrote
WEIGHTS = "model.safetensors"

Scores = NDArray[np.float64]

# SHA-256 of the files that ship with Ragstone.
_SHIPPED: dict[str, str] = {}


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
        The one that ships with Ragstone, a folder, or a name in the local hub cache: of an
        adapter from `ragstone train reranker`, a cross-encoder, or a model of late interaction.

    Raises
    ------
    RerankerUnavailable
        It is not on this machine, its files are damaged, or it is a network of another kind.
    """
    try:
        return NetworkReranker(_found(name), settings)
    except EncoderUnavailable as error:
        raise RerankerUnavailable(name, error.reason) from error


class NetworkReranker:
    """A reranker whose network is loaded when it is first needed; safe to share between threads."""

    def __init__(self, files: NetworkFiles, settings: EncoderSettings) -> None:
        self._files = files
        self._settings = settings
        self._network: Reading | None = None
        self._using = threading.Lock()  # the libraries' tokenizers are not thread-safe

    @property
    def identity(self) -> RerankerIdentity:
        """Name and digest, read from files."""
        return RerankerIdentity(self._files.name, self._files.digest)

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return a score for each of `texts`, float64 of shape (len(texts),): more is better.

        Raises
        ------
        RerankerUnavailable
            The weights cannot be loaded, or gave something that is no number.
        """
        if not texts:
            return np.empty(0, np.float64)
        with self._using:
            if self._network is None:
                self._network = self._loaded()
            found = self._network.scores(query, texts)
        if not np.all(np.isfinite(found)):
            raise RerankerUnavailable(self._files.name, "it gave a score that is no number")
        return found

    def _loaded(self) -> Reading:
        from ragstone.encoders import loaded_rerankers

        device = self._settings.device
        try:
            if self._files.architecture == ADAPTER:
                return loaded_rerankers.adapted(self._files, device)
            if is_cross_encoder(self._files):
                return loaded_rerankers.CrossReading(self._files, device)
            return loaded_rerankers.late(self._files, device)
        except EncoderUnavailable as error:
            raise RerankerUnavailable(self._files.name, error.reason) from error


class Reading(Protocol):
    """A network in memory."""

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """As those of a `Reranker`."""
        ...


def is_cross_encoder(files: NetworkFiles) -> bool:
    """Tell whether it is a network that classifies a pair of texts."""
    architectures = files.config.get("architectures") or [""]
    return str(architectures[0]).endswith("ForSequenceClassification")


def _found(name: str) -> NetworkFiles:
    if name == RERANKER and not Path(name).is_dir():
        return _shipped()
    files = find_pipeline(name)
    if files.architecture == ADAPTER:
        _check_base(files)
        return files
    if is_cross_encoder(files):
        labels = files.config.get("id2label") or {"0": ""}
        if len(labels) != 1:
            raise EncoderUnavailable(name, f"it gives {len(labels)} numbers for a pair, and not 1")
        return files
    kind = files.settings("config_sentence_transformers.json").get("model_type")
    if kind != "MultiVectorEncoder":
        reason = "it is neither a cross-encoder nor a MultiVectorEncoder of sentence-transformers"
        raise EncoderUnavailable(name, reason)
    return files


def _shipped() -> NetworkFiles:
    folder = Path(__file__).parent / RERANKER
    verify_files(RERANKER, folder, _SHIPPED)
    found = find_pipeline(str(folder))
    return NetworkFiles(RERANKER, folder, _SHIPPED[WEIGHTS], found.config)


def _check_base(files: NetworkFiles) -> None:
    """Refuse an adapter of other weights than those that are there."""
    base = find_model(str(files.config.get("base", "")))
    if base.identity.digest != files.config.get("base_digest"):
        reason = f"it was trained for other weights of {base.identity.name!r} than there are"
        raise EncoderUnavailable(files.name, reason)
