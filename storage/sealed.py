"""JSON files that prove themselves: they carry the BLAKE3 of their own content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragstone.errors import DamagedFile
from ragstone.storage.files import FileStamp, digest_bytes, write_durably

_OWN = "checksum"
RESPELT = "its bytes have changed, though not what they say"


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` (JSON) with their checksum to `path`, durably and in one step."""
    sealed = {**values, _OWN: _checksum(values)}
    write_durably(path, json.dumps(sealed, indent=1, ensure_ascii=False).encode())


def read_sealed(path: Path) -> dict[str, Any]:
    """Return what `write_sealed` wrote, without the checksum.

    Raises
    ------
    DamagedFile
        The file cannot be read, or its bytes have changed.
    """
    try:
        values = json.loads(path.read_bytes())
        promised = values.pop(_OWN)
    except OSError as error:
        raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(path, f"it is not what was written there ({error})") from error
    if _checksum(values) != promised:
        raise DamagedFile(path, "its checksum does not fit its content")
    return dict(values)


def respelt(path: Path, indent: int | None = 1) -> bool:
    """Tell whether the JSON at `path` is spelt otherwise than it was written, byte for byte.

    False where it is no JSON at all, or not there: that is for its reader to say.
    """
    try:
        content = path.read_bytes()
        spelt = json.dumps(json.loads(content), indent=indent, ensure_ascii=False).encode()
    except (OSError, ValueError):
        return False
    return spelt != content


def pack_stamps(stamps: Mapping[str, FileStamp]) -> dict[str, list[object]]:
    """Return `stamps` as JSON: path to [bytes, BLAKE3], by path."""
    return {path: [stamps[path].size, stamps[path].blake3] for path in sorted(stamps)}


def unpack_stamps(packed: Mapping[str, Any]) -> dict[str, FileStamp]:
    """Return what `pack_stamps` was given."""
    return {path: FileStamp(int(size), str(digest)) for path, (size, digest) in packed.items()}


def _checksum(values: Mapping[str, Any]) -> str:
    return digest_bytes(json.dumps(values, sort_keys=True, ensure_ascii=False).encode())
