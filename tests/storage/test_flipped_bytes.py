"""Every single flipped byte is found, and the file that it is in is named, and no other.

One file of each kind, and every file of a keyword index; at a sample of positions, the first and
the last byte among them, and under RAGSTONE_TORTURE=1 at all of them where it is below 20 kB.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ragstone.config import StorageSettings
from ragstone.errors import DamagedFile
from ragstone.storage import merging
from ragstone.storage.backup import backup
from ragstone.storage.backup_record import BACKUP_FILE
from ragstone.storage.branches import fork
from ragstone.storage.doctor import examine
from ragstone.storage.examination import Examination, take_down
from ragstone.storage.examining_bytes import examine_blobs
from ragstone.storage.examining_content import Contents
from ragstone.storage.examining_history import examine_files, examine_history, examine_receipts
from ragstone.storage.files import digest_bytes
from ragstone.storage.forgetting import forget
from ragstone.storage.restoring import verify_backup
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import commit, remove

TORTURE = bool(os.environ.get("RAGSTONE_TORTURE"))
SAMPLE = 40  # positions per file
COMPLETE = 4  # of these, how many the whole doctor looks at
SMALL = 20_000  # bytes, of files whose every byte is flipped under torture
BLANKS = b" \t\n\r"  # between which JSON sees no difference

STONES = {
    "granite": "Granite is coarse and hard. Quartz and feldspar make it up",
    "slate": "Slate splits into thin plates. Roofs are covered with slate",
    "chalk": "Chalk is a soft white limestone. It was laid down by the sea",
}
# By kind: where its files are. The newest is taken.
KINDS = {
    "manifest": "datasets/*/versions/*.json",
    "list of versions given up": "datasets/*/collected.json",
    "tag": "datasets/*/tags/*.json",
    "receipt": "forgets/*.json",
    "items": "datasets/*/parts/*/items.parquet",
    "sources": "datasets/*/parts/*/sources.parquet",
    "chunks": "datasets/*/parts/*/chunks.parquet",
    "vectors": "datasets/*/parts/*/vectors-*.npy",
    "part": "datasets/*/parts/*/part.json",
    "segment": "datasets/*/vectors/*/*.faiss",
    "blob": "blobs/*/*/*",
}
BY_HISTORY = {"manifest", "list of versions given up", "tag", "receipt"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with every kind of file; a test leaves it as it was."""
    store = Store(tmp_path_factory.mktemp("flipped"), StorageSettings(lock_seconds=0, threads=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "FAN_IN", 2)
        commit(store, {"marble": "Marble is hard"})
        first = commit(store, STONES)
    store.tags.set(first, "printed", "as sent", move=False)
    fork(store, "docs@2", "copy", "")
    forget(store, [digest_bytes(STONES["slate"].encode())], "asked to")
    remove(store, "marble")
    commit(store, {"basalt": "Basalt is black. It cools into columns"})
    collect(store, Policy(newest=2), ["docs"], dry_run=False)
    assert examine(store).healthy
    yield store
    store.close()


# ---------------------------------------------------------------- flipping


def flips(content: bytes, seed: str) -> list[tuple[int, int]]:
    """Return what to flip: positions, and the byte that is put there."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    everywhere = range(len(content))
    if TORTURE and len(content) < SMALL:
        positions = list(everywhere)
    else:
        ends = {0, len(content) - 1} & set(everywhere)
        positions = sorted(ends | set(draw.sample(everywhere, min(SAMPLE, len(content)))))
    chosen = []
    for position in positions:
        byte = content[position]
        likely = [b for b in BLANKS if b != byte] if byte in BLANKS else []
        chosen.append((position, draw.choice(likely or [byte ^ draw.randrange(1, 256)])))
    return chosen


@contextmanager
def flipped(path: Path, position: int, byte: int) -> Iterator[None]:
    """Put `byte` there meanwhile, in place."""
    with path.open("r+b", buffering=0) as file:
        before = os.pread(file.fileno(), 1, position)
        os.pwrite(file.fileno(), bytes([byte]), position)
        try:
            yield
        finally:
            os.pwrite(file.fileno(), before, position)


def names_of(root: Path, victim: Path) -> list[str]:
    """Return all names of the file, for generations share files."""
    identity = victim.stat().st_ino
    same = [path for path in root.rglob(victim.name) if path.stat().st_ino == identity]
    return sorted(path.relative_to(root).as_posix() for path in same)


def newest(root: Path, pattern: str) -> Path:
    return sorted(path for path in root.glob(pattern) if path.stat().st_size)[-1]


# ---------------------------------------------------------------- looking


def quickly(store: Store, kind: str) -> list[str]:
    """Return what the doctor's part for this kind of file names."""
    with store.keeping():
        with store.writing():
            exam = Examination(store, take_down(store))
        examine_receipts(exam)
        for dataset in exam.seen.datasets:
            examine_history(exam, dataset)
        if kind not in BY_HISTORY:
            examine_files(exam)
        if kind == "blob":
            contents = Contents(exam)
            for dataset in exam.seen.datasets:
                contents.examine(dataset)
            examine_blobs(exam, contents.live_items.values())
    return sorted(finding.where for finding in exam.findings)


def completely(store: Store) -> list[str]:
    return sorted(finding.where for finding in examine(store).findings)


def check_every_flip(store: Store, kind: str, victim: Path) -> None:
    """Flip and look, most times with the part of the doctor that is for it, sometimes with all."""
    wanted = names_of(store.root, victim)
    seed = f"{kind} {victim.name if kind == 'keywords' else victim.suffix}"
    chosen = flips(victim.read_bytes(), seed)
    whole = {0, len(chosen) - 1, *(n * len(chosen) // COMPLETE for n in range(COMPLETE))}
    for number, (position, byte) in enumerate(chosen):
        with flipped(victim, position, byte):
            named = completely(store) if number in whole else quickly(store, kind)
        assert named == wanted, f"byte {position} of {victim} is now {byte}"


# ---------------------------------------------------------------- the promises


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_byte_is_found_and_its_file_named(filled: Store, kind: str) -> None:
    check_every_flip(filled, kind, newest(filled.root, KINDS[kind]))
    assert examine(filled).healthy


def test_flipped_byte_in_every_file_of_a_keyword_index(filled: Store) -> None:
    generation = filled.head("docs").keywords
    assert generation
    files = [filled.root / generation.path / name for name in generation.files]
    assert len(files) > 8
    for victim in (path for path in files if path.stat().st_size):
        check_every_flip(filled, "keywords", victim)
    assert examine(filled).healthy


def test_flipped_byte_in_a_backup(filled: Store, tmp_path: Path) -> None:
    folder = Path(backup(filled, tmp_path).folder)
    for kind, pattern in {**KINDS, "keywords": "datasets/*/keywords/*/*"}.items():
        victim = newest(folder, pattern)
        for position, byte in flips(victim.read_bytes(), kind)[:: 1 if TORTURE else 8]:
            with flipped(victim, position, byte):
                named = sorted(finding.where for finding in verify_backup(folder).findings)
            assert named == names_of(folder, victim), f"byte {position} of {victim} is now {byte}"
    assert verify_backup(folder).findings == []


def test_flipped_byte_in_the_record_of_a_backup(filled: Store, tmp_path: Path) -> None:
    folder = Path(backup(filled, tmp_path).folder)
    record = folder / BACKUP_FILE
    for position, byte in flips(record.read_bytes(), "record"):
        with flipped(record, position, byte):
            try:
                named = [finding.where for finding in verify_backup(folder).findings]
            except DamagedFile as error:
                named = [error.path.name]
        assert named == [BACKUP_FILE], f"byte {position} is now {byte}"


def test_damaged_list_of_versions_given_up_holds_nobody_up(
    open_store: Callable[[], Store], caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store()
    for source, text in STONES.items():
        commit(store, {source: text})
    collect(store, Policy(newest=1), dry_run=False)
    (listed,) = store.root.glob(KINDS["list of versions given up"])
    with flipped(listed, 20, 0):
        store = open_store()
        assert "versions that gc gave up" in caplog.text
        assert completely(store) == [listed.relative_to(store.root).as_posix()]
        commit(store, {"basalt": "Basalt is black"})
        with pytest.raises(DamagedFile, match=listed.name):
            collect(store, Policy(newest=1), dry_run=False)
        assert store.head("docs").version == 4
    assert examine(open_store()).healthy


def test_the_sample_has_both_ends_and_blanks() -> None:
    content = b"{\n " + bytes(range(33, 120)) * 3 + b" }\n"
    chosen = dict(flips(content, "any"))
    assert {0, len(content) - 1} <= chosen.keys()
    assert len(chosen) >= (len(content) if TORTURE else SAMPLE)
    assert all(byte != content[position] for position, byte in chosen.items())
    assert chosen[len(content) - 1] in BLANKS
    assert chosen == dict(flips(content, "any"))
