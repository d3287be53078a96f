"""`ragstone serve`, `mcp` and `ui`: the workspace for other programs, models, and eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json
from ragstone.cli.session import locate
from ragstone.errors import MissingExtra

if TYPE_CHECKING:
    from ragstone.client import Address


def serve(
    context: typer.Context,
    *,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on.", show_default="the setting server.host"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one.", show_default="the setting server.port"),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Serve the workspace over HTTP until Ctrl-C; other verbs then go through this server.

    Example: ragstone serve --port 8400
    """
    from ragstone.server.run import serve as run

    run(locate(context, workspace), host, port, _print_address if as_json else None)


def _print_address(address: Address) -> None:
    print_json({"url": address.url})  # the token stays in owner.json, readable by its owner only


def mcp(context: typer.Context, *, workspace: options.Workspace = None) -> None:
    """Give a language model the tools search, ask, read and datasets, over stdin and stdout.

    A program that speaks the Model Context Protocol starts it by itself.

    Example: ragstone mcp --workspace my-workspace
    """
    try:
        from ragstone.integrations.mcp import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise MissingExtra("ragstone mcp", "mcp") from error

    run(locate(context, workspace))


def ui(
    context: typer.Context,
    *,
    port: Annotated[
        int | None,
        typer.Option(help="Port of the pages.", show_default="8501, or a free one"),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a tab in the browser.")] = True,
    workspace: options.Workspace = None,
) -> None:
    """Show the workspace in the browser until Ctrl-C.

    Example: ragstone ui --workspace demo-workspace
    """
    from ragstone.ui.launch import launch

    launch(locate(context, workspace), port, open_browser=browser)
