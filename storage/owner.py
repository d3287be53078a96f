"""One process owns a workspace: a lock file, and `owner.json` that says who it is."""

from __future__ import annotations

import json
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ragstone.errors import WorkspaceBusy
from ragstone.storage.files import TEMPORARY, write_durably

OWNER_FILE = "owner.json"
LOCK_FILE = "owner.lock"


class Owner:
    """Holds the workspace at `root` for this process until `release`.

    Raises
    ------
    WorkspaceBusy
        Another process holds it, and kept it for `wait` seconds.
    """

    def __init__(self, root: Path, wait: float) -> None:
        self._file = root / OWNER_FILE
        self._lock = FileLock(root / LOCK_FILE, thread_local=False)
        try:
            self._lock.acquire(timeout=wait)
        except Timeout as error:
            raise WorkspaceBusy(root, describe_owner(root)) from error
        # The last owner did not release it, or was stopped before it could say that it is here.
        self.crashed = self._file.exists() or any(root.glob(f"{TEMPORARY}*"))
        record = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "what": " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]]).strip() or "python",
        }
        try:
            write_durably(self._file, json.dumps(record).encode(), mode=0o600)
        except BaseException:
            self._lock.release()
            raise

    def release(self, *, tidy: bool = True) -> None:
        """Let the workspace go; untidy, the next owner sweeps as after a crash."""
        try:
            if tidy:
                self._file.unlink(missing_ok=True)
        finally:
            self._lock.release()


def describe_owner(root: Path) -> str:
    """Say in words who holds the workspace at `root`."""
    try:
        record = json.loads((root / OWNER_FILE).read_text(encoding="utf-8"))
        return "process {pid} on {host} ({what}, since {since})".format_map(record)
    except (OSError, ValueError, KeyError):
        return "another process"
