"""A sentence-transformers model in memory: the only encoder module that imports torch at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from tokenizers import Tokenizer

from ragstone.encoders.base import Vectors
from ragstone.encoders.devices import choose_device, limit_threads
from ragstone.encoders.quiet import no_progress_bar
from ragstone.encoders.weights import ModelFiles, verify_weights
from ragstone.errors import EncoderUnavailable

Task = Literal["query", "document"]
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class LoadedModel:
    """Weights on a device; `forward` may be called from several threads at once."""

    def __init__(self, files: ModelFiles, device: str) -> None:
        self._name = files.identity.name
        self._device = choose_device(device)
        limit_threads()
        verify_weights(files)
        self._model = _load(files, self._device)
        self._check_promises(files)
        # A copy of its own: setting truncation on the shared one is not thread-safe.
        self._counter = Tokenizer.from_file(str(files.tokenizer_file))
        self._counter.no_padding()
        self._counter.enable_truncation(files.identity.max_tokens)
        self._tokenizing = threading.Lock()

    @property
    def on_gpu(self) -> bool:
        """True when it runs on a GPU."""
        return self._device.type == "cuda"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens that the model reads of each text, special tokens included."""
        return [len(e) for e in self._counter.encode_batch_fast(list(texts))]

    @torch.inference_mode()
    def forward(self, texts: Sequence[str], task: Task) -> Vectors:
        """Return the model's vectors of one batch, float32 of shape (len(texts), dimension)."""
        with self._tokenizing:  # the tokenizer's padding state is shared between threads
            features = self._model.preprocess(list(texts), prompt=self._prompt(task), task=task)
        on_device = {
            key: value.to(self._device) if isinstance(value, torch.Tensor) else value
            for key, value in features.items()
        }
        vectors = self._model(on_device, task=task)["sentence_embedding"]
        found: Vectors = vectors.to("cpu", torch.float32).numpy()
        return found

    @torch.inference_mode()
    def pooled(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Return vectors of equally long lists of token ids, special tokens included.

        They are not scaled to length 1: how long they are says how much a token means.
        """
        read = torch.tensor(ids, device=self._device)
        features = {"input_ids": read, "attention_mask": torch.ones_like(read)}
        for module in self._model:
            if not isinstance(module, Normalize):
                features = module(features)
        found: Vectors = features["sentence_embedding"].to("cpu", torch.float32).numpy()
        return found

    def _prompt(self, task: Task) -> str | None:
        """Return the task's prompt; the library fills in empty ones, which say nothing."""
        names = ("query",) if task == "query" else _DOCUMENT_PROMPTS
        return next((self._model.prompts[n] for n in names if self._model.prompts.get(n)), None)

    def _check_promises(self, files: ModelFiles) -> None:
        """The identity was read from files; what was loaded must agree with it."""
        promised = files.identity.dimension
        given = self._model.get_embedding_dimension()
        if given != promised:
            raise EncoderUnavailable(
                self._name, f"its files promise {promised} dimensions, it gives {given}"
            )
        self._model.max_seq_length = files.identity.max_tokens


def normalised(vectors: Vectors, name: str) -> Vectors:
    """Return `vectors` (n, d) scaled to length 1.

    Raises
    ------
    EncoderUnavailable
        A vector is zero or not finite: no direction, and so no similarity.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or np.any(lengths == 0):
        raise EncoderUnavailable(name, "it gave a vector without a direction (zero or NaN)")
    units: Vectors = (vectors / lengths).astype(np.float32, copy=False)
    return units


def _load(files: ModelFiles, device: torch.device) -> SentenceTransformer:
    # A folder, local files only, safetensors only and no code from the folder: the network and
    # pickle stay out of it. float32 everywhere, so that devices give comparable vectors.
    try:
        with no_progress_bar():
            model = SentenceTransformer(
                str(files.folder),
                device=str(device),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise EncoderUnavailable(files.identity.name, str(error)) from error
    model.eval()
    return model
