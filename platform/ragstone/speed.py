"""Measures how fast a version is searched on this machine, with queries that fit it."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np

from ragstone import golden
from ragstone.encoders.remembering import QueryMemory
from ragstone.errors import InvalidArgument
from ragstone.evaluation.sampled import sample_queries, sample_texts
from ragstone.retrieval.facets import facets
from ragstone.retrieval.question import MODES, Question
from ragstone.schemas.api import SearchTiming, SpeedReport, Throughput, Timing
from ragstone.storage.keywords import Generations
from ragstone.storage.segments import Segments

if TYPE_CHECKING:
    from ragstone.encoders.base import TextEncoder, Vectors
    from ragstone.retrieval.search import Retriever
    from ragstone.schemas.api import Mode, QueryOrigin
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

MOST_QUERIES = 10_000
_HITS = 10
_ENCODED = 256  # chunks that are encoded anew: 16 batches of the default encoder, some seconds
_THREADS = (1, 4)
# What a filter can say: it gives the value without white space at its ends.
_FIELD = re.compile(r"[^\s<>=!~]+")
_VALUE = re.compile(r"\S(?:.*\S)?", re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Bench:
    """Measures versions of the datasets in `store`.

    Parameters
    ----------
    retriever
        Of the workspace; its queries are encoded by others here.
    open_encoder
        Opens the encoder of a version, without a memory of queries: its time is measured.
    """

    store: Store
    retriever: Retriever
    open_encoder: Callable[[Manifest], TextEncoder]

    def run(self, dataset: str, queries: int, seed: int) -> SpeedReport:
        """Measure one version; see `Workspace.bench`."""
        if not 1 <= queries <= MOST_QUERIES:
            raise InvalidArgument("queries", queries, f"a number from 1 to {MOST_QUERIES:,}")
        manifest = self.store.resolve(dataset)
        with self.store.keeping():
            return self._measured(manifest, queries, seed)

    def _measured(self, manifest: Manifest, queries: int, seed: int) -> SpeedReport:
        texts = sample_texts(self.store, manifest, max(2 * queries, _ENCODED), seed)
        origin, distinct = self._queries(manifest, texts, queries, seed)
        asked = list(islice(cycle(distinct), queries))
        encoder = self.open_encoder(manifest)
        vector = encoder.encode_queries(asked[:1])[0]  # loads the model
        sample = texts[:_ENCODED]
        encoding = _timing(asked, lambda text: encoder.encode_queries([text]))
        return SpeedReport(
            dataset=manifest.dataset,
            version=manifest.version,
            items=manifest.items,
            chunks=manifest.chunks,
            bytes_per_chunk=round(_stored(manifest) / manifest.chunks, 1),
            cores=_cores(),
            encoder=encoder.identity.name,
            queries=len(distinct),
            origin=origin,
            open_ms=_milliseconds(_seconds(lambda: self._open(manifest, vector))),
            encoding=encoding,
            searches=self._searches(manifest, encoder, asked),
            throughput=self._throughput(manifest, encoder, asked),
            encoded=len(sample),
            encoded_per_second=_rate(len(sample), lambda: encoder.encode_documents(sample)),
        )

    def _queries(
        self, manifest: Manifest, texts: Sequence[str], most: int, seed: int
    ) -> tuple[QueryOrigin, list[str]]:
        """Return golden queries, or sentences of the version, each once."""
        kept = sorted({entry.query for entry in golden.listed(self.store, manifest.dataset)})
        if kept:
            draw = random.Random(seed)  # noqa: S311
            return "golden", draw.sample(kept, min(len(kept), most))
        found = sample_queries(texts, most, seed)
        if not found:
            raise InvalidArgument("dataset", manifest.dataset, "one that holds words")
        return "sampled", found

    def _open(self, manifest: Manifest, vector: Vectors) -> None:
        """Read both indexes beside those that are open already, and search the vectors once."""
        if manifest.keywords is not None:
            Generations(self.store.root).open(manifest.keywords)
        segments = [segment for segment in manifest.segments if segment.space == manifest.space]
        Segments(self.store.root).search(segments, vector, 1, None)

    def _searches(
        self, manifest: Manifest, encoder: TextEncoder, asked: Sequence[str]
    ) -> list[SearchTiming]:
        """Time every mode, and hybrid under a filter; what is opened once was opened before."""
        memory = QueryMemory(len(asked) + 1)
        retriever = self.retriever.with_encoder(lambda texts, _: memory.encode(encoder, texts))
        plans: list[tuple[Mode, list[str]]] = [(mode, []) for mode in MODES]
        usual = self._usual_filter(manifest)
        if usual:
            plans.append(("hybrid", [usual]))
        for text in dict.fromkeys(asked):
            _search(retriever, manifest, text)
        return [
            SearchTiming(
                mode,
                where,
                _timing(asked, partial(_search, retriever, manifest, mode=mode, where=where)),
            )
            for mode, where in plans
        ]

    def _usual_filter(self, manifest: Manifest) -> str:
        """Return the filter for the value that most items have, but not all; empty: none.

        Words come before numbers: nobody asks for a measured value to the last digit.
        """
        found = [
            (not _NUMBER.fullmatch(value.value), value.items, f"{facet.field}={value.value}")
            for facet in facets(self.store, manifest, ())
            for value in facet.values
            if value.items < manifest.items
            and _FIELD.fullmatch(facet.field)
            and _VALUE.fullmatch(value.value)
        ]
        return max(found, default=(False, 0, ""))[2]

    def _throughput(
        self, manifest: Manifest, encoder: TextEncoder, asked: Sequence[str]
    ) -> list[Throughput]:
        retriever = self.retriever.with_encoder(lambda texts, _: encoder.encode_queries(texts))
        _search(retriever, manifest, asked[0])  # measures the arms' noise, once a version
        found = []
        for threads in _THREADS:
            with ThreadPoolExecutor(threads) as pool:

                def all_of_them(pool: ThreadPoolExecutor = pool) -> None:
                    for _ in pool.map(lambda text: _search(retriever, manifest, text), asked):
                        pass

                found.append(Throughput(threads, _rate(len(asked), all_of_them)))
        return found


def _search(
    retriever: Retriever,
    manifest: Manifest,
    text: str,
    mode: Mode = "hybrid",
    where: Sequence[str] = (),
) -> None:
    reference = f"{manifest.dataset}@{manifest.version}"
    retriever.search(Question(text, k=_HITS, mode=mode, where=where), [reference])


def _timing(asked: Iterable[str], do: Callable[[str], object]) -> Timing:
    times = [_seconds(partial(do, text)) for text in asked]
    middle, high = np.percentile(times, [50, 95])
    return Timing(len(times), _milliseconds(middle), _milliseconds(high))


def _seconds(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def _milliseconds(seconds: float) -> float:
    return round(float(seconds) * 1_000, 3)


def _rate(count: int, do: Callable[[], object]) -> float:
    """Return how many per second."""
    return round(count / _seconds(do), 1)


def _cores() -> int:
    """Return the processors that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _stored(manifest: Manifest) -> int:
    """Return the bytes of the files that a version names, each once, without originals."""
    sizes = {
        f"{part.path}/{name}": stamp.size
        for part in manifest.parts
        for name, stamp in part.files.items()
    }
    sizes |= {segment.path: segment.file.size for segment in manifest.segments}
    if manifest.keywords:
        folder = manifest.keywords.path
        files = manifest.keywords.files.items()
        sizes |= {f"{folder}/{name}": stamp.size for name, stamp in files}
    return sum(sizes.values())
