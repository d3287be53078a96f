"""A drawn answer is the same for the same seed: after a restart, and for all who ask at once."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ragstone
from ragstone.client import connect
from ragstone.encoders.base import TextEncoder
from ragstone.server.run import running

from ..generation.conftest import make_tokenizer  # noqa: F401 - a fixture
from ..workspace.test_asking_many import llama  # noqa: F401 - a fixture

QUESTION = "Which stone resists frost best?"
SETTINGS = """[ingestion]
workers = 0
[generation]
policy = "off"
temperature = 1.5
seed = {seed}
max_new_tokens = 24
min_evidence = 0.0
"""


def asked(workspace: Path, generator: str) -> Any:
    """Ask in a process of its own."""
    command = [sys.executable, "-m", "ragstone.cli", "ask", QUESTION, "--dataset", "stones"]
    options = ["--generator", generator, "--json", "-w", str(workspace)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["answer"]


def test_the_same_seed_gives_the_same_answer(
    tmp_path: Path,
    encoder: TextEncoder,
    llama: str,  # noqa: F811
) -> None:
    path = tmp_path / "ws"
    (tmp_path / "granite.txt").write_text("Granite resists frost best.", encoding="utf-8")
    ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}).close()
    (path / "ragstone.toml").write_text(SETTINGS.format(seed=7), encoding="utf-8")
    with ragstone.open(path, encoder=encoder) as ws:
        ws.ingest([tmp_path / "granite.txt"], "stones")
        first = ws.ask(QUESTION, "stones", generator=llama).answer
        with running(ws) as address, connect(address.url, address.token) as client:

            def ask(_: int) -> str:
                return client.ask(QUESTION, "stones", generator=llama).answer

            with ThreadPoolExecutor(8) as pool:
                assert set(pool.map(ask, range(8))) == {first}
    assert first
    assert asked(path, llama) == first
    (path / "ragstone.toml").write_text(SETTINGS.format(seed=8), encoding="utf-8")
    assert asked(path, llama) != first  # so it was drawn
