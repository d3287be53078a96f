"""A server under load is killed again and again: what it acknowledged stays, whole and exact.

    python -m pytest -q -s tests/server/test_kills.py

`RAGSTONE_TORTURE=1` makes 2,000 kills of 200; KILLS_SEED chooses another first seed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .killing_bugs import BUGS
from .killing_driver import Torture
from .killing_nursery import Nursery

KILLS = 200  # of one workspace
ENOUGH = 60  # within which a planted bug has to show
FIRST = int(os.environ.get("KILLS_SEED", "1"))
TORTURE = os.environ.get("RAGSTONE_TORTURE") == "1"
ROUNDS = range(FIRST, FIRST + (10 if TORTURE else 1))


@pytest.mark.parametrize("seed", ROUNDS)
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path, seed: int) -> None:
    with Nursery() as nursery:
        torture = Torture(tmp_path, nursery, seed)
        figures = torture.run(KILLS)
    sys.stdout.write(f"\nseed {seed}: {dict(sorted(figures.items()))}\n")
    assert torture.ledger.violations == []
    assert figures["kills"] == KILLS
    # It was killed while it did something, and did something between the kills.
    assert figures["killed while it starts"] > 0
    assert figures["ingest stands, though nobody had heard"] > 0
    assert figures["delete acknowledged"] > 0
    assert figures["chunks taken over"] > 0


@pytest.mark.parametrize("bug", BUGS)
def test_the_ledger_notices(tmp_path: Path, bug: str) -> None:
    with Nursery(bug) as nursery:
        torture = Torture(tmp_path, nursery, FIRST)
        torture.run(ENOUGH)
    assert torture.ledger.violations != []
