"""Pairs of duplicates: immutable files beside the parts, one for each version that found some."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from ulid import ULID

from ragstone.errors import DamagedFile
from ragstone.schemas.arrow import PAIRS
from ragstone.storage.files import TEMPORARY, make_folder, stamp, sync_file, sync_folder
from ragstone.storage.manifests import PairsRef


def write_pairs(root: Path, folder: Path, pairs: pa.Table) -> PairsRef:
    """Write `pairs` (as `schemas.arrow.PAIRS`) below `folder`, a dataset's, durably."""
    target = folder / "duplicates"
    make_folder(target)
    name = f"{ULID()}.parquet"
    temporary, final = target / f"{TEMPORARY}{name}", target / name
    pq.write_table(pairs.cast(PAIRS), temporary, compression="zstd")
    sync_file(temporary)
    written = stamp(temporary)
    temporary.rename(final)
    sync_folder(target)
    return PairsRef(final.relative_to(root).as_posix(), len(pairs), written)


def read_pairs(root: Path, files: Iterable[PairsRef]) -> pa.Table:
    """Return the pairs in all of `files`, oldest first.

    Raises
    ------
    DamagedFile
        One is missing, or no Parquet file any more.
    """
    found = [PAIRS.empty_table()]
    for file in files:
        path = root / file.path
        try:
            found.append(pq.read_table(path).cast(PAIRS))
        except (OSError, pa.ArrowInvalid) as error:
            raise DamagedFile(path, str(error)) from error
    return pa.concat_tables(found)
