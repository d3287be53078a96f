"""Bugs to prove the harness with: each breaks the commit protocol in one way, in a child."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ragstone.storage import (
    backup,
    blobs,
    catalog_file,
    files,
    forgetting,
    keywords,
    manifests,
    merging,
    parts,
    projection,
    recovery,
    retention,
    tags,
    vectors,
)
from ragstone.storage.backup_record import write_record
from ragstone.storage.catalog import now
from ragstone.storage.changes import Change
from ragstone.storage.erasures import Erasures, Receipt
from ragstone.storage.manifests import Manifest, SegmentRef
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
    manifests.publish_once = write_in_place


def write_in_place(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    files.sync_folder(path.parent)


def trust_the_last_flush(_tell: Tell) -> None:
    """Hand FAISS a path: it takes no notice when closing the file fails."""
    vectors.faiss.PyCallbackIOWriter = lambda write: write.__self__.name


def abandon_what_stands(_tell: Tell) -> None:
    Change.published = property(lambda _change: False)  # type: ignore[assignment]


def checkpoint_in_place(_tell: Tell) -> None:
    catalog_file.connect = catalog_file._connect


def log_goes_first(_tell: Tell) -> None:
    publish = catalog_file.publish

    def early(path: Path) -> None:
        catalog_file.log_of(path).unlink(missing_ok=True)
        publish(path)

    catalog_file.publish = early


def gc_deletes_first(_tell: Tell) -> None:
    delete, remove = retention._delete, retention.remove

    def early(store: Store, given_up: dict[str, list[int]], doomed: list[Path]) -> None:
        for path in doomed:
            remove(path)
        delete(store, given_up, doomed)

    retention._delete = early


def forget_deletes_first(_tell: Tell) -> None:
    publish = Erasures.publish

    def late(self: Erasures, receipt: Receipt) -> Receipt:
        for path in (*receipt.parts, *receipt.segments, *receipt.keywords):
            files.remove(self._root / path)
        return publish(self, receipt)

    Erasures.publish = late  # type: ignore[method-assign]


def forget_is_not_finished(_tell: Tell) -> None:
    forgetting.finish_all = lambda *_: []


def forget_counts_as_done_too_early(_tell: Tell) -> None:
    forgetting.sync_folder = lambda _folder: None


def sweep_without_receipts(_tell: Tell) -> None:
    """Delete what receipts put in place, for no manifest names it."""
    applied = Erasures.applied

    def named(root: Path) -> set[str]:
        Erasures.applied = lambda _self, manifest: manifest  # type: ignore[method-assign]
        try:
            return sound(root)
        finally:
            Erasures.applied = applied  # type: ignore[method-assign]

    sound, recovery.named_paths = recovery.named_paths, named


def merge_drops_a_vector(_tell: Tell) -> None:
    write = merging.write_segment

    def lossy(root: Path, folder: Path, space: str, keys: Any, rows: Any) -> SegmentRef:
        return write(root, folder, space, keys[1:], rows[1:])

    merging.write_segment = lossy


def tag_in_place(_tell: Tell) -> None:
    tags.publish_once = tags.write_durably = write_in_place


def backup_record_first(_tell: Tell) -> None:
    run = backup._Copy.run

    def early(self: Any, plan: Any, on_progress: Any) -> None:
        write_record(self._folder, backup._record(plan, self, now().isoformat()))
        run(self, plan, on_progress)

    backup._Copy.run = early  # type: ignore[method-assign]


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
        checkpoint_in_place,
        log_goes_first,
        gc_deletes_first,
        forget_deletes_first,
        forget_is_not_finished,
        forget_counts_as_done_too_early,
        sweep_without_receipts,
        merge_drops_a_vector,
        tag_in_place,
        backup_record_first,
    )
}
