"""The first step of a re-embedding: each part gets the vectors of another encoder, in any process.

What comes out is plain data; the owner of the workspace switches (`jobs/reembed.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ragstone.errors import DamagedFile, EncoderUnavailable
from ragstone.jobs.folder import JobFolder
from ragstone.schemas.api import ReembedProgress
from ragstone.storage import files, parts
from ragstone.storage.files import digest_bytes
from ragstone.text import embed_text

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder, Vectors
    from ragstone.storage.manifests import PartRef

Heard = Callable[[ReembedProgress], None]
_REPORT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ReembedTask:
    """All that a process needs to know."""

    root: Path  # of the workspace
    job: str
    settings: Settings
    space: str  # that the vectors must be of
    parts: tuple[PartRef, ...]  # that live in the version the job builds on
    queries: tuple[str, ...]  # golden ones


@dataclass(frozen=True, slots=True)
class Embedded:
    """The same parts with other vectors, in the folder of the job, and what else was embedded."""

    parts: list[PartRef]
    queries: Vectors  # of the golden queries, shape (queries, dimension)
    chunks: int
    resumed: int  # of these, chunks that an earlier try had finished


@dataclass(slots=True)
class _Report:
    """Says how far it is, a few times per second."""

    tell: Heard | None
    total: int  # chunks
    resumed: int
    _started: float = field(default_factory=time.monotonic)
    _told: float = 0.0

    def __call__(
        self,
        done: int,
        stage: Literal["embedding", "comparing"] = "embedding",
        *,
        always: bool = False,
    ) -> None:
        clock = time.monotonic()
        if self.tell is None or (clock - self._told < _REPORT_SECONDS and not always):
            return
        self._told = clock
        seconds, fresh = clock - self._started, done - self.resumed
        left = (self.total - done) * seconds / fresh if fresh else None
        rate = fresh / seconds if seconds else 0.0
        self.tell(ReembedProgress(stage, done, self.total, rate, left))

    def counted_from(self, before: int) -> Callable[[int], None]:
        """Return what takes the chunks done since there were `before` of them."""
        return lambda count: self(before + count)


def embed(task: ReembedTask, encoder: TextEncoder, on_progress: Heard | None) -> Embedded:
    """Embed the chunks of each part; parts that an earlier try has finished are taken over.

    Raises
    ------
    EncoderUnavailable
        It makes vectors of another space by now.
    DamagedFile
        A part of the dataset is not as its manifest promises.
    JobConflict
        Another process works on the job.
    """
    identity = encoder.identity
    if identity.space != task.space:
        problem = f"its files have changed: it makes {identity.space!r}, not {task.space!r}"
        raise EncoderUnavailable(task.settings.encoder.name, problem)
    folder = JobFolder(task.root, task.job)
    shape = digest_bytes(f"{identity.space}\0{identity.digest}".encode())
    with folder.held():
        staged = {part.id: part for part in folder.staged(shape)}
        made = {
            part.id: staged[part.id]
            for part in task.parts
            if part.id in staged and _usable(task.root, staged[part.id], part)
        }
        done = resumed = sum(part.chunks for part in made.values())
        report = _Report(on_progress, sum(part.chunks for part in task.parts), resumed)
        report(done, always=True)
        for part in task.parts:
            if part.id in made:
                continue
            vectors = _vectors(task.root, part, encoder, report.counted_from(done))
            made[part.id] = parts.write_vectors(
                task.root, folder.parts, part, identity.space, vectors.astype(np.float16)
            )
            folder.stage(shape, list(made.values()))
            done += part.chunks
            report(done, always=True)
        if task.queries:
            report(done, "comparing", always=True)
        queries = encoder.encode_queries(task.queries)
    return Embedded([made[part.id] for part in task.parts], queries, done, resumed)


def _vectors(
    root: Path, part: PartRef, encoder: TextEncoder, on_batch: Callable[[int], None]
) -> Vectors:
    """Return new vectors of the chunks of a part, in their order."""
    folder = root / part.path
    files.verify(folder / "chunks.parquet", part.files["chunks.parquet"])
    table = parts.read_table(folder, "chunks", ["heading", "text", "modality", "tokens"])
    rows = table.filter(parts.embedded_in(table, encoder.identity.space)).to_pylist()
    texts = [embed_text(row["heading"], row["text"]) for row in rows]
    return encoder.encode_documents(texts, on_batch)


def _usable(root: Path, staged: PartRef, part: PartRef) -> bool:
    """Tell whether a staged part is whole, and still has the rows of the part it was made from."""
    tables = [name for name in part.files if name.endswith(".parquet")]
    if any(staged.files[name] != part.files[name] for name in tables):
        return False  # something was erased from it meanwhile
    try:
        for name, stamp in staged.files.items():
            files.verify(root / staged.path / name, stamp)
    except DamagedFile:
        return False
    return True
