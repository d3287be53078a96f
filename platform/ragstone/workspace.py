"""The façade: one object that ingests, searches, answers and looks after its workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ragstone import golden, listing, versions
from ragstone.encoders.opened import Encoders
from ragstone.encoders.remembering import QueryMemory, RememberingMedia, RememberingText
from ragstone.exploring import Exploring
from ragstone.feedback import FeedbackDesk, Opinion
from ragstone.grading import Comparing, Grading
from ragstone.insight import Insight
from ragstone.jobs.desk import JobDesk
from ragstone.jobs.spec import absolute
from ragstone.measuring import Judges, Measuring
from ragstone.modelling import Modelling
from ragstone.overview import Overviewing, Sizes
from ragstone.retrieval.question import Question
from ragstone.retrieval.search import MODES, Retriever
from ragstone.schemas.feedback import LOCAL_OWNER
from ragstone.schemas.synthetic import where_with
from ragstone.storage.store import Store
from ragstone.teaching import Teaching
from ragstone.text import text_columns, without_stops
from ragstone.training.encoding import WorkspaceEncoders
from ragstone.uploading import Uploading
from ragstone.usage import UsageDesk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.answers import AnswerStream
    from ragstone.asking import Asking
    from ragstone.config import Settings
    from ragstone.encoders.base import MediaEncoder, TextEncoder
    from ragstone.schemas import api
    from ragstone.schemas.answers import Answer, AnswerError, GeneratorInfo, StoredAnswer
    from ragstone.schemas.evaluations import AnswerEvaluation, Evaluation
    from ragstone.schemas.feedback import Feedback, FeedbackExport
    from ragstone.schemas.records import Modality
    from ragstone.schemas.synthetic import Synthetic
    from ragstone.schemas.tracing import Explanation, Replay, Trace
    from ragstone.storage.manifests import Manifest
    from ragstone.training.reranker_files import TrainedReranker


class Workspace(Modelling, Overviewing, Uploading, Exploring, Insight):
    """An open workspace; use `ragstone.open`. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        settings: Settings,
        encoder: TextEncoder | None = None,
        given: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self._store = Store(path, settings.storage)
        self._encoders = Encoders(settings.encoder, encoder, WorkspaceEncoders(path / "models"))
        self._memory = QueryMemory()
        self._sizes = Sizes()
        self._retriever = Retriever(
            self._store,
            settings.retrieval,
            self._encode_queries,
            self._media_encoder,
            self._encoders.reranker,
        )
        self._jobs = JobDesk(self._store, settings, given or {}, self._encoders, self._retriever)
        self._feedback = FeedbackDesk(self._store, self._retriever)
        self._usage = UsageDesk(self._store, settings.usage)
        self._teaching = Teaching(self._store, self._retriever, self._encode_queries)
        self._measuring = Measuring(self._store, settings, self._retriever, self._encode_queries)
        self._grading = Grading(self._store, settings, self._retriever, self._encoder_of)

    def close(self) -> None:
        """Let the workspace go."""
        self._usage.close()
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
        text: str | Sequence[str] = (),
        id: str | None = None,  # noqa: A002
        options: Mapping[str, Any] | None = None,
        on_progress: Callable[[api.IngestProgress], None] | None = None,
    ) -> api.IngestResult:
        """Take files, folders, archives, databases and addresses into `dataset` as one new version.

        What is there already and unchanged costs a hash; bad input goes to quarantine.

        Parameters
        ----------
        sources
            Paths and addresses, or one of them; docs/sources.md lists what there is.
        message
            Stored with the version.
        text
            Columns whose values are the text of a row (a list, or a text with commas), or a
            template; given, the rows of JSONL, CSV and Parquet files become items.
        id
            Column that names a row.
        options
            How to read the sources: the fields of `ragstone.ingestion.options.SourceOptions`.
        on_progress
            Called a few times per second.

        Raises
        ------
        UnknownSource, InvalidArgument, SpaceMismatch, EncoderUnavailable
            Nothing was changed.
        """
        from ragstone.jobs.ingest import ingest_result

        spec = self._jobs.spec(absolute(sources), dataset, message, text_columns(text), id, options)
        return ingest_result(self._jobs.ingest(spec, on_progress))

    def sync(
        self,
        dataset: str,
        *,
        message: str = "",
        on_progress: Callable[[api.IngestProgress], None] | None = None,
    ) -> api.IngestResult:
        """Read everything again that was ever ingested into `dataset`, as one new version.

        What is new or changed comes in, and what its places have no longer goes; not what a list
        that could not be had may hide, nor rows of a database that is read by a cursor. A place
        that cannot be reached at all is an error, and nothing is changed.

        Raises
        ------
        UnknownDataset, UnknownSource, InvalidArgument
            Nothing was changed.
        """
        from ragstone.jobs.ingest import ingest_result

        return ingest_result(self._jobs.ingest(self._jobs.sync_spec(dataset, message), on_progress))

    def reembed(
        self,
        dataset: str,
        encoder: str,
        *,
        message: str = "",
        if_better: bool = False,
        on_progress: Callable[[api.ReembedProgress], None] | None = None,
    ) -> api.ReembedResult:
        """Give every chunk of `dataset` a vector of another encoder, as one new version.

        Nothing is read again, and searches go on meanwhile. Both spaces are compared on the
        dataset's golden queries, when it has some, before the switch.

        Parameters
        ----------
        encoder
            As in the setting encoder.name: a folder, a name in the local hub cache, or `model:` and
            the name of a model that was trained here.
        if_better
            Switch only when hybrid search has no lower nDCG@10 on the golden queries.
        on_progress
            Called a few times per second.

        Raises
        ------
        UnknownDataset, EncoderUnavailable, InvalidArgument, VersionConflict
            Nothing was changed. The dataset has this encoder already, or changed all the time.
        """
        from ragstone.jobs.reembed import reembed_result

        spec = self._jobs.reembed_spec(dataset, encoder, message, if_better=if_better)
        return reembed_result(self._jobs.reembed(spec, on_progress))

    def delete(self, dataset: str, items: Sequence[str], *, message: str = "") -> api.VersionInfo:
        """Make a version of `dataset` without `items` (ids, or prefixes of 8 characters).

        Older versions keep them.

        Raises
        ------
        UnknownDataset, UnknownId
            Nothing was changed.
        """
        from ragstone.changes import delete

        delete(self._store, dataset, items, message)
        return self.log(dataset)[0]

    # ------------------------------------------------------------ finding

    def search(
        self,
        query: str,
        dataset: str | Sequence[str],
        *,
        k: int = 10,
        mode: api.Mode = "hybrid",
        where: Sequence[str] = (),
        image: str | Path | bytes | None = None,
        audio: str | Path | bytes | None = None,
        rerank: bool | None = None,
        offset: int = 0,
        after: str | None = None,
        group: bool = False,
        neighbours: int = 0,
        synthetic: Synthetic = False,
    ) -> api.SearchResult:
        """Return the best `k` chunks of `dataset` ("D" or "D@V") for `query`.

        Parameters
        ----------
        dataset
            Several are searched together, and their hits are one list.
        image, audio
            A file, or its bytes: pictures and recordings that resemble it are found, together
            with what `query` finds unless that is empty.
        mode
            "keyword" (BM25), "vector" (cosine), or "hybrid" (both, fused).
        where
            Filters that all must hold, for example `["year>=2020 or year missing"]`.
        rerank
            Whether a reranker reads the best candidates again; None for as the version was tuned,
            or as the settings say.
        offset
            Hits to pass over.
        after
            The `next` of a result: the page that follows it, from the same versions. All else
            has to be as it was.
        group
            Return items: of each its best chunk, with its further ones in `more`.
        neighbours
            Chunks before and after each hit in its item that come with it.
        synthetic
            True: what models made may be found, too; "only": nothing else.

        Raises
        ------
        InvalidQuery, InvalidArgument, InvalidCursor, InvalidFilter, UnknownField, UnknownDataset,
        UnknownVersion
            The call is wrong, and the message says how.
        RerankerUnavailable
            It is not on this machine, or not the one that the version was tuned with.
        """
        from ragstone.likeness import payloads_of

        like = payloads_of(self.settings.limits, image, audio)
        question = Question(
            query,
            k=k,
            mode=mode,
            where=where_with(where, synthetic),
            like=like,
            offset=offset,
            after=after,
            group=group,
            neighbours=neighbours,
            rerank=rerank,
        )
        references = [dataset] if isinstance(dataset, str) else list(dataset)
        return self._retriever.search(question, references)

    def similar(
        self,
        id: str,  # noqa: A002
        *,
        k: int = 10,
        where: Sequence[str] = (),
        dataset: str | None = None,
        synthetic: Synthetic = False,
    ) -> api.SearchResult:
        """Return what resembles a stored item or chunk, itself left out.

        Of an item, items, each with its best chunk; of a chunk, chunks. Its vectors and its most
        telling words are looked for, fused as in a hybrid search; nothing is encoded.

        Parameters
        ----------
        id
            Of an item or a chunk, or a prefix of 8 characters.
        dataset
            Where to look, "D" or "D@V"; without it, in the newest version of its own dataset.
        synthetic
            As of `search`.

        Raises
        ------
        UnknownId, InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        """
        from ragstone.likeness import stored

        given, reference = stored(self._store, id, dataset)
        return self._retriever.similar(given, reference, k, where_with(where, synthetic))

    def ask(
        self,
        question: str,
        dataset: str,
        *,
        generator: str | None = None,
        where: Sequence[str] = (),
        session: str | None = None,
        on_text: Callable[[str], None] | None = None,
        synthetic: Synthetic = False,
    ) -> Answer:
        """Answer `question` from `dataset` ("D" or "D@V"), every sentence with a checked quote.

        Too little evidence gives an answer with `found` False. The answer is stored with its
        prompt, hits, settings and version; `show` gives them back. See `ask_stream` for the
        parameters and errors.

        Parameters
        ----------
        on_text
            Gets the answer's text in pieces, as each sentence is checked.
        synthetic
            As of `search`; the filters of the other ways to ask say it in words.
        """
        from ragstone.answers import whole

        filters = where_with(where, synthetic)
        asked = self.ask_stream(
            question, dataset, generator=generator, where=filters, session=session
        )
        return whole(asked, on_text)

    def ask_stream(
        self,
        question: str,
        dataset: str,
        *,
        generator: str | None = None,
        where: Sequence[str] = (),
        session: str | None = None,
        history: Sequence[tuple[str, str]] = (),
    ) -> AnswerStream:
        """As `ask`, but return the answer while it is written, sentence by sentence.

        An `AnswerText` has the next sentence with its markers, already checked; the last event is
        an `AnswerDone` with the answer, whose text is all pieces joined. `close` stops the
        generator; the record says that it was cancelled, and what was said until then.

        Parameters
        ----------
        generator
            As `generators` lists them, for example "hf:NAME"; None takes the one in the settings.
        session
            Id or name of a session whose earlier questions this one follows; a new name begins one.
        history
            Questions and answers that this one follows, oldest first, where somebody else keeps
            the conversation; a session has its own.

        Raises
        ------
        InvalidQuery, InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        RefusedSample
            A model of the workspace is asked what `models.refused` names.
        GeneratorUnavailable, GeneratorFailed, GeneratorTimeout, GeneratorNonsense
            By the call, or the iterator: there is no answer. What was asked and found is kept.
        """
        return self._asking(dataset, generator, where).stream(question, session, history)

    def ask_many(
        self,
        questions: Sequence[str],
        dataset: str,
        *,
        generator: str | None = None,
        where: Sequence[str] = (),
    ) -> Iterator[Answer | AnswerError]:
        """Yield the answer to each of `questions`, in their order, all from the same version.

        A generator that can (`hf:`) writes `generation.batch` answers at once; any other one after
        the other. Each is stored as of `ask`; where one fails, its error stands in its place, and
        the others come all the same.

        Raises
        ------
        InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion,
        GeneratorUnavailable
            The call is wrong, and the message says how.
        """
        return self._asking(dataset, generator, where).many(list(questions))

    # ------------------------------------------------------------ receipts

    def replay(self, answer: str) -> Replay:
        """Make a stored answer again, and say what is not byte for byte as it was.

        The version is searched with the stored settings, and the generator writes with the stored
        seed. Nothing is stored.

        Parameters
        ----------
        answer
            Its id, or a prefix of 8 characters.

        Raises
        ------
        UnknownId
            There is no such answer, or the prefix fits several.
        """
        from ragstone.receipts.replaying import Replaying

        chosen = self._encoders.chosen
        return Replaying(self._store, self._retriever, self._encoder_of, chosen).replay(answer)

    def explain(self, answer: str) -> Explanation:
        """Follow each sentence of a stored answer to the bytes of its sources.

        Raises
        ------
        UnknownId, TamperedAnswer
            There is no such answer, or its record cannot be read.
        """
        from ragstone.receipts.explaining import explain

        return explain(self._store, answer)

    def trace(self, item: str, *, limit: int = 50, offset: int = 0) -> Trace:
        """Return the answers that an item was found for, in whatever version, newest first.

        `models` has those whose data held it.

        Parameters
        ----------
        item
            Its id, or a prefix of 8 characters.
        limit, offset
            Page of the answers; the counts are of all.

        Raises
        ------
        UnknownId, InvalidArgument
            There is no such item, or the page is out of bounds.
        """
        from ragstone.receipts.tracing import trace

        return trace(self._store, item, limit, offset)

    # ------------------------------------------------------------ feedback

    def feedback(
        self,
        answer: str,
        *,
        good: bool,
        reason: str = "",
        comment: str = "",
        answer_text: str = "",
        principal: str = LOCAL_OWNER,
    ) -> Feedback:
        """Keep what somebody says of a stored answer; it counts for nothing until it is accepted.

        Parameters
        ----------
        answer
            Its id, or a prefix of 8 characters.
        reason
            Why it is bad: one of `ragstone.schemas.feedback.Reason`.
        answer_text
            What a bad one should have said, best in the words of the source.
        principal
            Who says so.

        Raises
        ------
        UnknownId, InvalidArgument, TamperedAnswer
            There is no such answer, or the call says in its message what is wrong with it.
        """
        opinion = Opinion(good, reason, comment, answer_text)
        return self._feedback.give(answer, opinion, principal)

    def list_feedback(
        self, dataset: str | None = None, *, state: str | None = None
    ) -> list[Feedback]:
        """Return the feedback, on one dataset or in one state when given, newest first.

        Parameters
        ----------
        state
            open, accepted or rejected.
        """
        return self._feedback.listed(dataset, state)

    def accept_feedback(
        self, feedback: str, *, items: Sequence[str] = (), principal: str = LOCAL_OWNER
    ) -> Feedback:
        """Accept feedback, and make its question a golden query where items answer it.

        Those are the items that a good answer cites, or the ones whose passage has the right
        answer that came with a bad one, word for word.

        Parameters
        ----------
        feedback
            Its id, or a prefix of 8 characters.
        items
            Ids, or prefixes, of items of the newest version that answer it instead.
        principal
            Who reviews it.

        Raises
        ------
        UnknownId, UnplacedFeedback, TamperedAnswer
            Nothing was changed.
        """
        return self._feedback.accept(feedback, items, principal)

    def reject_feedback(self, feedback: str, *, principal: str = LOCAL_OWNER) -> Feedback:
        """Reject feedback; judgements that were made of it are taken back.

        Raises
        ------
        UnknownId
            There is no such feedback.
        """
        return self._feedback.reject(feedback, principal)

    def export_feedback(
        self, file: str | Path, use: str, *, dataset: str | None = None
    ) -> FeedbackExport:
        """Write what accepted feedback teaches into a new file, as `ragstone train` reads it.

        Parameters
        ----------
        use
            "reader": questions with their answers marked, in SQuAD's JSON; "verifier": claims with
            quotes and verdicts, in JSONL.

        Raises
        ------
        InvalidArgument, UnknownDataset, TamperedAnswer
            Nothing was written.
        """
        from ragstone.lessons import export

        return export(self._store, Path(file), use, self.list_feedback(dataset, state="accepted"))

    def generators(self) -> list[GeneratorInfo]:
        """Return who can write answers here, and why others cannot; known servers are asked."""
        from ragstone.generation.known import known_generators

        return known_generators(self.settings.generation, self._store.root / "models")

    # ------------------------------------------------------------ looking

    def datasets(self) -> list[api.DatasetInfo]:
        """Return all datasets, by name."""
        return listing.datasets(self._store)

    def log(self, dataset: str) -> list[api.VersionInfo]:
        """Return the versions of `dataset`, newest first."""
        return listing.versions(self._store, dataset)

    def show(
        self,
        id: str,  # noqa: A002
        *,
        around: int = 0,
    ) -> api.ItemDetail | api.ChunkDetail | StoredAnswer:
        """Return what has this id: an item, a chunk or an answer.

        Parameters
        ----------
        around
            Chunks before and after a chunk in its item that come with it.

        Raises
        ------
        UnknownId
            Nothing has it, or a prefix fits more than one.
        InvalidArgument
            `around` is out of bounds, or the id is not of a chunk.
        """
        return listing.show(self._store, id, around)

    def original(self, item: str) -> api.Media:
        """Return the bytes that an item came as, byte for byte.

        Raises
        ------
        UnknownId
            There is no such item, or a prefix fits more than one.
        """
        from ragstone.originals import original

        return original(self._store, item)

    def preview(self, item: str) -> api.Media:
        """Return a small picture: of an image itself (WebP), of a recording its waveform (PNG).

        Raises
        ------
        UnknownId
            There is no such item, or a prefix fits more than one.
        InvalidArgument
            It is neither.
        """
        from ragstone.originals import preview

        return preview(self._store, item, self.settings.limits)

    def retry_quarantined(
        self,
        dataset: str,
        entries: Sequence[str] = (),
        *,
        on_progress: Callable[[api.IngestProgress], None] | None = None,
    ) -> api.IngestResult:
        """Read again the places that entries in quarantine came from; none stands for all.

        Raises
        ------
        UnknownId, InvalidArgument
            There is no such entry, or nothing is in quarantine.
        """
        from ragstone.jobs.ingest import ingest_result

        spec = self._jobs.quarantine_spec(dataset, entries)
        return ingest_result(self._jobs.ingest(spec, on_progress))

    def drop_quarantined(self, dataset: str, entries: Sequence[str]) -> list[str]:
        """Take entries out of the quarantine, with their bytes; returns their ids.

        Raises
        ------
        UnknownId
            There is no such entry.
        """
        return self._jobs.drop_quarantined(dataset, entries)

    def quarantine(self, dataset: str | None = None) -> list[api.QuarantineInfo]:
        """Return the inputs that could not become items, newest first."""
        return listing.quarantine(self._store, dataset)

    # ------------------------------------------------------------ duplicates

    def duplicates(self, dataset: str, *, limit: int = 50, offset: int = 0) -> api.DuplicateReport:
        """Return what is there twice in `dataset` ("D" or "D@V"), and what the policy hides.

        Parameters
        ----------
        limit, offset
            Page of the groups, the largest first; the counts are of all.
        """
        from ragstone.duplicates import report

        return report(self._store, dataset, limit=limit, offset=offset)

    def duplicate_group(self, dataset: str, group: str) -> api.DuplicateGroup:
        """Return one group of duplicates with the pairs that connect it.

        Raises
        ------
        UnknownId
            There is no such group.
        """
        from ragstone.duplicates import show

        return show(self._store, dataset, group)

    def set_duplicate_policy(
        self,
        dataset: str,
        *,
        keep: Mapping[str, str] | None = None,
        thresholds: Mapping[str, float] | None = None,
        undo: bool = False,
        message: str = "",
    ) -> api.DuplicateReport:
        """Decide anew which duplicates are hidden, as one new version; nothing is read again.

        Parameters
        ----------
        keep
            By kind (exact, text, image, audio, semantic): first, best, newest or all.
        thresholds
            By kind, the distance up to which two items are duplicates.
        undo
            Show everything, but for the kinds that are named.
        """
        from ragstone.duplicates import changed_policy, policy, set_policy

        old = policy(self._store, dataset)
        new = changed_policy(old, keep or {}, thresholds or {}, undo=undo)
        set_policy(self._store, dataset, new, message)
        return self.duplicates(dataset)

    def calibrate_duplicates(
        self, dataset: str, *, pairs: Path | None = None, precision: float = 0.95
    ) -> api.CalibrationReport:
        """Return how near two vectors of `dataset` have to be to mean the same.

        Parameters
        ----------
        pairs
            CSV with text_a, text_b and label; without it, the text duplicates that were found
            stand for what is the same, and the nearest others for what is not.
        precision
            That the proposed threshold must reach.
        """
        from ragstone.duplicates import calibrate

        return calibrate(self._store, dataset, pairs, self._encode_queries, precision)

    # ------------------------------------------------------------ versions

    def diff(
        self,
        before: str,
        after: str | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
        text: bool = True,
    ) -> api.VersionDiff:
        """Return what changed between two versions, or since the parent of one.

        Parameters
        ----------
        limit, offset
            Page of the listed items of each kind; the counts are of all.
        text
            Compare changed texts line by line.
        """
        from ragstone.diff import diff

        return diff(self._store, before, after, limit=limit, offset=offset, text=text)

    def tag(self, version: str, tag: str, *, message: str = "", move: bool = False) -> api.TagInfo:
        """Name a version ("D", "D@V"); `gc` keeps what has a name.

        Raises
        ------
        TagExists
            The tag names another version, and `move` is False.
        """
        return versions.tag(self._store, version, tag, message, move=move)

    def untag(self, dataset: str, tag: str) -> None:
        """Take a tag away; the version stays.

        Raises
        ------
        UnknownTag
            There is none.
        """
        versions.untag(self._store, dataset, tag)

    def tags(self, dataset: str) -> list[api.TagInfo]:
        """Return the tags of `dataset`, oldest version first."""
        return versions.tags(self._store, dataset)

    def fork(self, version: str, name: str, *, message: str = "") -> api.VersionInfo:
        """Make the dataset `name`, which begins equal to `version` and copies nothing.

        Raises
        ------
        DatasetExists
            The name is taken.
        """
        return versions.fork(self._store, version, name, message)

    def restore(self, version: str, *, message: str = "") -> api.VersionInfo:
        """Make a new version of a dataset that is equal to an old one ("D@V")."""
        return versions.restore(self._store, version, message)

    def forget(
        self, items: Sequence[str], *, reason: str = "", models: bool = False
    ) -> api.ForgetReceipt:
        """Erase items (ids, or prefixes of 8 characters) for real, from every version and file.

        What models have learnt stays in their weights; `learnt` of the receipt names those whose
        data held an item.

        Parameters
        ----------
        models
            Delete these models and datastores, and trainings that are not finished.

        Raises
        ------
        UnknownId, WorkspaceInUse
            Nothing was changed.
        """
        return versions.forget(self._store, items, reason, models=models)

    def forgotten(self) -> list[api.ForgetReceipt]:
        """Return the receipts of what was erased, newest first."""
        return versions.forgotten(self._store)

    def gc(
        self,
        datasets: Sequence[str] | None = None,
        *,
        keep: int | None = None,
        days: float | None = None,
        dry_run: bool = False,
    ) -> api.Collection:
        """Give up old versions, and delete what no kept version needs.

        The newest version of a dataset and those with a tag always stay. Without `keep` and
        `days` no version goes, only what failed jobs left.

        Parameters
        ----------
        datasets
            Whose versions may go; None means all.
        keep
            Keep so many of the newest.
        days
            Keep those that are not older.

        Raises
        ------
        WorkspaceInUse
            A job is running.
        """
        from ragstone.storage.retention import Policy, collect

        return collect(self._store, Policy(keep, days), datasets, dry_run=dry_run)

    # ------------------------------------------------------------ out and in again

    def export(
        self, version: str, folder: str | Path, *, licence: str = "unknown"
    ) -> api.ExportResult:
        """Write a version as Parquet files with the original bytes, to a new folder.

        `datasets.load_dataset(folder)` of Hugging Face reads it, and so does `import_dataset`.
        """
        from ragstone.exchange.exporting import export_version

        return export_version(self._store, version, Path(folder), licence=licence)

    def import_dataset(
        self, folder: str | Path, dataset: str, *, message: str = ""
    ) -> api.ImportResult:
        """Take what `export` wrote into `dataset`, with its vectors, as one new version."""
        from ragstone.exchange.importing import import_version

        return import_version(self._store, Path(folder), dataset, message=message)

    def backup(self, target: str | Path) -> api.BackupResult:
        """Copy the whole workspace into a new folder below `target`, while others use it."""
        from ragstone.storage.backup import backup

        return backup(self._store, Path(target))

    # ------------------------------------------------------------ measuring and mending

    def golden(self, dataset: str) -> list[api.GoldenQuery]:
        """Return the golden queries of `dataset`, by id."""
        return golden.listed(self._store, dataset)

    def add_golden(self, dataset: str, queries: Path, qrels: Path) -> list[api.GoldenQuery]:
        """Keep judged queries in the BEIR layout with `dataset`, and return all it has then.

        A query with the id of one that is there takes its place.

        Raises
        ------
        UnknownDataset, UnknownSource, InvalidArgument
            Nothing was kept. No judgement names an item of the newest version.
        """
        golden.add(self._store, dataset, queries, qrels)
        return golden.listed(self._store, dataset)

    def clear_golden(self, dataset: str) -> None:
        """Take all golden queries of `dataset` away."""
        golden.clear(self._store, dataset)

    def evaluate_retrieval(
        self,
        dataset: str,
        queries: Path | None = None,
        qrels: Path | None = None,
        *,
        modes: Sequence[api.Mode] = MODES,
        against: str | None = None,
        settings: Sequence[str] = (),
        worst: int = 0,
    ) -> api.RetrievalEvaluation:
        """Compare the ranking of items with judgements in the BEIR layout, and keep the result.

        Without the two files, the golden queries of the dataset are used.

        Parameters
        ----------
        against
            Another version ("D@V"), to compare each mode with.
        settings
            "retrieval.NAME=VALUE": search with these, and compare with the settings as they are.
        worst
            So many of the queries that lost most are returned with both rankings.

        Raises
        ------
        UnknownDataset, UnknownVersion, UnknownSource, InvalidArgument, InvalidConfig
            The call is wrong, and the message says how.
        """
        judges = Judges(queries, qrels)
        return self._measuring.evaluate(dataset, judges, modes, against, settings, worst)

    def evaluate_gate(
        self,
        dataset: str,
        queries: Path | None = None,
        qrels: Path | None = None,
        *,
        mode: api.Mode = "hybrid",
        min_ndcg: float | None = None,
        max_drop: float | None = None,
        against: str | None = None,
    ) -> api.RetrievalEvaluation:
        """Measure search, and say in `gate` whether it is good enough; the result is kept.

        Parameters
        ----------
        min_ndcg
            Least mean nDCG@10.
        max_drop
            Most that it may be below that of the version `against`.
        against
            "D@V"; None takes the version before.

        Raises
        ------
        UnknownDataset, UnknownVersion, UnknownSource, InvalidArgument
            The call is wrong, and the message says how.
        """
        judges = Judges(queries, qrels)
        return self._measuring.gate(dataset, judges, mode, min_ndcg, max_drop, against)

    def evaluate_answers(
        self,
        dataset: str,
        questions: Path,
        *,
        generators: Sequence[str] = (),
        against: str | None = None,
        settings: Sequence[str] = (),
        limit: int | None = None,
        worst: int = 0,
        counterfactual: int = 20,
    ) -> AnswerEvaluation:
        """Measure how good answers are, and keep the result; the answers are not stored.

        Parameters
        ----------
        questions
            JSON lines with question, answers and items, SQuAD's JSON, or a folder of passages and
            questions. One without answers is one that the dataset does not answer.
        generators
            As in `ask`; none: the one in the settings. The last is compared with the others.
        against
            Another version ("D@V"), to compare each generator with.
        settings
            "SECTION.NAME=VALUE" of retrieval and generation: answer with these, and compare with
            the settings as they are.
        limit
            So many of the questions, drawn from a fixed seed.
        worst
            So many of the questions that lost most are returned.
        counterfactual
            So many answers are asked for again without the items that they cite; 0: none.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument, InvalidConfig, GeneratorUnavailable
            The call is wrong, and the message says how.
        """
        comparing = Comparing(generators, against, settings, worst)
        return self._grading.evaluate(dataset, questions, comparing, limit, counterfactual)

    def evaluations(self, dataset: str) -> list[Evaluation]:
        """Return what was measured of `dataset`, newest first, without single queries."""
        from ragstone.evaluation import kept

        return kept.listed(self._store, dataset)

    def evaluation(self, evaluation: str) -> Evaluation:
        """Return one result that was kept, by its id or a prefix of it.

        Raises
        ------
        UnknownId
            Nothing has it, or a prefix fits more than one.
        """
        from ragstone.evaluation import kept

        return kept.show(self._store, evaluation)

    def tune(
        self,
        dataset: str,
        queries: Path | None = None,
        qrels: Path | None = None,
        *,
        reranker: str = "",
        message: str = "",
        dry_run: bool = False,
    ) -> api.TuningReport:
        """Learn from judged queries how hybrid search of `dataset` is fused best.

        A choice other than the present one is stored as a new version with the same items.
        Without the two files, the golden queries of the dataset are used.

        Parameters
        ----------
        reranker
            Tried as well, as in the setting retrieval.reranker; it must be clearly better to be
            chosen.
        dry_run
            Only report.

        Raises
        ------
        RerankerUnavailable, UnknownDataset, UnknownSource, InvalidArgument, VersionConflict
            Nothing was changed. There are fewer than ten queries, or somebody else made a version.
        """
        judges = Judges(queries, qrels)
        return self._measuring.tune(dataset, judges, message, reranker, dry_run=dry_run)

    def train_reranker(
        self,
        datasets: Sequence[str],
        folder: Path,
        queries: Path | None = None,
        qrels: Path | None = None,
        *,
        steps: int = 400,
        seed: int = 0,
        on_progress: Callable[[int, int, float], None] = lambda *_: None,
    ) -> TrainedReranker:
        """Train a reranker on the judged queries of `datasets`, and write it into `folder`.

        Without judged queries it learns from sentences and the passages they are from.

        Parameters
        ----------
        folder
            New or empty; to be given as the setting retrieval.reranker, or to `tune`.
        queries, qrels
            Of the only dataset; without them, the golden queries of each are used.
        on_progress
            Called every few steps with those done, all, and the mean loss of the last ones.

        Raises
        ------
        UnknownDataset, UnknownSource, InvalidArgument, EncoderUnavailable
            Nothing was written.
        """
        from ragstone.training.reranker import Recipe

        recipe = Recipe(steps=steps, seed=seed)
        judges = Judges(queries, qrels)
        return self._teaching.train_reranker(datasets, judges, folder, recipe, on_progress)

    def bench(self, dataset: str, *, queries: int = 100, seed: int = 0) -> api.SpeedReport:
        """Measure how fast this machine searches `dataset` ("D" or "D@V"); nothing is changed.

        Asked are the golden queries of the dataset, when it has some, else sentences of its chunks.

        Parameters
        ----------
        queries
            How many searches each figure is made of.
        seed
            Draws queries and chunks: the same seed takes the same ones.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument, EncoderUnavailable
            The call is wrong, the version has no text, or its encoder is not on this machine.
        """
        from ragstone.speed import Bench

        bench = Bench(self._store, self._retriever, self._bare_encoder_of)
        return bench.run(dataset, queries, seed)

    def doctor(self, *, rebuild: bool = False) -> api.DoctorReport:
        """Check every promise of the storage; with `rebuild` make catalog and indexes anew."""
        from ragstone.storage.doctor import examine
        from ragstone.training.examining import with_models

        return with_models(examine(self._store, rebuild=rebuild), self._store.root)

    # ------------------------------------------------------------ jobs

    def submit(
        self,
        sources: str | Path | Sequence[str | Path],
        dataset: str,
        *,
        message: str = "",
        text: str | Sequence[str] = (),
        id: str | None = None,  # noqa: A002
        options: Mapping[str, Any] | None = None,
    ) -> api.JobInfo:
        """As `ingest`, but only put the job in the queue, which a server works on.

        Raises
        ------
        UnknownSource, InvalidArgument
            There is no job then.
        """
        places = absolute(sources)
        return self._jobs.submit(
            self._jobs.spec(places, dataset, message, text_columns(text), id, options, served=True)
        )

    def submit_sync(self, dataset: str, *, message: str = "") -> api.JobInfo:
        """As `sync`, but only put the job in the queue, which a server works on."""
        return self._jobs.submit(self._jobs.sync_spec(dataset, message, served=True))

    def submit_quarantined(self, dataset: str, entries: Sequence[str] = ()) -> api.JobInfo:
        """As `retry_quarantined`, but only put the job in the queue."""
        return self._jobs.submit(self._jobs.quarantine_spec(dataset, entries, served=True))

    def submit_reembed(
        self, dataset: str, encoder: str, *, message: str = "", if_better: bool = False
    ) -> api.JobInfo:
        """As `reembed`, but only put the job in the queue, which a server works on.

        Raises
        ------
        UnknownDataset, EncoderUnavailable, InvalidArgument
            There is no job then.
        """
        return self._jobs.submit(
            self._jobs.reembed_spec(dataset, encoder, message, if_better=if_better, served=True)
        )

    def jobs(
        self,
        dataset: str | None = None,
        *,
        state: api.JobState | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[api.JobInfo]:
        """Return the jobs, of one dataset or in one state when given, newest first.

        Parameters
        ----------
        limit, offset
            Page of them; None for all.
        """
        return self._jobs.listed(dataset, state, limit=limit, offset=offset)

    def job(self, job: str) -> api.JobInfo:
        """Return one job, by its id or a beginning of it that fits only one.

        Raises
        ------
        UnknownJob
            None, or more than one, begins so.
        """
        return self._jobs.find(job)

    def job_revision(self, job: str) -> int:
        """Return what `revision` of the job with exactly this id is now, at no cost."""
        return self._jobs.revision(job)

    def cancel(self, job: str) -> api.JobInfo:
        """Take back a job that waits, runs or was cut off; it makes no version.

        Raises
        ------
        UnknownJob, JobConflict
            There is no such job, it has ended, or its version is being published.
        """
        return self._jobs.cancel(job)

    def retry(
        self, job: str, *, on_progress: Callable[[api.JobProgress], None] | None = None
    ) -> api.JobInfo:
        """Go on with a job that failed, was cut off or was cancelled, from where it was.

        With a server it waits for its turn; without one it is done when this returns.

        Raises
        ------
        UnknownJob, JobConflict
            There is no such job, or it waits, runs or is done.
        """
        return self._jobs.retry(job, on_progress)

    def running_jobs(self) -> AbstractContextManager[None]:
        """Work on the queue, in processes of their own, for the length of a `with` block.

        Jobs that an earlier owner could not finish are gone on with.
        """
        return self._jobs.running()

    # ------------------------------------------------------------ encoder

    def warm_up(self) -> None:
        """Load the encoder now, so that the first search need not wait for it."""
        self._encoders.chosen().encode_queries(["warm up"])

    def _encode_queries(self, queries: Sequence[str], manifest: Manifest) -> NDArray[np.float32]:
        asked = [without_stops(query) for query in queries]
        return self._encoder_of(manifest).encode_queries(asked)

    def _asking(self, dataset: str, generator: str | None, where: Sequence[str]) -> Asking:
        from ragstone.asking import Asking

        return Asking.of(
            self._store,
            self.settings,
            self._retriever,
            self._encoder_of,
            dataset,
            generator,
            where,
        )

    def _media_encoder(self, manifest: Manifest, modality: Modality) -> MediaEncoder:
        held = manifest.media[modality.value]
        encoder = self._encoders.media(manifest.dataset, modality, held.space, held.encoder)
        return RememberingMedia(encoder, self._memory)

    def _encoder_of(self, manifest: Manifest) -> TextEncoder:
        """Return the encoder that made the vectors of a version."""
        return RememberingText(self._bare_encoder_of(manifest), self._memory)

    def _bare_encoder_of(self, manifest: Manifest) -> TextEncoder:
        return self._encoders.of(manifest.dataset, manifest.space, manifest.encoder)
