"""Starts a server, lets clients work, kills it at a random moment, starts it again, compares."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import ragstone
from ragstone.client import Client

from .killing_clients import Life, Searcher, Writer
from .killing_ledger import Checker, Ledger
from .killing_nursery import ForkedServer, Nursery

SETTINGS = "[ingestion]\nworkers = 0\npart_chunks = 4\n[jobs]\nworkers = 2\n"
WRITERS = 3
ALL_OF_IT = 10  # every so many kills everything is compared, and doctor asked
NEW_DATASET = 25  # every so many kills the writers begin another one
AT_START, HURRIED = 0.15, 0.35  # shares of kills before the server answers; soon after it does
START_SECONDS, HURRY_SECONDS, LIFE_SECONDS = 0.12, 0.25, 0.7


class ServerEnded(Exception):
    """A server was not killed and ended; its standard error says why."""


class Torture:
    """A workspace, its clients and the one who kills its server.

    Parameters
    ----------
    seed
        Decides what is written and when it is killed; what meets what is up to the machine.
    """

    def __init__(self, folder: Path, nursery: Nursery, seed: int) -> None:
        self.workspace, self.nursery = folder / "workspace", nursery
        self.random = Random(seed)  # noqa: S311
        ragstone.open(self.workspace, create=True).close()
        (self.workspace / "ragstone.toml").write_text(SETTINGS, encoding="utf-8")
        self.ledger = Ledger()
        self.checker = Checker(self.ledger, self.workspace, self._fresh())
        sources = folder / "sources"
        numbers = range(WRITERS)
        self.writers = [Writer(n, self.ledger, sources, self._fresh()) for n in numbers]
        self.searcher = Searcher(self.ledger, self._fresh())
        self._change_dataset(0)

    def run(self, kills: int) -> Counter[str]:
        """Kill the server so many times, or until something is wrong; return what happened."""
        try:
            for number in range(kills):
                self.kill_once(number)
                if self.ledger.violations:
                    return self.ledger.figures
            self.finish()
        except ServerEnded as error:
            self.ledger.violated(f"a server ended by itself: {error}")
        return self.ledger.figures

    def finish(self) -> None:
        """Let everything that was asked for come to its end, and compare all of it."""
        server = self.nursery.server(self.workspace)
        try:
            with self._client(server) as client:
                for writer in self.writers:
                    writer.settle(client)
                self.checker.check(client, all_of_it=True)
        finally:
            server.kill()
            server.close()

    def kill_once(self, number: int) -> None:
        """Start the server and kill it."""
        server = self.nursery.server(self.workspace)
        try:
            self._live(server, number)
        finally:
            server.kill()
            server.close()

    def _live(self, server: ForkedServer, number: int) -> None:
        drawn = self.random.random()
        if drawn < AT_START:
            time.sleep(self.random.uniform(0, START_SECONDS))
            self._count("while it starts")
            return
        with self._client(server) as client:
            seconds = self.random.uniform(0, LIFE_SECONDS)
            if drawn < HURRIED:
                seconds = self.random.uniform(0, HURRY_SECONDS)
            else:
                self._compare(client, number)
            self._work(server, client, seconds)

    def _compare(self, client: Client, number: int) -> None:
        self.checker.check(client, all_of_it=number % ALL_OF_IT == 0)
        if number // NEW_DATASET > len(self.ledger.histories) - 1:
            for writer in self.writers:
                writer.settle(client)
            self._change_dataset(number // NEW_DATASET)

    def _work(self, server: ForkedServer, client: Client, seconds: float) -> None:
        """Let everybody work for so long, then kill the server."""
        life = Life(client)
        jobs = [threading.Thread(target=writer.live, args=[life]) for writer in self.writers]
        targets = [
            (f"{name}@{max(history.versions)}", self.ledger.contents[item])
            for name, history in self.ledger.histories.items()
            for item in list(history.head.values())[:5]
        ]
        if targets:
            jobs.append(threading.Thread(target=self.searcher.live, args=[life, targets]))
        for job in jobs:
            job.start()
        time.sleep(seconds)
        life.ending.set()
        server.kill(alone=self.random.random() < 0.2)
        for job in jobs:
            job.join()
        self._count(" and ".join(sorted(self._interrupted())) or "while nobody asks for anything")

    def _interrupted(self) -> set[str]:
        return {f"during a {w.pending.kind}" for w in self.writers if w.pending}

    def _count(self, moment: str) -> None:
        with self.ledger.lock:
            self.ledger.figures["kills"] += 1
            self.ledger.figures[f"killed {moment}"] += 1

    def _client(self, server: ForkedServer) -> Client:
        address = server.address()
        if address is None:
            raise ServerEnded(server.pid)
        return Client(address.url, address.token)

    def _change_dataset(self, number: int) -> None:
        for writer in self.writers:
            writer.move_to(f"stones{number}")

    def _fresh(self) -> Random:
        return Random(self.random.random())  # noqa: S311
