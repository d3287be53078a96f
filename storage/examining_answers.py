"""Doctor, fourth part: stored answers, their versions, their seals and their quotes."""

from __future__ import annotations

from ragstone.errors import DamagedFile
from ragstone.schemas.answers import StoredAnswer
from ragstone.storage.answers import AnswerRow, Seal, sealed_rows, tampering
from ragstone.storage.citing import Cited, Quotes
from ragstone.storage.examination import Examination

_BACKUP = "Do not rely on it; a backup from before has it as it was."
_COLLECTED = "They cannot be replayed, unless the version comes back from a backup."


def examine_answers(exam: Examination) -> None:
    """Check that answers are as they were stored, of versions that still are the same.

    Their quotes are looked up where the version is kept.
    """
    _examine_versions(exam)
    quotes = Quotes(exam.store)
    kept = {(d.id, number) for d in exam.seen.datasets for number in d.readable}
    chain = _Chain(exam)
    for row, seal in sealed_rows(exam.store.catalog):
        chain.next(row, seal)
        stored = row.stored() if row else None
        if row and stored and (row.dataset_id, row.version) in kept:
            _examine_quotes(exam, quotes, row, stored)


def _examine_versions(exam: Examination) -> None:
    datasets = {dataset.id: dataset for dataset in exam.seen.datasets}
    for dataset_id, number, digest, count, example in exam.seen.answers:
        exam.checks["answers"] += count
        dataset = datasets.get(dataset_id)
        if dataset is None or number not in {*dataset.numbers, *dataset.collected_ones}:
            problem = (
                f"{count} stored answers are of version {number} of {dataset_id}, unknown here"
            )
        elif dataset.digests.get(number, digest) != digest:
            problem = f"{count} stored answers are of another version {number} of {dataset_id}"
        else:
            continue
        exam.find("answers", f"answer {example}", problem, _COLLECTED)


class _Chain:
    """Follows the seals in their order."""

    def __init__(self, exam: Examination) -> None:
        self._exam = exam
        self._before: Seal | None = None
        self._erased = {a for receipt in exam.store.erasures.receipts for a in receipt.answers}

    def next(self, row: AnswerRow | None, seal: Seal | None) -> None:
        """Check an answer with its seal; either may be missing."""
        if row is not None:
            problem = tampering(row, seal)
            if problem:
                self._exam.find("answers", f"answer {row.answer_id}", problem, _BACKUP)
        if seal is None:
            return
        self._exam.checks["seals"] += 1
        where = f"answer {seal.answer_id}"
        if row is None and seal.answer_id not in self._erased:
            self._exam.find("answers", where, "its record was taken away", _BACKUP)
        expected = Seal.after(self._before, seal.answer_id, seal.digest)
        if seal.number != expected.number:
            problem = f"its seal has the number {seal.number} instead of {expected.number}"
            self._exam.find("answers", where, f"{problem}: some were taken away", _BACKUP)
        elif seal.seal != expected.seal:
            problem = "its seal does not follow from the one before it"
            self._exam.find("answers", where, problem, _BACKUP)
        self._before = seal


def _examine_quotes(
    exam: Examination, quotes: Quotes, row: AnswerRow, stored: StoredAnswer
) -> None:
    cited = Cited(row.dataset_id, row.version)
    for citation in stored.answer.citations:
        exam.checks["quotes"] += 1
        try:
            problem = quotes.problem(cited, citation)
        except DamagedFile as error:  # found, with its remedy, where parts are examined
            problem = f"the text cannot be read ({error.path})"
        if problem:
            where = f"answer {row.answer_id}"
            exam.find("answers", where, f"quote {citation.number}: {problem}", _BACKUP)
