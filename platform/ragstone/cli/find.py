"""`ragstone search` and `ragstone ask`: finding things again, and answers with their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import console, plural, print_json, say, styled
from ragstone.cli.session import reached
from ragstone.cli.snippet import snippet
from ragstone.schemas.api import Answer, Citation, Hit, Mode, SearchResult
from ragstone.text import fusion_words, heard

if TYPE_CHECKING:
    from ragstone.client import Client
    from ragstone.workspace import Workspace

INDENT = (0, 0, 0, 4)
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
    dataset: options.Dataset,
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 10,
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
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how the score of each hit comes about.")
    ] = False,
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
        )
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
            help="Who writes the answer: extractive, or hf: with the name or path of a model.",
            show_default="the setting generation.generator",
        ),
    ] = None,
    where: options.Where = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Answer a question from a dataset, each sentence with a verbatim quote from its source.

    When the dataset does not hold the answer, that is what you are told.

    Example: ragstone ask "Which stone resists frost best?" --dataset stones
    """
    with reached(context, workspace) as ws:
        answer = _ask(ws, question, dataset, generator, where or (), as_json=as_json)
    if as_json:
        print_json(answer)
    else:
        show_answer(answer)


def _ask(
    ws: Workspace | Client,
    question: str,
    dataset: str,
    generator: str | None,
    where: Sequence[str],
    *,
    as_json: bool,
) -> Answer:
    import ragstone

    if not isinstance(ws, ragstone.Workspace):  # a server sends the answer when it is complete
        return ws.ask(question, dataset, generator=generator, where=where)
    with _drafting(as_json=as_json) as on_text:
        return ws.ask(question, dataset, generator=generator, where=where, on_text=on_text)


@contextmanager
def _drafting(*, as_json: bool) -> Iterator[Callable[[str], None] | None]:
    """Show the end of the growing text on a terminal; what is kept of it is printed later."""
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


def show_hits(result: SearchResult, *, explain: bool = False) -> None:
    """Print hits for people: rank, score with its arms, title, snippet, source.

    With `explain`, also what each score is the sum of.
    """
    name = f"{result.dataset}@{result.version}"
    _show_reading(result)
    if not result.hits:
        say(styled(f"Nothing found in {name}."))
        return
    say(styled(f"{plural(len(result.hits), 'hit')} in {name}, {result.mode}", "dim"))
    if explain:
        say(styled(_fused(result), "dim"))
    for hit in result.hits:
        _show_hit(hit)
        if explain:
            _show_sum(hit)


def _show_reading(result: SearchResult) -> None:
    """Say when operators were read in the query, and what may have been meant by a word."""
    if result.reading == "query":
        say(styled("Read as a query with operators.", "dim"))
    for meant in result.suggestions:
        say(styled(f"No text has “{meant.word}”. Did you mean {' or '.join(meant.instead)}?"))


def _fused(result: SearchResult) -> str:
    how = result.fusion
    if how is None:
        return "one arm, whose own scores count"
    return f"{fusion_words(how)} ({how.origin})"


def _show_sum(hit: Hit) -> None:
    """Print weight x normalised score of each arm, which add up to the score."""
    from rich.padding import Padding

    parts = [
        f"{name} {arm.weight:.3f} x {arm.normalised:.3f}"
        for name, arm in sorted(hit.arms.items())
        if arm.weight is not None and arm.normalised is not None
    ]
    if parts:
        total = f"{' + '.join(parts)} = {hit.score:.3f}"
        say(Padding(styled(total, "green"), INDENT, expand=False))


def _show_hit(hit: Hit) -> None:
    from rich.padding import Padding

    arms = ", ".join(
        f"{name} #{arm.rank} {arm.score:.3f}" for name, arm in sorted(hit.arms.items())
    )
    say(
        "",
        styled(f"{hit.rank:>2}. ", "bold")
        + styled(title_of(hit), "bold cyan")
        + styled(f"  {hit.score:.3f}", "green")
        + styled(f" ({arms})", "dim"),
        Padding(snippet(hit), INDENT, expand=False),
        Padding(styled(f"{hit.source}  chunk {hit.chunk_id[:12]}", "dim"), INDENT, expand=False),
    )


def title_of(place: Hit | Citation) -> str:
    """Return title (or name, or source) with the page, or the time."""
    name = place.title or getattr(place, "name", "") or PurePath(place.source).name
    heading = getattr(place, "heading", "")
    parts = [name, *([heading] if heading and heading != name else [])]
    page = f", page {place.page}" if place.page is not None else ""
    time = f", {heard(place.from_ms, place.to_ms)}" if place.from_ms is not None else ""
    return " › ".join(parts) + page + time


def show_answer(answer: Answer) -> None:
    """Print an answer for people, then its numbered sources with their quotes."""
    from rich.padding import Padding

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
