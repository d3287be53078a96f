"""Arrow schemas of the tables in a part. Rows are never changed after they are written."""

from __future__ import annotations

import pyarrow as pa

PART_FORMAT = 1

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
        pa.field("start", pa.int64(), nullable=False),  # code points of the item's text
        pa.field("end", pa.int64(), nullable=False),
        pa.field("page", pa.int32()),
        pa.field("heading", pa.string(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
    ]
)
