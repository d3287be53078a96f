"""Shared fixtures: a clean environment, the real encoder, real workspaces in temporary folders."""

from __future__ import annotations

import os
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
