"""One real workspace, served by a real uvicorn on a free loopback port, for the whole session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import ragstone
from ragstone.client import Address, Client, connect
from ragstone.encoders.base import TextEncoder
from ragstone.generation.base import Generator, Prompt, Sampling
from ragstone.server.run import running
from ragstone.workspace import Workspace

GRANITE = """# Granite

Granite is a hard stone made of quartz, feldspar and mica. It forms deep below the surface,
where magma cools slowly over thousands of years.
"""
BASALT = """# Basalt

Basalt is a dark volcanic rock. It cools quickly at the surface, so its crystals are small.
"""


@pytest.fixture(scope="session")
def owned(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """A workspace with the dataset `rocks` (two versions) and one input in quarantine."""
    folder = tmp_path_factory.mktemp("served")
    sources = folder / "sources"
    sources.mkdir()
    (sources / "granite.md").write_text(GRANITE, encoding="utf-8")
    (sources / "broken.pdf").write_bytes(b"%PDF-1.7 this is no document")
    with ragstone.open(
        folder / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as opened:
        opened.ingest([sources], "rocks", message="the first stone")
        (sources / "basalt.md").write_text(BASALT, encoding="utf-8")
        opened.ingest([sources], "rocks", message="the second stone")
        yield opened


@pytest.fixture(scope="session")
def address(owned: Workspace) -> Iterator[Address]:
    """Where that workspace is served."""
    with running(owned) as found:
        yield found


@pytest.fixture(scope="session")
def client(address: Address) -> Iterator[Client]:
    """A client with the token."""
    with connect(address.url, address.token) as connected:
        yield connected


@pytest.fixture(scope="session")
def http(address: Address) -> Iterator[httpx.Client]:
    """A bare HTTP client with the token."""
    headers = {"Authorization": f"Bearer {address.token}"}
    with httpx.Client(base_url=f"{address.url}/v1", headers=headers, trust_env=False) as opened:
        yield opened


@pytest.fixture
def scrap(owned: Workspace, tmp_path: Path) -> str:
    """The name of a dataset to delete from."""
    for word in ("slate", "chalk"):
        (tmp_path / f"{word}.txt").write_text(f"{word.title()} is a stone too.", encoding="utf-8")
    owned.ingest([tmp_path], "scrap")
    return "scrap"


class Endless:
    """A generator that writes on until it is stopped, and says when it was."""

    id = "endless"
    context_length = 4_096

    def __init__(self, first: str) -> None:
        self.first = first
        self.started, self.stopped = threading.Event(), threading.Event()

    def count_tokens(self, prompt: Prompt) -> int:
        return len(prompt.text.split())

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:  # noqa: ARG002
        try:
            yield self.first
            self.started.set()
            while True:
                time.sleep(0.01)
                yield "and "
        finally:
            self.stopped.set()


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Endless]:
    """A function that puts an endless generator behind every id."""

    def make(first: str) -> Endless:
        made = Endless(first)

        def opened(*_: object) -> Generator:
            return made

        monkeypatch.setattr("ragstone.asking.open_generator", opened)
        return made

    return make
