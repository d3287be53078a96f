"""Clients of a server that is killed under them: they write, delete, tag and search."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ragstone.client import Client
from ragstone.errors import RagstoneError, ServerUnavailable, UnknownDataset

from .killing_ledger import Content, Ledger, Request

SLOTS = 16  # files of a writer in a dataset
MANY = 12  # files of a large ingestion: several parts
PAUSE = 0.01  # seconds between two searches
LONG = 6  # paragraphs of a long file, each a chunk


@dataclass(slots=True)
class Life:
    """One server from its start to its kill."""

    client: Client
    ending: threading.Event = field(default_factory=threading.Event)  # set before the kill


class Writer:
    """Does one thing after another with files of its own; lives longer than the servers."""

    def __init__(self, number: int, ledger: Ledger, folder: Path, random: Random) -> None:
        self.number, self.ledger, self.folder, self.random = number, ledger, folder, random
        self.pending: Request | None = None
        self.mine: dict[str, str] = {}  # source -> item, as acknowledged
        self.dataset = ""
        self._count = 0

    def move_to(self, dataset: str) -> None:
        """Write into another dataset from now on; nothing may be pending."""
        assert self.pending is None
        self.dataset, self.mine = dataset, {}
        (self.folder / dataset).mkdir(parents=True, exist_ok=True)

    def live(self, life: Life) -> None:
        """Work until the server is killed; whatever else goes wrong is a violation."""
        try:
            self.settle(life.client)
            while not life.ending.is_set():
                self._work(life.client)
        except ServerUnavailable as error:
            if not life.ending.is_set():
                self.ledger.violated(f"the living server did not answer: {error}")
        except RagstoneError as error:
            self.ledger.violated(f"{self.pending}: {error!r}")

    # ------------------------------------------------------------ what the last life left

    def settle(self, client: Client) -> None:
        """Learn what became of the request that nobody answered, and wait for its job."""
        request = self.pending
        if request is None:
            return
        if request.kind == "delete":
            version = self._standing(client, request)
            self._end(request, version)
            return
        if not request.job:
            jobs = client.jobs(request.dataset)
            request.job = next((j.job for j in jobs if j.message == request.name), "")
        if request.job:
            self._follow(client, request)
        else:
            self._end(request, 0)

    def _standing(self, client: Client, request: Request) -> int:
        try:
            log = client.log(request.dataset)
        except UnknownDataset:
            return 0
        return next((v.version for v in log if v.message == request.name), 0)

    def _end(self, request: Request, version: int) -> None:
        """Note that a request is done with, as `version` or (0) not at all."""
        if version:
            self.ledger.acknowledge(request, version)
            after = {**self.mine, **request.effect}
            self.mine = {source: item for source, item in after.items() if item is not None}
        else:
            self.ledger.give_up(request)
        self.pending = None

    # ------------------------------------------------------------ new requests

    def _work(self, client: Client) -> None:
        drawn = self.random.random()
        if self.mine and drawn < 0.3:
            self._delete(client)
        elif self.mine and drawn < 0.4:
            self._tag(client)
        else:
            self._ingest(client)

    def _name(self) -> str:
        self._count += 1
        return f"w{self.number}n{self._count}"

    def _ingest(self, client: Client) -> None:
        name = self._name()
        count = MANY if self.random.random() < 0.2 else self.random.randint(1, 3)
        slots = self.random.sample(range(SLOTS), count)
        effect: dict[str, str | None] = {}
        for slot in slots:
            path = self.folder / self.dataset / f"w{self.number}-{slot}.txt"
            word = f"{name}s{slot}"
            lines = LONG if self.random.random() < 0.2 else 1
            text = "\n\n".join(paragraph(word, line) for line in range(lines))
            path.write_text(text, encoding="utf-8")
            effect[str(path)] = self.ledger.content(text, word)
        request = Request(name, self.dataset, "ingest", effect)
        self.pending = self.ledger.add(request)
        request.job = client.submit(list(effect), self.dataset, message=name).job
        self._follow(client, request)

    def _follow(self, client: Client, request: Request) -> None:
        info = client.follow(request.job)
        if info.state != "done" or info.result is None or not hasattr(info.result, "resumed"):
            self.ledger.violated(f"the job of {request} did not come through: {info}")
            self._end(request, 0)
            return
        with self.ledger.lock:
            self.ledger.figures["chunks ingested"] += info.result.chunks
            self.ledger.figures["chunks taken over"] += info.result.resumed
        self._end(request, info.result.version)

    def _delete(self, client: Client) -> None:
        count = min(len(self.mine), self.random.randint(1, 3))
        sources = self.random.sample(sorted(self.mine), count)
        effect: dict[str, str | None] = dict.fromkeys(sources)
        request = Request(self._name(), self.dataset, "delete", effect)
        items = [self.mine[source] for source in sources]
        self.pending = self.ledger.add(request)
        self._end(request, client.delete(self.dataset, items, message=request.name).version)

    def _tag(self, client: Client) -> None:
        history = self.ledger.histories[self.dataset]
        version = client.log(self.dataset)[0].version
        tag = f"t{self._name()}"
        history.asked[tag] = version
        client.tag(f"{self.dataset}@{version}", tag)
        with self.ledger.lock:
            history.tags[tag] = version
            self.ledger.figures["tags acknowledged"] += 1


def paragraph(word: str, line: int) -> str:
    """Return so many words that the next paragraph is another chunk.

    Every fourth is `word`, so that no five in a row are those of another text: it would be hidden
    as a near-duplicate.
    """
    words = range(220 if line else 9)
    return " ".join(f"granite{(line * 97 + n) % 53}" if n % 4 else word for n in words)


class Searcher:
    """Searches in all modes for what is there, and must find it."""

    def __init__(self, ledger: Ledger, random: Random) -> None:
        self.ledger, self.random = ledger, random

    def live(self, life: Life, targets: list[tuple[str, Content]]) -> None:
        """Search until the server is killed; `targets` are words of versions (`D@V`)."""
        try:
            while not life.ending.wait(PAUSE):
                self._search(life.client, *self.random.choice(targets))
        except ServerUnavailable as error:
            if not life.ending.is_set():
                self.ledger.violated(f"the living server did not answer a search: {error}")
        except RagstoneError as error:
            self.ledger.violated(f"a search failed: {error!r}")

    def _search(self, client: Client, version: str, content: Content) -> None:
        mode = self.random.choice(("keyword", "vector", "hybrid"))
        hits = client.search(content.word, version, k=5, mode=mode).hits  # type: ignore[arg-type]
        if mode == "keyword" and not any(content.word in hit.text for hit in hits):
            self.ledger.violated(f"{content.word} is not found in {version}")
        with self.ledger.lock:
            self.ledger.figures["searches"] += 1
