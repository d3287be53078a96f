"""The store beside a model of plain dicts: whatever happens, in any order, they hold the same.

RAGSTONE_TORTURE=1 tries many more histories, other ones each time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ragstone.changes import delete
from ragstone.config import RetrievalSettings, StorageSettings
from ragstone.errors import CollectedVersion, UnknownId, VersionConflict
from ragstone.retrieval.question import Question
from ragstone.retrieval.search import Retriever
from ragstone.storage import branches, manifests, parts
from ragstone.storage.changes import Change
from ragstone.storage.doctor import examine
from ragstone.storage.files import digest_bytes
from ragstone.storage.forgetting import forget
from ragstone.storage.manifests import Manifest
from ragstone.storage.reembedding import NewSpace, living_parts, switch
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import SPACE, fill, unit_vectors

TORTURE = bool(os.environ.get("RAGSTONE_TORTURE"))
DATASETS = ("rocks", "ores")
SOURCES = ("a", "b", "c", "d", "e")
TEXTS = (
    "Granite is hard. Quartz is in granite",
    "Slate splits. Chalk does not",
    "Marble was chalk",
    "Basalt is black. Basalt is hard. Flint too",
    "Talc",
    "Quartz and flint",
    "Granite lies on slate",
    "Marble and talc and quartz. Basalt below",
)
WORDS = "granite quartz slate chalk marble basalt flint talc".split()
IDS = {digest_bytes(text.encode()): text for text in TEXTS}
ID_OF = {text: item for item, text in IDS.items()}

State = dict[str, str]  # source -> text
texts = st.sampled_from(TEXTS)
documents = st.dictionaries(st.sampled_from(SOURCES), texts, min_size=1, max_size=3)
picks = st.integers(0, 11)  # one of however many there are


# ---------------------------------------------------------------- the model


@dataclass
class Dataset:
    """What a dataset should hold."""

    head: int = 0  # number
    kept: dict[int, State] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)
    collected: set[int] = field(default_factory=set)

    @property
    def now(self) -> State:
        return self.kept[self.head] if self.head else {}

    def add(self, state: State) -> None:
        self.head += 1
        self.kept[self.head] = dict(state)

    def version(self, pick: int) -> int:
        return sorted(self.kept)[pick % len(self.kept)]

    def give_up(self, newest: int) -> None:
        for number in sorted(self.kept)[:-newest]:
            if number not in self.tags.values():
                del self.kept[number]
                self.collected.add(number)


def collide(base: State, current: State, ours: State) -> bool:
    """Tell whether a change made of `base` cannot follow `current`."""
    ours = {source: text for source, text in ours.items() if base.get(source) != text}
    theirs = {s for s in {**base, **current} if base.get(s) != current.get(s)}
    before, after = set(base.values()), set(current.values())
    return any(
        source in theirs  # both touched the source
        or (text in before and text not in after)  # they removed what we refer to
        or (text not in before and text in after)  # both brought the same bytes
        for source, text in ours.items()
    )


# ---------------------------------------------------------------- what is done to the store


def upsert(store: Store, change: Change, wanted: State) -> None:
    """Let the sources in `wanted` hold their texts, as an ingestion does."""
    live = store.live_sources(change.head).to_pylist()
    held = {row["source"]: row for row in live}
    keys = {row["item_id"]: row["item_key"] for row in live}
    holders = Counter(row["item_key"] for row in live)
    first = change.next_item
    fresh: State = {}
    copies: dict[str, int] = {}
    for source, text in wanted.items():
        item = ID_OF[text]
        row = held.get(source)
        if row and row["item_id"] == item:
            continue
        if row:
            change.removed_sources.add(row["source_key"])
            holders[row["item_key"]] -= 1
        if item in keys:
            copies[source] = keys[item]
            holders[keys[item]] += 1
        else:
            keys[item] = first + len(fresh)
            holders[keys[item]] = 1
            fresh[source] = text
    change.removed_items.update(key for key, count in holders.items() if not count)
    if fresh or copies:
        fill(store, change, fresh, copies)


def reembed(store: Store, dataset: str) -> None:
    """Move a dataset into the next space."""
    head = store.head(dataset)
    green = NewSpace(f"green-{head.version:08d}", "green", "settings")
    made = []
    for part in living_parts(store.root, head):
        rows = parts.read_table(store.root / part.path, "chunks", ["text"])["text"].to_pylist()
        vectors = unit_vectors(rows).astype(np.float16)
        staging = store.root / "jobs" / "green"
        made.append(parts.write_vectors(store.root, staging, part, green.space, vectors))
    switch(store, head, green, made, "")


class Machine(RuleBasedStateMachine):
    """One history: every rule does the same to the store and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ragstone-machine-"))
        self.root = self.folder / "0"
        self.root.mkdir()
        self.model: dict[str, Dataset] = {}
        self.erasures = 0
        self.store = self.opened()

    def opened(self) -> Store:
        return Store(self.root, StorageSettings(lock_seconds=0, threads=1))

    def name(self, pick: int) -> str:
        return sorted(self.model)[pick % len(self.model)]

    def space(self, dataset: str) -> str:
        return self.store.head(dataset).space if dataset in self.model else SPACE

    @initialize(dataset=st.sampled_from(DATASETS), wanted=documents)
    def begin(self, dataset: str, wanted: State) -> None:
        self.ingest(dataset, wanted)

    # ------------------------------------------------------------ changes

    @rule(dataset=st.sampled_from([*DATASETS, "fork"]), wanted=documents)
    def ingest(self, dataset: str, wanted: State) -> None:
        with self.store.change(dataset, self.space(dataset)) as change:
            upsert(self.store, change, wanted)
            if not change.empty:
                self.store.commit(change, "ingest", "settings")
                known = self.model.setdefault(dataset, Dataset())
                known.add({**known.now, **wanted})

    @rule(pick=picks, item=picks)
    def delete(self, pick: int, item: int) -> None:
        name = self.name(pick)
        known = self.model[name]
        if known.now:
            text = sorted(set(known.now.values()))[item % len(set(known.now.values()))]
            delete(self.store, name, [ID_OF[text]], "")
            known.add({source: held for source, held in known.now.items() if held != text})

    @rule(pick=picks, ours=documents, theirs=documents, new=st.booleans())
    def two_at_once(self, pick: int, ours: State, theirs: State, new: bool) -> None:  # noqa: FBT001
        name = f"new{len(self.model)}" if new else self.name(pick)
        base = dict(self.model[name].now) if name in self.model else {}
        with self.store.change(name, self.space(name)) as change:
            upsert(self.store, change, ours)
            self.ingest(name, theirs)
            if change.empty:
                return
            known = self.model.setdefault(name, Dataset())
            if collide(base, known.now, ours):
                with pytest.raises(VersionConflict, match=f"of '{name}'"):
                    self.store.commit(change, "late", "settings")
            else:
                self.store.commit(change, "late", "settings")
                changed = {s: t for s, t in ours.items() if base.get(s) != t}
                known.add({**known.now, **changed})

    @rule(pick=picks, version=picks)
    def restore(self, pick: int, version: int) -> None:
        name = self.name(pick)
        known = self.model[name]
        number = known.version(version)
        branches.restore(self.store, f"{name}@{number}", "")
        known.add(known.kept[number])

    @rule(pick=picks, version=picks)
    def fork(self, pick: int, version: int) -> None:
        name, copy = self.name(pick), f"fork{len(self.model)}"
        number = self.model[name].version(version)
        branches.fork(self.store, f"{name}@{number}", copy, "")
        self.model[copy] = Dataset()
        self.model[copy].add(self.model[name].kept[number])

    @rule(pick=picks)
    def reembed(self, pick: int) -> None:
        name = self.name(pick)
        reembed(self.store, name)
        self.model[name].add(self.model[name].now)

    # ------------------------------------------------------------ names, and what goes

    @rule(pick=picks, version=picks, tag=st.sampled_from(["print", "good"]))
    def tag(self, pick: int, version: int, tag: str) -> None:
        name = self.name(pick)
        number = self.model[name].version(version)
        self.store.tags.set(self.store.resolve(f"{name}@{number}"), tag, "", move=True)
        self.model[name].tags[tag] = number

    @rule(pick=picks, newest=st.integers(1, 3), every=st.booleans())
    def gc(self, pick: int, newest: int, every: bool) -> None:  # noqa: FBT001
        names = list(self.model) if every else [self.name(pick)]
        collect(self.store, Policy(newest=newest), names, dry_run=False)
        for name in names:
            self.model[name].give_up(newest)

    @rule(text=texts)
    def forget(self, text: str) -> None:
        states = [state for known in self.model.values() for state in known.kept.values()]
        try:
            forget(self.store, [ID_OF[text]], "")
        except UnknownId:
            assert all(text not in state.values() for state in states)
        else:  # it may have been in a part, and in no version any more
            self.erasures += 1
        for state in states:
            for source in [source for source, held in state.items() if held == text]:
                del state[source]

    # ------------------------------------------------------------ ends and beginnings

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.opened()

    @rule()
    def crash(self) -> None:
        """Leave the mark of the owner, and what a commit that did not come to its end leaves."""
        head = self.store.head(self.name(0))
        orphan = self.store.folder(head) / "parts" / "01ORPHAN"
        self.store.expect_leftovers()
        self.store.close()
        orphan.mkdir(parents=True, exist_ok=True)
        (self.root / "datasets" / ".tmp-nothing").mkdir(exist_ok=True)
        self.store = self.opened()
        assert not orphan.exists()

    @rule(dataset=st.sampled_from(DATASETS), wanted=documents)
    def kill(self, dataset: str, wanted: State) -> None:
        """Go on with a copy of the folder, taken while a change is collected."""
        copy = self.folder / str(int(self.root.name) + 1)
        with self.store.change(dataset, self.space(dataset)) as change:
            upsert(self.store, change, wanted)
            shutil.copytree(self.root, copy)
        self.store.close()
        shutil.rmtree(self.root)
        self.root = copy
        self.store = self.opened()

    @rule()
    def lose_the_catalog(self) -> None:
        self.store.close()
        (self.root / "catalog.duckdb").unlink()
        self.store = self.opened()

    # ------------------------------------------------------------ comparing

    @precondition(lambda self: self.model)
    @rule(pick=picks, version=picks, word=st.sampled_from(WORDS))
    def search(self, pick: int, version: int, word: str) -> None:
        name = self.name(pick)
        number = self.model[name].version(version)
        self.check_search(f"{name}@{number}", self.model[name].kept[number], [word])

    @invariant()
    def heads_agree(self) -> None:
        heads = {head.dataset: head for head in self.store.heads()}
        assert {name: head.version for name, head in heads.items()} == {
            name: known.head for name, known in self.model.items()
        }
        for name, head in heads.items():
            assert self.sources(head) == self.model[name].now

    def teardown(self) -> None:
        try:
            for name, known in self.model.items():
                self.check_dataset(name, known)
            report = examine(self.store)
            assert report.healthy, report.findings
            assert len(self.store.erasures) == self.erasures
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    def check_dataset(self, name: str, known: Dataset) -> None:
        head = self.store.head(name)
        assert manifests.numbers(self.store.folder(head)) == sorted(known.kept)
        for number in known.collected:
            with pytest.raises(CollectedVersion):
                self.store.resolve(f"{name}@{number}")
        for tag, number in known.tags.items():
            assert self.store.resolve(f"{name}@{tag}").version == number
        for number, state in known.kept.items():
            reference = f"{name}@{number}"
            manifest = self.store.resolve(reference)
            assert self.sources(manifest) == state, reference
            for row in self.store.live_sources(manifest).to_pylist():
                text = self.store.item_text(manifest.dataset_id, row["item_key"])
                assert text == state[row["source"]]
            for text in state.values():
                assert self.store.blobs.get(ID_OF[text]) == text.encode()
            self.check_search(reference, state, WORDS)
            self.check_vectors(manifest, state)

    def sources(self, manifest: Manifest) -> State:
        rows = self.store.live_sources(manifest).to_pylist()
        assert len(rows) == len({row["source"] for row in rows}), "a source is there twice"
        return {row["source"]: IDS[row["item_id"]] for row in rows}

    def check_search(self, reference: str, state: State, words: list[str]) -> None:
        retriever = Retriever(self.store, RetrievalSettings(), lambda *_: unit_vectors([]))
        for word in words:
            result = retriever.search(Question(word, k=100, mode="keyword"), [reference])
            found = sorted((IDS[hit.item_id], hit.text) for hit in result.hits)
            expected = sorted(
                (text, piece)
                for text in set(state.values())
                for piece in text.split(". ")
                if word in piece.lower().split()
            )
            assert found == expected, (reference, word)
            for hit in result.hits:
                assert state[hit.source] == IDS[hit.item_id], (reference, word)

    def check_vectors(self, manifest: Manifest, state: State) -> None:
        pieces = [piece for text in set(state.values()) for piece in text.split(". ")]
        assert manifest.chunks == len(pieces)
        live = self.store.live_chunks(manifest.dataset_id, manifest.version)
        for piece in pieces[:3]:
            near = self.store.segments.search(manifest.segments, unit_vectors([piece])[0], 99, live)
            assert len({key for key, _ in near.pairs()}) == len(near.pairs()) == len(pieces)
            assert near.pairs()[0][1] > 0.99


# ---------------------------------------------------------------- trying


def test_two_writers_who_let_go_of_the_same_item() -> None:
    """Each leaves it to the other's source: together they leave it to none."""
    machine = Machine()
    shared, ours, theirs = TEXTS[:3]
    machine.begin("rocks", {"a": shared, "b": shared})
    machine.two_at_once(pick=0, ours={"a": ours}, theirs={"b": theirs}, new=False)
    machine.heads_agree()
    machine.teardown()


def test_a_killed_change_does_not_bring_back_what_was_erased() -> None:
    machine = Machine()
    machine.begin("rocks", {"a": TEXTS[0]})
    machine.forget(TEXTS[0])
    machine.kill("rocks", {"a": TEXTS[0]})
    machine.heads_agree()
    machine.teardown()


def test_store_and_model_agree() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=1_500 if TORTURE else 30,
            stateful_step_count=40 if TORTURE else 25,
            derandomize=not TORTURE,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            print_blob=False,
        ),
    )
