"""A served workspace whose contents try to break the pages, and pages opened by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

import ragstone
from ragstone.client import Address
from ragstone.encoders.base import TextEncoder
from ragstone.server.run import running
from ragstone.workspace import Workspace

from ..server.test_training import IMAGES, TEXTS, write_squares

# A page as the navigation runs it; the driver itself only finds pages that are scripts.
PAGE = """
from ragstone.ui import page_{0}
from ragstone.ui.failures import guarded

guarded(page_{0}.page)()
"""
SCRIPT = "<script>document.title='broken'</script>"
STONES = {
    "granite.md": (
        "# Granite\n\n## How it forms\n\nGranite is a hard stone made of quartz, feldspar and "
        "mica. It forms deep below the surface, where magma cools slowly.\n"
    ),
    "basalt.md": "# Basalt\n\nBasalt is a dark volcanic rock. It cools quickly at the surface.\n",
    "hostile.md": (
        f"# {SCRIPT} *stars* [link](http://evil.example) :material/home:\n\n"
        f"Hostile markup {SCRIPT} <img src=http://evil.example/a.png onerror=alert(1)> "
        "![picture](http://evil.example/b.png) $x^2$ :red[red] \u202eright to left\u202c "
        "&lt;b&gt; \U0001f600\n"
    ),
    "long.txt": "".join(f"Line {number} is about sandstone.\n" for number in range(1_000)),
}

Open = Callable[..., AppTest]


def write_sources(folder: Path) -> Path:
    folder.mkdir()
    for name, content in STONES.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 this is no document")
    return folder


def write_media(folder: Path) -> Path:
    folder.mkdir()
    Image.linear_gradient("L").save(folder / "sky.png")
    tone = (np.sin(np.arange(16_000) / 10) * 9_000).astype(np.int16)
    soundfile.write(folder / "horn.wav", tone, 16_000)
    return folder


@pytest.fixture(scope="session")
def owned(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """A workspace with three datasets, one of them with two versions, one of other media."""
    folder = tmp_path_factory.mktemp("shown")
    sources = write_sources(folder / "sources")
    with ragstone.open(
        folder / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as opened:
        opened.ingest([sources], "stones", message=f"all stones {SCRIPT}")
        chalk = folder / "chalk.txt"
        chalk.write_text("Chalk is soft and white.", encoding="utf-8")
        opened.ingest([chalk], "stones", message="chalk too")
        opened.ingest([chalk], "another")
        opened.ingest([write_media(folder / "media")], "media")
        yield opened


@pytest.fixture(scope="session")
def address(owned: Workspace) -> Iterator[Address]:
    with running(owned) as found:
        yield found


@pytest.fixture
def open_page(
    owned: Workspace,
    address: Address,  # noqa: ARG001  (the server must run)
    monkeypatch: pytest.MonkeyPatch,
) -> Open:
    """Run a page by its name, with what its URL says."""

    def run(name: str, workspace: Path = owned.path, **values: str) -> AppTest:
        monkeypatch.setenv("RAGSTONE_WORKSPACE", str(workspace))
        app = AppTest.from_string(PAGE.format(name), default_timeout=30)
        for key, value in values.items():
            app.query_params[key] = value
        return app.run()

    return run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Path:
    """A workspace like `owned` that nobody has open."""
    folder = tmp_path_factory.mktemp("built")
    with ragstone.open(
        folder / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as opened:
        opened.ingest([write_sources(folder / "sources")], "stones", message="all stones")
    return folder / "workspace"


# ---------------------------------------------------------------- models


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """A served workspace with texts and images, and a tiny model of each; it works on jobs."""
    folder = tmp_path_factory.mktemp("taught")
    notes = folder / "notes"
    notes.mkdir()
    for number in range(10):  # of so few, the end of each is held out
        (notes / f"{number}.txt").write_text(f"Stone {number} lies on stone {number + 1}. " * 9)
    settings = {"ingestion": {"workers": 0}, "jobs": {"workers": 1}}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small networks wait for a second one longer than it helps them
    with ragstone.open(folder / "workspace", create=True, encoder=encoder, **settings) as opened:
        opened.ingest([notes], "notes")
        opened.ingest([write_squares(folder / "squares")], "squares")
        opened.train_model("gru", "notes", "writes", {**TEXTS, "evaluate_every": 10})
        opened.train_model("vae", "squares", "draws", IMAGES)
        opened.train_model("vae", "squares", "draws", {**IMAGES, "latent": 2})
        with running(opened):
            yield opened
    torch.set_num_threads(threads)
