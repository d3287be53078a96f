"""The dataset card: the README of an export, for people and for the `datasets` library.

The YAML at its top is what `datasets.load_dataset(folder)` goes by; see "Manual configuration" in
the documentation of the Hugging Face hub.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa

from ragstone.exchange.layout import (
    CHUNKS_FOLDER,
    EXPORT_FILE,
    ITEM_COLUMNS,
    ITEMS_FOLDER,
    ORIGINALS_FOLDER,
    chunk_columns,
    vector_column,
)

if TYPE_CHECKING:
    from ragstone.exchange.layout import Column, Export


def card(export: Export) -> str:
    """Return the dataset card, Markdown with YAML front matter."""
    sections = [
        _front_matter(export),
        f"# {export.dataset}, version {export.version}",
        f"Exported by Ragstone. The version was made on {export.created}, with the message:",
        _verbatim(export.message),
        _numbers(export),
        _loading(export),
        "## Items",
        _columns(ITEM_COLUMNS),
        "## Chunks",
        _columns(chunk_columns(export.dimension, export.media)),
        "## Embedding spaces",
        _spaces(export),
        "Two vectors of one space are compared by their inner product, which is their cosine. Two "
        "of different spaces have nothing in common.",
        *_duplicates(export),
        _files(),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(export: Export) -> str:
    return "\n".join(
        [
            "---",
            f"pretty_name: {json.dumps(export.dataset)}",
            f"license: {json.dumps(export.licence, ensure_ascii=False)}",
            *_tags(export),
            "configs:",
            *_config("items", ITEMS_FOLDER, default=True),
            *_config("chunks", CHUNKS_FOLDER, default=False),
            "---",
        ]
    )


def _tags(export: Export) -> list[str]:
    """Return what others find images and recordings by."""
    held = {"image", "audio"} & (export.modalities.keys() | export.media.keys())
    return ["tags:", *(f"- {tag}" for tag in sorted(held))] if held else []


def _config(name: str, folder: str, *, default: bool) -> list[str]:
    return [
        f"- config_name: {name}",
        *(["  default: true"] if default else []),
        "  data_files:",
        "  - split: train",
        f"    path: {folder}/train-*.parquet",
    ]


def _verbatim(text: str) -> str:
    """Return `text` as a block that Markdown leaves alone."""
    return "\n".join(f"    {line}" for line in (text or "(none)").splitlines())


def _numbers(export: Export) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in export.modalities.items())
    rows = [
        ("items", f"{export.items:,}" + (f" ({kinds})" if kinds else "")),
        ("chunks", f"{export.chunks:,}"),
        ("sources", f"{export.sources:,}"),
        ("originals", f"{export.originals:,} files, {export.original_bytes:,} bytes"),
        ("licence", export.licence.replace("|", "/")),
        ("version digest", f"`{export.digest}`"),
        ("content digest", f"`{export.content}`"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _loading(export: Export) -> str:
    return f"""## Use it

```python
from datasets import load_dataset

items = load_dataset("PATH", split="train")
chunks = load_dataset("PATH", "chunks", split="train")
```

Or take it into a Ragstone workspace: `ragstone import PATH --dataset {export.dataset}`."""


def _columns(columns: tuple[Column, ...]) -> str:
    rows = [f"| `{c.name}` | {_type(c.type)} | {c.meaning} |" for c in columns]
    return "\n".join(["| column | type | what it is |", "|---|---|---|", *rows])


def _type(kind: pa.DataType) -> str:
    """Return a type in plain words."""
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.list_size} float16"
    if pa.types.is_list(kind):
        inner = kind.value_type
        fields = ", ".join(f.name for f in inner) if pa.types.is_struct(inner) else "float16"
        return f"list of {fields}"
    return str(kind).removeprefix("large_")


def _spaces(export: Export) -> str:
    rows = [("vector", "text", export.space, "", export.dimension)]
    for modality, held in sorted(export.media.items()):
        column = vector_column(modality)
        rows.append((column, modality, held.space, held.encoder.replace("|", "/"), held.dimension))
    return "\n".join(
        [
            "| column | of | space | encoder | dimensions |",
            "|---|---|---|---|---|",
            *(f"| `{c}` | {of} | `{space}` | {name} | {n} |" for c, of, space, name, n in rows),
        ]
    )


def _duplicates(export: Export) -> list[str]:
    """Return what was left out as duplicates, by the rules of the version."""
    if not export.policy:
        return []
    rows = [
        f"| {kind} | {rule['keep']} | {rule['threshold']:g} |"
        for kind, rule in export.policy.items()
    ]
    said = (
        "Of items that are duplicates of each other, no farther apart than the threshold, one is "
        "in this export, unless all are kept."
    )
    table = ["| duplicates | kept | threshold |", "|---|---|---|", *rows]
    return ["## Duplicates", said, "\n".join(table)]


def _files() -> str:
    return f"""## Files

`{ORIGINALS_FOLDER}/` holds the original bytes of the items, each named by their BLAKE3.
`{EXPORT_FILE}` says what the export holds, with size and BLAKE3 of every other file: an import
checks them all first."""
