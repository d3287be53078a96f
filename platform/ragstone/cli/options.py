"""Options that several verbs share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHORTEST = 8  # characters of the beginning of an id

Workspace = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder of the workspace.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        "-d",
        help="Dataset, or DATASET@VERSION for another one; a tag or a time will do.",
    ),
]
Datasets = Annotated[
    list[str],
    typer.Option(
        "--dataset",
        "-d",
        help="Dataset, or DATASET@VERSION for another one; a tag or a time will do. May be given "
        "more than once, to search them together.",
    ),
]
Hits = Annotated[int, typer.Option("-k", help="How many hits.")]
Explain = Annotated[
    bool, typer.Option("--explain", help="Show how the score of each hit comes about.")
]
AnswerId = Annotated[
    str, typer.Argument(metavar="ANSWER", help="Id of an answer, or its first 8 characters.")
]
DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="Name of the dataset.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FILTER",
        help="Only items with FIELD OPERATOR VALUE, such as year>=2020, modality=text or "
        "source~report, joined with and, or, not and brackets. May be given more than once; all "
        "must hold.",
        show_default=False,
    ),
]
Synthetic = Annotated[bool, typer.Option("--synthetic", help="What models made may be found, too.")]
OnlySynthetic = Annotated[
    bool, typer.Option("--only-synthetic", help="Only what models made is found.")
]
Message = Annotated[str, typer.Option("--message", "-m", help="Why, kept with the new version.")]
Queries = Annotated[
    Path | None,
    typer.Option(
        help="JSONL with _id and text of each query (BEIR layout).",
        show_default="the golden queries of the dataset",
    ),
]
Qrels = Annotated[
    Path | None,
    typer.Option(help="TSV with query-id, corpus-id and score (BEIR layout).", show_default=False),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        help="Field of the items or of their metadata; may be given more than once. Without it: "
        "the most usual ones.",
        show_default=False,
    ),
]
