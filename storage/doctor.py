"""The doctor: every promise of the storage checked, each breach named with a remedy.

Checking changes nothing. `rebuild` first makes anew what is derived: see `rebuilding`.
"""

from __future__ import annotations

from ragstone.schemas.api import DoctorReport
from ragstone.storage.examination import Examination, take_down
from ragstone.storage.examining_answers import examine_answers
from ragstone.storage.examining_bytes import (
    examine_blobs,
    examine_erasures,
    examine_quarantine,
    examine_uploads,
)
from ragstone.storage.examining_content import Contents, examine_unknown
from ragstone.storage.examining_history import (
    examine_files,
    examine_history,
    examine_leftovers,
    examine_maps,
    examine_receipts,
)
from ragstone.storage.rebuilding import Rebuilding
from ragstone.storage.store import Store


def examine(store: Store, *, rebuild: bool = False) -> DoctorReport:
    """Check the workspace of `store`, in all versions; with `rebuild` mend first what can be.

    Jobs may run meanwhile, unless something is rebuilt: then nobody else may use the files.

    Raises
    ------
    WorkspaceInUse
        Something is to be rebuilt, and a job is running.
    StorageFault
        An earlier commit failed half-way; the workspace must be opened again.
    """
    if not rebuild:
        exam = _examine(store)
        return DoctorReport(dict(exam.checks), exam.findings, [])
    with store.exclusive():
        rebuilding = Rebuilding(_examine(store))
        rebuilding.run()
    exam = _examine(store)
    moved = rebuilding.suspects.moved
    return DoctorReport(dict(exam.checks), exam.findings, rebuilding.done, moved)


def _examine(store: Store) -> Examination:
    with store.keeping():
        with store.writing():
            exam = Examination(store, take_down(store))
        examine_receipts(exam)
        for dataset in exam.seen.datasets:
            examine_history(exam, dataset)
        examine_files(exam)
        examine_maps(exam)
        contents = Contents(exam)
        for dataset in exam.seen.datasets:
            contents.examine(dataset)
        examine_unknown(exam)
        examine_blobs(exam, contents.live_items.values())
        examine_erasures(exam)
        examine_quarantine(exam)
        examine_uploads(exam)
        examine_answers(exam)
        if store.tidy:  # else the next opening sweeps
            examine_leftovers(exam)
    return exam
