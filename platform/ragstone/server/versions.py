"""Routes about versions: what changed, names, forks, what is given up and what is erased."""

from typing import Annotated

from fastapi import Query

from ragstone.schemas.api import (
    BackupResult,
    Collection,
    ExportResult,
    ForgetReceipt,
    ImportResult,
    TagInfo,
    VersionDiff,
    VersionInfo,
)
from ragstone.server.auth import Action
from ragstone.server.guards import Owned, guarded, may, named_dataset
from ragstone.server.models import (
    server_path,
)
from ragstone.server.version_models import (
    BackupRequest,
    Compared,
    ExportRequest,
    ForgetRequest,
    ForkRequest,
    GcRequest,
    ImportRequest,
    RestoreRequest,
    TagRequest,
    UntagRequest,
)

router = guarded()


@router.get("/diff", dependencies=[may(Action.READ)])
def diff(ws: Owned, chosen: Annotated[Compared, Query()]) -> VersionDiff:
    """Say what changed between two versions, or since the parent of one."""
    return ws.diff(
        chosen.before,
        chosen.after,
        limit=chosen.limit,
        offset=chosen.offset,
        text=chosen.text,
    )


@router.get("/datasets/{name:path}/tags", dependencies=[may(Action.READ, named_dataset)])
def tags(ws: Owned, name: str) -> list[TagInfo]:
    """List the tags of a dataset, oldest version first."""
    return ws.tags(name)


@router.post("/datasets/{name:path}/tag", dependencies=[may(Action.BRANCH, named_dataset)])
def tag(ws: Owned, name: str, body: TagRequest) -> TagInfo:
    """Name the version `D` or `D@V`."""
    return ws.tag(name, body.tag, message=body.message, move=body.move)


@router.post("/datasets/{name:path}/untag", dependencies=[may(Action.BRANCH, named_dataset)])
def untag(ws: Owned, name: str, body: UntagRequest) -> list[TagInfo]:
    """Take a tag away and list those that are left; the version stays."""
    ws.untag(name, body.tag)
    return ws.tags(name)


@router.post("/datasets/{name:path}/fork", dependencies=[may(Action.BRANCH, named_dataset)])
def fork(ws: Owned, name: str, body: ForkRequest) -> VersionInfo:
    """Make a dataset that begins equal to `D` or `D@V`, without copying."""
    return ws.fork(name, body.name, message=body.message)


@router.post("/datasets/{name:path}/restore", dependencies=[may(Action.BRANCH, named_dataset)])
def restore(ws: Owned, name: str, body: RestoreRequest) -> VersionInfo:
    """Make a new version equal to `D@V`."""
    return ws.restore(name, message=body.message)


@router.post("/forget", dependencies=[may(Action.ERASE)])
def forget(ws: Owned, body: ForgetRequest) -> ForgetReceipt:
    """Erase items for real, from every version and file of the workspace."""
    return ws.forget(body.items, reason=body.reason, models=body.models)


@router.get("/forgets", dependencies=[may(Action.READ)])
def forgotten(ws: Owned) -> list[ForgetReceipt]:
    """List the receipts of what was erased, newest first."""
    return ws.forgotten()


@router.post("/gc", dependencies=[may(Action.ERASE)])
def gc(ws: Owned, body: GcRequest) -> Collection:
    """Give up old versions, and delete what no kept version needs."""
    return ws.gc(body.datasets, keep=body.keep, days=body.days, dry_run=body.dry_run)


@router.post("/datasets/{name:path}/export", dependencies=[may(Action.COPY, named_dataset)])
def export(ws: Owned, name: str, body: ExportRequest) -> ExportResult:
    """Write `D` or `D@V` to a new folder of the server's machine."""
    return ws.export(name, server_path("folder", body.folder), licence=body.licence)


@router.post("/datasets/{name:path}/import", dependencies=[may(Action.INGEST, named_dataset)])
def import_dataset(ws: Owned, name: str, body: ImportRequest) -> ImportResult:
    """Take an export, in a folder of the server's machine, into the dataset."""
    return ws.import_dataset(server_path("folder", body.folder), name, message=body.message)


@router.post("/backup", dependencies=[may(Action.COPY)])
def backup(ws: Owned, body: BackupRequest) -> BackupResult:
    """Copy the whole workspace to a folder of the server's machine, while others use it."""
    return ws.backup(server_path("target", body.target))
