"""Bytes of items and small pictures of them, by every way in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from ragstone.cli.app import app
from ragstone.client import connect
from ragstone.errors import InvalidArgument, UnknownId
from ragstone.server.run import running
from ragstone.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    Image.linear_gradient("L").resize((900, 300)).save(folder / "sky.png")
    tone = (np.sin(np.arange(16_000) / 10) * np.linspace(0, 20_000, 16_000)).astype(np.int16)
    soundfile.write(folder / "horn.wav", tone, 16_000)
    (folder / "rows.csv").write_text("id,body\n7,granite is hard\n")
    return folder


@pytest.fixture
def ids(workspace: Workspace, folder: Path) -> dict[str, str]:
    workspace.ingest([folder], "d", text="body", id="id")
    return {item.name: item.item_id for item in workspace.items("d")}


@pytest.fixture
def either(workspace: Workspace, request: pytest.FixtureRequest) -> Iterator[object]:
    """The workspace itself, or a client of a server that has it."""
    if request.param == "workspace":
        yield workspace
        return
    with running(workspace) as address, connect(address.url, address.token) as client:
        yield client


@pytest.mark.parametrize("either", ["workspace", "client"], indirect=True)
def test_originals_and_previews(either: Workspace, ids: dict[str, str], folder: Path) -> None:
    assert either.original(ids["sky.png"]).content == (folder / "sky.png").read_bytes()
    assert either.original(ids["sky.png"]).media_type == "image/png"
    assert b"granite" in either.original(ids["7"]).content
    small = either.preview(ids["sky.png"])
    assert small.media_type == "image/webp"
    assert Image.open(io.BytesIO(small.content)).size == (256, 85)
    wave = either.preview(ids["horn.wav"][:12])
    assert wave.media_type == "image/png"
    alpha = np.asarray(Image.open(io.BytesIO(wave.content)).convert("RGBA"))[..., 3] > 0
    heights = alpha.sum(axis=0)
    assert heights[-10:].mean() > 3 * heights[:100].mean()  # it swells
    with pytest.raises(InvalidArgument, match="an image or a recording"):
        either.preview(ids["7"])
    with pytest.raises(UnknownId):
        either.original("0123456789")


def test_no_browser_runs_an_original(workspace: Workspace, ids: dict[str, str]) -> None:
    import httpx

    with running(workspace) as address:
        headers = {"Authorization": f"Bearer {address.token}"}
        for what in ("original", "preview"):
            path = f"{address.url}/v1/items/{ids['sky.png']}/{what}"
            assert httpx.get(path).status_code == 401
            sent = httpx.get(path, headers=headers)
            assert sent.headers["X-Content-Type-Options"] == "nosniff"
            assert ("Content-Disposition" in sent.headers) == (what == "original")


def test_the_command_line_writes_files(
    workspace: Workspace, ids: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    workspace.close()
    root = ["-w", str(workspace.path)]
    target, picture = tmp_path / "copy.png", tmp_path / "small.webp"
    done = CliRunner().invoke(
        app,
        ["show", ids["sky.png"], "--original", str(target), "--preview", str(picture), *root],
    )
    assert done.exit_code == 0, done.output
    assert target.read_bytes() == (folder / "sky.png").read_bytes()
    with Image.open(picture) as small:
        assert small.format == "WEBP"
    nowhere = str(tmp_path / "nowhere" / "x")
    done = CliRunner().invoke(app, ["show", ids["sky.png"], "--original", nowhere, *root])
    assert done.exit_code == 2
    assert "a file that can be written" in done.output
