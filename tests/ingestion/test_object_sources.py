"""Objects of a store as sources, through fsspec's store in memory and one that fails."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from ragstone.config import LimitSettings
from ragstone.errors import FetchFailed, InvalidArgument, LimitExceeded
from ragstone.ingestion import object_sources
from ragstone.ingestion.candidates import load
from ragstone.ingestion.object_sources import ObjectSource
from ragstone.ingestion.pages import LISTING
from ragstone.ingestion.parsers import parse
from ragstone.schemas.records import Raw

LIMITS = LimitSettings()


@pytest.fixture
def bucket() -> Iterator[str]:
    """An empty bucket in memory, under a name that no other test uses."""
    name = f"bucket-{uuid.uuid4().hex}"
    yield name
    store = fsspec.filesystem("memory")
    if store.exists(name):
        store.rm(name, recursive=True)


def fill(bucket: str, objects: dict[str, bytes | str]) -> None:
    store = fsspec.filesystem("memory")
    for key, content in objects.items():
        store.pipe_file(
            f"{bucket}/{key}", content.encode() if isinstance(content, str) else content
        )


def raws(where: str, limits: LimitSettings = LIMITS) -> list[Raw]:
    return list(ObjectSource(where, limits).raws())


def names(where: str) -> list[str]:
    return [raw.name for raw in raws(where)]


def test_a_folder_in_sorted_order_without_hidden_objects(bucket: str) -> None:
    keys = ["docs/b.md", "docs/a.txt", "docs/deep/er/c.md", "docs/.git/x", "docs/d/.hidden", "o.md"]
    fill(bucket, dict.fromkeys(keys, "# Granite"))
    source = ObjectSource(f"memory://{bucket}/docs/", LIMITS)
    assert source.total == 3
    found = list(source.raws())
    assert [raw.name for raw in found] == ["a.txt", "b.md", "deep/er/c.md"]
    assert found[1] == Raw(f"memory://{bucket}/docs/b.md", "b.md", content=b"# Granite")
    assert parse(found[1], load(found[1], LIMITS), LIMITS).title == "Granite"
    assert names(f"memory://{bucket}") == [
        "docs/a.txt", "docs/b.md", "docs/deep/er/c.md", "o.md",
    ]  # fmt: skip
    assert list(source.raws()) == found


def test_one_object_and_patterns(bucket: str) -> None:
    fill(bucket, dict.fromkeys(["a.md", "b.txt", "2026/x.md", "2026/q1/y.md", "2025/z.md"], "x"))
    assert names(f"memory://{bucket}/2026/q1/y.md") == ["y.md"]
    assert names(f"memory://{bucket}/*.md") == ["a.md"]
    assert names(f"memory://{bucket}/202[56]/*.md") == ["2025/z.md", "2026/x.md"]
    assert names(f"memory://{bucket}/2026/**/*.md") == ["q1/y.md", "x.md"]
    assert names(f"memory://{bucket}/?.txt") == ["b.txt"]


def test_what_is_too_large_is_not_read(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bucket, {"large": bytes(101), "right": bytes(100), "empty": b""})
    read: list[str] = []
    original = MemoryFileSystem.cat_file

    def counting(self: Any, path: str, *arguments: Any, **options: Any) -> Any:
        read.append(path.rpartition("/")[2])
        return original(self, path, *arguments, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", counting)
    empty, large, right = raws(f"memory://{bucket}", LimitSettings(bytes=100))
    assert read == ["right"]
    assert (empty.content, right.content) == (b"", bytes(100))
    assert isinstance(large.problem, LimitExceeded)
    assert "limits.bytes" in large.problem.hint
    assert (large.source, large.metadata) == (f"memory://{bucket}/large", {})


def test_what_grows_or_goes_after_the_listing(bucket: str) -> None:
    fill(bucket, {"grows": "x", "goes": "x", "stays": "x"})
    source = ObjectSource(f"memory://{bucket}", LimitSettings(bytes=100))
    assert source.total == 3
    fill(bucket, {"grows": bytes(200)})
    fsspec.filesystem("memory").rm(f"{bucket}/goes")
    goes, grows, stays = source.raws()
    assert isinstance(goes.problem, FetchFailed)
    assert "FileNotFoundError" in goes.problem.message
    assert isinstance(grows.problem, LimitExceeded)
    assert stays.content == b"x"


@pytest.mark.parametrize("path", ["", "/nothing", "/nothing/*.md", "/docs/*.pdf"])
def test_nothing_there(bucket: str, path: str) -> None:
    if path:
        fill(bucket, {"docs/a.md": "x"})
    source = ObjectSource(f"memory://{bucket}{path}", LIMITS)
    assert source.total is None
    (raw,) = source.raws()
    assert isinstance(raw.problem, FetchFailed)
    assert raw.metadata == {LISTING: True}
    assert raw.source == f"memory://{bucket}{path}"


class StoreError(Exception):
    """As the libraries of the stores have them: below no class of Python's own."""


def test_a_store_that_refuses(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are missing or wrong are errors of the store's library, not of Python."""
    fill(bucket, {"a": "x"})
    monkeypatch.setattr(object_sources, "_FAILURES", ((__name__, "StoreError"), ("absent", "X")))

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("Unable to locate credentials\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "cat_file", refuse)
        (raw,) = raws(f"memory://{bucket}")
    assert isinstance(raw.problem, FetchFailed)
    assert raw.problem.message.endswith("StoreError: Unable to locate credentials")
    assert "keys" in raw.problem.hint
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "find", refuse)
        (raw,) = raws(f"memory://{bucket}")
    assert raw.metadata == {LISTING: True}
    assert isinstance(raw.problem, FetchFailed)


@pytest.mark.parametrize("where", [
    "file:///etc/passwd", "local:///etc/passwd", "http://a.test/x", "s3://", "s3:///x",
    "s3://key:secret@bucket/x", "s3://bucket:9000/x", "zip://a.md::s3://bucket/x.zip",
    "memory://a::file:///etc/passwd", "memory://*/x", "memory://a/\n", "S3://bucket/x", "bucket/x",
])  # fmt: skip
def test_addresses_that_are_not_taken(where: str) -> None:
    with pytest.raises(InvalidArgument, match=r"STORE://BUCKET/PATH"):
        ObjectSource(where, LIMITS)


def test_no_local_file_is_reached(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    for path in (str(tmp_path), f"/..{tmp_path}", f"/../../{tmp_path}/secret.txt"):
        assert [raw.content for raw in raws(f"memory://{bucket}{path}")] == [None]
