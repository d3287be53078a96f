"""The failpoint harness: breaks one operation at one call, in a child, and judges what is left.

harness = Harness(scratch)  # compiles the library, starts two workers
reference = harness.reference("second")  # what it does when nothing breaks
harness.try_point("second", "kill", 17).problems  # the promises that were broken
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any

from .failpoints_places import outside, watched
from .failpoints_trace import COMMIT, Call, read_record

HERE = Path(__file__).parent
WORKERS = 2
MODES = ("kill", "torn", "eio", "enospc", "short")
# What each operation starts from: the workspace that another one leaves, or a broken one.
BEGINS = {
    "create": "nothing",
    "first": "create",
    "second": "first",
    "delete": "second",
    "close": "first",
    "compact": "ingest",
    "rebuild": "delete",
    "mend": "damaged indexes",
    "recover commit": "killed after the commit of second",
    "recover merge": "killed after the commit of merge",
    "recover gc": "killed after the commit of gc",
    "recover forget": "killed after the commit of forget",
    "recover unpublished": "killed before the commit",
    "recover catalog": "damaged catalog",
    "ingest": "create",
    "tag": "second",
    "retag": "tag",
    "fork": "second",
    "restore": "delete",
    "gc": "delete",
    "forget": "delete",
    "merge": "many",
    "reembed": "delete",
    "many": "create",
    "export": "delete",
    "backup": "delete",
    "backup again": "backup",
}
KILLED = "killed after the commit of "
# An error that tells what to do: the promise is to work on, or to say this.
CLEAR = re.compile(r"open(ed)? .*again|reopen")


def compile_library(folder: Path) -> Path:
    """Build the library; raises CalledProcessError with the compiler's words."""
    library = folder / "failpoints.so"
    files = [str(HERE / "failpoints.c"), "-o", str(library)]
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", *files, "-ldl"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return library


class Worker:
    """A process that has imported the storage and forks a child per request."""

    def __init__(self, library: Path, scratch: Path) -> None:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RAGSTONE_")},
            "LD_PRELOAD": str(library),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        with (scratch / "errors").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, HERE / "failpoints_worker.py", scratch],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate(timeout=60)


@dataclass(frozen=True)
class Reference:
    """An operation that nothing disturbed."""

    old: Any  # what a look shows before; None where there is no workspace
    new: Any
    digests: dict[str, str]  # of the manifests before
    calls: list[Call]
    acknowledged: int  # calls before the acknowledgement


@dataclass(frozen=True)
class Trial:
    """One point that was tried."""

    problems: list[str]  # the promises that were broken
    reached: bool  # False when the operation made fewer calls this time


class Harness:
    """Runs points; safe to use from several threads."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch.resolve()
        library = compile_library(self.scratch)
        write_sources(self.scratch / "sources")
        self._workers = [Worker(library, self.scratch) for _ in range(WORKERS)]
        self._idle: Queue[Worker] = Queue()
        for worker in self._workers:
            self._idle.put(worker)
        self._numbers = count()
        self._known: dict[str, Reference] = {}
        self._building = threading.RLock()

    def close(self) -> None:
        for worker in self._workers:
            worker.close()

    # ------------------------------------------------------------ what it starts from

    def begin(self, operation: str) -> Path:
        """Return a copy of the workspace that `operation` starts from."""
        root = self.scratch / f"ws-{next(self._numbers)}"
        template = self._template(BEGINS[operation])
        if template:
            shutil.copytree(template, root)
            if outside(template).exists():
                shutil.copytree(outside(template), outside(root))
        return root

    def _template(self, name: str) -> Path | None:
        if name == "nothing":
            return None
        folder = self.scratch / f"template {name}"
        with self._building:
            if not folder.exists():
                builders: dict[str, Callable[[], Path]] = {
                    "damaged indexes": self._damage_indexes,
                    "damaged catalog": self._damage_catalog,
                    "killed before the commit": lambda: self._killed("second", 0),
                }
                if name.startswith(KILLED):
                    built = self._killed(name.removeprefix(KILLED), 1)
                else:
                    built = builders[name]() if name in builders else self._after(name)
                if outside(built).exists():
                    outside(built).rename(outside(folder))
                built.rename(folder)
        return folder

    def _after(self, operation: str) -> Path:
        root = self.begin(operation)
        self.act(operation, root)
        return root

    def _damage_indexes(self) -> Path:
        root = self._after("second")
        segment = sorted(root.glob("datasets/*/vectors/*/*.faiss"))[0]
        segment.write_bytes(segment.read_bytes()[:-20])
        sorted(root.glob("datasets/*/keywords/*"))[-1].joinpath("meta.json").unlink()
        return root

    def _damage_catalog(self) -> Path:
        root = self._after("delete")
        catalog = root / "catalog.duckdb"
        catalog.write_bytes(catalog.read_bytes()[:5000])
        (root / "owner.json").write_text("{}")  # the owner crashed
        return root

    def _killed(self, operation: str, further: int) -> Path:
        """Kill `operation` at its commit: before the file that decides has its name, or after."""
        calls = self.reference(operation).calls
        (decisive,) = (call.number for call in calls if COMMIT.fullmatch(call.other))
        root = self.begin(operation)
        acted = self._ask("act", operation, root, mode="kill", at=decisive + further)
        assert acted["ended"] == -9, acted
        return root

    # ------------------------------------------------------------ running

    def reference(self, operation: str) -> Reference:
        """Return what `operation` does when nothing breaks."""
        with self._building:
            if operation not in self._known:
                self._known[operation] = self._undisturbed(operation)
            return self._known[operation]

    def _undisturbed(self, operation: str) -> Reference:
        begun = self._look(operation, self.begin(operation))
        root = self.begin(operation)
        acted = self._ask("act", operation, root, mode="none")
        calls = read_record(self.record(root), watched(operation, root))
        ended = self._look(operation, root)
        self._discard(root)
        assert acted["ended"] == 0, acted
        assert "error" not in acted, acted
        old, new = begun["before"], ended["before"]
        if operation == "close":
            old = new  # the ingestion before it is acknowledged
        return Reference(old, new, begun.get("digests", {}), calls, acted["acknowledged"])

    def act(self, operation: str, root: Path) -> None:
        """Run `operation` on the workspace at `root`, with nothing broken."""
        self._ask("act", operation, root, mode="none")

    def trace(self, operation: str, bug: str) -> tuple[list[Call], int]:
        """Return the calls of `operation` with a seeded bug, and when it acknowledged."""
        root = self.begin(operation)
        acted = self._ask("act", operation, root, mode="none", bug=bug)
        calls = read_record(self.record(root), watched(operation, root))
        self._discard(root)
        return calls, acted.get("acknowledged", 0)

    def try_point(self, operation: str, mode: str, at: int, bug: str | None = None) -> Trial:
        """Break `operation` at call number `at` and look what it left."""
        reference = self.reference(operation)
        root = self.begin(operation)
        acted = self._ask("act", operation, root, mode=mode, at=at, bug=bug)
        seen = self._ask("verify", operation, root, again=True, bug=bug)
        record = self.record(root).read_text(encoding="utf-8").splitlines()
        self._discard(root)
        reached = len(record) >= at
        where = record[at - 1].replace(str(root), "") if reached else "not reached"
        judge = Judge(operation, mode, reference, acted, seen)
        problems = [f"{operation}, {mode} at {at} ({where}): {p}" for p in judge.problems()]
        return Trial(problems, reached)

    def try_all(
        self, operation: str, mode: str, numbers: Iterable[int], bug: str | None = None
    ) -> list[Trial]:
        """Try many points, two at a time."""
        self.reference(operation)
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(lambda at: self.try_point(operation, mode, at, bug), numbers))

    def _look(self, operation: str, root: Path) -> dict[str, Any]:
        seen = self._ask("verify", operation, root, again=False)
        assert "failed" not in seen, seen
        return seen

    def _ask(self, role: str, operation: str, root: Path, **request: Any) -> dict[str, Any]:
        worker = self._idle.get()
        try:
            record = str(self.record(root))
            request = {"at": 0, **request, "record": record, "root": str(root)}
            return worker.ask(role=role, operation=operation, **request)
        finally:
            self._idle.put(worker)

    def record(self, root: Path) -> Path:
        return self.scratch / f"record {root.name}"

    def _discard(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(outside(root), ignore_errors=True)
        self.record(root).unlink(missing_ok=True)


# ---------------------------------------------------------------- judging


@dataclass
class Judge:
    """Compares what a broken operation left with what was promised."""

    operation: str
    mode: str
    reference: Reference
    acted: dict[str, Any]
    seen: dict[str, Any]

    def problems(self) -> list[str]:
        found = self._about_the_end()
        if "failed" in self.seen:
            return [*found, f"afterwards: {self.seen['failed']}"]
        found += self._about_the_state()
        found += [f"left over: {path}" for path in self.seen.get("leftovers", [])]
        found += [f"left over after all: {path}" for path in self.seen["left after"]]
        if self.seen["after"] != self.reference.new:
            found.append(f"again gives something else: {differing(self.seen['after'], self._new)}")
        return found

    @property
    def _new(self) -> Any:
        return self.reference.new

    def _about_the_end(self) -> list[str]:
        """Check how the process ended, and what it said when a call failed."""
        if self.mode in {"kill", "torn"}:
            killed = self.acted["ended"] == -9
            ended = killed or (self.acted["ended"] == 0 and "acknowledged" in self.acted)
            return [] if ended else [f"neither killed nor done: {self.acted}"]
        if self.acted["ended"] != 0 or "failed" in self.acted:
            return [f"it ended with {self.acted['ended']}: {self.acted.get('failed')}"]
        if self.mode == "short" and "acknowledged" not in self.acted:
            return [f"a short write is no failure: {self.acted}"]
        return self._about_going_on(self.acted["inside"])

    def _about_going_on(self, inside: dict[str, Any]) -> list[str]:
        """Check that the process works on after the error, or says how it can."""
        found = [
            f"inside, {step}: {said}"
            for step, said in inside.items()
            if isinstance(said, str) and not CLEAR.search(said)
        ]
        refused = inside["again"] is not None
        for step in ("look", "look again"):
            state = inside[step]
            if not isinstance(state, dict):
                continue
            if step == "look again" and not refused:
                if state != self._new:
                    found.append(f"inside, done again: {differing(state, self._new)}")
            elif not self._allowed({**state, "findings": []}):  # it may name what is half-done
                found.append(f"inside, {step}: {differing(state, self._new)}")
        return found

    def _about_the_state(self) -> list[str]:
        before = self.seen["before"]
        if not self._allowed(before):
            return [f"neither old nor new: {differing(before, self._new)}"]
        done = "acknowledged" in self.acted
        if "inside" in self.acted and self.acted["inside"]["again"] is None:
            done = True  # the second try was acknowledged
        if done and before != self._new:
            return [f"acknowledged, and lost: {differing(before, self._new)}"]
        digests = self.seen.get("digests", {})
        if self.operation in {"gc", "recover gc"}:  # manifests go
            digests = {**self.reference.digests, **digests}
        return [
            f"a published version has changed: {path}"
            for path, digest in self.reference.digests.items()
            if digests.get(path) != digest
        ]

    def _allowed(self, state: Any) -> bool:
        """Tell whether a state is the old one or the new one."""
        old, new = self.reference.old, self.reference.new
        if self.operation == "mend":
            return blend(state, old, new)  # one index is mended after the other
        if self.operation == "ingest" and state:  # quarantine is recorded after the commit
            old, new = ({**s, "quarantine": state["quarantine"]} for s in (old, new))
        return bool(state in (old, new))


def blend(state: Any, old: Any, new: Any) -> bool:
    """Tell whether each value is the one of old or the one of new."""
    if state in (old, new):
        return True
    if isinstance(state, dict):
        return all(blend(value, old.get(key), new.get(key)) for key, value in state.items())
    if isinstance(state, list) and isinstance(old, list) and isinstance(new, list):
        return all(value in old or value in new for value in state)
    return False


def differing(state: Any, wanted: Any) -> str:
    """Say briefly where two looks differ."""
    if not isinstance(state, dict) or not isinstance(wanted, dict):
        return f"{str(state)[:300]} is not {str(wanted)[:300]}"
    keys = [key for key in {**state, **wanted} if state.get(key) != wanted.get(key)]
    return "; ".join(f"{key}: {differing(state.get(key), wanted.get(key))}" for key in keys)


def write_sources(folder: Path) -> None:
    """Write what the whole pipeline takes in: new, twice the same, refused."""
    folder.mkdir()
    text = "Granite is coarse and hard. Quartz and feldspar make it up."
    folder.joinpath("granite.txt").write_text(text)
    folder.joinpath("granite copy.txt").write_text(text)
    folder.joinpath("slate.md").write_text("# Slate\n\nSlate splits into thin plates.")
    folder.joinpath("empty.txt").write_text("")
    folder.joinpath("noise.bin").write_bytes(bytes(range(256)) * 4)
