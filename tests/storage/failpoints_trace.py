"""What a record of calls tells: which points there are, and what a power failure would cost.

A killed process loses nothing that the kernel holds, so killing cannot show a missing fsync. The
record can: it is replayed here, keeping account of the bytes and names that are not durable yet.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path

MANIFEST = re.compile(r"datasets/[^/]+/versions/\d{6}\.json")
# The name whose appearance decides: of a version, of what gc gives up, an erasure, a tag, and of
# what is written beside the workspace.
COMMIT = re.compile(
    r"datasets/[^/]+/(versions/\d{6}|collected|tags/[A-Za-z][^/]*)\.json"
    r"|forgets/[0-9A-Z]{26}\.json|export|[^/]+Z/backup\.json"
)
CATALOG = "catalog.duckdb"
WRITES = {"write", "pwrite", "writev", "pwritev", "fwrite", "fclose", "fflush", "truncate"}
WRITES |= {"copy_file_range", "sendfile", "fallocate", "msync"}
FREEING = {"unlink", "rmdir"}
SPACELESS = {*FREEING, "truncate"}  # cannot fail because the disk is full
BEFORE_COMMIT = 5  # calls before the commit where it gets interesting


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
        below = [os.path.relpath(p, root) if p else "" for p in (path, other)]
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
    decisive = [call.number for call in calls if COMMIT.fullmatch(call.other)]
    critical = decisive[-1] - BEFORE_COMMIT if decisive else len(calls) + 1
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
    gone: dict[str, set[str]] = field(default_factory=dict)  # the same of what would come back

    def take(self, call: Call) -> None:
        if call.name in WRITES:
            self.bytes[call.inode] = call.path
        elif call.name == "sync":
            self.bytes.clear()
            self.names.clear()
            self.gone.clear()
        elif call.name == "fsync":
            self.bytes.pop(call.inode, None)
            self.names.pop(call.path, None)
            self.gone.pop(call.path, None)
        elif call.name in {"create", "mkdir"}:
            self._enter(call.path)
        elif call.name in {"link", "rename"}:
            if call.name == "rename":
                self._leave(call.path)
                self._move(call.path, call.other)
            self._enter(call.other)
        elif call.name in FREEING and call.inode:  # else there was nothing to delete
            self._leave(call.path)
            self.gone.setdefault(str(Path(call.path).parent), set()).add(call.path)
            self.gone.pop(call.path, None)  # what was in a folder goes with it
            self.bytes = {inode: path for inode, path in self.bytes.items() if path != call.path}

    def losses(self) -> list[str]:
        """Return what is not durable, without what is temporary or only says who is here."""
        names = [path for paths in self.names.values() for path in paths]
        lost = [f"the bytes of {path}" for path in self.bytes.values() if not passing(path)]
        return sorted(lost + [f"the name {path}" for path in names if not passing(path)])

    def returning(self) -> list[str]:
        """Return what was deleted and would be there again, temporary names aside."""
        return sorted(path for paths in self.gone.values() for path in paths if not passing(path))

    def _enter(self, path: str) -> None:
        self.names.setdefault(str(Path(path).parent), set()).add(path)
        self.gone.get(str(Path(path).parent), set()).discard(path)

    def _leave(self, path: str) -> None:
        self.names.get(str(Path(path).parent), set()).discard(path)

    def _move(self, old: str, new: str) -> None:
        def moved(path: str) -> str:
            return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else path

        self.bytes = {inode: moved(path) for inode, path in self.bytes.items()}
        self.names = {moved(f): {moved(p) for p in paths} for f, paths in self.names.items()}


def passing(path: str) -> bool:
    """Tell what may be lost: temporary names, marks and locks."""
    return ".tmp-" in path or path.startswith("owner.") or path.endswith(".lock")


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
    named = [call for call in calls if call.name not in {"fsync", "unlink"}]
    published = not any(MANIFEST.fullmatch(call.other or call.path) for call in named)
    for call in calls:
        if MANIFEST.fullmatch(call.other or call.path) and call.name not in {"fsync", "unlink"}:
            published = True
            if call.name != "link":
                found.append(f"{call}: a manifest takes its name by link alone")
            found += [f"{call}: {loss} is not durable" for loss in below(kernel.losses())]
            if kernel.bytes.get(call.inode):
                found.append(f"{call}: the bytes of the manifest are not durable")
        if call.path.startswith(CATALOG) and call.name in WRITES and not jobs:
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


# ---------------------------------------------------------------- what goes, and when


def hasty(calls: list[Call]) -> list[str]:
    """Return where something takes its name, or goes, before what it depends on would last.

    A file takes its lasting name when its bytes are durable; what decides does it in one step.
    Nothing that was there before goes
    until the operation has committed, and what it is about to rely on is durable. The new catalog
    takes the old one's place when the old one's log is gone for good.
    """
    kernel, made, found = Kernel(), set[str](), list[str]()
    decisive = [call.number for call in calls if COMMIT.fullmatch(call.other)]
    for call in calls:
        if call.name in {"link", "rename"} and not passing(call.other):
            found += naming_too_early(kernel, call)
        if call.name in {*WRITES, "create"} and COMMIT.fullmatch(call.path):
            found.append(f"{call}: what decides is written in place")
        if goes(call) and not known_in(made, call.path):
            if decisive and call.number < decisive[0]:
                found.append(f"{call}: it goes before the commit")
            found += [f"{call}: it goes, and {loss} is not durable" for loss in relied(kernel)]
        if call.name in {"create", "mkdir", "link", "rename"}:
            made.add(call.other or call.path)
        kernel.take(call)
    return found


def goes(call: Call) -> bool:
    """Tell whether a call deletes something that is there, and lasting."""
    return call.name in FREEING and call.inode > 0 and not passing(call.path)


def naming_too_early(kernel: Kernel, call: Call) -> list[str]:
    lost = [p for p in kernel.bytes.values() if p == call.path or within(p, call.path)]
    found = [f"{call}: a name before the bytes of {path} are durable" for path in lost]
    if call.other == CATALOG and f"{CATALOG}.wal" in kernel.returning():
        found.append(f"{call}: the old catalog's log may come back and meet the new one")
    return found


def relied(kernel: Kernel) -> list[str]:
    """Return the losses that would take the place of what goes."""
    wanted = (" datasets", " blobs", " forgets", f" {CATALOG}.next")
    return [loss for loss in kernel.losses() if any(name in loss for name in wanted)]


def resurrected(calls: list[Call], acknowledged: int) -> list[str]:
    """Return what a power failure would bring back though the catalog says that it was erased."""
    kernel, found = Kernel(), list[str]()
    for call in calls[:acknowledged]:
        if call.path == f"{CATALOG}.wal" and call.name in WRITES:
            found = [f"{call}: {path} would come back" for path in kernel.returning()]
        kernel.take(call)
    return found


def within(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def known_in(made: set[str], path: str) -> bool:
    """Tell whether a path, or a folder that it is in, is among `made`."""
    return any(str(folder) in made for folder in (Path(path), *Path(path).parents))
