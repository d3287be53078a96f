"""Shared fixtures: a clean environment, the real encoder, real workspaces in temporary folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.text import open_text_encoder
from ragstone.workspace import Workspace


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("RAGSTONE_") and name != "RAGSTONE_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def encoder() -> TextEncoder:
    """The default encoder, loaded once."""
    return open_text_encoder(EncoderSettings())


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Path:
    """The folder of another encoder: 32 dimensions, random weights, the default's tokens."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("models") / "pebble"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    for file in encoder.tokenizer_file.parent.glob("*token*.json"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, encoder: TextEncoder) -> Iterator[Workspace]:
    """An empty workspace that reads in this process and shares the session's encoder."""
    path = tmp_path / "workspace"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        yield opened


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data, when there is one."""
    folder = os.environ.get("RAGSTONE_DATA")
    if not folder:
        pytest.skip("RAGSTONE_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let torch use one thread: small networks wait for a second longer than it helps them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
