"""Crash safety: every operation broken at every call that changes a file (here: at a sample).

RAGSTONE_TORTURE=1 tries every point instead of a sample.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from errno import ENOSPC
from itertools import pairwise
from pathlib import Path

import pytest

from ragstone.errors import StorageFault
from ragstone.storage.doctor import examine
from ragstone.storage.store import Store

from .conftest import SPACE, commit, fill
from .failpoints import BEGINS, KILLED, MODES, Harness
from .failpoints_trace import (
    MANIFEST,
    WRITES,
    Call,
    Kernel,
    breaches,
    can_break,
    goes,
    hasty,
    points,
    read_record,
    resurrected,
)

TORTURE = bool(os.environ.get("RAGSTONE_TORTURE"))
SAMPLE = 6  # points per operation and mode
BROKEN = [operation for operation in BEGINS if operation != "many"]  # which only prepares
JOBS = {"ingest", "mend"}  # these write to the catalog before they commit
FINISHED = [operation for operation, begin in BEGINS.items() if begin.startswith(KILLED)]
COMMITS = ["first", "second", "delete", "ingest", "mend"]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="needs Linux (LD_PRELOAD) and a C compiler called cc",
)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    opened = Harness(tmp_path_factory.mktemp("failpoints"))
    yield opened
    opened.close()


def commit_of(calls: list[Call]) -> int:
    """Return the number of the call that gives a manifest its name."""
    (number,) = (c.number for c in calls if MANIFEST.fullmatch(c.other) and c.name == "link")
    return number


# ---------------------------------------------------------------- the promises


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", BROKEN)
def test_old_or_new_whatever_breaks(
    harness: Harness,
    operation: str,
    mode: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reference = harness.reference(operation)
    calls = reference.calls
    if mode not in {"kill", "torn"}:  # those also break what comes after the acknowledgement
        calls = calls[: reference.acknowledged]
    chosen = points(calls, mode, None if TORTURE else SAMPLE, operation)
    every = points(calls, mode, None, operation)
    trials = harness.try_all(operation, mode, chosen)
    reached = sum(trial.reached for trial in trials)
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    if reporter and request.config.get_verbosity() > 0:
        with capsys.disabled():
            reporter.write_line(f"{operation}, {mode}: {reached} of {len(every)} points")
    problems = [problem for trial in trials for problem in trial.problems]
    assert not problems, "\n".join(problems)
    assert reached >= 0.9 * len(chosen) > 0, "the calls are others each time"


@pytest.mark.parametrize("operation", BROKEN)
def test_everything_is_durable_before_it_is_relied_on(harness: Harness, operation: str) -> None:
    """Killing cannot show a missing fsync; the order of the calls can."""
    reference = harness.reference(operation)
    found = breaches(reference.calls, reference.acknowledged, jobs=operation in JOBS)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("operation", BROKEN)
def test_nothing_goes_before_what_decides_is_durable(harness: Harness, operation: str) -> None:
    found = hasty(harness.reference(operation).calls)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("operation", ["gc", "forget", "recover gc", "recover forget"])
def test_what_was_looked_at_does_delete(harness: Harness, operation: str) -> None:
    gone = [call for call in harness.reference(operation).calls if goes(call)]
    assert len(gone) > (3 if "gc" in operation else 10)


@pytest.mark.parametrize("operation", ["forget", "recover forget"])
def test_what_counts_as_erased_stays_erased(harness: Harness, operation: str) -> None:
    reference = harness.reference(operation)
    assert not resurrected(reference.calls, reference.acknowledged)


@pytest.mark.parametrize("operation", FINISHED)
def test_an_opening_finishes_what_stands(harness: Harness, operation: str) -> None:
    """So its old state is the new one of what was killed, and there is no way back."""
    killed = BEGINS[operation].removeprefix(KILLED)
    assert harness.reference(operation).old == harness.reference(killed).new
    assert harness.reference(operation).new == harness.reference(killed).new


def test_a_merge_is_a_merge(harness: Harness) -> None:
    segments = [c for c in harness.reference("merge").calls if c.other.endswith(".faiss")]
    assert segments


@pytest.mark.parametrize("operation", COMMITS)
def test_each_commit_is_one_link(harness: Harness, operation: str) -> None:
    calls = harness.reference(operation).calls
    assert commit_of(calls) < harness.reference(operation).acknowledged


def test_what_a_killed_owner_wrote_is_made_durable_first(harness: Harness) -> None:
    calls = harness.reference("recover commit").calls
    (synced,) = (call.number for call in calls if call.name == "sync")
    relied = [c.number for c in calls if c.name in WRITES and c.path.startswith("catalog")]
    assert synced < min(relied)


@pytest.mark.parametrize("operation", ["ingest", "compact", "close"])
def test_torn_catalog_keeps_what_only_it_knows(harness: Harness, operation: str) -> None:
    """Jobs, quarantine and answers are nowhere else: a torn write may take no committed one."""
    calls = harness.reference(operation).calls
    torn = [c.number for c in calls if c.bytes > 1 and "catalog.duckdb" in c.path]
    assert torn
    problems = [p for trial in harness.try_all(operation, "torn", torn) for p in trial.problems]
    assert not problems, "\n".join(problems)


def fail_after_commit(store: Store) -> None:
    with store.change("docs", SPACE) as change:
        fill(store, change, {"slate": "Slate splits"})
        store.commit(change, "first", "settings")
        raise KeyError("later")


def test_failure_after_the_commit_takes_nothing_back(store: Store) -> None:
    with pytest.raises(KeyError, match="later"):
        fail_after_commit(store)
    assert store.resolve("docs").version == 1
    assert examine(store).healthy
    assert commit(store, {"chalk": "Chalk is soft"}).version == 2


def test_version_that_stands_and_is_not_in_the_catalog(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    first = commit(store, {"slate": "Slate splits"})
    with monkeypatch.context() as patch:
        patch.setattr("ragstone.storage.projection.apply", full_disk)
        with pytest.raises(OSError, match="No space left"):
            commit(store, {"chalk": "Chalk is soft"})
    assert store.resolve("docs") == first
    with pytest.raises(StorageFault, match="version 2 of 'docs' stands") as caught:
        commit(store, {"marble": "Marble is hard"})
    assert "open it again" in caught.value.hint
    store = open_store()
    assert store.recovered == ["version 2 of docs"]
    assert examine(store).healthy


def full_disk(*_: object) -> None:
    raise OSError(ENOSPC, "No space left on device")


# ---------------------------------------------------------------- the harness proves itself


@pytest.mark.parametrize("operation", ["create", "second", "ingest"])
def test_the_library_sees_every_byte(harness: Harness, operation: str) -> None:
    before, root = harness.begin(operation), harness.begin(operation)
    harness.act(operation, root)
    written: dict[int, int] = {}
    for call in read_record(harness.record(root), root):
        written[call.inode] = written.get(call.inode, 0) + max(call.bytes, 0)
    known = {path.relative_to(before): path.read_bytes() for path in files_below(before)}
    fresh = [
        path
        for path in files_below(root)
        if known.get(path.relative_to(root)) != path.read_bytes() and path.stat().st_nlink == 1
    ]
    assert len(fresh) > (15 if operation != "create" else 1)
    for path in fresh:
        if not path.name.startswith("catalog.duckdb"):  # file and log grow
            assert written.get(path.stat().st_ino, 0) >= path.stat().st_size, path


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


# Where each bug shows: a mode, and which call counted from the one that names the manifest.
SHOWN = {
    "acknowledge_first": ("kill", 0),
    "manifest_before_its_files": ("kill", 1),
    "manifest_in_place": ("torn", 1),
    "abandon_what_stands": ("eio", 1),
    "eager_sweep": ("kill", 1),
    "no_sweep": ("kill", 0),
}
IN_ORDER = [
    "catalog_first",
    "no_fsync_of_files",
    "no_fsync_of_folders",
    "publish_over",
    "manifest_in_place",
]
# What the sample itself finds: where, by which way of breaking it, and what is said then.
SAMPLED = {
    "gc_deletes_first": ("gc", "kill", "neither old nor new"),
    "forget_deletes_first": ("forget", "kill", r"afterwards: DamagedFile: .*/parts/"),
    "forget_is_not_finished": ("forget", "kill", "afterwards: DamagedFile: .*there 0 times"),
    "sweep_without_receipts": ("forget", "kill", r"afterwards: DamagedFile: .*/parts/"),
    "merge_drops_a_vector": ("merge", "kill", "vectors"),
    "tag_in_place": ("retag", "torn", "it is no tag"),
    "backup_record_first": ("backup", "kill", "neither old nor new.*backups"),
}
# What the order of the calls shows of these, whatever breaks.
HASTY = {
    "gc_deletes_first": ("gc", "it goes before the commit"),
    "forget_deletes_first": ("forget", "it goes before the commit"),
    "tag_in_place": ("tag", "written in place"),
}


@pytest.mark.parametrize("bug", SHOWN)
def test_seeded_bug_breaks_a_promise(harness: Harness, bug: str) -> None:
    mode, further = SHOWN[bug]
    calls, _ = harness.trace("second", bug)
    named = min(c.number for c in calls if MANIFEST.fullmatch(c.other or c.path))
    assert harness.try_point("second", mode, named + further, bug).problems
    sound = commit_of(harness.reference("second").calls) + further
    assert not harness.try_point("second", mode, sound).problems


def test_seeded_bug_of_a_lost_flush(harness: Harness) -> None:
    calls, _ = harness.trace("merge", "trust_the_last_flush")
    (closed,) = (c.number for c in calls if c.name == "fclose" and c.path.endswith(".faiss"))
    assert harness.try_point("merge", "eio", closed, "trust_the_last_flush").problems


@pytest.mark.parametrize(
    ("bug", "operation", "mode"),
    [
        pytest.param(
            "checkpoint_in_place",
            "ingest",
            "torn",
            marks=pytest.mark.xfail(
                strict=True, reason="DuckDB survives torn checkpoints of a catalog with more tables"
            ),
        ),
        ("log_goes_first", "compact", "kill"),
    ],
)
def test_seeded_bug_loses_what_only_the_catalog_knows(
    harness: Harness, bug: str, operation: str, mode: str
) -> None:
    calls, _ = harness.trace(operation, bug)
    able = [call for call in calls if can_break(call, mode)]
    numbers = [c.number for c in able if "catalog.duckdb" in {c.path[:14], c.other[:14]}]
    assert any(harness.try_point(operation, mode, at, bug).problems for at in numbers)


@pytest.mark.parametrize("bug", SAMPLED)
def test_seeded_bug_is_in_reach_of_the_sample(harness: Harness, bug: str) -> None:
    operation, mode, said = SAMPLED[bug]
    calls, _ = harness.trace(operation, bug)
    trials = harness.try_all(operation, mode, points(calls, mode, SAMPLE, operation), bug)
    problems = [problem for trial in trials for problem in trial.problems]
    assert any(re.search(said, problem) for problem in problems), "\n".join(problems)


@pytest.mark.parametrize("bug", HASTY)
def test_seeded_bug_deletes_or_writes_too_early(harness: Harness, bug: str) -> None:
    operation, said = HASTY[bug]
    assert any(said in breach for breach in hasty(harness.trace(operation, bug)[0]))


def test_seeded_bug_lets_a_power_failure_bring_back_what_was_erased(harness: Harness) -> None:
    calls, acknowledged = harness.trace("forget", "forget_counts_as_done_too_early")
    returning = "\n".join(resurrected(calls, acknowledged))
    for name in ("blobs/", "/parts/", "/keywords/", ".faiss"):
        assert name in returning


@pytest.mark.parametrize("bug", IN_ORDER)
def test_seeded_bug_shows_in_the_order_of_calls(harness: Harness, bug: str) -> None:
    assert breaches(*harness.trace("second", bug))


def test_the_account_of_what_is_not_durable() -> None:
    kernel = Kernel()
    for number, (name, inode, path, other) in enumerate(
        [
            ("mkdir", 0, "datasets/.tmp-1", ""),
            ("create", 0, "datasets/.tmp-1/a", ""),
            ("write", 7, "datasets/.tmp-1/a", ""),
            ("rename", 5, "datasets/.tmp-1", "datasets/x"),
        ],
        start=1,
    ):
        kernel.take(Call(number, name, inode, 1, path, other))
    assert kernel.losses() == [
        "the bytes of datasets/x/a",
        "the name datasets/x",
        "the name datasets/x/a",
    ]
    kernel.take(Call(5, "fsync", 7, -1, "datasets/x/a"))
    kernel.take(Call(6, "fsync", 5, -1, "datasets/x"))
    assert kernel.losses() == ["the name datasets/x"]
    kernel.take(Call(7, "fsync", 3, -1, "datasets"))
    assert kernel.losses() == []


def test_a_sample_is_even_and_the_same_each_time() -> None:
    calls = [Call(n, "write", 1, 10, f"file-{n // 4}") for n in range(1, 201)]
    calls.append(Call(201, "link", 2, -1, "x", "datasets/d/versions/000001.json"))
    calls += [Call(n, "write", 3, 10, f"late-{n}") for n in range(202, 212)]
    chosen = points(calls, "kill", 20, "seed")
    assert chosen == points(calls, "kill", 20, "seed")
    assert len(chosen) == 20
    early = [n for n in chosen if n < 196]
    assert len(early) == 10
    assert max(b - a for a, b in pairwise(early)) < 45
    assert len(points(calls, "kill", None, "seed")) == 211
