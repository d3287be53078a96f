"""Doctor, third part: bytes that are kept, bytes that were erased, and who refers to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64

from ragstone.errors import DamagedFile
from ragstone.storage import parts, uploads
from ragstone.storage.blobs import Blobs
from ragstone.storage.erasures import Receipt
from ragstone.storage.examination import Examination
from ragstone.storage.files import stamp
from ragstone.storage.forgetting import taken_in_again

_ORIGINAL = "Restore it from a backup, or copy the original file to this place, under this name."
_QUARANTINE = "Restore it from a backup, or ingest the source again."
_UPLOAD = "Restore it from a backup; until then its dataset cannot be synchronised."
_BY_HAND = "Delete the file by hand."
_ERASED = "Close the workspace and open it again, which finishes erasures; or delete it by hand."


def examine_blobs(exam: Examination, live: Iterable[tuple[str, BitMap64]]) -> None:
    """Check the bytes of all items that live in some version: `live`, part folders and keys."""
    for path, keys in live:
        for item_id in _blobs_of(exam.root / path, keys):
            exam.checks["blobs"] += 1
            if _check_bytes(exam, "blobs", exam.store.blobs.path(item_id), _ORIGINAL):
                exam.bad_blobs.add(item_id)


def _blobs_of(folder: Path, keys: BitMap64) -> list[str]:
    """Return the ids of the items `keys` of a part whose bytes are a file of their own."""
    table = parts.read_table(folder, "items", ["item_key", "item_id", "content"])
    wanted = pc.is_in(table["item_key"], pa.array(list(keys), pa.int64()))
    found: list[str] = table.filter(pc.and_(wanted, pc.is_null(table["content"])))[
        "item_id"
    ].to_pylist()
    return found


def _check_bytes(exam: Examination, check: str, path: Path, remedy: str) -> bool:
    """Return whether the file at `path`, named by its BLAKE3, is there and has other bytes."""
    try:
        held = stamp(path).blake3
    except OSError as error:
        exam.find(check, path, f"it cannot be read ({error.strerror})", remedy)
        return False
    if held != path.name:
        exam.find(check, path, "its bytes have changed since they were written", remedy)
    return held != path.name


def examine_quarantine(exam: Examination) -> None:
    """Check that the bytes of refused inputs are kept."""
    kept = Blobs(exam.root / "quarantine")
    sql = "SELECT DISTINCT item_id FROM quarantine WHERE size > 0 ORDER BY item_id"
    for (item_id,) in exam.store.catalog.rows(sql):
        exam.checks["quarantine"] += 1
        _check_bytes(exam, "quarantine", kept.path(item_id), _QUARANTINE)


def examine_uploads(exam: Examination) -> None:
    """Check that the uploads which jobs name are there, and that none holds what was erased."""
    for upload in sorted(uploads.claimed(exam.store.catalog)):
        exam.checks["uploads"] += 1
        folder = uploads.folder_of(exam.root, upload)
        if not folder.is_dir():
            exam.find("uploads", folder, "a job names it, and it is gone", _UPLOAD)
    erased = {item: receipt for receipt in exam.store.erasures.receipts for item in receipt.items}
    for path in uploads.files_in(exam.root) if erased else ():
        receipt = erased.get(stamp(path).blake3)
        # What was uploaded again since is nobody's fault.
        if receipt and path.stat().st_mtime < datetime.fromisoformat(receipt.created).timestamp():
            exam.find("erasures", path, f"forgets/{receipt.id}.json erased it", _BY_HAND)


# ---------------------------------------------------------------- erasures


def examine_erasures(exam: Examination) -> None:
    """Check that what was erased is gone from disk and catalog."""
    receipts = exam.store.erasures.receipts
    if not receipts:
        return
    for receipt in receipts:
        where = f"forgets/{receipt.id}.json"
        for path in (*receipt.parts, *receipt.segments, *receipt.keywords):
            if (exam.root / path).exists():
                exam.find("erasures", path, f"{where} replaced it, and it is still there", _ERASED)
        for item_id in sorted(set(receipt.items) - _brought_back(exam, receipt)):
            for kept in (exam.store.blobs, Blobs(exam.root / "quarantine")):
                if item_id in kept:
                    exam.find("erasures", kept.path(item_id), f"{where} erased it", _ERASED)
        for answer in _answers_left(exam, receipt):
            problem = f"the stored answer {answer} used an erased item"
            exam.find("erasures", where, problem, _ERASED)


def _brought_back(exam: Examination, receipt: Receipt) -> set[str]:
    try:
        return taken_in_again(exam.store.catalog, exam.root, receipt)
    except DamagedFile:  # a job was just writing or deleting it; none of the doctor's business
        return set(receipt.items)


def _answers_left(exam: Examination, receipt: Receipt) -> list[str]:
    if not receipt.answers:
        return []
    marks = ", ".join("?" for _ in receipt.answers)
    sql = f"SELECT answer_id FROM answers WHERE answer_id IN ({marks})"  # noqa: S608
    return [str(row[0]) for row in exam.store.catalog.rows(sql, receipt.answers)]
