"""Measures answers: opens each way to answer, asks, compares, and keeps the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.config import with_values
from ragstone.errors import InvalidArgument
from ragstone.measuring import MOST_WORST, names_of, retrieval_of
from ragstone.retrieval.question import Question, check_number

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder
    from ragstone.evaluation.answers import Judge, Run
    from ragstone.evaluation.asked import Expected
    from ragstone.evaluation.replies import Respondent
    from ragstone.retrieval.search import Retriever
    from ragstone.schemas.answers import Citation
    from ragstone.schemas.api import Hit
    from ragstone.schemas.evaluations import AnswerEvaluation, AnswerRun
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_MOST_COUNTERFACTUAL = 10_000
_SECTIONS = ("retrieval.", "generation.")
# Who writes is said by `generators`; whom the key of a server is sent to, by the workspace alone.
_FIXED = {"generation.generator", "generation.servers"}


@dataclass(frozen=True, slots=True)
class Comparing:
    """What is compared; see `Workspace.evaluate_answers`."""

    generators: Sequence[str] = ()
    against: str | None = None
    settings: Sequence[str] = ()
    worst: int = 0


@dataclass(frozen=True, slots=True)
class Grading:
    """Measures answers from the datasets in `store`; `encoder_of` opens that of a version."""

    store: Store
    settings: Settings
    retriever: Retriever
    encoder_of: Callable[[Manifest], TextEncoder]

    def evaluate(
        self,
        dataset: str,
        questions: Path,
        comparing: Comparing,
        limit: int | None,
        counterfactual: int,
    ) -> AnswerEvaluation:
        """Measure, compare and keep the result; see `Workspace.evaluate_answers`."""
        from ragstone.evaluation import kept
        from ragstone.evaluation.asked import read_expected

        check_number("worst", comparing.worst, 0, MOST_WORST)
        check_number("counterfactual", counterfactual, 0, _MOST_COUNTERFACTUAL)
        manifest = self.store.resolve(dataset)
        asked = read_expected(questions, limit)
        with self.store.keeping():
            found = self._measured(manifest, asked, comparing, counterfactual)
        return kept.keep(self.store, found)

    def _measured(
        self, manifest: Manifest, asked: list[Expected], comparing: Comparing, counterfactual: int
    ) -> AnswerEvaluation:
        from ragstone.evaluation.answers import compared
        from ragstone.schemas.evaluations import AnswerEvaluation

        pairs = self._ways(manifest, comparing)
        others = [self._run(other, asked) for _, other in pairs if other is not None]
        runs = [self._run(way, asked) for way, _ in pairs]
        if others:
            compare = list(zip(others, runs, strict=True))
        else:
            compare = [(run, runs[-1]) for run in runs[:-1]]
        return AnswerEvaluation(
            dataset=manifest.dataset,
            version=manifest.version,
            questions=len(asked),
            unanswerable=sum(not one.answers for one in asked),
            runs=[_told(run, asked, counterfactual) for run in runs],
            comparisons=[compared(asked, *pair, comparing.worst) for pair in compare],
            settings=list(comparing.settings),
        )

    def _ways(
        self, manifest: Manifest, comparing: Comparing
    ) -> list[tuple[Respondent, Respondent | None]]:
        """Return each way to answer, with what it is compared with; all that is wrong shows now."""
        other = None
        if comparing.against is not None or comparing.settings:
            other = manifest if comparing.against is None else self.store.resolve(comparing.against)
        names = list(comparing.generators) or [self.settings.generation.generator]
        if len(set(names)) < len(names):
            raise InvalidArgument("generators", names, "each of them once")
        return [
            (
                self._respondent(manifest, name, comparing.settings),
                None if other is None else self._respondent(other, name, ()),
            )
            for name in names
        ]

    def _respondent(
        self, manifest: Manifest, generator: str, settings: Sequence[str]
    ) -> Respondent:
        from ragstone.evaluation.replies import Respondent
        from ragstone.generation.generators import open_generator

        for name in sorted(names_of(settings)):
            if name in _FIXED or not name.startswith(_SECTIONS):
                expected = "a setting of retrieval or generation, other than generator and servers"
                raise InvalidArgument("settings", name, expected)
        changed = with_values(self.settings, settings) if settings else self.settings
        retriever = self.retriever.with_settings(retrieval_of(changed, settings))
        encoder = self.encoder_of(manifest)
        models = self.store.root / "models"
        writer = open_generator(generator, encoder, changed.generation, models)
        label = " ".join([f"{manifest.dataset}@{manifest.version}", *settings, writer.id])
        find = _finder(self.store, retriever, manifest, changed)
        return Respondent(label, manifest, find, writer, encoder, changed.generation)

    def _run(self, way: Respondent, asked: Sequence[Expected]) -> Run:
        from ragstone.evaluation.answers import answered

        return answered(way, _judge(self.store, way.manifest), asked)


def _told(run: Run, asked: Sequence[Expected], counterfactual: int) -> AnswerRun:
    from ragstone.evaluation.answers import told
    from ragstone.evaluation.faithfulness import faithfulness

    return replace(told(run, asked), faithfulness=faithfulness(run, asked, counterfactual))


def _finder(
    store: Store, retriever: Retriever, manifest: Manifest, settings: Settings
) -> Callable[[str, Sequence[str]], list[Hit]]:
    """Return what searches a version as `ask` does, without the items that are named."""
    from ragstone.answers import with_words

    generation = settings.generation

    def find(question: str, without: Sequence[str]) -> list[Hit]:
        asked = Question(
            question,
            k=generation.passages,
            where=[f"item_id!={item}" for item in without],
            neighbours=generation.neighbours,
        )
        found = retriever.search(asked, [f"{manifest.dataset}@{manifest.version}"])
        return with_words(store, found).hits

    return find


def _judge(store: Store, manifest: Manifest) -> Judge:
    from ragstone.evaluation.answers import Judge
    from ragstone.storage.citing import Cited, Quotes

    quotes, cited = Quotes(store), Cited(manifest.dataset_id, manifest.version)

    @cache
    def names(item_id: str) -> frozenset[str]:
        key = quotes.item_key(cited, item_id)
        rows = store.catalog.rows(
            "SELECT name, source FROM sources WHERE dataset_id = ? AND item_key = ? "
            "AND added <= ? AND (removed IS NULL OR removed > ?)",
            [cited.dataset_id, key, cited.version, cited.version],
        )
        return frozenset(str(value) for row in rows for value in row)

    def stands(citation: Citation) -> bool:
        return not quotes.problem(cited, citation)

    return Judge(names, stands)
