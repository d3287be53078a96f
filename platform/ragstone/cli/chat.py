"""`ragstone chat`: a conversation with a dataset, in a terminal or through a pipe."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.hits import INDENT, title_of
from ragstone.cli.output import clean, print_json, report_error, say, styled
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument, RagstoneError
from ragstone.schemas.answers import Answer, AnswerDone, Citation

if TYPE_CHECKING:
    from ragstone.client import Client
    from ragstone.workspace import Workspace

_HELP = (
    "Ask, or: /sources for the quotes of the last answer, /why N for what rests on source N, "
    "/new to begin anew, /quit to end."
)
_QUIT, _NEW = "/quit", "/new"
_NO_SOURCE = "a source: the last answer has none"


def chat(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="Dataset, or DATASET@VERSION for another one; a tag or a time will do.",
        ),
    ],
    *,
    generator: Annotated[
        str | None,
        typer.Option(
            help="Who writes the answers, as ragstone generators lists them: extractive, hf: with "
            "the name or path of a model, openai: with MODEL@URL.",
            show_default="the setting generation.generator",
        ),
    ] = None,
    where: options.Where = None,
    session: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A conversation to go on with.", show_default=False),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Talk with a dataset: answers come as they are written, and questions may follow on others.

    Type /help for what else there is; Ctrl-D ends, Ctrl-C ends or stops an answer.

    Example: ragstone chat stones
    """
    with reached(context, workspace) as ws:
        ws.items(dataset, limit=1)  # a wrong name is told before the first question
        talk = Conversation(ws, dataset, generator, where or (), session)
        failed = _as_json(talk) if as_json else _as_text(talk)
    if failed:
        raise typer.Exit(1)


class Conversation:
    """Questions to one dataset that follow on each other."""

    def __init__(
        self,
        ws: Workspace | Client,
        dataset: str,
        generator: str | None,
        where: Sequence[str],
        session: str | None,
    ) -> None:
        self._ws, self._dataset = ws, dataset
        self._generator, self._where = generator, where
        self._session = session or _new_name()
        self.last: Answer | None = None

    def begin_anew(self) -> None:
        """Forget what was said."""
        self._session, self.last = _new_name(), None

    def ask(self, question: str) -> Iterator[str]:
        """Yield the answer while it is written; `last` is the whole when it is complete.

        Closing the iterator stops the generator.
        """
        stream = self._ws.ask_stream(
            question,
            self._dataset,
            generator=self._generator,
            where=self._where,
            session=self._session,
        )
        try:
            for event in stream:
                if isinstance(event, AnswerDone):
                    self.last = event.answer
                else:
                    yield event.text
        finally:
            stream.close()


def _new_name() -> str:
    return f"chat {secrets.token_hex(4)}"


def _lines(prompt: str) -> Iterator[str]:
    """Yield what is typed or piped in, without empty lines, until it ends or says so."""
    if prompt:
        with suppress(ImportError):
            import readline  # noqa: F401 - lines can be edited, and earlier ones fetched
    while True:
        try:
            line = input(prompt) if prompt else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            if prompt:
                say("")  # what comes next stands on a line of its own
            return
        if not prompt and not line:
            return
        line = line.strip()
        if line == _QUIT:
            return
        if line:
            yield line


# ---------------------------------------------------------------- for programs


def _as_json(talk: Conversation) -> bool:
    """Print one line for each turn, the answer or the error; say whether there were errors."""
    failed = False
    for line in _lines(""):
        if line == _NEW:
            talk.begin_anew()
            continue
        try:
            if line.startswith("/"):
                raise _unknown(line)
            for _ in talk.ask(line):
                pass
            print_json(talk.last)
        except RagstoneError as error:
            failed = True
            print_json({"error": error.as_dict()})
    return failed


def _unknown(line: str) -> InvalidArgument:
    return InvalidArgument("command", line, "/sources, /why N, /new, /quit or /help")


# ---------------------------------------------------------------- for people


def _as_text(talk: Conversation) -> bool:
    """Print each answer as it comes, then its sources; say whether there were errors."""
    typed = sys.stdin.isatty() and sys.stdout.isatty()
    if typed:
        say(styled(_HELP, "dim"))
    failed = False
    for line in _lines("> " if typed else ""):
        try:
            _turn(talk, line)
        except RagstoneError as error:
            failed = not typed  # who types has seen it
            report_error(error.as_dict(), as_json=False)
        except KeyboardInterrupt:
            if not typed:
                raise
            say(styled("Stopped.", "dim"))
    return failed


def _turn(talk: Conversation, line: str) -> None:
    word, _, rest = line.partition(" ")
    if word == _NEW:
        talk.begin_anew()
        say(styled("A new conversation.", "dim"))
    elif word == "/help":
        say(styled(_HELP, "dim"))
    elif word == "/sources":
        for citation in _answered(talk).citations:
            _show_quote(citation)
    elif word == "/why":
        _show_why(_answered(talk), rest.strip())
    elif word.startswith("/"):
        raise _unknown(line)
    else:
        _show_answer(talk, line)


def _answered(talk: Conversation) -> Answer:
    if talk.last is None:
        raise InvalidArgument("question", None, "a first question, whose sources can be shown")
    return talk.last


def _show_answer(talk: Conversation, question: str) -> None:
    try:
        for piece in talk.ask(question):
            sys.stdout.write(clean(piece))
            sys.stdout.flush()
    finally:
        say("")  # also after an answer that breaks off
    answer = talk.last
    assert answer is not None  # a stream that ends without an answer raises
    if answer.rewritten:
        say(styled(f"Asked as: {answer.rewritten}", "dim"))
    for citation in answer.citations:
        say(styled(f"[{citation.number}] {_place(citation)}", "dim"))
    say("")


def _show_quote(citation: Citation) -> None:
    from rich.padding import Padding

    quote = f"“{' '.join(citation.quote.split())}”"
    say(
        styled(f"[{citation.number}] ", "bold") + styled(title_of(citation), "bold cyan"),
        Padding(styled(quote, "italic"), INDENT, expand=False),
        Padding(styled(_place(citation), "dim"), INDENT, expand=False),
    )


def _show_why(answer: Answer, number: str) -> None:
    """Print a source, and the sentences of the answer that rest on it."""
    found = [c for c in answer.citations if str(c.number) == number.strip("[]")]
    if not found:
        numbers = ", ".join(str(c.number) for c in answer.citations)
        there = f"one of the last answer's sources: {numbers}" if numbers else _NO_SOURCE
        raise InvalidArgument("number", number, there)
    [citation] = found
    _show_quote(citation)
    for claim in answer.claims:
        if citation.number in claim.citations:
            say(styled(f"    support {claim.support:.2f} for: {claim.text}"))
    place = f"characters {citation.start} to {citation.end} of item {citation.item_id}"
    around = f"ragstone show {citation.chunk_id} --around 1"
    say(styled(f"    {place}", "dim"), styled(f"    around it: {around}", "dim"))


def _place(citation: Citation) -> str:
    page = f", page {citation.page}" if citation.page is not None else ""
    return f"{citation.source}{page}"
