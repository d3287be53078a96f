"""The doctor: every promise of the storage checked, each breach named with a remedy.

Checking changes nothing. `rebuild` makes the catalog and the indexes anew from manifests, parts
and blobs, and never touches those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ragstone.errors import DamagedFile
from ragstone.schemas.api import DoctorReport, Finding
from ragstone.storage import manifests, parts, projection
from ragstone.storage.changes import keyword_documents
from ragstone.storage.files import remove, sync_folder, verify
from ragstone.storage.keywords import read_keys as keyword_keys
from ragstone.storage.keywords import write_generation
from ragstone.storage.manifests import GenerationRef, Manifest, SegmentRef
from ragstone.storage.store import Store
from ragstone.storage.vectors import read_keys as vector_keys
from ragstone.storage.vectors import write_segment

_BACKUP = "Restore the file from a backup, or ingest its source again."
_REBUILD = "Run ragstone doctor --rebuild."


@dataclass(slots=True)
class _Examination:
    store: Store
    checks: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def find(self, check: str, where: str, problem: str, remedy: str) -> None:
        self.findings.append(Finding(check, where, problem, remedy))


def examine(store: Store, *, rebuild: bool = False) -> DoctorReport:
    """Check the workspace of `store`; with `rebuild` mend first what can be made anew."""
    rebuilt = _rebuild(store) if rebuild else []
    exam = _Examination(store)
    for folder in sorted((store.root / "datasets").iterdir()):
        history = _history(exam, folder)
        _check_files(exam, history)
        if history:
            _check_head(exam, history[-1])
    _check_quarantine(exam)
    return DoctorReport(dict(exam.checks), exam.findings, rebuilt)


def _history(exam: _Examination, folder: Path) -> list[Manifest]:
    """Read all manifests of a dataset, and check that each continues the one before."""
    history: list[Manifest] = []
    for expected, number in enumerate(manifests.numbers(folder), start=1):
        path = manifests.version_path(folder, number)
        exam.checks["manifests"] += 1
        try:
            manifest = manifests.read(path)
        except DamagedFile as error:
            exam.find("manifests", _relative(exam, path), error.message, _BACKUP)
            continue
        parent = history[-1].digest if history else None
        if number != expected or manifest.parent != parent:
            problem = "it does not continue the version before it"
            exam.find("manifests", _relative(exam, path), problem, _BACKUP)
        history.append(manifest)
    return history


def _check_files(exam: _Examination, history: list[Manifest]) -> None:
    """Compare every file that a version names with its digest, each once."""
    seen: set[str] = set()
    for manifest in history:
        for path, promised in manifest.files():
            if path in seen:
                continue
            seen.add(path)
            exam.checks["files"] += 1
            try:
                verify(exam.store.root / path, promised)
            except DamagedFile as error:
                remedy = _BACKUP if "/parts/" in path else _REBUILD
                exam.find("files", path, error.message, remedy)


def _check_head(exam: _Examination, head: Manifest) -> None:
    """Check that parts, vectors, keywords, catalog and blobs of a version agree."""
    where = f"{head.dataset}@{head.version}"
    for check in (_check_vectors, _check_keywords, _check_catalog, _check_blobs):
        try:
            check(exam, head, where)
        except DamagedFile as error:
            exam.find(check.__name__.removeprefix("_check_"), where, error.message, _REBUILD)


def _check_vectors(exam: _Examination, head: Manifest, where: str) -> None:
    root = exam.store.root
    expected: list[int] = []
    for part in head.parts:
        keys = parts.read_table(root / part.path, "chunks", ["chunk_key"])["chunk_key"].to_pylist()
        vectors = parts.read_vectors(root / part.path, head.space)
        norms = np.linalg.norm(np.asarray(vectors, dtype=np.float32), axis=1)
        exam.checks["vectors"] += len(keys)
        if len(keys) != len(vectors) or not np.all(np.abs(norms - 1) < 0.01):
            exam.find("vectors", part.path, "a vector is missing, zero or not a number", _BACKUP)
        expected += keys
    found = np.concatenate(
        [vector_keys(root / segment.path) for segment in head.segments] or [np.empty(0, np.int64)]
    )
    if sorted(found.tolist()) != sorted(expected):
        exam.find("vectors", where, "the vector index holds other chunks than the parts", _REBUILD)


def _check_keywords(exam: _Examination, head: Manifest, where: str) -> None:
    found = keyword_keys(exam.store.root / head.keywords.path) if head.keywords else []
    exam.checks["keywords"] += len(found)
    if found != _live_chunks(exam.store.root, head):
        problem = "the keyword index holds other chunks than the version"
        exam.find("keywords", where, problem, _REBUILD)


def _check_catalog(exam: _Examination, head: Manifest, where: str) -> None:
    catalog = exam.store.catalog
    exam.checks["catalog"] += 1
    recorded = catalog.rows(
        "SELECT digest, items, chunks FROM versions WHERE dataset_id = ? AND version = ?",
        [head.dataset_id, head.version],
    )
    live = exam.store.live_sources(head)
    keys = set(live["item_key"].to_pylist())
    rows = catalog.rows(
        "SELECT count(*) FROM chunks c JOIN items i USING (dataset_id, item_key) "
        "WHERE c.dataset_id = ? AND i.removed IS NULL",
        [head.dataset_id],
    )
    counted = [(head.digest, len(keys), rows[0][0])]
    if recorded != [(head.digest, head.items, head.chunks)] or counted != recorded:
        exam.find("catalog", where, "the catalog does not say what the manifest says", _REBUILD)
    elif projection.content_digest(live) != head.content:
        exam.find("catalog", where, "the catalog holds other items than the version", _REBUILD)


def _check_blobs(exam: _Examination, head: Manifest, where: str) -> None:  # noqa: ARG001
    for part in head.parts:
        table = parts.read_table(exam.store.root / part.path, "items", ["item_id", "content"])
        for row in table.to_pylist():
            if row["content"] is None:
                exam.checks["blobs"] += 1
                try:
                    exam.store.blobs.get(row["item_id"])
                except DamagedFile as error:
                    path = exam.store.blobs.path(row["item_id"])
                    exam.find("blobs", _relative(exam, path), error.message, _BACKUP)


def _check_quarantine(exam: _Examination) -> None:
    root = exam.store.root / "quarantine"
    for (item_id,) in exam.store.catalog.rows(
        "SELECT DISTINCT item_id FROM quarantine WHERE size > 0"
    ):
        exam.checks["quarantine"] += 1
        path = root / item_id[:2] / item_id[2:4] / item_id
        if not path.exists():
            exam.find("quarantine", _relative(exam, path), "the kept bytes are gone", _BACKUP)


def _live_chunks(root: Path, head: Manifest) -> list[int]:
    """Return the chunk keys of a version by its parts alone, ascending."""
    removed = manifests.unpack_bitmap(head.removed_items)
    keys: list[int] = []
    for part in head.parts:
        table = parts.read_table(root / part.path, "chunks", ["chunk_key", "item_key"])
        pairs = zip(table["chunk_key"].to_pylist(), table["item_key"].to_pylist(), strict=True)
        keys += [key for key, item in pairs if item not in removed]
    return sorted(keys)


def _relative(exam: _Examination, path: Path) -> str:
    return path.relative_to(exam.store.root).as_posix()


# ---------------------------------------------------------------- rebuilding


def _rebuild(store: Store) -> list[str]:
    try:
        return [f"catalog: {what}" for what in _rebuild_catalog(store)] + _rebuild_indexes(store)
    except BaseException:
        store.expect_leftovers()
        raise


def _rebuild_indexes(store: Store) -> list[str]:
    done = []
    store.segments.forget()
    store.generations.forget()
    store.manifest.cache_clear()
    store.live_chunks.cache_clear()
    store.shared_sources.cache_clear()
    store.load_heads()
    for head in store.heads():
        done += [_rebuild_segment(store, head, s) for s in head.segments if _broken(store, s)]
        if head.keywords and _broken(store, head.keywords):
            done.append(_rebuild_keywords(store, head))
    return done


def _rebuild_catalog(store: Store) -> list[str]:
    try:
        for folder in sorted((store.root / "datasets").iterdir()):
            projection.forget(store.catalog, folder.name)
        return projection.catch_up(store.catalog, store.root)
    except BaseException as error:
        store.catalog.distrust(f"making the catalog anew failed: {error}")  # opening catches up
        raise


def _broken(store: Store, index: SegmentRef | GenerationRef) -> bool:
    promised = (
        {index.path: index.file}
        if isinstance(index, SegmentRef)
        else {f"{index.path}/{name}": file for name, file in index.files.items()}
    )
    try:
        for path, file in promised.items():
            verify(store.root / path, file)
    except DamagedFile:
        return True
    return False


def _rebuild_segment(store: Store, head: Manifest, segment: SegmentRef) -> str:
    """Make a segment anew from the parts: the same vectors give the same bytes."""
    folder = store.root / "datasets" / head.dataset_id
    for chosen in _runs(head):
        keys, vectors = _vectors(store.root, chosen, segment.space)
        if len(keys) != segment.vectors:
            continue
        made = write_segment(store.root, folder, segment.space, keys, vectors)
        if made.file == segment.file:
            (store.root / made.path).replace(store.root / segment.path)
            sync_folder((store.root / segment.path).parent)
            return f"vectors: {segment.path}"
        remove(store.root / made.path)
    return f"vectors: {segment.path} could not be made anew"


def _runs(head: Manifest) -> Iterator[list[manifests.PartRef]]:
    """Yield every run of neighbouring parts: a segment holds the parts of one version."""
    filled = [part for part in head.parts if part.chunks]
    for start in range(len(filled)):
        for end in range(start + 1, len(filled) + 1):
            yield filled[start:end]


def _vectors(
    root: Path, of: list[manifests.PartRef], space: str
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int, int], np.dtype[np.float16]]
]:
    keys = [parts.read_table(root / p.path, "chunks", ["chunk_key"])["chunk_key"] for p in of]
    vectors = [parts.read_vectors(root / part.path, space) for part in of]
    return np.concatenate([k.to_numpy() for k in keys]).astype(np.int64), np.concatenate(vectors)


def _rebuild_keywords(store: Store, head: Manifest) -> str:
    """Publish a version like the head with a new keyword index.

    Tantivy names its files at random, so a new index cannot take the place of the old one.
    """
    with store.change(head.dataset) as change:
        live = set(_live_chunks(store.root, head))
        documents = (d for d in keyword_documents(store.root, head.parts) if d.key in live)
        generation = write_generation(store.root, change.folder, None, documents, [])
        store.commit(change, "doctor: keyword index made anew", head.settings, generation)
    return f"keywords: version {head.version + 1} of {head.dataset}"
