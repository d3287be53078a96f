"""Arrow schemas of the tables in a part. Rows are never changed after they are written."""

from __future__ import annotations

import pyarrow as pa

PART_FORMAT = 2  # 1 has no signatures, and chunks of text alone

ITEMS = pa.schema(
    [
        pa.field("item_key", pa.int64(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),  # BLAKE3 of the bytes, hex
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),  # bytes
        pa.field("metadata", pa.string(), nullable=False),  # JSON object
        pa.field("work_key", pa.string(), nullable=False),
        pa.field("chunks", pa.int32(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),  # what the offsets count in
        # the original bytes of a table row; null when they are a blob of their own
        pa.field("content", pa.large_binary()),
    ]
)

SOURCES = pa.schema(
    [
        pa.field("source_key", pa.int64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("item_key", pa.int64(), nullable=False),
    ]
)

CHUNKS = pa.schema(
    [
        pa.field("chunk_key", pa.int64(), nullable=False),
        pa.field("chunk_id", pa.string(), nullable=False),
        pa.field("item_key", pa.int64(), nullable=False),
        pa.field("ordinal", pa.int32(), nullable=False),
        # code points of the item's text
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("page", pa.int32()),
        pa.field("heading", pa.string(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),  # 0: it has no words to embed
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        # milliseconds of the recording or film in which it is heard
        pa.field("from_ms", pa.int64()),
        pa.field("to_ms", pa.int64()),
    ]
)

SIGNATURES = pa.schema(
    [
        pa.field("item_key", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("algorithm", pa.string(), nullable=False),
        pa.field("value", pa.large_binary(), nullable=False),
    ]
)

PAIRS = pa.schema(
    [
        pa.field("first", pa.int64(), nullable=False),  # item keys, the smaller one first
        pa.field("second", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("distance", pa.float64(), nullable=False),
        pa.field("algorithm", pa.string(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),  # JSON object
    ]
)
