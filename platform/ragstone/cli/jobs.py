"""`ragstone jobs`, `cancel` and `retry`: long work, how far it is, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from ragstone.cli import options
from ragstone.cli.output import plural, print_json, print_table, say, styled
from ragstone.cli.progress import describe, interruptible, reporting
from ragstone.cli.reembed import show_comparison
from ragstone.cli.reembed import summary as summary_of_reembedding
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import (
    JobInfo,
    JobResult,
    JobState,
    MapResult,
    ReembedResult,
    TrainResult,
)

if TYPE_CHECKING:
    from ragstone.client import Client
    from ragstone.workspace import Workspace

SHOWN = 10  # inputs in quarantine shown of a job

Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job, or its beginning.")]


def jobs(
    context: typer.Context,
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="[JOB]", help="Show this one: its id, or its beginning.", show_default=False
        ),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait until the job has ended.")
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", "-d", help="Only of this dataset.", show_default=False),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only in this state.", show_default=False),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the jobs, newest first, or show one and how far it is.

    Example: ragstone jobs --state failed
    """
    chosen = _known(state)
    with reached(context, workspace) as ws:
        if job is None:
            found = ws.jobs(dataset, state=chosen)
            print_json(found) if as_json else _list(found)
            return
        info = _followed(ws, job, as_json=as_json) if follow else ws.job(job)
    print_json(info) if as_json else show_job(info)


def cancel(
    context: typer.Context,
    job: Job,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Take back a job that waits, runs or was cut off; it makes no version.

    Example: ragstone cancel 01M7Y3MDKQ
    """
    with reached(context, workspace) as ws:
        info = ws.cancel(job)
    print_json(info) if as_json else show_job(info)


def retry(
    context: typer.Context,
    job: Job,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Go on with a job that failed, was cut off or was cancelled, from where it was.

    Example: ragstone retry 01M7Y3MDKQ
    """
    with (
        reached(context, workspace) as ws,
        interruptible(_in_server(ws, job), as_json=as_json),
        reporting(as_json=as_json) as reporter,
    ):
        info = ws.retry(job, on_progress=reporter)
    print_json(info) if as_json else show_job(info)


def _in_server(ws: Workspace | Client, job: str) -> str | None:
    import ragstone

    return None if isinstance(ws, ragstone.Workspace) else job


def _followed(ws: Workspace | Client, job: str, *, as_json: bool) -> JobInfo:
    import ragstone

    if isinstance(ws, ragstone.Workspace):
        return ws.job(job)  # nobody works on it: this process has the workspace
    with interruptible(job, as_json=as_json), reporting(as_json=as_json) as reporter:
        return ws.follow(job, reporter)


def _known(state: str | None) -> JobState | None:
    if state is not None and state not in get_args(JobState):
        raise InvalidArgument("state", state, "one of " + ", ".join(get_args(JobState)))
    return cast("JobState | None", state)


def _list(found: list[JobInfo]) -> None:
    rows = [(j.job, j.kind, j.dataset, j.state, j.created, summary(j)) for j in found]
    columns = ("job", "kind", "dataset", "state", "asked for (UTC)", "")
    print_table(columns, rows, "No jobs yet.")


def summary(info: JobInfo) -> str:
    """Say in one line how a job stands."""
    if info.error:
        return info.error.message
    if isinstance(info.result, ReembedResult):
        return f"{info.dataset}@{info.result.version}: {summary_of_reembedding(info.result)}"
    if isinstance(info.result, TrainResult):
        return f"{info.result.model}: loss {info.result.loss:.4f} on what was held out"
    if isinstance(info.result, MapResult):
        return f"{info.dataset}@{info.result.version}: {plural(info.result.placed, 'item')} placed"
    if info.result:
        counts = asdict(info.result.items)
        what = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        return f"{info.dataset}@{info.result.version}: {what or 'nothing to do'}"
    if info.progress and not info.ended_for_good:
        return describe(info.progress)
    return ""


def show_job(info: JobInfo) -> None:
    """Print one job for people."""
    colour = {"done": "bold green", "failed": "bold red"}.get(info.state, "bold")
    say(styled(f"{info.job}  {info.state}", colour))
    say(styled(_asked(info)))
    if summary(info):
        say(styled(summary(info)))
    if info.error and info.error.hint:
        say(styled(info.error.hint, "dim"))
    if info.result and not isinstance(info.result, TrainResult | MapResult):
        _show_result(info.result)
    if info.state == "interrupted":
        say(styled(f"ragstone retry {info.job} goes on with it.", "dim"))
    for entry in info.quarantine[:SHOWN]:
        say(styled(f"  in quarantine: {entry.source}: {entry.reason}", "yellow"))


def _asked(info: JobInfo) -> str:
    if info.encoder:
        return f"{info.kind} {info.dataset} with {info.encoder}"
    if info.model:
        return f"{info.kind} {info.family} on {info.dataset} as {info.model}"
    if info.kind == "map":
        return f"{info.kind} of {info.dataset}"
    return f"{info.kind} into {info.dataset}: " + ", ".join(info.sources)


def _show_result(result: JobResult | ReembedResult) -> None:
    if result.resumed:
        say(styled(f"{plural(result.resumed, 'chunk')} taken over from an earlier try"))
    if isinstance(result, ReembedResult) and result.comparison:
        show_comparison(result.comparison)
    if result.note:
        say(styled(result.note, "yellow"))
