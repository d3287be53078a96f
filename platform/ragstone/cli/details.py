"""How `ragstone show` presents an item, a chunk and an answer."""

from __future__ import annotations

import json

from ragstone.cli.find import show_answer
from ragstone.cli.hits import title_of
from ragstone.cli.output import plural, say, styled
from ragstone.schemas.answers import StoredAnswer
from ragstone.schemas.api import ChunkDetail, ItemDetail
from ragstone.schemas.synthetic import model_of
from ragstone.text import heard

LONGEST = 4_000  # characters of an item's text; --json gives all


def show_detail(found: ItemDetail | ChunkDetail | StoredAnswer) -> None:
    """Print what an id stands for."""
    if isinstance(found, ItemDetail):
        _show_item(found)
    elif isinstance(found, ChunkDetail):
        _show_chunk(found)
    else:
        _show_stored(found)


def _field(name: str, value: object) -> None:
    say(styled(f"{name:<10}", "dim") + styled(str(value)))


def _show_item(item: ItemDetail) -> None:
    say(styled(item.title or item.name, "bold cyan"))
    _field("item", item.item_id)
    _field("dataset", item.dataset)
    for source in item.sources:
        _field("source", source)
    _field("type", f"{item.media_type} ({item.modality}), {plural(item.size, 'byte')}")
    removed = f", until {item.removed}" if item.removed is not None else ""
    _field("versions", f"since {item.added}{removed}")
    if made := model_of(item.metadata):
        _field("made by", made)
    if item.metadata:
        _field("metadata", json.dumps(item.metadata, ensure_ascii=False))
    _field("chunks", len(item.chunks))
    say("", styled(item.text[:LONGEST]))
    if len(item.text) > LONGEST:
        say(styled(f"… {len(item.text) - LONGEST:,} more characters; --json gives all", "dim"))


def _show_chunk(chunk: ChunkDetail) -> None:
    say(styled(chunk.heading or f"Chunk {chunk.ordinal}", "bold cyan"))
    _field("chunk", chunk.chunk_id)
    _field("item", chunk.item_id)
    _field("dataset", chunk.dataset)
    page = f", page {chunk.page}" if chunk.page is not None else ""
    _field("place", f"number {chunk.ordinal}, characters {chunk.start}-{chunk.end}{page}")
    if chunk.from_ms is not None:
        _field("heard", heard(chunk.from_ms, chunk.to_ms))
    _field("tokens", chunk.tokens)
    for near in chunk.before:
        say("", styled(near.text, "dim"))
    say("", styled(chunk.text))
    for near in chunk.after:
        say("", styled(near.text, "dim"))


def _show_stored(stored: StoredAnswer) -> None:
    answer = stored.answer
    say(styled(answer.question, "bold cyan"))
    if stored.state == "done":
        show_answer(answer)
    else:
        why = f": {stored.error.message} ({stored.error.code})" if stored.error else ""
        say(styled(f"{stored.state}{why}", "yellow"))
        if stored.said:
            _field("said", stored.said)
    say("")
    _field("asked", f"{answer.created:%Y-%m-%d %H:%M:%S} UTC")
    _field("version", f"{answer.dataset}@{answer.version}, digest {stored.version_digest}")
    _field("settings", json.dumps(stored.settings, ensure_ascii=False))
    _field("evidence", f"{answer.evidence:.3f}")
    for hit in stored.hits:
        _field(f"hit {hit.rank}", f"{hit.score:.3f}  {title_of(hit)}  {hit.chunk_id[:12]}")
    say("", styled("The prompt:", "dim"), styled(stored.prompt))
