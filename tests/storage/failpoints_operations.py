"""What the failpoint harness breaks: operations on a workspace, each of which can be run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from conftest import SPACE, fill, unit_vectors
from failpoints_places import outside
from tokenizers import Tokenizer, models, pre_tokenizers

import ragstone
from ragstone.encoders.base import EncoderIdentity, Vectors
from ragstone.storage import catalog, merging, parts
from ragstone.storage.backup_record import BACKUP_FILE
from ragstone.storage.changes import Change
from ragstone.storage.files import TEMPORARY, digest_bytes, remove
from ragstone.storage.parts import PartRows
from ragstone.storage.reembedding import NewSpace, living_parts, switch
from ragstone.storage.store import Store
from ragstone.workspace import Workspace

FIRST = {
    "granite": "Granite is coarse and hard. Quartz and feldspar make it up",
    "slate": "Slate splits into thin plates. Roofs are covered with slate",
}
SECOND = {
    "chalk": "Chalk is a soft white limestone. It was laid down by the sea",
    "slate": "Slate was clay once. Pressure made plates of it",
    "granite again": FIRST["granite"],
}


FEW = 4  # segments that make a merge due
GREEN = NewSpace("green-11111111", "green", "other settings")


class StandIn:
    """An encoder without weights: a vector from a seed for each text."""

    identity = EncoderIdentity("seeded", "00000000", 8, 64)

    def __init__(self, tokenizer_file: Path) -> None:
        self.tokenizer_file = tokenizer_file

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        if on_batch:
            on_batch(len(texts))
        return unit_vectors(texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return unit_vectors(texts)


def write_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


# ---------------------------------------------------------------- operations


@dataclass
class Session:
    """One process with the workspace: opens it, changes it, looks at it."""

    root: Path
    tokenizer_file: Path
    opened: list[Workspace] = field(default_factory=list)

    def open(self, *, create: bool = False) -> None:
        self.opened.append(
            ragstone.open(
                self.root,
                create=create,
                encoder=StandIn(self.tokenizer_file),
                ingestion={"workers": 0},
                # One thread: the calls come in the same order each time.
                storage={"lock_seconds": 0, "threads": 1},
            )
        )

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()

    @property
    def workspace(self) -> Workspace:
        return self.opened[-1]

    @property
    def store(self) -> Store:
        return self.workspace._store


def create(session: Session) -> None:
    session.close()
    session.open(create=True)


def reopen(session: Session) -> None:
    session.close()
    session.open()


def first(session: Session) -> None:
    upsert(session.store, FIRST)


def second(session: Session) -> None:
    upsert(session.store, SECOND)


def delete(session: Session) -> None:
    live = session.store.live_sources(session.store.head("docs"))
    if "granite again" in live["source"].to_pylist():  # else it is done
        session.workspace.delete("docs", [digest_bytes(FIRST["granite"].encode())])


def close(session: Session) -> None:
    """Close with a catalog that is due for compacting, as after thousands of commits."""
    catalog.LOG_COMMITS = 0
    session.close()


def compact(session: Session) -> None:
    session.store.catalog.compact(fresh=True)


def rebuild(session: Session) -> None:
    session.workspace.doctor(rebuild=True)


def ingest(session: Session) -> None:
    session.workspace.ingest([session.root.parent / "sources"], "docs")


def tag(session: Session) -> None:
    session.workspace.tag("docs@1", "printed", message="as sent")


def retag(session: Session) -> None:
    session.workspace.tag("docs@2", "printed", move=True)


def fork(session: Session) -> None:
    if "trial" not in [head.dataset for head in session.store.heads()]:  # else it is done
        session.workspace.fork("docs@1", "trial")


def restore(session: Session) -> None:
    if not session.store.head("docs").origin:  # else it is done
        session.workspace.restore("docs@1")


def gc(session: Session) -> None:
    session.workspace.gc(["docs"], keep=1)


def forget(session: Session) -> None:
    if not session.store.erasures.receipts:  # else it is done
        session.workspace.forget([digest_bytes(FIRST["slate"].encode())], reason="asked to")


def many(session: Session) -> None:
    """Commit as many small segments as may be without a merge."""
    merging.FAN_IN = FEW
    for number in range(FEW - 1):
        upsert(session.store, {f"stone {number}": f"Stone {number}. Basalt is black"})


def merge(session: Session) -> None:
    merging.FAN_IN = FEW
    upsert(session.store, {"the last": "Marble is hard. Basalt is black"})


def reembed(session: Session) -> None:
    store = session.store
    head = store.head("docs")
    if head.space == GREEN.space:
        return
    staging = store.root / "jobs" / f"{TEMPORARY}reembed"
    with store.sweeping_after_failure():
        made = []
        for part in living_parts(store.root, head):
            texts = parts.read_table(store.root / part.path, "chunks", ["text"])["text"].to_pylist()
            vectors = unit_vectors(texts).astype(np.float16)
            made.append(parts.write_vectors(store.root, staging, part, GREEN.space, vectors))
        switch(store, head, GREEN, made, "")
        remove(staging)


def export(session: Session) -> None:
    folder = outside(session.root) / "export"
    if not folder.exists():  # else it is done
        session.workspace.export("docs@2", folder)


def backup(session: Session) -> None:
    back_up_until(session, 1)


def backup_again(session: Session) -> None:
    """Make one beside the first, whose files it links."""
    back_up_until(session, 2)


def back_up_until(session: Session, wanted: int) -> None:
    if len(list(outside(session.root).glob(f"*Z/{BACKUP_FILE}"))) < wanted:
        session.workspace.backup(outside(session.root))


def upsert(store: Store, documents: dict[str, str]) -> None:
    """Make the sources hold `documents`, in one version; what they hold already is left alone."""
    with store.change("docs", SPACE) as change:
        held = {row["source"]: row for row in store.live_sources(change.head).to_pylist()}
        items = {row["item_id"]: row["item_key"] for row in held.values()}
        fresh, copies = {}, {}
        for source, text in documents.items():
            item_id = digest_bytes(text.encode())
            row = held.get(source)
            if row and row["item_id"] == item_id:
                continue
            if row:
                change.removed_sources.add(row["source_key"])
                change.removed_items.add(row["item_key"])
            if item_id in items:
                copies[source] = items[item_id]
            else:
                fresh[source] = text
        if fresh:
            fill(store, change, fresh)
        if copies:
            add_copies(change, copies)
        if not change.empty:
            store.commit(change, f"{len(documents)} documents", "settings")


def add_copies(change: Change, copies: dict[str, int]) -> None:
    rows = PartRows()
    for source, key in copies.items():
        rows.sources.append(
            {
                "source_key": change.next_source,
                "source": source,
                "name": source,
                "item_key": key,
            }
        )
        change.next_source += 1
    change.add_part(rows, np.empty((0, 8), np.float32))


OPERATIONS: dict[str, Callable[[Session], None]] = {
    "create": create,
    "first": first,
    "second": second,
    "delete": delete,
    "close": close,
    "compact": compact,
    "rebuild": rebuild,
    "mend": rebuild,
    "recover commit": reopen,
    "recover unpublished": reopen,
    "recover catalog": reopen,
    "recover merge": reopen,
    "recover gc": reopen,
    "recover forget": reopen,
    "ingest": ingest,
    "tag": tag,
    "retag": retag,
    "fork": fork,
    "restore": restore,
    "gc": gc,
    "forget": forget,
    "many": many,
    "merge": merge,
    "reembed": reembed,
    "export": export,
    "backup": backup,
    "backup again": backup_again,
}
# The opening itself is what is tested.
OPENING = {name for name in OPERATIONS if name.startswith("recover ")} | {"create"}


def perform(operation: str, session: Session) -> None:
    """Run it on a workspace that is open, or will be."""
    OPERATIONS[operation](session)
