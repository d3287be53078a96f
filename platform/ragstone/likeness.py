"""What others shall resemble: a picture or a recording that is given, or something stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.errors import InvalidArgument, UnknownId, UnknownSource
from ragstone.listing import MIN_PREFIX
from ragstone.retrieval.similar import Given as Stored

if TYPE_CHECKING:
    from ragstone.config import LimitSettings
    from ragstone.schemas.records import Payload
    from ragstone.storage.store import Store

_HOLDERS = (
    "SELECT d.name, i.dataset_id, i.item_key, i.item_id, i.part, i.metadata, i.removed, {chunk} "
    "FROM items i JOIN datasets d USING (dataset_id) {join} WHERE starts_with({id}, ?) "
    "ORDER BY i.removed IS NOT NULL, d.name, i.added DESC"
)
_ITEMS = _HOLDERS.format(
    chunk="NULL AS chunk_key, NULL AS chunk_id, NULL AS start, NULL AS stop", join="", id="item_id"
)
_CHUNKS = _HOLDERS.format(
    chunk='c.chunk_key, c.chunk_id, c.start, c."end" AS stop',
    join="JOIN chunks c USING (dataset_id, item_key)",
    id="chunk_id",
)

Given = str | Path | bytes | None  # a file, or its bytes


def payloads_of(limits: LimitSettings, image: Given, audio: Given) -> tuple[Payload, ...]:
    """Return the picture, and the windows of the recording, as encoders take them.

    Raises
    ------
    UnknownSource
        There is no such file.
    Rejected
        It is no picture, or no recording, that can be read.
    """
    found: list[Payload] = []
    if image is not None:
        from ragstone.ingestion.parsers.image import parse_image

        found += parse_image(_bytes_of(image), limits).payloads
    if audio is not None:
        from ragstone.ingestion.parsers.audio import parse_audio

        found += parse_audio(_bytes_of(audio), limits).payloads
    return tuple(found)


def _bytes_of(given: str | Path | bytes) -> bytes:
    if isinstance(given, bytes):
        return given
    try:
        return Path(given).expanduser().read_bytes()
    except OSError as error:
        raise UnknownSource(str(given)) from error


def stored(store: Store, id: str, dataset: str | None) -> tuple[Stored, str]:  # noqa: A002
    """Return an item or chunk by its id or a prefix of it, and the dataset to search.

    Parameters
    ----------
    dataset
        "D" or "D@V"; None takes the one that holds it.

    Raises
    ------
    UnknownId
        There is none, or the prefix fits several.
    InvalidArgument
        Several datasets hold it, and none is named.
    """
    rows = []
    if len(id) >= MIN_PREFIX:
        rows = [r for sql in (_ITEMS, _CHUNKS) for r in store.catalog.records(sql, [id.lower()])]
    if len({row["chunk_id"] or row["item_id"] for row in rows}) != 1:
        raise UnknownId(id, "item or chunk")
    live = [row for row in rows if row["removed"] is None] or rows
    names = sorted({row["name"] for row in live})
    if dataset is None and len(names) > 1:
        raise InvalidArgument("dataset", dataset, f"one of {', '.join(names)}, which all hold it")
    wanted = dataset or names[0]
    # As it is in the dataset searched, where that one holds it.
    row = next((r for r in rows if r["name"] == wanted.partition("@")[0]), live[0])
    return _stored(store, row), wanted


def _stored(store: Store, row: dict[str, Any]) -> Stored:
    place = (row["dataset_id"], row["item_key"])
    text = store.item_text(*place)
    if row["chunk_id"] is not None:
        text = text[row["start"] : row["stop"]]
        chunks = [(row["chunk_key"],)]
    else:
        sql = "SELECT chunk_key FROM chunks WHERE dataset_id = ? AND item_key = ?"
        chunks = store.catalog.rows(sql, list(place))
    return Stored(
        id=row["chunk_id"] or row["item_id"],
        kind="chunk" if row["chunk_id"] is not None else "item",
        dataset_id=row["dataset_id"],
        part=row["part"],
        chunks=tuple(key for (key,) in chunks),
        text=text,
        metadata=row["metadata"],
    )
