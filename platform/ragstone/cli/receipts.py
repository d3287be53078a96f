"""`ragstone replay`, `explain` and `trace`: what answers came from, made again and followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.hits import INDENT, arm_places, title_of
from ragstone.cli.output import plural, print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.errors import AnswerDiffers

if TYPE_CHECKING:
    from ragstone.schemas.tracing import ExplainedCitation, Explanation, MadeBy, Replay, Trace


def replay(
    context: typer.Context,
    answer: options.AnswerId,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make an answer again from its record, and say what is not byte for byte as it was.

    Ends with status 4 when anything differs. Nothing is stored.

    Example: ragstone replay 01JD3N6XZK
    """
    with reached(context, workspace) as ws:
        result = ws.replay(answer)
    if as_json:
        print_json(result)
    else:
        _show_replay(result)
    if not result.same:
        raise AnswerDiffers(result.answer_id, [found.problem for found in result.differences])


def _show_replay(result: Replay) -> None:
    say(styled(result.question, "bold cyan"))
    if result.same:
        say(styled("The same answer, byte for byte.", "bold green"))
    for found in result.differences:
        say(styled(f"{found.kind:<10}", "bold red") + styled(found.problem))
        for name, text in (("before", found.before), ("after", found.after)):
            if text:
                say(styled(f"          {name:<7}", "dim") + styled(" ".join(text.split())))
    for what in result.missing:
        say(styled("not in the record: ", "dim") + styled(what))
    version = f"{result.dataset}@{result.version}"
    say(styled(f"answer {result.answer_id} · {version} · {result.generator}", "dim"))
    if result.seal:
        say(styled(f"seal {result.seal}", "dim"))


def explain(
    context: typer.Context,
    answer: options.AnswerId,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Follow each sentence of an answer to the bytes of its sources.

    Example: ragstone explain 01JD3N6XZK
    """
    with reached(context, workspace) as ws:
        found = ws.explain(answer)
    if as_json:
        print_json(found)
    else:
        _show_explanation(found)


def _show_explanation(found: Explanation) -> None:
    say(styled(found.question, "bold cyan"))
    if not found.claims:
        say("Nothing was answered.")
    for claim in found.claims:
        say("", styled(claim.text) + styled(f"  support {claim.support:.3f}", "green"))
        for citation in claim.citations:
            _show_citation(citation)
    version = f"{found.dataset}@{found.version}"
    say("", styled(f"answer {found.answer_id} · {version} · {found.generator}", "dim"))


def _show_citation(explained: ExplainedCitation) -> None:
    from rich.padding import Padding

    citation, chunk, kept = explained.citation, explained.chunk, explained.bytes
    lines = [
        styled(f"[{citation.number}] ", "bold") + styled(title_of(citation), "bold cyan"),
        styled(f"“{' '.join(citation.quote.split())}”", "italic"),
    ]
    if chunk:
        place = f"chunk {chunk.chunk_id[:12]}, number {chunk.ordinal} of its item"
        found = f", hit {chunk.rank} ({arm_places(chunk.arms)})" if chunk.rank else ""
        lines.append(styled(place + found, "dim"))
    place = f"item {citation.item_id[:12]}, characters {citation.start}-{citation.end}"
    gone = "NOT word for word" if kept else "which is not kept any more"
    truth = "word for word" if explained.verbatim else gone
    lines.append(styled(f"{place}, {truth}", "dim" if explained.verbatim else "bold red"))
    if kept:
        place = "" if kept.start is None else f", bytes {kept.start}-{kept.end} of"
        whole = "" if kept.whole else ", DAMAGED"
        lines.append(styled(f"{kept.path}{place} {plural(kept.size, 'byte')}{whole}", "dim"))
    for line in lines:
        say(Padding(line, INDENT, expand=False))


def trace(
    context: typer.Context,
    item: Annotated[
        str, typer.Argument(metavar="ITEM", help="Id of an item, or its first 8 characters.")
    ],
    *,
    limit: Annotated[int, typer.Option(help="How many answers.")] = 50,
    offset: Annotated[int, typer.Option(help="Leave out so many at the beginning.")] = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the answers that an item was found for, in whatever version, newest first.

    After them, the models that had it in the version that they learnt from.

    Example: ragstone trace 3f9a2c41
    """
    with reached(context, workspace) as ws:
        found = ws.trace(item, limit=limit, offset=offset)
    if as_json:
        print_json(found)
    else:
        _show_trace(found)


_SIDES = {
    "training": "learnt from it",
    "held out": "was validated by it",
    "both": "learnt from its beginning, and was validated by its end",
    "unknown": "had it in its version",
}


def _show_trace(found: Trace) -> None:
    say(
        styled(found.name or found.item_id, "bold cyan")
        + styled(f"  {plural(found.total, 'answer')}, quoted in {found.cited:,}", "dim")
    )
    rows = [
        (
            answer.answer_id,
            answer.created,
            f"{answer.dataset}@{answer.version}",
            "quoted" if answer.cited else "found",
            answer.question,
        )
        for answer in found.answers
    ]
    print_table(("answer", "when", "version", "", "question"), rows, "No answer used it.")
    if found.made_by:
        _show_origin(found.made_by)
    for model in found.models:
        say(styled(f"model {model.name}  {_SIDES[model.side]}") + styled(f"  {model.data}", "dim"))
    if found.made:
        say(f"{plural(len(found.made), 'item')} made by these models:")
        say(styled(" ".join(item[:12] for item in found.made), "dim"))


def _show_origin(made: MadeBy) -> None:
    told = [f"{name}={value}" for name, value in made.conditions.items()]
    told += [f"prompt {made.prompt!r}"] if made.prompt else []
    here = "" if made.known else ", which is not here any more"
    say(
        styled(f"made by model {made.model}{here}", "bold"),
        styled(f"    digest {made.digest[:16]}, run {made.run}, learnt from {made.data}", "dim"),
        styled(f"    seed {made.seed}, number {made.number}  {' '.join(told)}".rstrip(), "dim"),
    )
