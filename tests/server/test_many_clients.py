"""Eight clients search, one ingests and the pages are used, all at a time, against one server.

What is measured beside it is the matter of `benchmarks/serving.py`, which does the work here too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SERVING = Path(__file__).parents[2] / "benchmarks" / "serving.py"
SMALL = ["--seconds", "8", "--documents", "60", "--clients", "8", "--hashing", "--json"]


def test_nothing_fails_when_all_work_at_a_time() -> None:
    done = subprocess.run(
        [sys.executable, str(SERVING), *SMALL], capture_output=True, text=True, check=False
    )
    # A request that fails ends its client; whatever a server logs ends the measurement.
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert figures["ingestions"]
    assert figures["versions"] == 1 + len(figures["ingestions"])
    assert figures["pages"] > 0
    assert all(figures["busy"][mode] for mode in ("keyword", "vector", "hybrid", "health"))
