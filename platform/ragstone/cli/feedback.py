"""`ragstone feedback`: what people say of answers, reviewed, and what is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from ragstone.cli import options
from ragstone.cli.output import plural, print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument
from ragstone.schemas.feedback import FeedbackState, Reason

if TYPE_CHECKING:
    from ragstone.schemas.feedback import Feedback

FeedbackId = Annotated[
    str, typer.Argument(metavar="FEEDBACK", help="Id of feedback, or its first 8 characters.")
]
OneDataset = Annotated[
    str | None,
    typer.Option("--dataset", "-d", help="Only on answers of this dataset.", show_default=False),
]


def give(
    context: typer.Context,
    answer: options.AnswerId,
    *,
    good: Annotated[
        bool | None,
        typer.Option("--good/--bad", help="Whether the answer is good.", show_default=False),
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            metavar="REASON", help=f"Why it is bad: {', '.join(get_args(Reason))}.", show_default=""
        ),
    ] = "",
    comment: Annotated[str, typer.Option(help="Anything else, for the reviewer.")] = "",
    answer_text: Annotated[
        str,
        typer.Option(
            "--answer", help="What a bad one should have said, best in the words of the source."
        ),
    ] = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Say of an answer whether it is good; it counts for nothing until it is accepted.

    Example: ragstone feedback give 01JD3N6XZK --bad --reason wrong --answer "since 1300"
    """
    if good is None:
        raise InvalidArgument("--good", None, "given, or --bad")
    with reached(context, workspace) as ws:
        given = ws.feedback(
            answer, good=good, reason=reason, comment=comment, answer_text=answer_text
        )
    if as_json:
        print_json(given)
        return
    _show(given)
    say(styled(f"ragstone feedback accept {given.id}, or reject, decides about it.", "dim"))


def list_feedback(
    context: typer.Context,
    *,
    dataset: OneDataset = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help=f"Only in this state: {', '.join(get_args(FeedbackState))}.",
            show_default=False,
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the feedback on answers, newest first.

    Example: ragstone feedback list --state open
    """
    with reached(context, workspace) as ws:
        found = ws.list_feedback(dataset, state=state)
    if as_json:
        print_json(found)
        return
    rows = [
        (one.id, f"{one.dataset}@{one.version}", one.state, _opinion(one), one.question)
        for one in found
    ]
    print_table(("feedback", "version", "state", "says", "question"), rows, "No feedback.")


def accept(
    context: typer.Context,
    feedback: FeedbackId,
    *,
    item: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ITEM",
            help="Item that answers the question, where nothing shows which: its id or its first 8 "
            "characters. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Accept feedback: its question becomes a golden query where items answer it.

    Example: ragstone feedback accept 01JD3N7A2B
    """
    with reached(context, workspace) as ws:
        given = ws.accept_feedback(feedback, items=item or [])
    if as_json:
        print_json(given)
        return
    _show(given)
    if given.golden:
        answered = f", answered by {plural(len(given.items), 'item')}"
        say(styled(f"golden query {given.golden}", "bold green") + styled(answered))
    else:
        say(styled("No golden query: no item is known to answer it.", "dim"))


def reject(
    context: typer.Context,
    feedback: FeedbackId,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Reject feedback; what was made of it, had it been accepted, is taken back.

    Example: ragstone feedback reject 01JD3N7A2B
    """
    with reached(context, workspace) as ws:
        given = ws.reject_feedback(feedback)
    if as_json:
        print_json(given)
    else:
        _show(given)


def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file to write.")],
    *,
    use: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="WHAT",
            help="What it is to train: a reader (SQuAD's JSON) or a verifier (JSONL of claims).",
        ),
    ],
    dataset: OneDataset = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write accepted feedback as examples that ragstone train reader and verifier learn from.

    Example: ragstone feedback export questions.json --for reader
    """
    with reached(context, workspace) as ws:
        made = ws.export_feedback(file, use, dataset=dataset)
    if as_json:
        print_json(made)
        return
    amount = f"{plural(made.examples, 'example')} of {made.feedback:,} accepted feedback"
    say(styled(made.file, "bold green") + styled(f"  {amount}, for a {made.use}"))


def _show(given: Feedback) -> None:
    say(styled(given.question, "bold cyan"))
    say(styled(f"{given.id}  {given.state}  ", "bold") + styled(_opinion(given)))
    if given.answer_text:
        say(styled("should be: ", "dim") + styled(given.answer_text))
    if given.comment:
        say(styled(given.comment, "italic"))
    version = f"{given.dataset}@{given.version}"
    say(styled(f"answer {given.answer_id} · {version} · by {given.principal}", "dim"))


def _opinion(given: Feedback) -> str:
    return f"{given.rating}, {given.reason}" if given.reason else given.rating
