"""The folder of a job: what it has made so far, so that another process can go on with it.

jobs/<job>/base.json      the version it builds on
           live.arrow     the source objects of that version
           parts/         finished parts, not yet of any version
           staged.json    which parts, in order, and what they were made with
           aside.json     which parts have other keys by now, or belong to changed files
           computed.json  everything was read and embedded; the commit is what is left
           log            what its process wrote to standard error
           lock           held by the process that works here
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from ragstone.errors import JobConflict
from ragstone.storage.files import make_folder, remove, sync_file, sync_folder, write_durably
from ragstone.storage.manifests import PartRef

JOBS = "jobs"
_ENDING_SECONDS = 30.0  # how long the process of a killed owner may take to be gone


@dataclass(frozen=True, slots=True)
class Base:
    """The version that a job builds on; version 0 is the nothing before a new dataset."""

    dataset_id: str
    version: int
    digest: str  # of its manifest


@dataclass(frozen=True, slots=True)
class Staged:
    """Finished parts, and the digest of what shaped them."""

    shape: str
    parts: list[PartRef]


class JobFolder:
    """What is kept of the job `job` in the workspace at `root`."""

    def __init__(self, root: Path, job: str) -> None:
        self.job = job
        self.path = root / JOBS / job
        self.parts = self.path / "parts"
        self.log = self.path / "log"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Work here alone: the process of an owner that was killed may not be gone yet.

        Raises
        ------
        JobConflict
            It does not go.
        """
        make_folder(self.path)
        lock = FileLock(self.path / "lock", thread_local=False)
        try:
            lock.acquire(timeout=_ENDING_SECONDS)
        except Timeout as error:
            raise JobConflict(self.job, "still worked on by another process", "begun") from error
        try:
            yield
        finally:
            lock.release()

    # ------------------------------------------------------------ what it builds on

    def base(self) -> Base | None:
        """Return the version that an earlier try was built on, None without one."""
        found: Base | None = self._read("base.json", Base)
        return found

    def build_on(self, base: Base) -> None:
        """Build on `base`, with what is staged."""
        make_folder(self.path)
        self._write("base.json", asdict(base))

    def begin(self, base: Base, live: pa.Table) -> None:
        """Build on `base`, whose source objects are `live`; nothing is staged yet."""
        make_folder(self.path)
        path = str(self.path / "live.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, live.schema) as writer:
            writer.write_table(live)
        sync_file(Path(path))
        sync_folder(self.path)
        self.build_on(base)

    def live(self) -> pa.Table:
        """Return the source objects of the base; see `Store.live_sources`."""
        with pa.OSFile(str(self.path / "live.arrow"), "rb") as source:
            return pa.ipc.open_file(source).read_all()

    # ------------------------------------------------------------ what it has made

    def staged(self, shape: str) -> list[PartRef]:
        """Return the parts that an earlier try has finished, in order."""
        return self._parts("staged.json", shape)

    def aside(self, shape: str) -> list[PartRef]:
        """Return parts that are no longer of use, but for their vectors."""
        return self._parts("aside.json", shape)

    def stage(self, shape: str, parts: Sequence[PartRef]) -> None:
        """Keep which parts are finished."""
        self._write("staged.json", asdict(Staged(shape, list(parts))))

    def put_aside(self, shape: str, parts: Sequence[PartRef]) -> None:
        """Keep these parts for their vectors only."""
        self._write("aside.json", asdict(Staged(shape, [*self.aside(shape), *parts])))

    def set_aside(self) -> None:
        """Begin anew, with the vectors of what was made so far."""
        staged = self._read("staged.json", Staged)
        if staged:
            self.put_aside(staged.shape, staged.parts)
        for name in ("staged.json", "computed.json", "base.json"):
            remove(self.path / name)

    def clear(self) -> None:
        """Delete all that was made; the log stays."""
        for path in self.path.glob("*"):
            if path not in (self.log, self.path / "lock"):
                remove(path)

    def tidy(self) -> None:
        """Delete what an ended job needs no more: everything, when its log says nothing."""
        self.clear()
        if not self.log.exists() or not self.log.stat().st_size:
            self.remove()

    def remove(self) -> None:
        """Delete the folder."""
        if self.path.exists():
            remove(self.path)

    # ------------------------------------------------------------ small files

    def read_computed(self, kind: type[Any]) -> Any:
        """Return what `keep_computed` kept, as a `kind`, or None."""
        return self._read("computed.json", kind)

    def keep_computed(self, computed: Any) -> None:
        """Keep all that the commit needs."""
        kind: Any = type(computed)
        write_durably(self.path / "computed.json", _adapter(kind).dump_json(computed))

    def _write(self, name: str, value: Any) -> None:
        write_durably(self.path / name, json.dumps(value).encode())

    def _parts(self, name: str, shape: str) -> list[PartRef]:
        """Return the parts that a file names, if they were made with `shape`."""
        staged: Staged | None = self._read(name, Staged)
        return staged.parts if staged and staged.shape == shape else []

    def _read(self, name: str, kind: Any) -> Any:
        try:
            return _adapter(kind).validate_json((self.path / name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
