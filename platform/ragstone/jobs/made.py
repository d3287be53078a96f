"""Taking in what a model made: a new version at once, without a job, for no place has it.

What is here is not read again by a synchronisation, which leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from blake3 import blake3

from ragstone.changes import check_name
from ragstone.ingestion.buffer import PartBuffer
from ragstone.ingestion.dedup.settling import Settling
from ragstone.ingestion.engines import SerialEngine
from ragstone.ingestion.ledger import Ledger
from ragstone.jobs.compute import Shaping, media_opener
from ragstone.schemas.api import DuplicateCounts, IngestResult
from ragstone.schemas.records import Raw
from ragstone.schemas.synthetic import MARK

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder
    from ragstone.storage.store import Store
    from ragstone.training.signing import Piece

SCHEME = "sample"  # sources are sample:NAME@NUMBER#DIGEST
_ENDINGS = {"image/png": ".png", "audio/wav": ".wav"}


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a model made, as a source: each thing once, in the order in which it was made."""

    pieces: Sequence[Piece]

    @property
    def total(self) -> int | None:
        """How many there are."""
        return len(self.pieces)

    def raws(self) -> Iterator[Raw]:
        """Yield each as it is taken in; the same bytes have the same source."""
        for piece in self.pieces:
            model, digest = piece.note["model"], blake3(piece.content).hexdigest()[:16]
            yield Raw(
                f"{SCHEME}:{model}#{digest}",
                f"{model}/{digest}{_ENDINGS.get(piece.media_type, '.txt')}",
                content=piece.content,
                metadata={**piece.fields, MARK: dict(piece.note)},
            )


def take_in(
    store: Store,
    settings: Settings,
    encoder: tuple[TextEncoder, str],
    dataset: str,
    pieces: Sequence[Piece],
    message: str,
) -> IngestResult:
    """Add what a model made to `dataset`, as one new version; what is there already is not added.

    Parameters
    ----------
    encoder
        Of the texts of the dataset, and the name that opens it again.

    Raises
    ------
    InvalidArgument, SpaceMismatch, VersionConflict, Rejected
        Nothing was changed; Rejected when one of `pieces` cannot become an item.
    """
    started = monotonic()
    check_name(dataset)
    opened, name = encoder
    shaping, settle = Shaping.of(settings, opened), Settling(store)
    with store.change(dataset, opened.identity.space) as change, closing(SerialEngine()) as engine:
        change.encoder = name
        ledger = Ledger(change, store.live_sources(change.head, hidden=True))
        buffer = PartBuffer(
            change, opened, media_opener(store.root, settings, dataset, change.head)
        )
        pipeline = shaping.pipeline(ledger, buffer, engine, store.root)
        pipeline.run([Pieces(pieces)])
        if ledger.refusals:
            raise ledger.refusals[0].reason
        ledger.settle()
        version = change.head.version if change.head else 0
        if not change.empty:
            version = store.commit(change, message, shaping.settings_digest, settle=settle).version
    return IngestResult(
        job="",
        dataset=dataset,
        version=version,
        items=ledger.counts,
        chunks=pipeline.made,
        seconds=round(monotonic() - started, 3),
        duplicates=DuplicateCounts(len(settle.found), len(settle.outcome.hidden)),
    )
