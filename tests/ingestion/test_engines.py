"""Engines: order, limits, and workers that end in every way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from ragstone.errors import ParserDied, ParserTimeout
from ragstone.ingestion.engines import Engine, ProcessEngine, SerialEngine


@pytest.fixture(params=["serial", "one process", "two processes"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    workers = {"one process": 1, "two processes": 2}.get(request.param)
    made: Engine = ProcessEngine(workers, 60, 1024) if workers else SerialEngine()
    yield made
    made.close()


def test_results_come_in_order(engine: Engine) -> None:
    tasks = [0.2, 0.0, 0.1, *[0.0] * 20]
    assert [task for task, _ in engine.map(time.sleep, tasks)] == tasks
    assert list(engine.map(abs, [-1, -2])) == [(-1, 1), (-2, 2)]


def test_tasks_are_taken_as_they_are_needed(engine: Engine) -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    results = engine.map(abs, tasks())
    assert next(results) == (0, 0)
    assert len(taken) < 20


def test_slow_task_is_killed_and_the_rest_goes_on() -> None:
    engine = ProcessEngine(1, 1.0, 1024)
    (_, slow), (_, quick) = engine.map(time.sleep, [60, 0])
    engine.close()
    assert isinstance(slow, ParserTimeout)
    assert "1 s" in slow.message
    assert quick is None


@pytest.mark.parametrize(
    ("function", "task", "reason"),
    [
        (os._exit, 7, "status 7"),
        (signal.raise_signal, signal.SIGKILL, "SIGKILL"),
        (bytearray, 4 * 2**30, "more memory"),
    ],
)
def test_worker_that_dies_is_named_and_replaced(
    function: object, task: object, reason: str
) -> None:
    engine = ProcessEngine(1, 60, 512)
    ((_, died),) = engine.map(function, [task])  # type: ignore[arg-type]
    assert isinstance(died, ParserDied)
    assert reason in died.message
    assert list(engine.map(abs, [-1])) == [(-1, 1)]
    engine.close()


def test_closing_ends_busy_workers() -> None:
    engine = ProcessEngine(1, 60, 1024)
    results = engine.map(time.sleep, iter([0.0] * 5 + [30.0]))
    next(results)
    started = [worker._process for worker in engine._started]
    begin = time.monotonic()
    engine.close()
    assert all(process.poll() is not None for process in started)
    assert time.monotonic() - begin < 20
