"""Segments of a keyword index: which there are is decided here, not by Tantivy's own merging.

Tantivy merges all segments of less than 10,000 documents as soon as there are eight, so an index
that grows by small steps is written again and again (7 times over, after 100 changes of 1 %). It is
shown seven at most: `meta.json` is written anew before each step and names those it shall see. The
segments themselves are its own, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tantivy
from numpy.typing import NDArray

from ragstone.storage.analysis import ANALYZER, IN_ENGLISH, Analysis, analysis_of, analyzer
from ragstone.storage.files import remove
from ragstone.storage.merging import LARGEST, due
from ragstone.text import embed_text

Hit: TypeAlias = tuple[Any, tantivy.DocAddress]  # with its score

META = "meta.json"
_MANAGED = ".managed.json"  # which files Tantivy may delete: none but those of the step at hand
# How often title and headings are indexed with the text, beside the once that they stand there:
# they weigh more so, and cost a search nothing. nDCG@10 with 0, 1, 2, 3 times: scifact 0.678,
# 0.677, 0.679, 0.677; cranfield 0.381, 0.385, 0.389, 0.390; musique 0.546, 0.567, 0.577, 0.581.
_TITLE_TIMES = 2
_WRITER_BYTES = 64_000_000
_SMALL_WRITER_BYTES = 16_000_000  # for deletions alone
_MOST = 4  # times the living chunks in a segment: a search passes over a few dead ones of a word
_SEEN_AT_ONCE = 7  # segments; from eight on Tantivy merges


@dataclass(frozen=True, slots=True)
class KeywordDocument:
    """What is indexed of a chunk."""

    key: int
    row: dict[str, Any]  # what `Generations.fetch` gives back, "heading" and "text" in it; JSON

    @property
    def text(self) -> str:
        """What its words are found in."""
        return embed_text(self.row["heading"], self.row["text"])

    @property
    def title(self) -> str:
        """The title and the headings above it, each once."""
        title, heading = self.row.get("title") or "", self.row["heading"]
        return heading if heading.startswith(title) else f"{title}\n{heading}"

    def indexed(self, layout: Layout) -> tantivy.Document:
        """Return it as an index of this layout takes it."""
        document = tantivy.Document()
        document.add_integer("key", self.key)
        analysis = analysis_of(self.row) if layout >= Layout.FIELDS else None
        if analysis is None:
            document.add_text("body", self.text)
        else:
            self._add_fields(document, analysis)
        document.add_bytes("row", json.dumps(self.row, ensure_ascii=False).encode())
        return document

    def _add_fields(self, document: tantivy.Document, analysis: Analysis) -> None:
        if self.row["heading"]:  # apart from the text: no phrase goes from one into the other
            analysis.add_to(document, "body", self.row["heading"])
        analysis.add_to(document, "body", self.row["text"])
        if self.title:
            analysis.add_to(document, "title", self.title)
            for _ in range(_TITLE_TIMES):
                analysis.add_to(document, "body", self.title)
        if analysis != IN_ENGLISH:
            document.add_text("analysis", analysis.name)


class Layout(IntEnum):
    """Which fields an index has: it keeps those it was begun with, and is searched by them."""

    BODY = 1  # `key`, `body` in English, `row`
    FIELDS = 2  # and `title` and `analysis`; each text in its own language


NEWEST = Layout.FIELDS


@cache
def schema(layout: Layout = NEWEST) -> tantivy.Schema:
    """Return the fields: the words of `body` and `title`, and `row` as it is stored."""
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("key", indexed=True, fast=True)
    builder.add_text_field("body", tokenizer_name=ANALYZER)
    builder.add_bytes_field("row", stored=True)
    if layout >= Layout.FIELDS:
        builder.add_text_field("title", tokenizer_name=ANALYZER)
        builder.add_text_field("analysis", tokenizer_name="raw", index_option="basic")
    return builder.build()


def layout_of(folder: Path) -> Layout:
    """Return the layout of the index in `folder`."""
    meta = json.loads((folder / META).read_bytes())
    names = {field["name"] for field in meta["schema"]}
    return Layout.FIELDS if "title" in names else Layout.BODY


def documents_in(folder: Path) -> int:
    """Return how many chunks BM25 counts in the index in `folder`: also those that are deleted."""
    meta = json.loads((folder / META).read_bytes())
    return sum(int(segment["max_doc"]) for segment in meta["segments"])


def open_index(folder: Path) -> tantivy.Index:
    """Open the index in `folder`; ValueError when Tantivy cannot."""
    index = tantivy.Index.open(str(folder))
    index.register_tokenizer(ANALYZER, analyzer())
    return index


def open_searcher(folder: Path) -> tantivy.Searcher:
    """Return a searcher of the index in `folder` as it is now; ValueError when Tantivy cannot."""
    index = open_index(folder)
    index.config_reader("manual")
    return index.searcher()


def chunk_keys(searcher: tantivy.Searcher, hits: Sequence[Hit]) -> NDArray[np.int64]:
    """Return the chunk keys of `hits`, shape (n,), from the column that is in memory."""
    values = searcher.fast_field_values("key", [address for _, address in hits])
    return np.array(values, np.int64)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as `meta.json` names it."""

    meta: dict[str, Any]

    @property
    def held(self) -> int:
        """Documents in its files."""
        return int(self.meta["max_doc"])

    @property
    def size(self) -> int:
        """Documents that are not deleted."""
        return self.held - int((self.meta["deletes"] or {}).get("num_deleted_docs", 0))

    def owns(self, name: str) -> bool:
        """Tell whether the file `name` belongs to it as it is now."""
        stem, *rest = name.split(".")
        if stem != self.meta["segment_id"].replace("-", ""):
            return False
        deletes = self.meta["deletes"]
        return rest[-1] != "del" or bool(deletes and rest[0] == str(deletes["opstamp"]))


@dataclass(slots=True)
class Workbench:
    """Changes the index in `folder`, which nobody else sees yet.

    The files of the segments it starts from must be there; none of them is written to.
    """

    folder: Path
    layout: Layout = NEWEST  # of a new index
    segments: list[Segment] = field(default_factory=list)
    _frame: dict[str, Any] = field(default_factory=dict)  # meta.json apart from the segments

    def __post_init__(self) -> None:
        if not (self.folder / META).exists():
            tantivy.Index(schema(self.layout), path=str(self.folder))
        self.layout = layout_of(self.folder)
        self.segments = self._read()

    def delete(self, keys: Sequence[int]) -> None:
        """Mark the chunks `keys` as deleted."""
        if not keys:
            return
        every, self.segments = self.segments, []
        for start in range(0, len(every), _SEEN_AT_ONCE):
            writer = self._show(every[start : start + _SEEN_AT_ONCE]).writer(_SMALL_WRITER_BYTES, 1)
            for key in keys:
                writer.delete_documents_by_term("key", key)
            self.segments += self._commit(writer)

    def add(self, documents: Iterable[KeywordDocument]) -> None:
        """Write `documents` as new segments: one, or some when they are many."""
        writer = self._show([]).writer(_WRITER_BYTES, 1)
        for entry in documents:
            writer.add_document(entry.indexed(self.layout))
        self.segments += self._commit(writer)

    def merge(self) -> None:
        """Write what is due to be merged as one segment.

        Those over the largest size stay: merging them would take long, and a commit waits.
        """
        while chosen := due([one for one in self.segments if one.size <= LARGEST], _MOST):
            self.segments = [one for one in self.segments if one not in chosen]
            self.add(self._documents(chosen))

    def close(self) -> int:
        """Write `meta.json`, delete what it does not name, and return the number of chunks."""
        self._write(self.segments)
        for path in self.folder.iterdir():
            if path.name != META and not any(one.owns(path.name) for one in self.segments):
                remove(path)
        return sum(segment.size for segment in self.segments)

    def _documents(self, of: Sequence[Segment]) -> Iterator[KeywordDocument]:
        """Yield what was indexed of the chunks in some segments; the rows tell it all."""
        self._write(of)
        searcher = open_searcher(self.folder)
        count = sum(segment.size for segment in of)
        if not count:
            return
        hits = searcher.search(tantivy.Query.all_query(), count, count=False).hits
        keys = chunk_keys(searcher, hits).tolist()
        for key, (_, address) in zip(keys, hits, strict=True):
            yield KeywordDocument(key, json.loads(bytes(searcher.doc(address)["row"][0])))

    def _show(self, segments: Sequence[Segment]) -> tantivy.Index:
        """Open the index as if it had these segments alone."""
        self._write(segments)
        remove(self.folder / _MANAGED)
        return open_index(self.folder)

    def _commit(self, writer: tantivy.IndexWriter) -> list[Segment]:
        writer.commit()
        writer.wait_merging_threads()
        return self._read()

    def _read(self) -> list[Segment]:
        meta = json.loads((self.folder / META).read_bytes())
        segments = [Segment(values) for values in meta.pop("segments")]
        self._frame = meta  # its "opstamp" goes up, and names the files with deletions
        return segments

    def _write(self, segments: Sequence[Segment]) -> None:
        meta = {**self._frame, "segments": [segment.meta for segment in segments]}
        path = self.folder / META
        remove(path)  # it may be a link to that of an older generation
        path.write_text(json.dumps(meta, indent=1), encoding="utf-8")
