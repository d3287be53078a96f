"""From the sentences of an answer to the bytes of their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragstone.receipts.finding import find_answer, stored_answer
from ragstone.schemas.tracing import (
    ExplainedCitation,
    ExplainedClaim,
    Explanation,
    QuotedChunk,
    SourceBytes,
)
from ragstone.storage import parts
from ragstone.storage.citing import Cited, Quotes
from ragstone.storage.files import digest_bytes

if TYPE_CHECKING:
    from ragstone.schemas.answers import Citation, StoredAnswer
    from ragstone.storage.store import Store


def explain(store: Store, identity: str) -> Explanation:
    """See `Workspace.explain`."""
    row, _ = find_answer(store, identity)
    stored = stored_answer(row)
    answer = stored.answer
    with store.shared():
        following = _Following(store, stored, Cited(row.dataset_id, row.version), Quotes(store))
        explained = {c.number: following.citation(c) for c in answer.citations}
    return Explanation(
        answer_id=answer.answer_id,
        question=answer.question,
        dataset=answer.dataset,
        version=answer.version,
        generator=answer.generator,
        claims=[
            ExplainedClaim(
                claim.text,
                claim.support,
                claim.supported,
                [explained[number] for number in claim.citations if number in explained],
            )
            for claim in answer.claims
        ],
    )


@dataclass(frozen=True, slots=True)
class _Following:
    """Follows the citations of one answer."""

    store: Store
    stored: StoredAnswer
    cited: Cited
    quotes: Quotes

    def citation(self, citation: Citation) -> ExplainedCitation:
        """Return a citation with its chunk, and the bytes of its item."""
        row = self._item(citation.item_id)
        return ExplainedCitation(
            citation=citation,
            verbatim=row is not None and self._verbatim(row, citation),
            chunk=self._chunk(citation) if row else None,
            name=self._name(row) if row else "",
            media_type=str(row["media_type"]) if row else "",
            bytes=self._bytes(row, citation) if row else None,
        )

    def _verbatim(self, row: dict[str, Any], citation: Citation) -> bool:
        text = self.quotes.text(row["dataset_id"], row["item_key"])
        return text[citation.start : citation.end] == citation.quote

    def _item(self, item_id: str) -> dict[str, Any] | None:
        """Return the item as the version that was asked has it, else as another version does.

        One that was in no other than versions that were given up is not kept any more.
        """
        dataset_id, version = self.cited.dataset_id, self.cited.version
        rows = self.store.catalog.records(
            "SELECT * FROM items WHERE item_id = ? AND (removed IS NULL OR removed > added) "
            "ORDER BY dataset_id <> ?, "
            "NOT (added <= ? AND (removed IS NULL OR removed > ?)), added DESC LIMIT 1",
            [item_id, dataset_id, version, version],
        )
        return rows[0] if rows else None

    def _name(self, row: dict[str, Any]) -> str:
        names = self.store.catalog.rows(
            "SELECT min_by(name, source_key) FROM sources WHERE dataset_id = ? AND item_key = ?",
            [row["dataset_id"], row["item_key"]],
        )
        return str(names[0][0])

    def _chunk(self, citation: Citation) -> QuotedChunk | None:
        hit = next((h for h in self.stored.hits if h.chunk_id == citation.chunk_id), None)
        rows = self.store.catalog.rows(
            'SELECT ordinal, start, "end" FROM chunks WHERE chunk_id = ? '
            "ORDER BY dataset_id <> ? LIMIT 1",
            [citation.chunk_id, self.cited.dataset_id],
        )
        if not rows:
            return None
        ordinal, start, end = rows[0]
        return QuotedChunk(
            chunk_id=citation.chunk_id,
            ordinal=int(ordinal),
            start=int(start),
            end=int(end),
            rank=hit.rank if hit else None,
            score=hit.score if hit else None,
            arms=hit.arms if hit else {},
        )

    def _bytes(self, row: dict[str, Any], citation: Citation) -> SourceBytes | None:
        """Return where the item's bytes are kept, and where in them the quote is."""
        folder = self.store.part_folder(row["dataset_id"], row["part"])
        item = parts.read_item(folder, row["item_key"])
        content = item["content"]
        path = folder / "items.parquet"  # of a row of a table
        if content is None:
            path = self.store.blobs.path(row["item_id"])
            content = path.read_bytes() if path.exists() else b""
        place = quoted_bytes(content, str(item["text"]), citation)
        return SourceBytes(
            path=path.relative_to(self.store.root).as_posix(),
            digest=row["item_id"],
            size=len(content),
            whole=digest_bytes(content) == row["item_id"],
            start=place[0] if place else None,
            end=place[1] if place else None,
        )


def quoted_bytes(content: bytes, text: str, citation: Citation) -> tuple[int, int] | None:
    """Return where a quote is in the bytes of its item; None when that is not certain.

    It is where the bytes hold the whole text as it is, or else the quote just once; not in a PDF,
    say, whose bytes are no text.
    """
    quote = citation.quote.encode("utf-8", "surrogatepass")
    whole = content.find(text.encode("utf-8", "surrogatepass"))
    if whole >= 0:
        start = whole + len(text[: citation.start].encode("utf-8", "surrogatepass"))
        return start, start + len(quote)
    start = content.find(quote)
    if start < 0 or content.find(quote, start + 1) >= 0:
        return None
    return start, start + len(quote)
