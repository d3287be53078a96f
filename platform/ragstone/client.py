"""Talks to a Ragstone server: the methods and results of a `Workspace`, over HTTP.

import ragstone

with ragstone.connect("my-workspace") as client:  # or connect("http://127.0.0.1:8400", token)
    for hit in client.search("how do versions work", dataset="docs").hits:
        print(hit.rank, hit.source, hit.text)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ragstone.client_exploring import ExploringClient
from ragstone.client_files import Files
from ragstone.client_insight import InsightClient
from ragstone.client_models import ModelClient
from ragstone.client_streams import AnswerEvents
from ragstone.errors import ServerUnavailable
from ragstone.schemas import api
from ragstone.schemas.answers import (
    Answer,
    AnswerDone,
    GeneratorInfo,
    StoredAnswer,
)
from ragstone.schemas.evaluations import AnswerEvaluation, Evaluation
from ragstone.schemas.feedback import Feedback, FeedbackExport
from ragstone.schemas.synthetic import Synthetic, where_with
from ragstone.schemas.tracing import Explanation, Replay, Trace
from ragstone.text import text_columns
from ragstone.transport import (
    Address,
    RemoteError,
    Transport,
    absolute,
    find_server,
    packed,
    part,
    place,
)

__all__ = ["Address", "Client", "RemoteError", "connect", "find_server"]


def connect(url_or_workspace: str | Path, token: str | None = None) -> Client:
    """Return a client of the server at a URL, or of the one that serves a workspace folder.

    Parameters
    ----------
    url_or_workspace
        `http://…`, or the path of a workspace, whose `owner.json` names server and token.
    token
        The server's token; read from `owner.json` for a path.

    Raises
    ------
    ServerUnavailable
        No server has the workspace open. (Whether one answers shows with the first call.)
    """
    target = str(url_or_workspace)
    if target.startswith(("http://", "https://")):
        return Client(target, token or "")
    address = find_server(Path(target))
    if address is None:
        raise ServerUnavailable(target, "no server has this workspace open")
    return Client(address.url, token or address.token)


class Client(ModelClient, Files, ExploringClient, InsightClient):
    """The workspace behind a server. Safe to use from several threads; `close` when done.

    Every method raises the errors of the `Workspace` method of the same name, and
    `ServerUnavailable` when no server answers.
    """

    def __init__(self, url: str, token: str) -> None:
        self._http = Transport(url, token)
        self.url = self._http.url

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the server goes on."""
        self._http.close()

    def server_version(self) -> str:
        """Return the version of Ragstone that the server runs; needs no token."""
        return str(self._http.get("/health", dict[str, str])["version"])

    def datasets(self) -> list[api.DatasetInfo]:
        """List the datasets."""
        return self._http.get("/datasets", list[api.DatasetInfo])

    def log(self, dataset: str) -> list[api.VersionInfo]:
        """List the versions of a dataset, newest first."""
        return self._http.get(f"/datasets/{part(dataset)}/versions", list[api.VersionInfo])

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
        """Search datasets by words, by meaning, or both; or by a picture or a recording."""
        named = dataset if isinstance(dataset, str) else list(dataset)
        body: dict[str, Any] = {"query": query, "dataset": named, "k": k, "mode": mode}
        body |= {"where": list(where), "image": packed(image), "audio": packed(audio)}
        body |= {"offset": offset, "after": after, "group": group, "neighbours": neighbours}
        body |= {"rerank": rerank, "synthetic": synthetic}
        return self._http.post("/search", api.SearchResult, body)

    def similar(
        self,
        id: str,  # noqa: A002
        *,
        k: int = 10,
        where: Sequence[str] = (),
        dataset: str | None = None,
        synthetic: Synthetic = False,
    ) -> api.SearchResult:
        """Find what resembles a stored item or chunk."""
        body: dict[str, Any] = {"id": id, "k": k, "where": list(where), "dataset": dataset}
        body["synthetic"] = synthetic
        return self._http.post("/similar", api.SearchResult, body)

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
        """Answer a question from one version, with citations; `on_text` gets each sentence."""
        filters = where_with(where, synthetic)
        stream = self.ask_stream(
            question, dataset, generator=generator, where=filters, session=session
        )
        for event in stream:
            if isinstance(event, AnswerDone):
                return event.answer
            if on_text is not None:
                on_text(event.text)
        raise ServerUnavailable(self.url, "it broke off in the middle of an answer")

    def ask_stream(
        self,
        question: str,
        dataset: str,
        *,
        generator: str | None = None,
        where: Sequence[str] = (),
        session: str | None = None,
    ) -> AnswerEvents:
        """Answer a question while it is written: checked pieces of text, then the whole answer.

        `close` stops the generator on the server, from any thread.
        """
        body: dict[str, Any] = {"question": question, "dataset": dataset, "generator": generator}
        body |= {"where": list(where), "session": session, "stream": True}
        return AnswerEvents(self._http, self._http.events("/ask", body))

    def generators(self) -> list[GeneratorInfo]:
        """Return who can write answers on the server's machine, and why others cannot."""
        return self._http.get("/generators", list[GeneratorInfo])

    def show(
        self,
        id: str,  # noqa: A002
        *,
        around: int = 0,
    ) -> api.ItemDetail | api.ChunkDetail | StoredAnswer:
        """Return the item, chunk or answer with this id or prefix."""
        found: api.ItemDetail | api.ChunkDetail | StoredAnswer = self._http.get(
            f"/show/{part(id)}",
            api.ItemDetail | api.ChunkDetail | StoredAnswer,  # type: ignore[arg-type]
            {"around": around},
        )
        return found

    def replay(self, answer: str) -> Replay:
        """Make a stored answer again, and say what is not byte for byte as it was."""
        return self._http.post(f"/answers/{part(answer)}/replay", Replay, {})

    def explain(self, answer: str) -> Explanation:
        """Follow each sentence of a stored answer to the bytes of its sources."""
        return self._http.get(f"/answers/{part(answer)}/explain", Explanation)

    def trace(self, item: str, *, limit: int = 50, offset: int = 0) -> Trace:
        """Return the answers that an item was found for, newest first."""
        page = {"limit": limit, "offset": offset}
        return self._http.get(f"/items/{part(item)}/trace", Trace, page)

    # ------------------------------------------------------------ feedback

    def feedback(
        self,
        answer: str,
        *,
        good: bool,
        reason: str = "",
        comment: str = "",
        answer_text: str = "",
    ) -> Feedback:
        """Keep what the owner of the token says of a stored answer."""
        body = {"good": good, "reason": reason, "comment": comment, "answer_text": answer_text}
        return self._http.post(f"/answers/{part(answer)}/feedback", Feedback, body)

    def list_feedback(
        self, dataset: str | None = None, *, state: str | None = None
    ) -> list[Feedback]:
        """List the feedback, on one dataset or in one state when given, newest first."""
        chosen = {"dataset": dataset, "state": state}
        query = {name: value for name, value in chosen.items() if value is not None}
        return self._http.get("/feedback", list[Feedback], query)

    def accept_feedback(self, feedback: str, *, items: Sequence[str] = ()) -> Feedback:
        """Accept feedback, and make its question a golden query where items answer it."""
        path = f"/feedback/{part(feedback)}/accept"
        return self._http.post(path, Feedback, {"items": list(items)})

    def reject_feedback(self, feedback: str) -> Feedback:
        """Reject feedback; judgements that were made of it are taken back."""
        return self._http.post(f"/feedback/{part(feedback)}/reject", Feedback, {})

    def export_feedback(
        self, file: str | Path, use: str, *, dataset: str | None = None
    ) -> FeedbackExport:
        """Write what accepted feedback teaches into a new file of the server's machine."""
        body = {"file": absolute(file), "use": use, "dataset": dataset}
        return self._http.wait("/feedback/export", FeedbackExport, body)

    # ------------------------------------------------------------ looking closer

    def original(self, item: str) -> api.Media:
        """Return the bytes that an item came as."""
        return self._media(f"/items/{part(item)}/original")

    def preview(self, item: str) -> api.Media:
        """Return a small picture of an image, or the waveform of a recording."""
        return self._media(f"/items/{part(item)}/preview")

    def _media(self, path: str) -> api.Media:
        response = self._http.send("GET", path)
        return api.Media(response.content, response.headers["Content-Type"])

    def quarantine(self, dataset: str | None = None) -> list[api.QuarantineInfo]:
        """List the inputs that could not become items."""
        query = {} if dataset is None else {"dataset": dataset}
        return self._http.get("/quarantine", list[api.QuarantineInfo], query)

    def delete(self, dataset: str, items: Sequence[str], *, message: str = "") -> api.VersionInfo:
        """Publish a version without these items."""
        body = {"items": list(items), "message": message}
        return self._http.post(f"/datasets/{part(dataset)}/delete", api.VersionInfo, body)

    # ------------------------------------------------------------ jobs

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
        """Take files and folders of the server's machine into `dataset`, and wait for the end.

        Should this process end meanwhile, the job goes on.

        Raises
        ------
        JobCancelled
            Somebody took the job back.
        """
        job = self.submit(sources, dataset, message=message, text=text, id=id, options=options)
        return self.ingested(job.job, on_progress)

    def sync(
        self,
        dataset: str,
        *,
        message: str = "",
        on_progress: Callable[[api.IngestProgress], None] | None = None,
    ) -> api.IngestResult:
        """Have everything read again that was ever ingested into a dataset, and wait."""
        return self.ingested(self.submit_sync(dataset, message=message).job, on_progress)

    def submit_sync(self, dataset: str, *, message: str = "") -> api.JobInfo:
        """As `sync`, but return the job at once."""
        path = f"/datasets/{part(dataset)}/sync"
        return self._http.post(path, api.JobInfo, {"message": message})

    def retry_quarantined(
        self,
        dataset: str,
        entries: Sequence[str] = (),
        *,
        on_progress: Callable[[api.IngestProgress], None] | None = None,
    ) -> api.IngestResult:
        """Have the places read again that entries in quarantine came from, and wait."""
        return self.ingested(self.submit_quarantined(dataset, entries).job, on_progress)

    def submit_quarantined(self, dataset: str, entries: Sequence[str] = ()) -> api.JobInfo:
        """As `retry_quarantined`, but return the job at once."""
        path = f"/datasets/{part(dataset)}/quarantine/retry"
        return self._http.post(path, api.JobInfo, {"entries": list(entries)})

    def drop_quarantined(self, dataset: str, entries: Sequence[str]) -> list[str]:
        """Take entries out of the quarantine, with their bytes."""
        path = f"/datasets/{part(dataset)}/quarantine/drop"
        return self._http.post(path, list[str], {"entries": list(entries)})

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
        """As `ingest`, but return the job at once."""
        several = [sources] if isinstance(sources, str | Path) else sources
        body = {
            "sources": [place(source) for source in several],
            "message": message,
            "text": list(text_columns(text)),
            "id": id,
            "options": dict(options or {}),
        }
        return self._http.post(f"/datasets/{part(dataset)}/ingest", api.JobInfo, body)

    def ingested(
        self, job: str, on_progress: Callable[[api.IngestProgress], None] | None = None
    ) -> api.IngestResult:
        """Wait for the end of an ingestion and return its result, or raise why it failed."""
        info = self._done(job, on_progress)
        assert isinstance(info.result, api.JobResult)
        return api.IngestResult(
            job=info.job,
            dataset=info.dataset,
            version=info.result.version,
            items=info.result.items,
            chunks=info.result.chunks,
            seconds=info.result.seconds,
            duplicates=info.result.duplicates,
            quarantine=info.quarantine,
        )

    def reembed(
        self,
        dataset: str,
        encoder: str,
        *,
        message: str = "",
        if_better: bool = False,
        on_progress: Callable[[api.ReembedProgress], None] | None = None,
    ) -> api.ReembedResult:
        """Give a dataset the vectors of another encoder, and wait for the end."""
        job = self.submit_reembed(dataset, encoder, message=message, if_better=if_better)
        return self.reembedded(job.job, on_progress)

    def submit_reembed(
        self, dataset: str, encoder: str, *, message: str = "", if_better: bool = False
    ) -> api.JobInfo:
        """As `reembed`, but return the job at once; a folder here is one of the server's."""
        name = absolute(encoder) if Path(encoder).expanduser().is_dir() else encoder
        body = {"encoder": name, "message": message, "if_better": if_better}
        return self._http.post(f"/datasets/{part(dataset)}/reembed", api.JobInfo, body)

    def reembedded(
        self, job: str, on_progress: Callable[[api.ReembedProgress], None] | None = None
    ) -> api.ReembedResult:
        """Wait for the end of a re-embedding and return its result, or raise why it failed."""
        info = self._done(job, on_progress)
        assert isinstance(info.result, api.ReembedResult)
        return info.result

    def jobs(
        self,
        dataset: str | None = None,
        *,
        state: api.JobState | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[api.JobInfo]:
        """List the jobs, of one dataset or in one state when given, newest first."""
        chosen = {"dataset": dataset, "state": state, "limit": limit, "offset": offset}
        query = {name: value for name, value in chosen.items() if value is not None}
        return self._http.get("/jobs", list[api.JobInfo], query)

    def job(self, job: str) -> api.JobInfo:
        """Return one job, with the inputs it could not take."""
        return self._http.get(f"/jobs/{part(job)}", api.JobInfo)

    def cancel(self, job: str) -> api.JobInfo:
        """Take back a job that has made no version."""
        return self._http.post(f"/jobs/{part(job)}/cancel", api.JobInfo, {})

    def retry(
        self, job: str, *, on_progress: Callable[[api.JobProgress], None] | None = None
    ) -> api.JobInfo:
        """Have a job that ended without a version tried again, and wait for the end."""
        again = self._http.post(f"/jobs/{part(job)}/retry", api.JobInfo, {})
        self._done(again.job, on_progress)
        return self.job(again.job)

    # ------------------------------------------------------------ duplicates

    def duplicates(self, dataset: str, *, limit: int = 50, offset: int = 0) -> api.DuplicateReport:
        """Say what is there twice, and what the policy hides."""
        query = {"limit": limit, "offset": offset}
        return self._http.get(f"/datasets/{part(dataset)}/duplicates", api.DuplicateReport, query)

    def duplicate_group(self, dataset: str, group: str) -> api.DuplicateGroup:
        """Return one group of duplicates with the pairs that connect it."""
        path = f"/datasets/{part(dataset)}/duplicates/{part(group)}"
        return self._http.get(path, api.DuplicateGroup)

    def set_duplicate_policy(
        self,
        dataset: str,
        *,
        keep: Mapping[str, str] | None = None,
        thresholds: Mapping[str, float] | None = None,
        undo: bool = False,
        message: str = "",
    ) -> api.DuplicateReport:
        """Decide anew which duplicates are hidden, as one new version."""
        rules = {"keep": dict(keep or {}), "thresholds": dict(thresholds or {})}
        body = {**rules, "undo": undo, "message": message}
        path = f"/datasets/{part(dataset)}/duplicates/policy"
        return self._http.wait(path, api.DuplicateReport, body)

    def calibrate_duplicates(
        self, dataset: str, *, pairs: Path | None = None, precision: float = 0.95
    ) -> api.CalibrationReport:
        """Say how near two vectors have to be; a file is one of the server's machine."""
        body = {"pairs": pairs and absolute(pairs), "precision": precision}
        path = f"/datasets/{part(dataset)}/duplicates/calibrate"
        return self._http.wait(path, api.CalibrationReport, body)

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
        """Return what changed between two versions, or since the parent of one."""
        query = {"before": before, "limit": limit, "offset": offset, "text": text}
        return self._http.get(
            "/diff", api.VersionDiff, query | ({} if after is None else {"after": after})
        )

    def tag(self, version: str, tag: str, *, message: str = "", move: bool = False) -> api.TagInfo:
        """Name a version."""
        body = {"tag": tag, "message": message, "move": move}
        return self._http.post(f"/datasets/{part(version)}/tag", api.TagInfo, body)

    def untag(self, dataset: str, tag: str) -> None:
        """Take a tag away; the version stays."""
        self._http.send("POST", f"/datasets/{part(dataset)}/untag", json={"tag": tag})

    def tags(self, dataset: str) -> list[api.TagInfo]:
        """List the tags of a dataset, oldest version first."""
        return self._http.get(f"/datasets/{part(dataset)}/tags", list[api.TagInfo])

    def fork(self, version: str, name: str, *, message: str = "") -> api.VersionInfo:
        """Make a dataset that begins equal to a version, and copies nothing."""
        body = {"name": name, "message": message}
        return self._http.post(f"/datasets/{part(version)}/fork", api.VersionInfo, body)

    def restore(self, version: str, *, message: str = "") -> api.VersionInfo:
        """Make a new version equal to an old one."""
        return self._http.post(
            f"/datasets/{part(version)}/restore", api.VersionInfo, {"message": message}
        )

    def forget(
        self, items: Sequence[str], *, reason: str = "", models: bool = False
    ) -> api.ForgetReceipt:
        """Erase items for real; with `models`, delete also the models that learnt from them."""
        body = {"items": list(items), "reason": reason, "models": models}
        return self._http.wait("/forget", api.ForgetReceipt, body)

    def forgotten(self) -> list[api.ForgetReceipt]:
        """List the receipts of what was erased, newest first."""
        return self._http.get("/forgets", list[api.ForgetReceipt])

    def gc(
        self,
        datasets: Sequence[str] | None = None,
        *,
        keep: int | None = None,
        days: float | None = None,
        dry_run: bool = False,
    ) -> api.Collection:
        """Give up old versions, and delete what no kept version needs."""
        names = None if datasets is None else list(datasets)
        body = {"datasets": names, "keep": keep, "days": days, "dry_run": dry_run}
        return self._http.wait("/gc", api.Collection, body)

    def export(
        self, version: str, folder: str | Path, *, licence: str = "unknown"
    ) -> api.ExportResult:
        """Write a version to a new folder of the server's machine."""
        body = {"folder": absolute(folder), "licence": licence}
        return self._http.wait(f"/datasets/{part(version)}/export", api.ExportResult, body)

    def import_dataset(
        self, folder: str | Path, dataset: str, *, message: str = ""
    ) -> api.ImportResult:
        """Take an export, in a folder of the server's machine, into a dataset."""
        body = {"folder": absolute(folder), "message": message}
        return self._http.wait(f"/datasets/{part(dataset)}/import", api.ImportResult, body)

    def backup(self, target: str | Path) -> api.BackupResult:
        """Copy the whole workspace to a folder of the server's machine."""
        return self._http.wait("/backup", api.BackupResult, {"target": absolute(target)})

    # ------------------------------------------------------------ measuring and mending

    def golden(self, dataset: str) -> list[api.GoldenQuery]:
        """List the golden queries of a dataset."""
        return self._http.get(f"/datasets/{part(dataset)}/golden", list[api.GoldenQuery])

    def add_golden(self, dataset: str, queries: Path, qrels: Path) -> list[api.GoldenQuery]:
        """Keep judged queries in files of the server's machine, and list all there are then."""
        body = {"queries": absolute(queries), "qrels": absolute(qrels)}
        return self._http.post(f"/datasets/{part(dataset)}/golden", list[api.GoldenQuery], body)

    def clear_golden(self, dataset: str) -> None:
        """Take all golden queries of a dataset away."""
        self._http.send("DELETE", f"/datasets/{part(dataset)}/golden")

    def evaluate_retrieval(
        self,
        dataset: str,
        queries: Path | None = None,
        qrels: Path | None = None,
        *,
        modes: Sequence[api.Mode] = ("keyword", "vector", "hybrid"),
        against: str | None = None,
        settings: Sequence[str] = (),
        worst: int = 0,
    ) -> api.RetrievalEvaluation:
        """Compare the ranking of items with judgements in files, or with the golden queries."""
        how = {"modes": list(modes), "settings": list(settings)}
        body = {**_files(queries, qrels), **how, "against": against, "worst": worst}
        return self._http.wait(f"/datasets/{part(dataset)}/evaluate", api.RetrievalEvaluation, body)

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
        """Measure search, and say in `gate` whether it is good enough."""
        limits = {"min_ndcg": min_ndcg, "max_drop": max_drop, "against": against}
        body = {**_files(queries, qrels), "mode": mode, **limits}
        return self._http.wait(f"/datasets/{part(dataset)}/gate", api.RetrievalEvaluation, body)

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
        """Measure how good answers are, and keep the result; the answers are not stored."""
        body: dict[str, Any] = {"questions": absolute(questions), "generators": list(generators)}
        body |= {"against": against, "settings": list(settings), "limit": limit, "worst": worst}
        body |= {"counterfactual": counterfactual}
        path = f"/datasets/{part(dataset)}/evaluate/answers"
        return self._http.wait(path, AnswerEvaluation, body)

    def evaluations(self, dataset: str) -> list[Evaluation]:
        """List what was measured of a dataset, newest first, without single queries."""
        path = f"/datasets/{part(dataset)}/evaluations"
        return self._http.get(path, list[Evaluation])

    def evaluation(self, evaluation: str) -> Evaluation:
        """Return one measurement, by its id or a prefix of it."""
        found: Evaluation = self._http.get(
            f"/evaluations/{part(evaluation)}",
            Evaluation,  # type: ignore[arg-type]
        )
        return found

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
        """Learn how the arms of a search are fused best, and publish a version that does so."""
        body = {**_files(queries, qrels), "message": message, "dry_run": dry_run}
        body["reranker"] = reranker
        return self._http.wait(f"/datasets/{part(dataset)}/tune", api.TuningReport, body)

    def bench(self, dataset: str, *, queries: int = 100, seed: int = 0) -> api.SpeedReport:
        """Measure how fast the server's machine searches `dataset` ("D" or "D@V")."""
        body = {"queries": queries, "seed": seed}
        return self._http.wait(f"/datasets/{part(dataset)}/bench", api.SpeedReport, body)

    def doctor(self, *, rebuild: bool = False) -> api.DoctorReport:
        """Check every promise of the storage; with `rebuild` make catalog and indexes anew."""
        return self._http.wait("/doctor", api.DoctorReport, {"rebuild": rebuild})


def _files(queries: Path | None, qrels: Path | None) -> dict[str, str | None]:
    """Return where judged queries are, as a server of this machine finds them."""
    files = {"queries": queries, "qrels": qrels}
    return {name: None if path is None else absolute(path) for name, path in files.items()}
