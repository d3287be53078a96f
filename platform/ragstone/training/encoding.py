"""Models that were trained in the workspace as encoders: `model:NAME`; here those of texts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ragstone.encoders.base import EncoderIdentity, MediaEncoder, TextEncoder, Vectors
from ragstone.encoders.media import open_media_encoder
from ragstone.encoders.text import batches, open_text_encoder
from ragstone.errors import EncoderUnavailable, UnknownModel
from ragstone.training.registry import Registry

if TYPE_CHECKING:
    from ragstone.config import EncoderSettings
    from ragstone.models.bert import BERT
    from ragstone.schemas.models import ModelInfo
    from ragstone.schemas.records import Modality

TRAINED = "model:"
_FAMILIES = ("bert",)  # whose networks embed texts


class WorkspaceEncoders:
    """Opens every encoder that a workspace can have: its own models, and others.

    Parameters
    ----------
    models
        The folder `models` of the workspace.
    """

    def __init__(self, models: Path) -> None:
        self._registry = Registry(models)

    def settled(self, name: str) -> str:
        """Return a name that stays that of the same vectors: a model's gets its number.

        Raises
        ------
        EncoderUnavailable
            There is no such model.
        """
        if not name.startswith(TRAINED):
            return name
        info = self._info(name)
        return f"{TRAINED}{info.name}@{info.number}"

    def open(self, settings: EncoderSettings) -> TextEncoder:
        """Return the encoder that `settings` name; its weights are loaded by the first text.

        Raises
        ------
        EncoderUnavailable
            It is not on this machine, or its files are not the right ones.
        """
        name = self.settled(settings.name)
        if not name.startswith(TRAINED):
            return open_text_encoder(settings)
        info = self._info(name)
        if info.family not in _FAMILIES:
            known = ", ".join(_FAMILIES)
            raise EncoderUnavailable(name, f"it is a {info.family}; those that embed are: {known}")
        return TrainedEncoder(self._registry, name, settings)

    def open_media(self, modality: Modality, name: str, settings: EncoderSettings) -> MediaEncoder:
        """Return the encoder of images or recordings that is called `name`.

        Raises
        ------
        EncoderUnavailable
            It is not on this machine, or embeds something else.
        """
        if not name.startswith(TRAINED):
            return open_media_encoder(modality, name, settings)
        from ragstone.training.encoding_images import TrainedImageEncoder

        if modality.value != "image":
            raise EncoderUnavailable(name, f"models made here embed no {modality.value}")
        name = self.settled(name)
        return TrainedImageEncoder(self._registry, self._info(name), name, settings)

    def _info(self, name: str) -> ModelInfo:
        try:
            return self._registry.info(name.removeprefix(TRAINED))
        except UnknownModel as error:
            raise EncoderUnavailable(name, f"{error.message}. {error.hint}") from error


class TrainedEncoder:
    """Text to unit vectors: the mean of what the network makes of each token.

    Safe to share between threads.

    Parameters
    ----------
    name
        `model:NAME@NUMBER`.
    """

    def __init__(self, registry: Registry, name: str, settings: EncoderSettings) -> None:
        reference = name.removeprefix(TRAINED)
        self._folder, info = registry.folder(reference), registry.info(reference)
        width, context = int(info.config["width"]), int(info.config["context"])
        self._identity = EncoderIdentity(name, info.digest, width, context)
        self._settings = settings
        self._model: tuple[BERT, Any] | None = None
        self._loading = threading.Lock()

    @property
    def identity(self) -> EncoderIdentity:
        """The model's name and number, the digest of its weights, its width and context."""
        return self._identity

    @property
    def tokenizer_file(self) -> Path:
        """The model's own `tokenizer.json`."""
        return self._folder / "tokenizer.json"

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(texts), dimension), in the given order.

        Parameters
        ----------
        texts
            Each is read up to `identity.max_tokens`; what follows is not seen.
        on_batch
            Called after each batch with the number of texts done so far.

        Raises
        ------
        DamagedFile
            The weights are not those that were trained.
        """
        vectors = np.empty((len(texts), self.identity.dimension), np.float32)
        if not texts:
            return vectors
        import torch
        from torch.nn.utils.rnn import pad_sequence

        model, tokenizer = self._loaded()
        device = next(model.parameters()).device
        # As in training, the end of another text is before it; so none is empty.
        lists = [[tokenizer.end, *tokenizer.encode(text).tolist()] for text in texts]
        rows = [torch.tensor(tokens[: self.identity.max_tokens]) for tokens in lists]
        done = 0
        for batch in batches([len(row) for row in rows], self._settings.batch_tokens):
            tokens = pad_sequence([rows[index] for index in batch], batch_first=True)
            lengths = torch.tensor([len(rows[index]) for index in batch])
            found = model.encode(tokens.to(device), lengths.to(device))
            vectors[batch] = found.cpu().numpy()
            done += len(batch)
            if on_batch is not None:
                on_batch(done)
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode_documents`: it knows no questions."""
        return self.encode_documents(texts)

    def _loaded(self) -> tuple[BERT, Any]:
        with self._loading:
            if self._model is None:
                from ragstone.encoders.devices import choose_device, limit_threads
                from ragstone.training.model_files import open_model

                limit_threads()
                network, tokenizer = open_model(self._folder)
                model = cast("BERT", network).to(choose_device(self._settings.device))
                self._model = model, tokenizer
            return self._model
