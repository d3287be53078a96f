"""The façade: one object that ingests, searches, answers and looks after its workspace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ragstone import listing
from ragstone.config import CONFIG_FILE, load_settings
from ragstone.errors import SpaceMismatch, UnknownWorkspace
from ragstone.retrieval.search import MODES, Retriever
from ragstone.storage.files import make_folder, write_durably
from ragstone.storage.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder
    from ragstone.schemas.api import (
        Answer,
        ChunkDetail,
        DatasetInfo,
        DoctorReport,
        IngestProgress,
        IngestResult,
        ItemDetail,
        ItemSummary,
        Mode,
        QuarantineInfo,
        RetrievalEvaluation,
        SearchResult,
        StoredAnswer,
        VersionInfo,
    )

_TEMPLATE = b"""# Settings of this workspace; docs/configuration.md lists all of them.
# [encoder]
# name = "all-MiniLM-L6-v2"
"""


def open(  # noqa: A001
    path: str | Path,
    *,
    create: bool = False,
    encoder: TextEncoder | None = None,
    **settings: Mapping[str, Any],
) -> Workspace:
    """Open the workspace at `path`; this process owns it until `close`.

    Parameters
    ----------
    create
        Make the workspace when there is none.
    encoder
        Used instead of the one in the settings; any object with the methods of `TextEncoder`.
    settings
        Sections that win over `ragstone.toml` and the environment, for example
        `retrieval={"candidates": 50}`.

    Raises
    ------
    UnknownWorkspace
        There is none, and `create` is False.
    WorkspaceBusy
        Another process owns it.
    InvalidConfig
        A setting is unknown or out of bounds.
    """
    root = Path(path).absolute()
    if not (root / CONFIG_FILE).exists():
        if not create:
            raise UnknownWorkspace(root)
        make_folder(root)
        write_durably(root / CONFIG_FILE, _TEMPLATE)
    return Workspace(root, load_settings(root, **settings), encoder)


class Workspace:
    """An open workspace; use `ragstone.open`. Safe to use from several threads."""

    def __init__(self, path: Path, settings: Settings, encoder: TextEncoder | None = None) -> None:
        self.path = path
        self.settings = settings
        self._store = Store(path, settings.storage)
        self._retriever = Retriever(self._store, settings.retrieval, self._encode_queries)
        self._opened_encoder = encoder
        self._opening = threading.Lock()  # two threads must not load two models

    def close(self) -> None:
        """Let the workspace go."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------ taking in

    def ingest(
        self,
        sources: str | Path | Sequence[str | Path],
        dataset: str,
        *,
        message: str = "",
        text: Sequence[str] = (),
        id: str | None = None,  # noqa: A002
        on_progress: Callable[[IngestProgress], None] | None = None,
    ) -> IngestResult:
        """Take files and folders into `dataset` as one new version.

        What is there already and unchanged costs a hash; bad input goes to quarantine.

        Parameters
        ----------
        sources
            Files and folders, or one of them.
        message
            Stored with the version.
        text
            Columns whose values are the text of a row; given, the rows of JSONL, CSV and Parquet
            files become items.
        id
            Column that names a row.
        on_progress
            Called a few times per second.

        Raises
        ------
        UnknownSource, InvalidArgument, SpaceMismatch, EncoderUnavailable
            Nothing was changed.
        """
        from ragstone.jobs import ingest

        return ingest(
            self._store,
            self.settings,
            self._encoder(),
            [sources] if isinstance(sources, str | Path) else sources,
            dataset,
            message=message,
            text=text,
            name=id,
            on_progress=on_progress,
        )

    def delete(self, dataset: str, items: Sequence[str], *, message: str = "") -> VersionInfo:
        """Make a version of `dataset` without `items` (ids, or prefixes of 8 characters).

        Older versions keep them.

        Raises
        ------
        UnknownDataset, UnknownId
            Nothing was changed.
        """
        from ragstone.jobs import delete

        delete(self._store, dataset, items, message)
        return self.log(dataset)[0]

    # ------------------------------------------------------------ finding

    def search(
        self,
        query: str,
        dataset: str,
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Sequence[str] = (),
    ) -> SearchResult:
        """Return the best `k` chunks of `dataset` ("D" or "D@V") for `query`.

        Parameters
        ----------
        mode
            "keyword" (BM25), "vector" (cosine), or "hybrid" (both, fused).
        where
            Filters that all must hold, for example `["year>=2020", "modality=text"]`.

        Raises
        ------
        InvalidQuery, InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        """
        return self._retriever.search(query, dataset, k=k, mode=mode, where=where)

    def ask(
        self,
        question: str,
        dataset: str,
        *,
        generator: str | None = None,
        where: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answer `question` from `dataset` ("D" or "D@V"), every sentence with a checked quote.

        Too little evidence gives an answer with `found` False. The answer is stored with its
        prompt, hits, settings and version; `show` gives them back.

        Parameters
        ----------
        generator
            "extractive" or "hf:NAME"; None takes the one in the settings.
        on_text
            Gets the generator's text in pieces, before it is checked.
        """
        from ragstone.answers import ask

        hits = self.search(question, dataset, k=self.settings.generation.passages, where=where)
        digest = self._store.resolve(f"{hits.dataset}@{hits.version}").digest
        settings = self.settings.generation
        return ask(self._store, hits, digest, generator, self._encoder(), settings, on_text)

    # ------------------------------------------------------------ looking

    def datasets(self) -> list[DatasetInfo]:
        """Return all datasets, by name."""
        return listing.datasets(self._store)

    def log(self, dataset: str) -> list[VersionInfo]:
        """Return the versions of `dataset`, newest first."""
        return listing.versions(self._store, dataset)

    def items(self, dataset: str, *, offset: int = 0, limit: int = 50) -> list[ItemSummary]:
        """Return a page of the items of `dataset` ("D" or "D@V"), in the order they came."""
        return listing.items(self._store, dataset, offset, limit)

    def show(self, id: str) -> ItemDetail | ChunkDetail | StoredAnswer:  # noqa: A002
        """Return what has this id: an item, a chunk or an answer.

        Raises
        ------
        UnknownId
            Nothing has it, or a prefix fits more than one.
        """
        return listing.show(self._store, id)

    def quarantine(self, dataset: str | None = None) -> list[QuarantineInfo]:
        """Return the inputs that could not become items, newest first."""
        return listing.quarantine(self._store, dataset)

    # ------------------------------------------------------------ measuring and mending

    def evaluate_retrieval(
        self,
        dataset: str,
        queries: Path,
        qrels: Path,
        *,
        modes: Sequence[Mode] = MODES,
    ) -> RetrievalEvaluation:
        """Compare the ranking of items with judgements in the BEIR layout."""
        from ragstone.evaluation.retrieval import evaluate, read_judged

        manifest = self._store.resolve(dataset)
        judged = read_judged(queries, qrels)
        return evaluate(self._store, self._retriever, self._encode_queries, manifest, judged, modes)

    def doctor(self, *, rebuild: bool = False) -> DoctorReport:
        """Check every promise of the storage; with `rebuild` make catalog and indexes anew."""
        from ragstone.storage.doctor import examine

        return examine(self._store, rebuild=rebuild)

    # ------------------------------------------------------------ encoder

    def warm_up(self) -> None:
        """Load the encoder now, so that the first search need not wait for it."""
        self._encoder().encode_queries(["warm up"])

    def _encoder(self) -> TextEncoder:
        from ragstone.encoders.text import open_text_encoder

        with self._opening:
            if self._opened_encoder is None:
                self._opened_encoder = open_text_encoder(self.settings.encoder)
            return self._opened_encoder

    def _encode_queries(self, queries: Sequence[str], space: str) -> NDArray[np.float32]:
        encoder = self._encoder()
        if encoder.identity.space != space:
            raise SpaceMismatch("the dataset", space, encoder.identity.space)
        return encoder.encode_queries(queries)
