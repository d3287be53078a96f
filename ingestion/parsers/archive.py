"""Compressed input: guarded before anything is unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib

from ragstone.config import LimitSettings
from ragstone.errors import EncryptedInput, LimitExceeded, MalformedInput

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)
_MAX_MEMBERS = 20_000
_STEP = 2**20  # bytes unpacked at once
_FED = 2**14  # packed bytes handed over at once
# Small files may be packed well; only what grows beyond this is worth refusing for its ratio.
_HARMLESS = 16 * 2**20
_ENCRYPTED = 0x1

# ISO 29500 Strict names the same schemas otherwise; the Office libraries know only the
# Transitional names.
_STRICT = b"http://purl.oclc.org/ooxml/"
_AREAS = "officeDocument wordprocessingml presentationml spreadsheetml drawingml".split()
_SCHEMAS = (
    "relationships main math sharedTypes extendedProperties docPropsVTypes chart diagram picture "
    "wordprocessingDrawing spreadsheetDrawing"
).split()
_STRICT_NAMES = tuple(
    (
        f"http://purl.oclc.org/ooxml/{area}/{name}".encode(),
        f"http://schemas.openxmlformats.org/{area}/2006/{name}".encode(),
    )
    for area in _AREAS
    for name in _SCHEMAS
)
_MAIN_PARTS = ("word/document.xml", "xl/workbook.xml", "ppt/presentation.xml")


def open_zip(content: bytes, media: str, limits: LimitSettings) -> zipfile.ZipFile:
    """Open a zip container after checking what its members would unpack to.

    The declared sizes are a hard bound: `zipfile` hands out no byte beyond them and then fails on
    the checksum. The packed size is that of the whole file, so members that share their bytes
    (a "quine" or overlapping bomb) count each time.

    Raises
    ------
    MalformedInput
        It is no zip file, or a damaged one.
    EncryptedInput
        A member needs a password.
    LimitExceeded
        Unpacked, it would exceed the size or the ratio of the limits.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (*ZIP_ERRORS, ValueError) as error:
        raise MalformedInput(media, f"its zip container is damaged ({error})") from error
    members = archive.infolist()
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise EncryptedInput
    if len(members) > _MAX_MEMBERS:
        raise LimitExceeded("The number of packed files", len(members), _MAX_MEMBERS, "(fixed)")
    check_unpacked(sum(member.file_size for member in members), len(content), limits)
    return archive


def read_member(archive: zipfile.ZipFile, name: str, media: str) -> bytes:
    """Return the bytes of one member; raise `MalformedInput` when it is missing or damaged."""
    try:
        return archive.read(name)
    except KeyError as error:
        raise MalformedInput(media, f"its part {name} is missing") from error
    except (*ZIP_ERRORS, RuntimeError, ValueError) as error:
        raise MalformedInput(media, f"its part {name} is damaged ({error})") from error


def open_office(content: bytes, media: str, limits: LimitSettings) -> io.BytesIO:
    """Return a checked Office file, the Strict flavour translated to the Transitional one."""
    archive = open_zip(content, media, limits)
    if "[Content_Types].xml" not in archive.namelist():
        raise MalformedInput(media, "its table of contents, [Content_Types].xml, is missing")
    main = next((name for name in _MAIN_PARTS if name in archive.namelist()), "")
    if not main or _STRICT not in read_member(archive, main, media):
        return io.BytesIO(content)
    translated = io.BytesIO()
    with zipfile.ZipFile(translated, "w") as target:
        for member in archive.infolist():
            data = read_member(archive, member.filename, media)
            if member.filename.endswith((".xml", ".rels")):
                for strict, transitional in _STRICT_NAMES:
                    data = data.replace(strict, transitional)
            target.writestr(member.filename, data)
    translated.seek(0)
    return translated


def gunzip(content: bytes, limits: LimitSettings) -> bytes:
    """Return the unpacked bytes of a gzip file, all its members in a row.

    Raises
    ------
    MalformedInput
        It is damaged or ends too early.
    LimitExceeded
        It unpacks to more than the limits allow.
    """
    packed = memoryview(content)
    pieces: list[bytes] = []
    size = position = 0
    while position < len(packed):
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not unpacker.eof:
            # Fed in small steps: what is left over is copied each time.
            given = unpacker.unconsumed_tail or packed[position : position + _FED]
            position += 0 if unpacker.unconsumed_tail else len(given)
            piece = _unpacked(unpacker, given)
            size += len(piece)
            check_unpacked(size, len(packed), limits)
            pieces.append(piece)
        position -= len(unpacker.unused_data)
        while position < len(packed) and not packed[position]:
            position += 1  # padding
    return b"".join(pieces)


def _unpacked(unpacker: zlib._Decompress, given: bytes | memoryview) -> bytes:
    try:
        piece = unpacker.decompress(given, _STEP)
    except zlib.error as error:
        raise MalformedInput("gzip", str(error)) from error
    if not given and not piece and not unpacker.eof:
        raise MalformedInput("gzip", "it ends too early")
    return piece


def check_unpacked(unpacked: int, packed: int, limits: LimitSettings) -> None:
    """Raise `LimitExceeded` when so many bytes are too many, or too many for the packed size."""
    if unpacked > limits.bytes:
        raise LimitExceeded("The unpacked size in bytes", unpacked, limits.bytes, "limits.bytes")
    ratio = unpacked / max(packed, 1)
    if unpacked > _HARMLESS and ratio > limits.ratio:
        raise LimitExceeded("Unpacked over packed size", ratio, limits.ratio, "limits.ratio")
