"""Opening after anything may have happened: catalog caught up or rebuilt, leftovers swept."""

from __future__ import annotations

import logging
from pathlib import Path

from ulid import ULID

from ragstone.config import StorageSettings
from ragstone.errors import DamagedFile
from ragstone.storage import manifests, projection
from ragstone.storage.catalog import CATALOG_FILE, Catalog
from ragstone.storage.files import TEMPORARY, remove

logger = logging.getLogger(__name__)


def open_catalog(root: Path, settings: StorageSettings) -> tuple[Catalog, list[str]]:
    """Open the catalog of the workspace `root`, brought to what the manifests say.

    A file that DuckDB cannot read is moved aside and made anew; with it go jobs and answers, which
    are kept nowhere else. Returns the catalog and what was done, in words.
    """
    done = []
    path = root / CATALOG_FILE
    try:
        catalog = Catalog(path, settings)
    except DamagedFile as error:
        aside = path.with_name(f"{CATALOG_FILE}.damaged-{ULID()}")
        path.rename(aside)
        log = path.with_name(f"{CATALOG_FILE}.wal")
        if log.exists():
            log.rename(aside.with_name(f"{aside.name}.wal"))
        logger.warning("%s; it was moved to %s and made anew", error, aside.name)
        done.append(f"catalog (the damaged one is {aside.name})")
        catalog = Catalog(path, settings)
    try:
        done += projection.catch_up(catalog, root)
    except BaseException:
        catalog.close()
        raise
    return catalog, done


def sweep(root: Path) -> list[str]:
    """Delete what a crash left behind: temporary names, and files no manifest names.

    Nothing is deleted while any manifest cannot be read, for it may name what looks left over.
    """
    try:
        named = named_paths(root)
    except DamagedFile as error:
        logger.warning("%s; leftovers stay where they are", error)
        return []
    gone = [path for path in candidates(root) if path.relative_to(root).as_posix() not in named]
    for path in gone:
        remove(path)
    return [f"leftover {path.relative_to(root).as_posix()}" for path in gone]


def named_paths(root: Path) -> set[str]:
    """Return the folders and files that some manifest names, by path in the workspace."""
    named: set[str] = set()
    for folder in (root / "datasets").glob("*"):
        for number in manifests.numbers(folder):
            named |= manifests.read(manifests.version_path(folder, number)).folders()
    return named


def candidates(root: Path) -> list[Path]:
    """Return all parts, segments and generations, and everything with a temporary name."""
    datasets = root / "datasets"
    found = {
        *datasets.glob("*/parts/*"),
        *datasets.glob("*/vectors/*/*"),
        *datasets.glob("*/keywords/*"),
        *datasets.glob(f"*/versions/{TEMPORARY}*"),
        *(root / "blobs").glob(f"*/*/{TEMPORARY}*"),
        *root.glob(f"{TEMPORARY}*"),
    }
    return sorted(found)
