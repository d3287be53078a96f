"""What the failpoint harness runs in children: one operation, or a look at what it left.

Started by `failpoints.py` with the library in LD_PRELOAD; imports the storage once, then forks a
child per request. A request is a line of JSON on standard input, the answer a line on output.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
from failpoints_bugs import BUGS
from failpoints_operations import (
    OPENING,
    Session,
    create,
    first,
    perform,
    second,
    write_tokenizer,
)
from failpoints_places import outside, watched

from ragstone.config import StorageSettings
from ragstone.errors import RagstoneError, UnknownWorkspace
from ragstone.exchange.layout import read_export_file
from ragstone.storage import doctor, manifests
from ragstone.storage.backup_record import BACKUP_FILE
from ragstone.storage.blobs import Blobs
from ragstone.storage.files import stamp
from ragstone.storage.files import verify as verify_file
from ragstone.storage.manifests import Manifest
from ragstone.storage.recovery import candidates, named_paths
from ragstone.storage.restoring import restore_backup, verify_backup
from ragstone.storage.store import Store

SECONDS = 60.0  # a child that takes longer hangs
EXPECTED = (RagstoneError, OSError, duckdb.Error)  # what a failing disk may raise
QUERIES = ("granite", "slate plates", "chalk", "marble", "basalt")

# ---------------------------------------------------------------- what there is


def look(session: Session) -> dict[str, Any]:
    """Return what a person can see of the workspace: each version, and what the doctor says."""
    store = session.store
    report = doctor.examine(store)
    versions = {}
    for head in store.heads():
        for manifest in store.history(head.dataset_id):
            reference = f"{head.dataset}@{manifest.version}"
            versions[reference] = describe(session, reference, manifest)
    kept = Blobs(store.root / "quarantine")
    rows = store.catalog.rows("SELECT source, code, item_id FROM quarantine ORDER BY ALL")
    tags = {head.dataset: store.tags.of(head.dataset_id) for head in store.heads()}
    return {
        "versions": versions,
        "tags": {name: {t.name: t.version for t in of.values()} for name, of in tags.items()},
        "erased": [receipt.items for receipt in store.erasures.receipts],
        "findings": sorted([f.check, f.where] for f in report.findings),
        "quarantine": [[Path(s).name, code, len(kept.get(i))] for s, code, i in rows],
        "outside": written(outside(session.root)),
    }


def describe(session: Session, reference: str, manifest: Manifest) -> dict[str, Any]:
    store = session.store
    live = store.live_sources(manifest).sort_by("source").to_pylist()
    return {
        "content": manifest.content,
        "sources": [[Path(r["source"]).name, r["item_id"], r["work_key"]] for r in live],
        "texts": [store.item_text(manifest.dataset_id, row["item_key"]) for row in live],
        "keyword": [found(session, reference, query, "keyword") for query in QUERIES],
        "vector": [found(session, reference, query, "vector") for query in QUERIES],
    }


def found(session: Session, reference: str, query: str, mode: Any) -> list[list[Any]] | str:
    try:
        result = session.workspace.search(query, reference, mode=mode)
    except RagstoneError as error:
        return error.code
    return [[hit.chunk_id, hit.score, hit.text] for hit in result.hits]


def written(folder: Path) -> dict[str, Any]:
    """Return what is complete, or says so, of what was written beside the workspace."""
    backups = sorted(folder.glob(f"*Z/{BACKUP_FILE}"))
    found: dict[str, Any] = {"backups": [restored(path.parent) for path in backups]}
    if (folder / "export").exists():
        found["export"] = exported(folder / "export")
    return found


def restored(backup: Path) -> dict[str, Any]:
    """Return what a workspace made of a backup has; an error when it is not whole."""
    check = verify_backup(backup)
    target = backup.parent / "restored"
    restore_backup(backup, target)
    store = Store(target, StorageSettings(lock_seconds=0, threads=1))
    try:
        report = doctor.examine(store)
        return {
            "findings": [*check.findings, *report.findings],
            "versions": digests(target),
            "recovered": store.recovered,
        }
    finally:
        store.close()
        shutil.rmtree(target)


def exported(folder: Path) -> dict[str, Any]:
    """Return what an export holds; an error when it is not whole."""
    export = read_export_file(folder)
    for name, promised in export.files.items():
        verify_file(folder / name, promised)
    originals = [path for path in (folder / "originals").rglob("*") if path.is_file()]
    assert all(stamp(path).blake3 == path.stem for path in originals)
    assert len(originals) == export.originals
    return {"items": export.items, "chunks": export.chunks, "content": export.content}


def leftovers(root: Path) -> list[str]:
    """Return what no manifest names, and every temporary name."""
    named = named_paths(root)
    found = [p.relative_to(root).as_posix() for p in candidates(root)]
    temporary = [p.relative_to(root).as_posix() for p in root.rglob(".tmp-*")]
    published = [
        folder.relative_to(root).as_posix()
        for folder in (root / "datasets").glob("*")
        if not manifests.numbers(folder)
    ]
    return sorted({path for path in found if path not in named} | {*temporary, *published})


def digests(root: Path) -> dict[str, str]:
    """Return the digest of every manifest, by path."""
    return {
        path.relative_to(root).as_posix(): manifests.read(path).digest
        for path in sorted(root.glob("datasets/*/versions/[0-9]*.json"))
    }


# ---------------------------------------------------------------- in a child

library = ctypes.CDLL(os.environ["LD_PRELOAD"]) if "LD_PRELOAD" in os.environ else None
Tell = Callable[[dict[str, Any]], None]


def act(request: dict[str, Any], session: Session, tell: Tell) -> None:
    """Run the operation with the failpoint; a killed child has said whether it acknowledged."""
    assert library is not None
    operation = request["operation"]
    if operation not in OPENING:
        session.open()
    if operation == "close":
        second(session)
    dies = request["mode"] in {"none", "kill", "torn"}
    handle = os.open(request["record"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    modes = ("none", "kill", "torn", "eio", "enospc", "short")
    folder = os.fsencode(watched(operation, session.root))
    library.fp_arm(folder, request["at"], modes.index(request["mode"]), handle)
    try:
        perform(operation, session)
        tell({"acknowledged": library.fp_count()})
        if dies:  # what is acknowledged has to outlive what comes after
            session.close()
    except EXPECTED as error:
        tell({"error": in_words(error)})
    finally:
        tell({"calls": library.fp_disarm()})
    if not dies:
        tell({"inside": inside(operation, session)})


def inside(operation: str, session: Session) -> dict[str, Any]:
    """Look and go on in the process that met the error, then close."""
    seen: dict[str, Any] = {}
    steps: dict[str, Callable[[], Any]] = {
        "look": lambda: look(session) if session.opened else None,
        "again": lambda: perform(operation, session),
        "look again": lambda: look(session) if session.opened else None,
        "close": session.close,
    }
    for name, step in steps.items():
        try:
            seen[name] = step()
        except EXPECTED as error:
            seen[name] = in_words(error)
    return seen


def in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error} {getattr(error, 'hint', '')}"


def verify(request: dict[str, Any], session: Session, tell: Tell) -> None:
    """Open, look, run the operation to its end, look again."""
    operation = request["operation"]
    try:
        session.open()
    except UnknownWorkspace:
        tell({"before": None})
    else:
        tell({"recovered": session.store.recovered})
        tell({"digests": digests(session.root), "leftovers": leftovers(session.root)})
        tell({"before": look(session)})
    if request["again"]:
        perform(operation, session)
        if operation == "close":
            session.open()
            second(session)
        tell({"after": look(session), "left after": leftovers(session.root)})
    session.close()


def scout(_request: dict[str, Any], session: Session, tell: Tell) -> None:
    """Do everything once and tell what had to be imported: a fork that has it all is quick."""
    known = set(sys.modules)
    create(session)
    first(session)
    second(session)
    look(session)
    session.close()
    tell({"modules": sorted(set(sys.modules) - known)})


ROLES = {"act": act, "verify": verify, "scout": scout}


def child(request: dict[str, Any], tokenizer_file: Path, pipe: int) -> None:
    def tell(message: dict[str, Any]) -> None:
        os.write(pipe, json.dumps(message).encode() + b"\n")

    try:
        if request.get("bug"):
            BUGS[request["bug"]](tell)
        session = Session(Path(request["root"]), tokenizer_file)
        ROLES[request["role"]](request, session, tell)
    except BaseException as error:  # the border of the process
        tell({"failed": f"{type(error).__name__}: {error}"})
        raise


# ---------------------------------------------------------------- in the parent


def answer(request: dict[str, Any], tokenizer_file: Path) -> dict[str, Any]:
    """Fork a child for `request` and return all it told, and how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            child(request, tokenizer_file, writing)
            status = 0
        except BaseException:  # noqa: BLE001  # the border of the process
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    os.close(writing)
    told = read_all(pid, reading)
    os.close(reading)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    merged: dict[str, Any] = {"ended": ended}
    for line in told.splitlines():
        with suppress(ValueError):  # the last line of a killed child may be cut
            merged |= json.loads(line)
    return merged


def read_all(pid: int, pipe: int) -> bytes:
    """Return what a child writes; one that hangs is killed and told of."""
    told, deadline = b"", time.monotonic() + SECONDS
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            return told + b'\n{"failed": "it hangs"}\n'
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return told
        told += piece


def main() -> None:
    scratch = Path(sys.argv[1])
    tokenizer_file = scratch / f"tokenizer-{os.getpid()}.json"
    write_tokenizer(tokenizer_file)
    request = {"role": "scout", "root": str(scratch / f"scout-{os.getpid()}")}
    for name in answer(request, tokenizer_file)["modules"]:
        with suppress(ImportError):  # some extensions make modules that no file holds
            importlib.import_module(name)
    for line in sys.stdin:
        response = answer(json.loads(line), tokenizer_file)
        sys.stdout.write(json.dumps(response) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
