"""Measures search with judged queries: compares, guards a level, and learns how to fuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone import golden
from ragstone.config import with_values
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import FusionChoice, GateResult, RetrievalEvaluation, TuningReport
from ragstone.text import fusion_words

if TYPE_CHECKING:
    from ragstone.config import RetrievalSettings, Settings
    from ragstone.evaluation.judged import JudgedQueries
    from ragstone.evaluation.retrieval import Subject
    from ragstone.evaluation.tuning import Tuning
    from ragstone.retrieval.search import EncodeQueries, Retriever
    from ragstone.schemas.api import Mode
    from ragstone.storage.manifests import TunedFusion
    from ragstone.storage.store import Store

WORST = 10  # queries that a gate shows
MOST_WORST = 1_000


@dataclass(frozen=True, slots=True)
class Judges:
    """Where judged queries are: in two files, or with the dataset."""

    queries: Path | None = None
    qrels: Path | None = None


@dataclass(frozen=True, slots=True)
class Measuring:
    """Measures the datasets in `store` as `retriever` searches them."""

    store: Store
    settings: Settings
    retriever: Retriever
    encode: EncodeQueries

    def evaluate(
        self,
        dataset: str,
        judges: Judges,
        modes: Sequence[Mode],
        against: str | None = None,
        settings: Sequence[str] = (),
        worst: int = 0,
    ) -> RetrievalEvaluation:
        """Measure, compare and keep the result; see `Workspace.evaluate_retrieval`."""
        from ragstone.evaluation import kept

        return kept.keep(
            self.store, self._measured(dataset, judges, modes, against, settings, worst)
        )

    def gate(
        self,
        dataset: str,
        judges: Judges,
        mode: Mode,
        min_ndcg: float | None,
        max_drop: float | None,
        against: str | None,
    ) -> RetrievalEvaluation:
        """Measure, and say whether that is good enough; see `Workspace.evaluate_gate`."""
        from ragstone.evaluation import kept

        if min_ndcg is None and max_drop is None:
            raise InvalidArgument("min_ndcg", None, "a limit, here or in max_drop")
        if against is not None and max_drop is None:
            raise InvalidArgument("against", against, "given with max_drop")
        if max_drop is not None and against is None:
            against = self._before(dataset)
        found = self._measured(dataset, judges, [mode], against, (), WORST if against else 0)
        return kept.keep(self.store, replace(found, gate=_gate(found, mode, min_ndcg, max_drop)))

    def tune(
        self, dataset: str, judges: Judges, message: str, reranker: str, *, dry_run: bool
    ) -> TuningReport:
        """Learn how to fuse, and store it as a new version; see `Workspace.tune`."""
        from ragstone.evaluation.tuning import FOLDS, tune
        from ragstone.storage.fusing import set_fusion

        if "@" in dataset:
            raise InvalidArgument("dataset", dataset, "one without a version: the newest is tuned")
        head = self.store.head(dataset)
        judged = golden.chosen(self.store, dataset, judges.queries, judges.qrels)
        before = self.retriever.plan(head, ()).choice
        with self.store.keeping():
            found = tune(self.store, self.retriever, self.encode, head, judged, reranker)
        stored = not dry_run and not _alike(found.chosen, before)
        made = head
        if stored:
            fusion = self._learned(found, len(judged.queries), reranker)
            words = fusion_words(found.chosen)
            made = set_fusion(self.store, head, fusion, message or f"tuned: {words}")
        return TuningReport(
            dataset=made.dataset,
            version=made.version,
            queries=len(judged.queries),
            folds=FOLDS,
            rows=found.rows,
            before=before,
            chosen=found.chosen,
            held_out=found.held_out,
            stored=stored,
            note=found.note,
        )

    def _learned(self, found: Tuning, queries: int, reranker: str) -> TunedFusion | None:
        from ragstone.storage.manifests import TunedFusion

        choice = found.chosen
        if choice.origin != "tuned":
            return None
        digest = self.retriever.digest_of(reranker) if choice.reranker else ""
        return TunedFusion(
            method=choice.method,
            vector_weight=choice.vector_weight,
            queries=queries,
            ndcg=found.held_out.after,
            before=found.held_out.before,
            reranker=choice.reranker if reranker else None,
            rerank_weight=choice.rerank_weight,
            reranker_digest=digest,
        )

    def _measured(
        self,
        dataset: str,
        judges: Judges,
        modes: Sequence[Mode],
        against: str | None,
        settings: Sequence[str],
        worst: int,
    ) -> RetrievalEvaluation:
        from ragstone.evaluation.comparing import evaluate

        if not modes:
            raise InvalidArgument("modes", list(modes), "at least one")
        if not 0 <= worst <= MOST_WORST:
            raise InvalidArgument("worst", worst, f"a number from 0 to {MOST_WORST}")
        subject = self._subject(dataset, settings)
        judged = self._judged(subject, judges)
        other = None
        if against is not None or settings:
            other = self._subject(dataset if against is None else against, ())
        with self.store.keeping():
            found = evaluate(self.store, self.encode, judged, subject, modes, other, worst)
        return replace(found, settings=list(settings))

    def _judged(self, subject: Subject, judges: Judges) -> JudgedQueries:
        return golden.chosen(self.store, subject.manifest.dataset, judges.queries, judges.qrels)

    def _subject(self, reference: str, settings: Sequence[str]) -> Subject:
        from ragstone.evaluation.retrieval import Subject

        manifest = self.store.resolve(reference)
        label = " ".join([f"{manifest.dataset}@{manifest.version}", *settings])
        return Subject(label, manifest, self._changed(settings) if settings else self.retriever)

    def _changed(self, settings: Sequence[str]) -> Retriever:
        """Return what searches with other settings.

        Raises
        ------
        InvalidArgument, InvalidConfig
            One does not change how a version is searched, or its value is not allowed.
        """
        changed = with_values(self.settings, settings)
        others = sorted(name for name in names_of(settings) if not name.startswith("retrieval."))
        if others:
            raise InvalidArgument("settings", others[0], "a setting of the section retrieval")
        return self.retriever.with_settings(retrieval_of(changed, settings))

    def _before(self, dataset: str) -> str:
        manifest = self.store.resolve(dataset)
        if manifest.version < 2:
            expected = f"a version to compare with: {manifest.dataset!r} has only one"
            raise InvalidArgument("against", None, expected)
        return f"{manifest.dataset}@{manifest.version - 1}"


def names_of(settings: Sequence[str]) -> set[str]:
    """Return the names in assignments such as "retrieval.fusion=rrf"."""
    return {setting.partition("=")[0].strip() for setting in settings}


def retrieval_of(changed: Settings, settings: Sequence[str]) -> RetrievalSettings:
    """Return how to search; a given setting for the fusion wins over what was learned."""
    if names_of(settings) & {"retrieval.fusion", "retrieval.vector_weight"}:
        return changed.retrieval.model_copy(update={"use_tuned": False})
    return changed.retrieval


def _alike(one: FusionChoice, other: FusionChoice) -> bool:
    weights = one.method == "rrf" or one.vector_weight == other.vector_weight
    reranked = (one.reranker, one.rerank_weight) == (other.reranker, other.rerank_weight)
    return one.method == other.method and weights and reranked


def _gate(
    found: RetrievalEvaluation, mode: Mode, min_ndcg: float | None, max_drop: float | None
) -> GateResult:
    ndcg = found.modes[mode]["ndcg@10"]
    reasons = []
    if min_ndcg is not None and ndcg < min_ndcg:
        reasons.append(f"nDCG@10 is {ndcg:.4f}, below {min_ndcg:g}")
    if max_drop is not None:
        compared = found.comparisons[0]
        lost = -compared.measures["ndcg@10"].difference
        if lost > max_drop:
            reasons.append(f"nDCG@10 is {lost:.4f} below that of {compared.before}")
    return GateResult(not reasons, mode, ndcg, reasons)
