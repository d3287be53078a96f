"""What clients asked of a server that is killed again and again, and what it acknowledged.

The ledger knows of each request which source objects it changes. So every version can be compared
with what it has to be: the version before it, and one request applied to it, all of it.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from ragstone.client import Client
from ragstone.errors import UnknownDataset
from ragstone.schemas.api import VersionInfo
from ragstone.storage.files import digest_bytes

PAGE = 1_000
FEW = 4  # items of a dataset that are looked at when not all of them are
State = dict[str, str]  # source -> item id


@dataclass(slots=True)
class Request:
    """One ingestion or deletion."""

    name: str  # also its message
    dataset: str
    kind: Literal["ingest", "delete"]
    effect: dict[str, str | None]  # source -> its item from then on
    job: str = ""
    acknowledged: int = 0  # the version that the server named
    landed: int = 0  # the version that has its message
    void: bool = False  # nobody will work on it any more


@dataclass(slots=True)
class Content:
    """What was written into one file, once."""

    text: str
    word: str  # in each of its paragraphs, and nowhere else


@dataclass(slots=True)
class History:
    """What is known of one dataset."""

    versions: dict[int, str] = field(default_factory=dict)  # number -> digest
    head: State = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)  # acknowledged
    asked: dict[str, int] = field(default_factory=dict)  # tags whose fate nobody knows


class Ledger:
    """Collects requests and their fate; safe to use from several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: dict[str, Request] = {}
        self.contents: dict[str, Content] = {}  # by item id
        self.histories: dict[str, History] = {}
        self.figures: Counter[str] = Counter()
        self.violations: list[str] = []

    def add(self, request: Request) -> Request:
        with self.lock:
            self.requests[request.name] = request
            self.histories.setdefault(request.dataset, History())
            return request

    def content(self, text: str, word: str) -> str:
        """Remember what is written and return its item id."""
        item = digest_bytes(text.encode())
        with self.lock:
            self.contents[item] = Content(text, word)
        return item

    def acknowledge(self, request: Request, version: int) -> None:
        with self.lock:
            request.acknowledged = version
            self.figures[f"{request.kind} acknowledged"] += 1

    def give_up(self, request: Request) -> None:
        with self.lock:
            request.void = True
            self.figures[f"{request.kind} lost before it was taken"] += 1

    def violated(self, what: str) -> None:
        with self.lock:
            self.violations.append(what)


class Checker:
    """Compares a server with the ledger while jobs go on; call `check` while no client writes.

    Parameters
    ----------
    workspace
        Its blobs are read from the disk.
    """

    def __init__(self, ledger: Ledger, workspace: Path, random: Random) -> None:
        self.ledger, self.random = ledger, random
        self._blobs = workspace / "blobs"

    def check(self, client: Client, *, all_of_it: bool) -> None:
        """Compare; `all_of_it`: every item ever written and not only a few."""
        for dataset, history in self.ledger.histories.items():
            gone = self._follow(client, dataset, history)
            if self.ledger.violations:
                return  # a dataset whose only version is lost has no tags or items to ask for
            self._compare_tags(client, dataset, history)
            self._compare_items(client, dataset, history, gone, all_of_it=all_of_it)
        self._compare_acknowledged()
        if all_of_it:
            report = client.doctor()
            if not report.healthy:
                self.ledger.violated(f"doctor: {report.findings}")

    # ------------------------------------------------------------ versions

    def _follow(self, client: Client, dataset: str, history: History) -> set[str]:
        """Compare each new version with its request; return the items that went."""
        try:
            found = {version.version: version for version in client.log(dataset)}
        except UnknownDataset:
            found = {}
        for number, digest in history.versions.items():
            if number not in found or found[number].digest != digest:
                self.ledger.violated(f"version {number} of {dataset} is lost or another")
        gone: set[str] = set()
        for number in sorted(found.keys() - history.versions.keys()):
            if number != len(history.versions) + 1:
                self.ledger.violated(f"version {number} of {dataset} follows a gap")
            gone |= self._land(client, found[number], history)
        return gone

    def _land(self, client: Client, version: VersionInfo, history: History) -> set[str]:
        """Apply the request of a version; the version has to be what comes out."""
        request = self.ledger.requests.get(version.message)
        named = f"{version.dataset}@{version.version} ({version.message})"
        if request is None or request.dataset != version.dataset:
            self.ledger.violated(f"{named} was never asked for")
            return set()
        if request.landed or request.void:
            self.ledger.violated(f"{named} landed before, or can no longer land: {request}")
        after = {**history.head, **request.effect}
        expected = {source: item for source, item in after.items() if item is not None}
        items = client.items(f"{version.dataset}@{version.version}", limit=PAGE)
        actual = {item.source: item.item_id for item in items}
        if actual != expected:
            wrong = sorted(set(actual.items()) ^ set(expected.items()))
            self.ledger.violated(f"{named} is not its parent and {request}: {wrong}")
        gone = set(history.head.values()) - set(expected.values())
        with self.ledger.lock:
            request.landed = version.version
            history.head = expected
            history.versions[version.version] = version.digest
            if not request.acknowledged:
                self.ledger.figures[f"{request.kind} stands, though nobody had heard"] += 1
        return gone

    def _compare_acknowledged(self) -> None:
        for request in self.ledger.requests.values():
            if request.acknowledged and request.landed != request.acknowledged:
                self.ledger.violated(f"acknowledged and lost: {request}")

    def _compare_tags(self, client: Client, dataset: str, history: History) -> None:
        if not history.versions:
            return
        found = {tag.tag: tag.version for tag in client.tags(dataset)}
        for tag, version in history.asked.items():
            if found.get(tag) == version:
                history.tags[tag] = version
        history.asked.clear()
        if found != history.tags:
            self.ledger.violated(f"tags of {dataset}: {found}, not {history.tags}")

    # ------------------------------------------------------------ items

    def _compare_items(
        self, client: Client, dataset: str, history: History, gone: set[str], *, all_of_it: bool
    ) -> None:
        """Look for items in the newest version that is known: a job may land meanwhile."""
        if not history.versions:
            return
        version = f"{dataset}@{max(history.versions)}"
        present, absent = sorted(history.head.values()), sorted(gone)
        if all_of_it:
            mine = {item for r in self._requests_of(dataset) for item in r.effect.values() if item}
            absent = sorted(mine - set(present))
        else:
            present = self.random.sample(present, min(FEW, len(present)))
            absent = absent[:FEW]
        for item in present:
            self._must_be_there(client, version, item)
        for item in absent:
            hits = client.search(self.ledger.contents[item].word, version, mode="keyword").hits
            if any(hit.item_id == item for hit in hits):
                self.ledger.violated(f"{item} came back in {version}")

    def _requests_of(self, dataset: str) -> list[Request]:
        return [r for r in self.ledger.requests.values() if r.dataset == dataset]

    def _must_be_there(self, client: Client, version: str, item: str) -> None:
        content = self.ledger.contents[item]
        path = self._blobs / item[:2] / item[2:4] / item
        if not path.exists() or path.read_bytes() != content.text.encode():
            self.ledger.violated(f"the bytes of {item} in {version} are lost or others")
        hits = client.search(content.word, version, mode="keyword").hits
        if {hit.item_id for hit in hits} != {item}:
            self.ledger.violated(f"{item} of {version} is not found by {content.word!r}: {hits}")
