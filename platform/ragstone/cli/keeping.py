"""Verbs that keep, copy and give up versions: tags, forks, gc, forget, export, backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import clean, plural, print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import Collection, ForgetReceipt, VersionInfo

Version = Annotated[str, typer.Argument(metavar="VERSION", help="DATASET@VERSION, or DATASET.")]
_ID_SHOWN = 12


def tag(
    context: typer.Context,
    version: Version,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[TAG]", help="Without it, list the tags.", show_default=False),
    ] = None,
    *,
    message: options.Message = "",
    move: Annotated[
        bool, typer.Option("--move", help="Take the tag from the version it names now.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Take the tag away; the version stays.")
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Name a version, or list the names of a dataset's versions. gc keeps what has a name.

    Example: ragstone tag stones@3 printed --message "as sent to the printer"
    """
    with reached(context, workspace) as ws:
        if delete:
            if name is None:
                raise InvalidArgument("tag", None, "the name to take away")
            ws.untag(version, name)
            found = ws.tags(version)
        elif name is None:
            found = ws.tags(version)
        else:
            found = [ws.tag(version, name, message=message, move=move)]
    if as_json:
        print_json(found)
        return
    rows = [(t.tag, f"{t.dataset}@{t.version}", t.created, t.message) for t in found]
    print_table(("tag", "version", "made (UTC)", "message"), rows, "No tags.")


def fork(
    context: typer.Context,
    version: Version,
    name: Annotated[str, typer.Argument(metavar="NEW", help="Name of the new dataset.")],
    *,
    message: options.Message = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make a dataset that begins equal to a version. Nothing is copied.

    Example: ragstone fork stones@3 stones-trial
    """
    with reached(context, workspace) as ws:
        made = ws.fork(version, name, message=message)
    _show_version(made, as_json=as_json)


def restore(
    context: typer.Context,
    version: Version,
    *,
    message: options.Message = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Go back: make a new version equal to an old one. What came later stays in its versions.

    Example: ragstone restore stones@3
    """
    with reached(context, workspace) as ws:
        made = ws.restore(version, message=message)
    _show_version(made, as_json=as_json)


def _show_version(made: VersionInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        name = styled(f"{made.dataset}@{made.version}", "bold green")
        say(name + styled(f"  {plural(made.items, 'item')}: {made.message}"))


def forget(
    context: typer.Context,
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ITEM]...",
            help="Ids of items, or their first 8 characters. Without any, list the receipts.",
            show_default=False,
        ),
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why, kept in the receipt.")] = "",
    models: Annotated[
        bool,
        typer.Option("--models", help="Delete the models and datastores that learnt from them."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Erase items for real: from every version and every file of the workspace.

    Versions that held them say so. What models have learnt stays in their weights: they are named,
    and deleted with --models. Backups and exports made before still hold them.

    Example: ragstone forget 3f9a2c41 --reason "withdrawn by its author"
    """
    with reached(context, workspace) as ws:
        if not items:
            found = ws.forgotten()
        else:
            if not yes:
                _ask_for_consent(len(items), as_json=as_json)
            found = [ws.forget(items, reason=reason, models=models)]
    if as_json:
        print_json(found)
        return
    if not found:
        say("Nothing was ever erased.")
    for receipt in found:
        _show_receipt(receipt)


def _ask_for_consent(count: int, *, as_json: bool) -> None:
    if as_json:
        raise InvalidArgument("--yes", "not given", "given together with --json: nobody is asked")
    question = f"Erase {plural(count, 'item')} for ever, from all versions?"
    typer.confirm(question, abort=True, err=True)


def _show_receipt(receipt: ForgetReceipt) -> None:
    answers = plural(len(receipt.answers), "stored answer")
    say(
        styled(f"receipt {receipt.id}", "bold green")
        + styled(f"  {receipt.created:%Y-%m-%d %H:%M:%S} UTC  {receipt.reason}".rstrip()),
        styled(
            f"    {plural(len(receipt.items), 'item')} erased "
            f"({plural(receipt.sources, 'source')}, {plural(receipt.chunks, 'chunk')}), with "
            f"{answers} that had used them"
        ),
        styled(f"    items: {', '.join(item[:_ID_SHOWN] for item in receipt.items)}", "dim"),
        styled(f"    versions that held them: {', '.join(receipt.versions) or 'none'}", "dim"),
    )
    left = [name for name in receipt.learnt if name not in receipt.deleted]
    if receipt.deleted:
        say(styled(f"    models deleted with them: {', '.join(receipt.deleted)}", "dim"))
    if left:
        say(
            styled(
                f"    models that learnt from them, and are still there: {', '.join(left)}",
                "yellow",
            )
        )
    if receipt.made:
        made = ", ".join(item[:_ID_SHOWN] for item in receipt.made)
        say(styled(f"    items that these models made, and are still there: {made}", "yellow"))


def gc(
    context: typer.Context,
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATASET]...", help="Whose versions may go. Without any: all."),
    ] = None,
    *,
    keep: Annotated[
        int | None, typer.Option(help="Keep so many of the newest versions.", show_default=False)
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="Keep versions not older than this.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be deleted.")
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Give up old versions and delete what no kept version needs.

    The newest version of a dataset and versions with a tag are always kept. Without --keep and
    --days only what failed jobs left behind is deleted.

    Example: ragstone gc stones --keep 10 --days 30 --dry-run
    """
    with reached(context, workspace) as ws:
        found = ws.gc(datasets or None, keep=keep, days=days, dry_run=dry_run)
    if as_json:
        print_json(found)
    else:
        _show_collection(found)


def _show_collection(found: Collection) -> None:
    would = "would be " if found.dry_run else ""
    megabytes = found.bytes / 2**20
    say(
        f"{plural(len(found.versions), 'version')} {would}given up, "
        f"{plural(found.files, 'file or folder').replace('folders', 'folder')} {would}deleted, "
        f"{megabytes:,.1f} MiB {would}freed."
    )
    if found.versions:
        say(styled(f"    {', '.join(found.versions)}", "dim"))
    if found.answers:
        count = plural(found.answers, "stored answer")
        say(styled(f"    {count} cannot be replayed without them.", "yellow"))


def export(
    context: typer.Context,
    version: Version,
    folder: Annotated[Path, typer.Argument(help="Folder to make; new, or empty.")],
    *,
    licence: Annotated[str, typer.Option(help="Of the data, for the dataset card.")] = "unknown",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write a version as Parquet files with the original bytes and a dataset card.

    `datasets.load_dataset` of Hugging Face reads the folder, and so does `ragstone import`.

    Example: ragstone export stones@3 stones-export
    """
    with reached(context, workspace) as ws:
        made = ws.export(version, folder, licence=licence)
    if as_json:
        print_json(made)
    else:
        name = styled(f"{made.dataset}@{made.version}", "bold green")
        numbers = f"{plural(made.items, 'item')}, {plural(made.chunks, 'chunk')}"
        where = f"{plural(made.files, 'file')} in {clean(made.folder)}"
        say(name + styled(f"  {numbers} written: {where}"))


def import_dataset(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that ragstone export has made.")],
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Dataset; made if there is none of the name.")
    ],
    *,
    message: options.Message = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Take an exported version into a dataset, with its vectors: nothing is embedded again.

    Example: ragstone import stones-export --dataset stones
    """
    with reached(context, workspace) as ws:
        made = ws.import_dataset(folder, dataset, message=message)
    if as_json:
        print_json(made)
    else:
        name = styled(f"{made.dataset}@{made.version}", "bold green")
        counts = made.items
        say(
            name
            + styled(f"  {counts.added} added, {counts.updated} updated, ")
            + styled(f"{counts.unchanged} unchanged, from {made.origin}")
        )


def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="Folder of the backups; each gets its own in it.")],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Copy the whole workspace, also while it is being used. What has not changed is linked.

    Example: ragstone backup /mnt/backups/library
    """
    with reached(context, workspace) as ws:
        made = ws.backup(target)
    if as_json:
        print_json(made)
        return
    say(
        styled("backup ", "bold green") + styled(clean(made.folder)),
        f"    {plural(made.files, 'file')}, {made.bytes / 2**20:,.1f} MiB, of which "
        f"{made.copied_bytes / 2**20:,.1f} MiB were copied.",
    )
    for path in made.damaged:
        say(styled(f"    damaged already in the workspace: {path}", "yellow"))


def restore_backup(
    context: typer.Context,  # noqa: ARG001 - every verb gets it
    backup: Annotated[Path, typer.Argument(help="Folder of one backup.")],
    target: Annotated[Path, typer.Argument(help="Workspace to make; new, or empty.")],
    *,
    as_json: options.Json = False,
) -> None:
    """Make a workspace from a backup, after every file was compared with its digest.

    Example: ragstone restore-backup /mnt/backups/library/2026-11-21T10-00-00.000Z restored
    """
    from ragstone.storage.restoring import restore_backup

    made = restore_backup(backup, target)
    if as_json:
        print_json(made)
        return
    say(
        styled("workspace ", "bold green") + styled(clean(made.workspace)),
        f"    {plural(made.datasets, 'dataset')}, {plural(made.versions, 'version')}, as of "
        f"{made.created:%Y-%m-%d %H:%M:%S} UTC.",
    )
    for path in made.damaged:
        say(styled(f"    was damaged when the backup was made: {path}", "yellow"))
    for receipt in made.later_forgets:
        say(styled(f"    holds again what was erased later, with receipt {receipt}", "yellow"))
