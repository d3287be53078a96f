"""Which format the bytes really are: the content wins over the file's ending."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePosixPath

from ragstone.errors import EncryptedInput, UnsupportedFormat

_PDF_WITHIN = 1024  # the header may stand behind so much junk
_HEAD = 4096

# Beginnings of images and recordings: (offset, bytes, ending).
_MEDIA = (
    (0, b"\x89PNG\r\n", ".png"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"GIF8", ".gif"),
    (0, b"BM", ".bmp"),
    (0, b"II*\x00", ".tiff"),
    (0, b"MM\x00*", ".tiff"),
    (8, b"WEBP", ".webp"),
    (4, b"ftyphei", ".heic"),
    (4, b"ftyphev", ".heic"),
    (4, b"ftypmif1", ".heic"),
    (4, b"ftypmsf1", ".heic"),
    (4, b"ftypavif", ".avif"),
    (4, b"ftypavis", ".avif"),
    (4, b"ftypM4A", ".m4a"),
    (4, b"ftypM4B", ".m4a"),
    (8, b"WAVE", ".wav"),
    (0, b"ID3", ".mp3"),
    (0, b"\xff\xfb", ".mp3"),
    (0, b"\xff\xf3", ".mp3"),
    (0, b"\xff\xf2", ".mp3"),
    (0, b"OggS", ".ogg"),
    (0, b"fLaC", ".flac"),
)
_PORTABLE = (".pbm", ".pgm", ".ppm", ".pnm")  # begin like a text: the ending tells
IMAGES = (".png", ".jpg", ".gif", ".bmp", ".tiff", ".webp", ".heic", ".avif", *_PORTABLE)
RECORDINGS = (".wav", ".flac", ".ogg", ".mp3", ".m4a")

# Beginnings of formats that no parser here reads: (offset, bytes, what it is).
_REFUSED = (
    (4, b"ftyp", "An MP4 video"),
    (8, b"AVI ", "An AVI video"),
    (0, b"\x1aE\xdf\xa3", "A Matroska or WebM video"),
    (0, b"{\\rtf", "A rich text file (.rtf)"),
    (0, b"%!PS", "A PostScript file"),
    (0, b"7z\xbc\xaf\x27\x1c", "A 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "A RAR archive"),
    (0, b"BZh", "A bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "An xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "A Zstandard archive"),
    (257, b"ustar", "A tar archive"),
    (0, b"\x7fELF", "A program"),
    (0, b"MZ\x90", "A Windows program"),
    (0, b"SQLite format 3\x00", "An SQLite database"),
    (0, b"\x93NUMPY", "A NumPy array"),
)
# Endings that no parser takes, for files whose bytes do not tell.
_REFUSED_ENDINGS = {
    ".doc": "A Word file of the old format (.doc)",
    ".xls": "An Excel file of the old format (.xls)",
    ".ppt": "A PowerPoint file of the old format (.ppt)",
    ".msg": "An Outlook message (.msg)",
    ".pages": "An Apple Pages file (.pages)",
    ".key": "An Apple Keynote file (.key)",
    ".numbers": "An Apple Numbers file (.numbers)",
    ".odt": "An OpenDocument text (.odt)",
    ".ods": "An OpenDocument spreadsheet (.ods)",
    ".odp": "An OpenDocument presentation (.odp)",
    ".rtf": "A rich text file (.rtf)",
    ".zip": "A ZIP archive",
    ".p7s": "A signed message (.p7s)",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("WordDocument", ".doc"),
    ("PowerPoint Document", ".ppt"),
    ("Workbook", ".xls"),
    ("Book", ".xls"),
    ("__properties_version1.0", ".msg"),
)
# Possessive and atomic: what has matched is never tried another way, so that many comments cost
# one look each.
_HTML = re.compile(
    rb"\s*+(?:<\?xml[^>]*\?>\s*+)?(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html\b|html[\s>])",
    re.I | re.S,
)
_XML = re.compile(rb"\s*<\?xml\s")
# Only these endings may turn out to be HTML or XML: in others (.md, .py, .eml) markup is content.
_TEXT_HINTS = frozenset({"", ".txt", ".text", ".xml", ".htm", ".html", ".xhtml", ".doc", ".xls"})
_ZIP_ENDINGS = frozenset({".docx", ".pptx", ".xlsx", ".xlsm", ".epub"})


def media_of(head: bytes) -> str:
    """Return "image", "audio" or "pdf" for bytes that begin with `head`, or nothing."""
    for offset, magic, ending in _MEDIA:
        if head.startswith(magic, offset):
            return "image" if ending in IMAGES else "audio"
    return "pdf" if b"%PDF-" in head[:_PDF_WITHIN] else ""


def detect(name: str, content: bytes, endings: frozenset[str]) -> str:
    """Return the ending under which the parser of `content` stands.

    Parameters
    ----------
    name
        File name; its ending is only a hint.
    content
        The bytes, at least the first 4,096 of them; all for zip containers.
    endings
        Endings that have a parser.

    Raises
    ------
    UnsupportedFormat
        The bytes or the ending belong to a format that no parser takes.
    EncryptedInput
        It is an Office file under a password.
    """
    hint = PurePosixPath(name).suffix.lower()
    head = content[:_HEAD]
    binary = _binary(head, content, hint)
    if binary:
        return binary
    plain = _unmarked(head)
    if hint in _TEXT_HINTS and _HTML.match(plain):
        return ".html"
    if hint in ("", ".txt", ".text") and _XML.match(plain):
        return ".xml"
    if hint in _REFUSED_ENDINGS:
        raise UnsupportedFormat(_REFUSED_ENDINGS[hint])
    return hint if hint in endings else ""


def _binary(head: bytes, content: bytes, hint: str) -> str:
    if b"%PDF-" in content[:_PDF_WITHIN] and (hint == ".pdf" or head.lstrip()[:5] == b"%PDF-"):
        return ".pdf"
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _zip(content, hint)
    if head.startswith(b"PAR1"):
        return ".parquet"
    if head.startswith(_OLE):
        raise _ole(content)
    for offset, magic, ending in _MEDIA:
        if head.startswith(magic, offset) and not _is_text(head, magic):
            return ending
    for offset, magic, what in _REFUSED:
        if head.startswith(magic, offset) and not _is_text(head, magic):
            raise UnsupportedFormat(what)
    return ""


def _is_text(head: bytes, magic: bytes) -> bool:
    """Tell whether a short magic of letters ("BM", "ID3") is the beginning of a text."""
    if not magic.isalnum():
        return False
    return not re.search(rb"[\x00-\x08\x0e-\x1a\x80-\xff]", head)


def _zip(content: bytes, hint: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError):
        # Damaged: the parser of the hinted format says so.
        if hint in _ZIP_ENDINGS:
            return hint
        raise UnsupportedFormat(_REFUSED_ENDINGS.get(hint, "A damaged ZIP archive")) from None
    if kind.startswith(b"application/epub") or "META-INF/container.xml" in names:
        return ".epub"
    for member, ending in (
        ("word/document.xml", ".docx"),
        ("ppt/presentation.xml", ".pptx"),
        ("xl/workbook.xml", ".xlsx"),
    ):
        if member in names:
            return ending
    if "[Content_Types].xml" in names and hint in _ZIP_ENDINGS:
        return hint
    if kind.startswith(b"application/vnd.oasis.opendocument"):
        flavour = kind.decode("ascii", "replace").rsplit(".", 1)[-1].strip()
        what = f"An OpenDocument {flavour} file"
        raise UnsupportedFormat(what)
    if any(name.startswith("Index/") or name.endswith(".iwa") for name in names):
        raise UnsupportedFormat(_REFUSED_ENDINGS.get(hint, "An Apple iWork file"))
    raise UnsupportedFormat(_REFUSED_ENDINGS.get(hint, "A ZIP archive"))


def _ole(content: bytes) -> UnsupportedFormat | EncryptedInput:
    """Name what an OLE container holds by the stream names in its directory."""
    if "EncryptedPackage".encode("utf-16-le") in content:
        return EncryptedInput()
    for stream, ending in _OLE_STREAMS:
        if stream.encode("utf-16-le") in content:
            return UnsupportedFormat(_REFUSED_ENDINGS[ending])
    return UnsupportedFormat("A Microsoft compound file")


def _unmarked(head: bytes) -> bytes:
    """Return the beginning as ASCII bytes whatever width its encoding has."""
    return head.lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\x00", b"")
