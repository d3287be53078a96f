"""`ragstone search`, `similar` and `ask`: finding things again, and answers with their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.hits import INDENT, show_hits, title_of
from ragstone.cli.output import console, print_json, say, styled
from ragstone.cli.session import reached
from ragstone.schemas.answers import Answer
from ragstone.schemas.api import Mode
from ragstone.schemas.synthetic import Synthetic

DRAFT = 60  # characters of a growing answer shown while it is being written


def search(
    context: typer.Context,
    query: Annotated[
        str,
        typer.Argument(
            metavar="[QUERY]", help="Words, or a question; may be left out with --image or --audio."
        ),
    ] = "",
    *,
    dataset: options.Datasets,
    k: options.Hits = 10,
    mode: Annotated[
        Mode, typer.Option(help="By words (keyword), by meaning (vector), or both (hybrid).")
    ] = "hybrid",
    where: options.Where = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Find pictures that resemble this one.", show_default=False),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(help="Find recordings that resemble this one.", show_default=False),
    ] = None,
    rerank: Annotated[
        bool | None,
        typer.Option(
            "--rerank/--no-rerank",
            help="Whether a reranker reads the best candidates again.",
            show_default="as tuned, or as the settings say",
        ),
    ] = None,
    by_item: Annotated[
        bool, typer.Option("--by-item", help="One hit for each item: its best passage.")
    ] = False,
    neighbours: Annotated[
        int, typer.Option(help="Show so many passages before and after each hit.")
    ] = 0,
    offset: Annotated[int, typer.Option(help="Leave out so many hits at the beginning.")] = 0,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR",
            help="Go on where a result of the same search ended, in the same version.",
            show_default=False,
        ),
    ] = None,
    synthetic: options.Synthetic = False,
    only_synthetic: options.OnlySynthetic = False,
    explain: options.Explain = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Find passages, pictures and recordings by words, by meaning, or by likeness.

    Each hit says which arm found it, at which rank and with which score.

    Example: ragstone search "frost resistance" --dataset stones --where year>=2000
    """
    with reached(context, workspace) as ws:
        result = ws.search(
            query,
            dataset,
            k=k,
            mode=mode,
            where=where or (),
            image=image,
            audio=audio,
            rerank=rerank,
            offset=offset,
            after=after,
            group=by_item,
            neighbours=neighbours,
            synthetic="only" if only_synthetic else synthetic,
        )
    if as_json:
        print_json(result)
    else:
        show_hits(result, explain=explain)


def similar(
    context: typer.Context,
    id: Annotated[  # noqa: A002 - the name people see
        str, typer.Argument(metavar="ID", help="Id of an item or chunk, or its first 8 characters.")
    ],
    *,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Where to look: DATASET or DATASET@VERSION.",
            show_default="its own",
        ),
    ] = None,
    k: options.Hits = 10,
    where: options.Where = None,
    synthetic: options.Synthetic = False,
    only_synthetic: options.OnlySynthetic = False,
    explain: options.Explain = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Find what resembles an item or a passage, by its vectors and its most telling words.

    Example: ragstone similar 3f9a2c41
    """
    with reached(context, workspace) as ws:
        wanted: Synthetic = "only" if only_synthetic else synthetic
        result = ws.similar(id, k=k, where=where or (), dataset=dataset, synthetic=wanted)
    if as_json:
        print_json(result)
    else:
        show_hits(result, explain=explain)


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="A question.")],
    dataset: options.Dataset,
    *,
    generator: Annotated[
        str | None,
        typer.Option(
            help="Who writes the answer, as ragstone generators lists them: extractive, hf: with "
            "the name or path of a model, openai: with MODEL@URL.",
            show_default="the setting generation.generator",
        ),
    ] = None,
    where: options.Where = None,
    session: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A conversation: the question may lean on those before it ('And in winter?').",
            show_default=False,
        ),
    ] = None,
    synthetic: options.Synthetic = False,
    only_synthetic: options.OnlySynthetic = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Answer a question from a dataset, each sentence with a verbatim quote from its source.

    When the dataset does not hold the answer, that is what you are told.

    Example: ragstone ask "Which stone resists frost best?" --dataset stones
    """
    with reached(context, workspace) as ws, _drafting(as_json=as_json) as on_text:
        answer = ws.ask(
            question,
            dataset,
            generator=generator,
            where=where or (),
            session=session,
            on_text=on_text,
            synthetic="only" if only_synthetic else synthetic,
        )
    if as_json:
        print_json(answer)
    else:
        show_answer(answer)


@contextmanager
def _drafting(*, as_json: bool) -> Iterator[Callable[[str], None] | None]:
    """Show the end of the growing answer on a terminal; it is printed whole when it is complete."""
    out = console(stderr=True)
    if as_json or not out.is_terminal:
        yield None
        return
    draft = ""
    with out.status(styled("Reading…")) as status:

        def on_text(piece: str) -> None:
            nonlocal draft
            draft = " ".join((draft + piece).split(" "))[-4 * DRAFT :]
            status.update(styled("…" + " ".join(draft.split())[-DRAFT:], "dim"))

        yield on_text


def show_answer(answer: Answer) -> None:
    """Print an answer for people, then its numbered sources with their quotes."""
    from rich.padding import Padding

    if answer.rewritten:
        say(styled(f"Asked as: {answer.rewritten}", "dim"))
    say(styled(answer.answer, "" if answer.found else "yellow"))
    for citation in answer.citations:
        say(
            "",
            styled(f"[{citation.number}] ", "bold") + styled(title_of(citation), "bold cyan"),
            Padding(
                styled(f"“{' '.join(citation.quote.split())}”", "italic"), INDENT, expand=False
            ),
            Padding(styled(citation.source, "dim"), INDENT, expand=False),
        )
    version = f"{answer.dataset}@{answer.version}"
    say("", styled(f"answer {answer.answer_id} · {version} · {answer.generator}", "dim"))
