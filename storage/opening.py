"""Opening the files of a workspace, after anything may have happened to them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ragstone.config import StorageSettings
from ragstone.storage import forgetting, recovery, retention
from ragstone.storage.catalog import Catalog
from ragstone.storage.erasures import Erasures
from ragstone.storage.files import make_folder


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened, and what had to be done for it."""

    catalog: Catalog
    erasures: Erasures
    recovered: list[str]  # in words
    tidy: bool  # nothing is left over that no version names


def open_files(root: Path, settings: StorageSettings, *, crashed: bool) -> Opened:
    """Finish what was interrupted, and open the catalog, brought to what the manifests say."""
    if crashed:
        os.sync()  # what a killed owner wrote is not durable before; it is built upon now
    for name in ("blobs", "datasets"):
        make_folder(root / name)
    retention.finish_all(root)
    erasures = Erasures(root)
    catalog, recovered = recovery.open_catalog(root, settings)
    try:
        recovered += forgetting.finish_all(catalog, root, erasures)
        swept, tidy = recovery.sweep(root) if crashed else ([], True)
        swept += forgetting.sweep(catalog, root, erasures)
    except BaseException:
        catalog.close()
        raise
    return Opened(catalog, erasures, [*recovered, *swept], tidy)
