"""Backups: whole while others write, cheap when little changed, checked, and restored."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ragstone.config import StorageSettings
from ragstone.errors import DamagedFile, InvalidArgument, WorkspaceInUse
from ragstone.storage import backup as backups
from ragstone.storage import manifests
from ragstone.storage.backup import backup
from ragstone.storage.backup_record import BACKUP_FILE, newest, read_record
from ragstone.storage.branches import fork
from ragstone.storage.doctor import examine
from ragstone.storage.forgetting import forget
from ragstone.storage.manifests import Manifest
from ragstone.storage.restoring import restore_backup, verify_backup
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import by_words, commit, remove, unit_vectors
from .stored_answers import keep, record

Opener = Callable[[], Store]
STONES = {
    "granite": "Granite is coarse and hard. Quartz and feldspar make it up",
    "slate": "Slate splits into thin plates. Roofs are covered with slate",
}
MANY = {f"stone {n}": f"Stone number {n} is hard. It lies at place {n}" for n in range(40)}


@pytest.fixture
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture
def reopen() -> Iterator[Callable[[Path], Store]]:
    opened: list[Store] = []

    def opener(path: Path) -> Store:
        opened.append(Store(path, StorageSettings(lock_seconds=0)))
        return opened[-1]

    yield opener
    for store in opened:
        store.close()


def results(store: Store, manifest: Manifest) -> list[object]:
    """Return what both arms find in a version, with scores."""
    live = store.live_chunks(manifest.dataset_id, manifest.version)
    found: list[object] = []
    for word in ("slate", "quartz", "stone"):
        vector = unit_vectors([word])[0]
        found.append(by_words(store.generations, manifest.keywords, [word], 20, live).pairs())
        found.append(store.segments.search(manifest.segments, vector, 20, live).pairs())
    return found


def flip(path: Path) -> None:
    """Change one byte in the middle of a file, in place."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def folder_of(result: object) -> Path:
    return Path(getattr(result, "folder"))  # noqa: B009


# ---------------------------------------------------------------- there and back


def test_a_restored_workspace_is_the_one_that_was_backed_up(
    store: Store, target: Path, tmp_path_factory: pytest.TempPathFactory, reopen: Callable
) -> None:
    (store.root / "ragstone.toml").write_text("[encoder]\n")
    first = commit(store, STONES)
    commit(store, MANY)
    last = remove(store, "slate")
    store.tags.set(first, "good", "the first", move=False)
    fork(store, "docs@1", "branch", "")
    keep(store, first, record(first, "A", []))
    kept = {m.digest: results(store, m) for m in store.history(last.dataset_id)}
    made = backup(store, target)
    assert (made.datasets, made.versions, made.damaged, made.earlier) == (2, 4, [], None)
    assert verify_backup(folder_of(made)).findings == []
    place = tmp_path_factory.mktemp("restored") / "workspace"
    result = restore_backup(folder_of(made), place)
    assert (result.datasets, result.versions, result.files) == (2, 4, made.files)
    assert (result.created, result.damaged, result.later_forgets) == (
        verify_backup(folder_of(made)).created,
        [],
        [],
    )
    copy = reopen(place)
    assert copy.recovered == []  # the catalog knows exactly what the manifests say
    assert examine(copy).findings == []
    assert {m.digest: results(copy, m) for m in copy.history(last.dataset_id)} == kept
    assert copy.resolve("docs@good") == first
    assert copy.head("branch").content == first.content
    assert copy.catalog.rows("SELECT answer_id FROM answers") == [("A",)]
    assert (place / "ragstone.toml").read_text() == "[encoder]\n"
    assert not (place / BACKUP_FILE).exists()
    commit(copy, {"chalk": "Chalk is soft"})
    assert copy.head("docs").version == 4
    assert store.head("docs").version == 3


def test_a_restored_workspace_shares_no_bytes_with_its_backup(store: Store, target: Path) -> None:
    commit(store, STONES)
    commit(store, MANY)
    made = folder_of(backup(store, target))
    place = target / "restored"
    restore_backup(made, place)
    for path in (p for p in place.rglob("*") if p.is_file()):
        twin = made / path.relative_to(place)
        assert not path.samefile(twin)
    for path in (p for p in made.rglob("*") if p.is_file()):
        twin = store.root / path.relative_to(made)
        assert not (twin.exists() and twin.samefile(path)), path


def test_what_is_one_file_stays_one_file(store: Store, target: Path) -> None:
    """A keyword generation shares files with the one before; copied apart they would add up."""
    for number in range(6):
        commit(store, {f"s{number}": f"Slate number {number}. More"})

    def disk(root: Path) -> int:
        files = {(p.stat().st_ino, p.stat().st_size) for p in root.rglob("*") if p.is_file()}
        return sum(size for _, size in files)

    datasets = disk(store.root / "datasets")
    made = backup(store, target)
    assert disk(folder_of(made) / "datasets") <= datasets
    place = target / "restored"
    restore_backup(folder_of(made), place)
    assert disk(place / "datasets") <= datasets


def test_progress_counts_every_byte(store: Store, target: Path) -> None:
    commit(store, MANY)
    for call in (
        lambda tell: backup(store, target, tell),
        lambda tell: verify_backup(newest(target).folder, tell),
        lambda tell: restore_backup(newest(target).folder, target / "w", tell),
    ):
        heard: list[tuple[int, int]] = []
        call(lambda done, total, heard=heard: heard.append((done, total)))
        assert [done for done, _ in heard] == sorted(done for done, _ in heard)
        assert len(heard) > 10
        assert heard[-1][0] == heard[-1][1] == heard[0][1]


# ---------------------------------------------------------------- the second one


def test_the_second_backup_links_what_has_not_changed(store: Store, target: Path) -> None:
    commit(store, MANY)
    first = backup(store, target)
    commit(store, {"chalk": "Chalk is soft"})
    second = backup(store, target)
    assert second.earlier == first.folder
    one, two = read_record(folder_of(first)), read_record(folder_of(second))
    common = {path for path in one.files if two.files.get(path) == one.files[path]}
    assert {path.split("/")[0] for path in common} == {"blobs", "datasets"}
    assert len(common) == len(one.files) - 1  # all but the catalog
    for path in common:
        status = (folder_of(first) / path).stat()
        assert status.st_nlink >= 2
        assert status.st_ino == (folder_of(second) / path).stat().st_ino
    fresh = [file.size for path, file in two.files.items() if path not in common]
    assert second.copied_bytes <= sum(fresh) < second.bytes
    shutil.rmtree(first.folder)  # each stands by itself
    assert verify_backup(folder_of(second)).findings == []


def test_a_damaged_file_of_an_earlier_backup_is_not_passed_on(store: Store, target: Path) -> None:
    commit(store, MANY)
    first = folder_of(backup(store, target))
    victims = [next(first.glob("blobs/*/*/*")), next(first.glob("datasets/*/parts/*/items*"))]
    for victim in victims:
        flip(victim)
    second = folder_of(backup(store, target))
    assert verify_backup(second).findings == []
    for victim in victims:
        assert not (second / victim.relative_to(first)).samefile(victim)
    found = [finding.where for finding in verify_backup(first).findings]
    assert sorted(found) == sorted(victim.relative_to(first).as_posix() for victim in victims)


def test_what_is_damaged_in_the_workspace_comes_from_the_earlier_backup(
    store: Store, target: Path, reopen: Callable
) -> None:
    manifest = commit(store, MANY)
    backup(store, target)
    blob = next((store.root / "blobs").glob("*/*/*"))
    flip(blob)
    (store.root / manifest.parts[0].path / "sources.parquet").unlink()
    made = backup(store, target)
    assert made.damaged == []
    restore_backup(folder_of(made), target / "w")
    assert examine(reopen(target / "w")).findings == []


def test_damage_that_nothing_can_mend_is_named_and_holds_nothing_up(
    store: Store, target: Path
) -> None:
    manifest = commit(store, MANY)
    blob = next((store.root / "blobs").glob("*/*/*"))
    flip(blob)
    lost = f"{manifest.parts[0].path}/sources.parquet"
    (store.root / lost).unlink()
    made = backup(store, target)
    named = sorted([blob.relative_to(store.root).as_posix(), lost])
    assert made.damaged == named
    findings = verify_backup(folder_of(made)).findings
    assert [finding.where for finding in findings] == named
    assert all("ragstone doctor" in finding.remedy for finding in findings)
    assert restore_backup(folder_of(made), target / "w").damaged == named


# ---------------------------------------------------------------- what is no good backup


def test_an_unfinished_backup_is_neither_restored_nor_linked_from(
    store: Store, target: Path
) -> None:
    commit(store, STONES)
    whole = backup(store, target)
    torn = backup(store, target)
    (folder_of(torn) / BACKUP_FILE).unlink()
    with pytest.raises(DamagedFile, match=r"backup\.json.*an unfinished one"):
        restore_backup(folder_of(torn), target / "w")
    with pytest.raises(DamagedFile, match="unfinished"):
        verify_backup(folder_of(torn))
    assert not (target / "w").exists()
    assert backup(store, target).earlier == whole.folder


def test_a_failed_backup_leaves_nothing(
    store: Store, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, STONES)
    real, calls = backups.copy_file, []

    def full(source: Path, place: Path) -> object:
        calls.append(place)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return real(source, place)

    monkeypatch.setattr(backups, "copy_file", full)
    with pytest.raises(OSError, match="No space left"):
        backup(store, target)
    assert not list(target.iterdir())
    monkeypatch.undo()
    commit(store, {"chalk": "Chalk is soft"})  # the locks were let go
    assert verify_backup(folder_of(backup(store, target))).findings == []


@pytest.mark.parametrize(
    "pattern",
    ["blobs/*/*/*", "datasets/*/versions/*", "datasets/*/parts/*/vectors*", "catalog.duckdb"],
)
def test_a_damaged_file_is_named_and_nothing_is_restored(
    store: Store, target: Path, pattern: str
) -> None:
    commit(store, STONES)
    made = folder_of(backup(store, target))
    victim = next(made.glob(pattern))
    flip(victim)
    (finding,) = verify_backup(made).findings
    assert finding.where == victim.relative_to(made).as_posix()
    assert "its bytes have changed" in finding.problem
    with pytest.raises(DamagedFile, match=victim.name):
        restore_backup(made, target / "w")
    victim.unlink()
    with pytest.raises(DamagedFile, match=victim.name):
        restore_backup(made, target / "w")
    assert not (target / "w").exists()
    assert not list(target.glob(".tmp-*"))


def test_backup_json_proves_itself(store: Store, target: Path) -> None:
    commit(store, STONES)
    made = folder_of(backup(store, target))
    path = made / BACKUP_FILE
    values = json.loads(path.read_bytes())
    values["versions"] = 2
    path.write_text(json.dumps(values))
    with pytest.raises(DamagedFile, match="checksum does not fit"):
        verify_backup(made)


def test_places_that_are_taken_are_refused(store: Store, target: Path) -> None:
    commit(store, STONES)
    with pytest.raises(InvalidArgument, match="outside the workspace"):
        backup(store, store.root / "backups")
    made = folder_of(backup(store, target))
    with pytest.raises(InvalidArgument, match="a new or an empty folder"):
        restore_backup(made, store.root)
    with pytest.raises(InvalidArgument, match="outside"):
        restore_backup(made, made / "w")
    (target / "empty").mkdir()
    restore_backup(made, target / "empty")
    assert (target / "empty" / "catalog.duckdb").exists()


def test_what_was_erased_is_in_no_later_backup_and_an_older_one_says_so(
    store: Store, target: Path, reopen: Callable
) -> None:
    commit(store, {**STONES, "secret": "The canary sings at night"})
    item_id = store.blobs.put(b"The canary sings at night")
    first = folder_of(backup(store, target))
    receipt = forget(store, [item_id], "asked for")
    made = backup(store, target)
    second = folder_of(made)
    assert made.linked_files  # what stayed the same is linked, and nothing else
    assert list(first.rglob(item_id))
    assert not list(second.rglob(item_id))
    texts = [
        text
        for path in second.glob("datasets/*/parts/*/items.parquet")
        for text in pq.read_table(path)["text"].to_pylist()
    ]
    assert len(texts) == 2
    assert not any("canary" in text for text in texts)
    assert not any(b"canary" in path.read_bytes() for path in second.rglob("*") if path.is_file())
    assert restore_backup(first, target / "w1").later_forgets == [receipt.id]
    assert restore_backup(second, target / "w2").later_forgets == []
    assert examine(reopen(target / "w2")).findings == []


# ---------------------------------------------------------------- while others write


class Busy:
    """Does some work again and again in threads, until it is left."""

    def __init__(self, *works: Callable[[int], object]) -> None:
        self.failed: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]

    def __enter__(self) -> Busy:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _repeat(self, work: Callable[[int], object]) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                work(number)
            except BaseException as error:  # noqa: BLE001  # of a thread: looked at in the end
                self.failed.append(error)
                return
            number += 1


def check_whole(copy: Store, original: Store) -> None:
    """Check that a restored workspace holds versions of `original`, from the first one on."""
    assert copy.recovered == []
    assert examine(copy).findings == []
    for head in copy.heads():
        assert original.manifest(head.dataset_id, head.version) == head
        numbers = manifests.numbers(copy.root / "datasets" / head.dataset_id)
        assert numbers == list(range(1, head.version + 1))
        assert all(tag.version <= head.version for tag in copy.tags.of(head.dataset_id).values())


def test_backups_made_while_others_write_hold_whole_versions(
    store: Store, target: Path, reopen: Callable
) -> None:
    """Two write, one tags, one searches; each backup opens clean."""
    first = commit(store, STONES, "a")
    commit(store, STONES, "b")
    expected = results(store, first)

    def write(dataset: str) -> Callable[[int], object]:
        return lambda n: commit(store, {f"s{n}": f"Slate {n} of {dataset}. More"}, dataset)

    def tag(number: int) -> None:
        store.tags.set(store.head("a"), f"t{number % 3}", "", move=True)
        time.sleep(0.01)

    def search(_: int) -> None:
        assert results(store, first) == expected

    with Busy(write("a"), write("b"), tag, search) as busy:
        made = [backup(store, target) for _ in range(4)]
    assert busy.failed == []
    assert made[-1].versions > made[0].versions
    for number, one in enumerate(made):
        assert verify_backup(folder_of(one)).findings == []
        restore_backup(folder_of(one), target / f"w{number}")
        check_whole(reopen(target / f"w{number}"), store)


def test_a_backup_and_a_collection_do_not_wait_for_each_other(store: Store, target: Path) -> None:
    for number in range(6):
        commit(store, {f"s{number}": f"Slate {number}. More"})
    failed: list[BaseException] = []
    refused: list[WorkspaceInUse] = []

    def collecting() -> None:
        try:
            for newest_kept in (5, 4, 3, 2, 1):
                try:
                    collect(store, Policy(newest=newest_kept), dry_run=False)
                except WorkspaceInUse as error:
                    refused.append(error)
        except BaseException as error:  # noqa: BLE001  # of a thread: told below
            failed.append(error)

    thread = threading.Thread(target=collecting)
    thread.start()
    made = [backup(store, target) for _ in range(5)]
    thread.join(60)
    assert not thread.is_alive()
    assert failed == []
    for one in made:
        assert (one.damaged, verify_backup(folder_of(one)).findings) == ([], [])
    collect(store, Policy(newest=1), dry_run=False)
    assert examine(store).findings == []


def test_nothing_is_deleted_during_a_backup(store: Store, target: Path) -> None:
    commit(store, {"slate": "Slate splits"})
    told: list[WorkspaceInUse] = []

    def collecting(_done: int, _total: int) -> None:
        with pytest.raises(WorkspaceInUse, match="backup") as caught:
            collect(store, Policy(newest=1), dry_run=False)
        told.append(caught.value)

    backup(store, target, collecting)
    assert told
