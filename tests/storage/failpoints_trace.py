"""What a record of calls tells: which points there are, and what a power failure would cost.

A killed process loses nothing that the kernel holds, so killing cannot show a missing fsync. The
record can: it is replayed here, keeping account of the bytes and names that are not durable yet.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path

MANIFEST = re.compile(r"datasets/[^/]+/versions/\d{6}\.json")
WRITES = {"write", "pwrite", "writev", "pwritev", "fwrite", "fclose", "fflush", "truncate"}
WRITES |= {"copy_file_range", "sendfile", "fallocate", "msync"}
FREEING = {"unlink", "rmdir"}
SPACELESS = {*FREEING, "truncate"}  # cannot fail because the disk is full
BEFORE_COMMIT = 5  # calls before the manifest is linked where it gets interesting


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the record; paths are relative to the workspace."""

    number: int
    name: str
    inode: int  # 0 for what is not there yet
    bytes: int  # -1 for what is no write
    path: str
    other: str = ""

    def __str__(self) -> str:
        return f"call {self.number}, {self.name} {self.path} {self.other}".rstrip()


def read_record(record: Path, root: Path) -> list[Call]:
    calls = []
    for line in record.read_text(encoding="utf-8").splitlines():
        number, name, inode, size, path, other = line.split("\t")
        below = [str(Path(p).relative_to(root)) if p else "" for p in (path, other)]
        calls.append(Call(int(number), name, int(inode), int(size), *below))
    return calls


# ---------------------------------------------------------------- points


def points(calls: list[Call], mode: str, wanted: int | None, seed: str) -> list[int]:
    """Choose the calls to break: all, or `wanted` of them.

    Half are around the commit and after it, half before, both spread evenly. Calls that follow
    each other and do the same to the same file count as one, of which one is drawn.
    """
    able = [call for call in calls if can_break(call, mode)]
    if wanted is None or len(able) <= wanted:
        return [call.number for call in able]
    draw = random.Random(f"{seed} {mode}")  # noqa: S311  # no secret
    links = [call.number for call in calls if MANIFEST.fullmatch(call.other)]
    critical = links[-1] - BEFORE_COMMIT if links else len(calls) + 1
    late = spread([c for c in able if c.number >= critical], wanted // 2, draw)
    early = spread([c for c in able if c.number < critical], wanted - len(late), draw)
    return early + late


def spread(calls: list[Call], wanted: int, draw: random.Random) -> list[int]:
    groups = [list(run) for _, run in groupby(calls, key=lambda c: (c.name, c.path))]
    if wanted >= len(calls):
        return [call.number for call in calls]
    count = min(wanted, len(groups))
    edges = [n * len(groups) // count for n in range(count + 1)]
    return [draw.choice(groups[draw.randrange(low, high)]).number for low, high in pairwise(edges)]


def can_break(call: Call, mode: str) -> bool:
    if mode in {"torn", "short"}:
        return call.bytes > 1
    if mode in {"eio", "enospc"} and call.name == "sync":
        return False
    return not (mode == "enospc" and call.name in SPACELESS)


# ---------------------------------------------------------------- durability


@dataclass
class Kernel:
    """Bytes and names that a power failure would take."""

    bytes: dict[int, str] = field(default_factory=dict)  # inode -> path
    names: dict[str, set[str]] = field(default_factory=dict)  # folder -> paths in it

    def take(self, call: Call) -> None:
        if call.name in WRITES:
            self.bytes[call.inode] = call.path
        elif call.name == "sync":
            self.bytes.clear()
            self.names.clear()
        elif call.name == "fsync":
            self.bytes.pop(call.inode, None)
            self.names.pop(call.path, None)
        elif call.name in {"create", "mkdir"}:
            self._enter(call.path)
        elif call.name in {"link", "rename"}:
            if call.name == "rename":
                self._leave(call.path)
                self._move(call.path, call.other)
            self._enter(call.other)
        elif call.name in FREEING:
            self._leave(call.path)

    def losses(self) -> list[str]:
        """Return what is not durable, without what is temporary or only says who is here."""
        names = [path for paths in self.names.values() for path in paths]
        lost = [f"the bytes of {path}" for path in self.bytes.values() if not passing(path)]
        return sorted(lost + [f"the name {path}" for path in names if not passing(path)])

    def _enter(self, path: str) -> None:
        self.names.setdefault(str(Path(path).parent), set()).add(path)

    def _leave(self, path: str) -> None:
        self.names.get(str(Path(path).parent), set()).discard(path)

    def _move(self, old: str, new: str) -> None:
        def moved(path: str) -> str:
            return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else path

        self.bytes = {inode: moved(path) for inode, path in self.bytes.items()}
        self.names = {moved(f): {moved(p) for p in paths} for f, paths in self.names.items()}


def passing(path: str) -> bool:
    """Tell what may be lost: temporary names, marks and locks, DuckDB's log."""
    return ".tmp-" in path or path.startswith("owner.") or path.endswith((".wal", ".lock"))


def breaches(calls: list[Call], acknowledged: int, *, jobs: bool = False) -> list[str]:
    """Return where an operation breaks the order: files, manifest, catalog, acknowledgement.

    Parameters
    ----------
    acknowledged
        Number of calls before the acknowledgement.
    jobs
        The operation is a job, which writes to the catalog before it commits.
    """
    kernel, found = Kernel(), []
    published = not any(MANIFEST.fullmatch(call.other or call.path) for call in calls)
    for call in calls:
        if MANIFEST.fullmatch(call.other or call.path) and call.name not in {"fsync", "unlink"}:
            published = True
            if call.name != "link":
                found.append(f"{call}: a manifest takes its name by link alone")
            found += [f"{call}: {loss} is not durable" for loss in below(kernel.losses())]
            if kernel.bytes.get(call.inode):
                found.append(f"{call}: the bytes of the manifest are not durable")
        if call.path.startswith("catalog.duckdb") and call.name in WRITES and not jobs:
            if not published:
                found.append(f"{call}: the catalog is ahead of the manifest")
            found += [f"{call}: {loss} is not durable" for loss in below(kernel.losses())]
        kernel.take(call)
        if call.number == acknowledged:
            if not published:
                found.append(f"{call}: acknowledged before the commit")
            found += [f"acknowledged, and {loss} is not durable" for loss in kernel.losses()]
    return found


def below(losses: list[str]) -> list[str]:
    """Return the losses among what manifests name."""
    return [loss for loss in losses if " datasets" in loss or " blobs" in loss]
