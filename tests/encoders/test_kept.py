"""Networks in folders that are trained again while the process runs."""

from __future__ import annotations

import gc
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import ref

import pytest

from ragstone.config import EncoderSettings
from ragstone.encoders.kept import Kept
from ragstone.encoders.opened import Encoders
from ragstone.errors import RerankerUnavailable


class Network:
    """What is opened."""

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "network"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"old weights")
    return made


def same_time(path: Path, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def longer(folder: Path) -> None:
    path = folder / "model.safetensors"
    before = path.stat()
    path.write_bytes(b"newer weights")
    same_time(path, before)


def later(folder: Path) -> None:
    path = folder / "model.safetensors"
    before = path.stat()
    path.write_bytes(b"new weights")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def replaced(folder: Path) -> None:
    path, new = folder / "model.safetensors", folder / "new"
    before = path.stat()
    new.write_bytes(b"new weights")
    same_time(new, before)
    new.replace(path)


def joined(folder: Path) -> None:
    (folder / "vocabulary.txt").write_text("granite")


@pytest.mark.parametrize("change", [longer, later, replaced, joined])
def test_a_folder_that_changed_is_opened_again_and_the_old_one_let_go(
    folder: Path, change: object
) -> None:
    kept = Kept(Network, most=2)
    first = kept.get(str(folder))
    assert kept.get(str(folder)) is first
    assert callable(change)
    change(folder)
    assert kept.get(str(folder)) is not first
    old = ref(first)
    del first
    gc.collect()
    assert old() is None


def test_the_ones_used_last_are_kept() -> None:
    kept = Kept(Network, most=2)
    first, second = kept.get("granite"), kept.get("slate")
    assert kept.get("granite") is first
    kept.get("marble")
    assert kept.get("granite") is first
    assert kept.get("slate") is not second


def test_all_who_ask_at_once_share_one(folder: Path) -> None:
    kept = Kept(Network, most=2)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(kept.get, [str(folder)] * 32))
    assert len({id(each) for each in found}) == 1


def test_a_reranker_that_was_trained_again_is_noticed(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reranker"
    shutil.copytree(small_model, folder)
    encoders = Encoders(EncoderSettings())
    before = encoders.reranker(str(folder))
    assert encoders.reranker(str(folder)) is before
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "trained": "again"}))
    assert encoders.reranker(str(folder)).identity.digest != before.identity.digest
    shutil.rmtree(folder)
    with pytest.raises(RerankerUnavailable, match="neither a folder"):
        encoders.reranker(str(folder))
