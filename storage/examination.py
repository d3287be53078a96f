"""An examination: what the doctor looks at, taken down at one moment, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyroaring import BitMap64

from ragstone.errors import DamagedFile
from ragstone.schemas.api import Finding
from ragstone.storage import manifests, parts, recovery, retention, tags
from ragstone.storage.files import TEMPORARY
from ragstone.storage.manifests import Manifest
from ragstone.storage.projection import PROJECTED
from ragstone.storage.retention import Collected
from ragstone.storage.tags import Tag

if TYPE_CHECKING:
    from ragstone.storage.store import Store

BACKUP = "Restore the file from a backup."
REBUILD = "Run ragstone doctor --rebuild."
PARTS_FIRST = "Restore the damaged parts from a backup, then run ragstone doctor --rebuild."


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the catalog says of a version."""

    digest: str
    items: int
    chunks: int


@dataclass(slots=True)
class Dataset:
    """One dataset folder; the digests come to be known while its history is examined."""

    folder: Path
    numbers: list[int]  # of the versions with a manifest
    collected: dict[int, Collected] | DamagedFile
    tags: dict[Path, Tag | DamagedFile]
    readable: list[int] = field(default_factory=list)  # versions whose manifest can be read
    digests: dict[int, str] = field(default_factory=dict)  # of these, and of collected ones
    generation: str = ""  # path of the keyword generation of the newest version

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def collected_ones(self) -> dict[int, Collected]:
        """The versions given up; none when the list cannot be read."""
        return {} if isinstance(self.collected, DamagedFile) else self.collected


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What changes while jobs run, as it was at one moment."""

    datasets: list[Dataset]
    candidates: list[Path]  # which some manifest must name
    recorded: dict[tuple[str, int], Recorded]  # by dataset id and version
    projected: set[str]  # ids of the datasets that the catalog has rows of
    answers: list[tuple[str, int, str, int, str]]  # dataset id, version, digest, how many, one id


@dataclass(slots=True)
class Examination:
    """Collects what was looked at and what was found; paths are relative to the workspace."""

    store: Store
    seen: Snapshot
    checks: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    complete: bool = True  # all manifests and receipts can be read: it is known what they name
    verified: set[str] = field(default_factory=set)  # files that were compared with their stamp
    broken: set[str] = field(default_factory=set)  # those that are not as promised
    bad_indexes: set[str] = field(default_factory=set)  # segments and generations
    bad_blobs: set[str] = field(default_factory=set)  # damaged, not missing
    bad_maps: list[Path] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    removed: BitMap64 = field(default_factory=BitMap64)  # item keys that some version removed

    @property
    def root(self) -> Path:
        """The workspace."""
        return self.store.root

    def find(self, check: str, where: str | Path, problem: str, remedy: str) -> None:
        """Note a breach."""
        if isinstance(where, Path):
            where = where.relative_to(self.root).as_posix()
        self.findings.append(Finding(check, where, problem, remedy))

    def versions(self, dataset: Dataset) -> Iterator[Manifest]:
        """Yield the versions of a dataset that can be read, as they read since the erasures.

        They are read again each time: all of them together may not fit into memory.
        """
        for number in dataset.readable:
            manifest = manifests.read(manifests.version_path(dataset.folder, number))
            yield self.store.erasures.applied(manifest)

    def tables_whole(self, path: str) -> bool:
        """Tell whether the tables of the part at `path` are as promised."""
        return self.broken.isdisjoint(f"{path}/{name}.parquet" for name in parts.TABLES)

    def part_whole(self, path: str, space: str) -> bool:
        """Tell whether chunks and vectors of the part at `path` are as promised."""
        vectors = f"{path}/vectors-{space}.npy"
        return self.broken.isdisjoint([f"{path}/chunks.parquet", vectors])


def take_down(store: Store) -> Snapshot:
    """Return what there is; to be called while `writing`. Only names and small files are read."""
    rows = store.catalog.rows("SELECT dataset_id, version, digest, items, chunks FROM versions")
    ids = " UNION ".join(f"SELECT dataset_id FROM {table}" for table in PROJECTED)  # noqa: S608
    answers = store.catalog.rows(
        "SELECT dataset_id, version, record->>'version_digest', count(*), min(answer_id) "
        "FROM answers GROUP BY 1, 2, 3 ORDER BY ALL"
    )
    return Snapshot(
        datasets=[
            _dataset(folder)
            for folder in sorted((store.root / "datasets").glob("*"))
            if folder.is_dir() and not folder.name.startswith(TEMPORARY)
        ],
        candidates=[
            path
            for path in recovery.candidates(store.root)
            if not path.name.startswith(TEMPORARY)  # unfinished, or of one who is at work
        ],
        recorded={(str(r[0]), int(r[1])): Recorded(*r[2:]) for r in rows},
        projected={str(row[0]) for row in store.catalog.rows(ids)},
        answers=[(str(r[0]), int(r[1]), str(r[2]), int(r[3]), str(r[4])) for r in answers],
    )


def _dataset(folder: Path) -> Dataset:
    collected: dict[int, Collected] | DamagedFile
    try:
        collected = retention.collected(folder)
    except DamagedFile as error:
        collected = error
    found = sorted((folder / "tags").glob("[!.]*.json"))
    return Dataset(folder, manifests.numbers(folder), collected, {p: _tag(p) for p in found})


def _tag(path: Path) -> Tag | DamagedFile:
    try:
        return tags.read(path)
    except DamagedFile as error:
        return error
