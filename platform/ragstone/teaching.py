"""Gathers what a reranker is trained on from the datasets of a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone import golden
from ragstone.errors import InvalidArgument
from ragstone.text import embed_text

if TYPE_CHECKING:
    from ragstone.evaluation.judged import JudgedQueries, Names
    from ragstone.measuring import Judges
    from ragstone.retrieval.search import EncodeQueries, Retriever
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store
    from ragstone.training.descending import Heard
    from ragstone.training.examples import Example, Material
    from ragstone.training.reranker import Recipe
    from ragstone.training.reranker_files import TrainedReranker

_FOUND = 40  # candidates of a query that passages are taken from that do not fit
_MOST_PASSAGES = 20_000
_FETCHED = 500  # chunks at a time


@dataclass(frozen=True, slots=True)
class Teaching:
    """Trains on the datasets in `store` as `retriever` searches them."""

    store: Store
    retriever: Retriever
    encode: EncodeQueries

    def train_reranker(
        self,
        datasets: Sequence[str],
        judges: Judges,
        folder: Path,
        recipe: Recipe,
        on_progress: Heard,
    ) -> TrainedReranker:
        """See `Workspace.train_reranker`."""
        from ragstone.training.examples import Material
        from ragstone.training.reranker import train_reranker

        if not datasets:
            raise InvalidArgument("datasets", list(datasets), "at least one")
        if judges.queries is not None and len(datasets) > 1:
            expected = "golden queries of each dataset instead, where there are several datasets"
            raise InvalidArgument("queries", str(judges.queries), expected)
        found = [self._of(dataset, judges) for dataset in datasets]
        material = Material(
            [examples for one in found for examples in one.judged],
            [text for one in found for text in one.passages],
        )
        return train_reranker(material, folder, recipe, on_progress)

    def _of(self, dataset: str, judges: Judges) -> Material:
        from ragstone.evaluation.judged import check_names
        from ragstone.training.examples import Material

        with self.store.shared():
            manifest = self.store.resolve(dataset)
            names = self._names(manifest)
            step = max(1, -(-len(names) // _MOST_PASSAGES))
            texts = self._texts(manifest, sorted(names)[::step])
            judged = self._judged(manifest, judges)
            if judged is None:
                return Material([], list(texts.values()))
            check_names(judged, names)
            examples = list(self._examples(manifest, names, judged))
            return Material([examples] if examples else [], list(texts.values()))

    def _names(self, manifest: Manifest) -> Names:
        """Return chunk key -> name of its item, without what models made."""
        from ragstone.evaluation.judged import item_names

        names, allowed = item_names(self.store, manifest), self.retriever.allowed(manifest)
        if allowed is None:
            return names
        return {key: name for key, name in names.items() if key in allowed.keys}

    def _judged(self, manifest: Manifest, judges: Judges) -> JudgedQueries | None:
        if judges.queries is None and judges.qrels is None:
            return golden.judged(self.store, manifest.dataset)
        return golden.chosen(self.store, manifest.dataset, judges.queries, judges.qrels)

    def _examples(
        self, manifest: Manifest, names: Names, judged: JudgedQueries
    ) -> Iterator[Example]:
        """Yield each query with what fits it and what was found for it and does not."""
        from ragstone.training.examples import Example

        chunks: dict[str, list[int]] = {}
        for key in sorted(names):
            chunks.setdefault(names[key], []).append(key)
        allowed = self.retriever.allowed(manifest)
        vectors = self.encode([*judged.queries.values()], manifest)
        for (query, text), vector in zip(judged.queries.items(), vectors, strict=True):
            arms = self.retriever.arms(manifest, text, vector, "hybrid", allowed)
            plan = self.retriever.plan(manifest, arms, rerank=False)
            found = self.retriever.fuse(arms, "hybrid", plan).ranked.keys.tolist()
            fits = {item for item, grade in judged.judgements[query].items() if grade > 0}
            fitting = [_best(chunks[item], found) for item in sorted(fits) if item in chunks]
            others = [key for key in found[:_FOUND] if names[key] not in fits]
            if fitting and others:
                texts = self._texts(manifest, [*fitting, *others])
                yield Example(
                    text,
                    tuple(texts[key] for key in fitting if key in texts),
                    tuple(texts[key] for key in others if key in texts),
                )

    def _texts(self, manifest: Manifest, keys: Sequence[int]) -> dict[int, str]:
        """Return what a reranker reads of the chunks that have a text."""
        if manifest.keywords is None:
            return {}
        index = self.store.generations.open(manifest.keywords)
        found: dict[int, str] = {}
        for begin in range(0, len(keys), _FETCHED):
            batch = keys[begin : begin + _FETCHED]
            rows = index.fetch(batch)
            texts = {key: embed_text(rows[key]["heading"], rows[key]["text"]) for key in batch}
            found |= {key: text for key, text in texts.items() if text.strip()}
        return found


def _best(chunks: Sequence[int], found: Sequence[int]) -> int:
    """Return the chunk of an item that search ranks best; the first when it found none."""
    own = set(chunks)
    return next((key for key in found if key in own), chunks[0])
