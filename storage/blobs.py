"""Original bytes, named by their BLAKE3: `blobs/ab/cd/abcd…`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ragstone.errors import DamagedFile
from ragstone.storage.files import TEMPORARY, digest_bytes, make_folder, sync_folder


class Blobs:
    """A content-addressed store; the same bytes are kept once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Return where the blob `digest` is, or would be."""
        return self.root / digest[:2] / digest[2:4] / digest

    def __contains__(self, digest: str) -> bool:
        return self.path(digest).exists()

    def put(self, content: bytes) -> str:
        """Keep `content` durably and return its digest."""
        digest = digest_bytes(content)
        final = self.path(digest)
        if final.exists():
            return digest
        make_folder(final.parent)
        temporary = final.with_name(f"{TEMPORARY}{os.getpid()}-{digest}")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
        sync_folder(final.parent)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of the blob `digest`, checked.

        Raises
        ------
        DamagedFile
            The blob is missing or its bytes have changed.
        """
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
        if digest_bytes(content) != digest:
            raise DamagedFile(path, "its bytes have changed since they were written")
        return content

    def __iter__(self) -> Iterator[str]:
        """Yield the digest of every blob."""
        for path in self.root.glob("??/??/*"):
            if not path.name.startswith(TEMPORARY):
                yield path.name
