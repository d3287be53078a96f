"""The bytes of an answer: counted and unpacked while they arrive, so that a bomb stays small."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ragstone.config import FetchSettings, LimitSettings
from ragstone.errors import FetchFailed, LimitExceeded

_STEP = 2**18  # bytes unpacked at a time
# Small pages may be packed well; only what grows beyond this is worth refusing for its ratio.
_HARMLESS = 16 * 2**20
_GZIP = frozenset({"gzip", "x-gzip"})


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What the body of one answer may come to."""

    bytes: int
    setting: str  # that says so
    ratio: float

    @classmethod
    def of(cls, settings: FetchSettings, limits: LimitSettings) -> BodyLimits:
        """Return the tighter of both: what is fetched is a file to whoever reads it."""
        if settings.bytes <= limits.bytes:
            return cls(settings.bytes, "fetch.bytes", limits.ratio)
        return cls(limits.bytes, "limits.bytes", limits.ratio)

    def check(self, size: int) -> None:
        """Raise `LimitExceeded` when a body of `size` bytes is too large."""
        if size > self.bytes:
            raise LimitExceeded("Its size in bytes", size, self.bytes, self.setting)

    def check_unpacked(self, unpacked: int, packed: int) -> None:
        """Raise `LimitExceeded` when a packed body has grown too large, or too much."""
        self.check(unpacked)
        ratio = unpacked / max(packed, 1)
        if unpacked > _HARMLESS and ratio > self.ratio:
            raise LimitExceeded("Unpacked over packed size", ratio, self.ratio, "limits.ratio")


def read_body(url: str, pieces: Iterable[bytes], encoding: str, limits: BodyLimits) -> bytes:
    """Return the body whose bytes arrive as `pieces`.

    Parameters
    ----------
    url
        Where they come from, for messages.
    encoding
        The header Content-Encoding.

    Raises
    ------
    FetchFailed
        They are packed otherwise than by gzip, damaged, or end too early.
    LimitExceeded
        They are too many, as they come or unpacked.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return b"".join(_counted(pieces, limits))
    if encoding not in _GZIP:
        reason = f"it is packed by {encoding!r}, which was not asked for"
        raise FetchFailed(url, reason, "Fetch it with a browser and take in the file.")
    unpacker = _Unpacker(limits)
    try:
        body = b"".join(part for piece in _counted(pieces, limits) for part in unpacker.feed(piece))
    except zlib.error as error:
        raise FetchFailed(url, f"its gzip packing is damaged ({error})") from error
    if not unpacker.complete:
        raise FetchFailed(url, "its gzip packing ends too early")
    return body


def _counted(pieces: Iterable[bytes], limits: BodyLimits) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        limits.check(size)
        yield piece


class _Unpacker:
    """Unpacks gzip members in a row, step by step."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._packed = self._unpacked = 0
        self._member = _new_member()

    @property
    def complete(self) -> bool:
        """Tell whether a body may end here; one without any bytes may."""
        return self._member.eof or not self._packed

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._packed += len(data)
        while data:
            if self._member.eof:
                data = data.lstrip(b"\x00")  # padding between members
                if not data:
                    return
                self._member = _new_member()
            yield from self._steps(data)
            data = self._member.unused_data if self._member.eof else b""

    def _steps(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unpacks to within the present member."""
        while not self._member.eof:
            piece = self._member.decompress(data, _STEP)
            data = self._member.unconsumed_tail
            self._unpacked += len(piece)
            self._limits.check_unpacked(self._unpacked, self._packed)
            yield piece
            if not data and len(piece) < _STEP:
                return


def _new_member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
