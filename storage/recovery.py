"""Opening after anything may have happened: catalog caught up or rebuilt, leftovers swept."""

from __future__ import annotations

import logging
from pathlib import Path

from ragstone.config import StorageSettings
from ragstone.errors import DamagedFile
from ragstone.storage import catalog_file, manifests, maps, projection
from ragstone.storage.catalog import CATALOG_FILE, Catalog
from ragstone.storage.erasures import Erasures
from ragstone.storage.files import TEMPORARY, remove
from ragstone.storage.maps import MAPS

logger = logging.getLogger(__name__)


def open_catalog(root: Path, settings: StorageSettings) -> tuple[Catalog, list[str]]:
    """Open the catalog of the workspace `root`, brought to what the manifests say.

    A log that is damaged at its end is cut there. A file that DuckDB cannot read is moved aside and
    made anew; with it go jobs and answers, which are kept nowhere else. Returns the catalog and
    what was done, in words.
    """
    done = []
    path = root / CATALOG_FILE
    try:
        catalog = Catalog(path, settings)
    except DamagedFile as error:
        done.append(catalog_file.repair(path, settings))
        logger.warning("%s; done: %s", error, done[-1])
        catalog = Catalog(path, settings)
    try:
        done += projection.catch_up(catalog, root, Erasures(root))
    except BaseException:
        catalog.close()
        raise
    return catalog, done


def sweep(root: Path) -> tuple[list[str], bool]:
    """Delete what a crash left behind: temporary names, and files no manifest names.

    Nothing is deleted while any manifest cannot be read, for it may name what looks left over.
    Returns what was deleted, in words, and whether nothing is left over any more.
    """
    try:
        found = leftovers(root)
    except DamagedFile as error:
        logger.warning("%s; leftovers stay where they are", error)
        return [], False
    done = []
    for path in found:
        try:
            remove(path)
        except OSError as error:  # no reason to refuse the whole workspace
            logger.warning("%s is left over and cannot be deleted: %s", path, error)
        else:
            done.append(f"leftover {path.relative_to(root).as_posix()}")
    return done, len(done) == len(found)


def leftovers(root: Path) -> list[Path]:
    """Return what belongs to no version.

    Raises
    ------
    DamagedFile
        A manifest cannot be read, so nobody knows what it names.
    """
    named = named_paths(root)
    return [path for path in candidates(root) if path.relative_to(root).as_posix() not in named]


def named_paths(root: Path) -> set[str]:
    """Return the folders and files that some version needs or has, by path in the workspace."""
    named: set[str] = set()
    erasures = Erasures(root)
    for folder in (root / "datasets").glob("*"):
        for number in manifests.numbers(folder):
            manifest = manifests.read(manifests.version_path(folder, number))
            named |= erasures.applied(manifest).folders() | maps.named(root, manifest)
    return named


def candidates(root: Path) -> list[Path]:
    """Return all parts, indexes, pairs and maps, datasets without a version, and temporaries."""
    datasets = root / "datasets"
    found = {
        *(f for f in datasets.glob("*") if f.is_dir() and not manifests.numbers(f)),
        *datasets.glob("*/parts/*"),
        *datasets.glob("*/vectors/*/*"),
        *datasets.glob("*/keywords/*"),
        *datasets.glob("*/duplicates/*"),
        *datasets.glob(f"*/{MAPS}/*"),
        *datasets.glob(f"*/{TEMPORARY}*"),
        *datasets.glob(f"*/versions/{TEMPORARY}*"),
        *datasets.glob(f"*/tags/{TEMPORARY}*"),
        *(root / "forgets").glob(f"{TEMPORARY}*"),
        *(root / "jobs").glob(f"{TEMPORARY}*"),
        *(root / "jobs").glob(f"*/{TEMPORARY}*"),
        *(root / "jobs").glob(f"*/parts/{TEMPORARY}*"),
        *(root / "blobs").glob(f"*/*/{TEMPORARY}*"),
        *(root / "quarantine").glob(f"*/*/{TEMPORARY}*"),
        *(root / "uploads").glob(f"*/{TEMPORARY}*"),
        *root.glob(f"{TEMPORARY}*"),
    }
    return sorted(found)
