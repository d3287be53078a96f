"""Bugs to prove the harness with: each breaks the commit protocol in one way, in a child."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ragstone.storage import (
    blobs,
    files,
    keywords,
    manifests,
    parts,
    projection,
    recovery,
    vectors,
)
from ragstone.storage.changes import Change
from ragstone.storage.manifests import Manifest
from ragstone.storage.store import Store

Tell = Callable[[dict[str, Any]], None]


def acknowledge_first(tell: Tell) -> None:
    publish = manifests.publish

    def early(folder: Path, manifest: Manifest) -> None:
        tell({"acknowledged": 1})
        publish(folder, manifest)

    manifests.publish = early


def catalog_first(_tell: Tell) -> None:
    commit, publish, apply = Store.commit, manifests.publish, projection.apply
    under_way: list[tuple[Store, Change]] = []

    def outer(self: Store, change: Change, *args: Any, **options: Any) -> Manifest:
        under_way.append((self, change))
        try:
            return commit(self, change, *args, **options)
        finally:
            under_way.pop()

    def early(folder: Path, manifest: Manifest) -> None:
        store, change = under_way[-1]
        apply(store.catalog, store.root, manifest, change.head)
        publish(folder, manifest)

    def late(*args: Any) -> None:
        if not under_way:
            apply(*args)

    Store.commit, manifests.publish, projection.apply = outer, early, late  # type: ignore[method-assign]


def manifest_before_its_files(_tell: Tell) -> None:
    publish, publish_folder = manifests.publish, files.publish_folder
    waiting: list[Callable[[], None]] = []

    def later(temporary: Path, final: Path, written: list[Path]) -> None:
        waiting.append(lambda: publish_folder(temporary, final, written))

    def early(folder: Path, manifest: Manifest) -> None:
        publish(folder, manifest)
        while waiting:
            waiting.pop(0)()

    keywords.publish_folder, manifests.publish = later, early


def no_fsync_of_files(_tell: Tell) -> None:
    files.sync_file = vectors.sync_file = lambda _path: None


def no_fsync_of_folders(_tell: Tell) -> None:
    for module in (files, parts, vectors, blobs):
        module.sync_folder = lambda _folder: None  # type: ignore[attr-defined]


def eager_sweep(_tell: Tell) -> None:
    recovery.named_paths = lambda _root: set()


def no_sweep(_tell: Tell) -> None:
    recovery.sweep = lambda _root: ([], True)


def publish_over(_tell: Tell) -> None:
    manifests.publish_once = files.write_durably


def manifest_in_place(_tell: Tell) -> None:
    def write(path: Path, content: bytes) -> None:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        files.sync_folder(path.parent)

    manifests.publish_once = write


def trust_the_last_flush(_tell: Tell) -> None:
    """Hand FAISS a path: it takes no notice when closing the file fails."""
    vectors.faiss.PyCallbackIOWriter = lambda write: write.__self__.name


def abandon_what_stands(_tell: Tell) -> None:
    Change.published = property(lambda _change: False)  # type: ignore[assignment]


BUGS: dict[str, Callable[[Tell], None]] = {
    bug.__name__: bug
    for bug in (
        acknowledge_first,
        catalog_first,
        manifest_before_its_files,
        no_fsync_of_files,
        no_fsync_of_folders,
        eager_sweep,
        no_sweep,
        publish_over,
        manifest_in_place,
        trust_the_last_flush,
        abandon_what_stands,
    )
}
