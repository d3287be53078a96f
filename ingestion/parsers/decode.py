"""Bytes to text: byte order marks, UTF-8, what the file declares, else a statistical guess."""

from __future__ import annotations

import codecs
import re

from ragstone.errors import NotText

# The longer marks first: UTF-32-LE begins with the mark of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 2**18  # bytes that the guess looks at: more changes nothing and costs seconds
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MAX_CONTROLS = 0.02  # of the characters; terminal logs hold some, binary files hold tens of %
_MIN_WIDE = 0.3  # of every second byte is zero in UTF-16 of European languages
_MAX_WESTERN = 0.3  # of the bytes are beyond ASCII in languages written with Latin letters
# Šťž and their capitals: in every text of Central Europe (Windows-1250), in hardly any other.
_CENTRAL = frozenset(b"\x8a\x8d\x8e\x9a\x9d\x9e")
_TYPOGRAPHY = "‘’“”„«»›–—…•·€£§°©®™¿¡\u00a0\u00ad\u201a\u2039"
# A well-formed UTF-8 sequence of two to four bytes hardly ever arises by chance: so many of them
# for each malformed byte mean damaged UTF-8, not another encoding.
_GOOD_PER_BAD = 10


def decode(content: bytes, declared: str = "") -> tuple[str, str]:
    """Return the text of `content` without byte order mark, and the name of its encoding.

    Parameters
    ----------
    content
        The bytes of a text file.
    declared
        Encoding that the format itself names (an HTML meta element, an e-mail header), tried
        after UTF-8; unknown names are passed over.

    Raises
    ------
    NotText
        The bytes are no text in any encoding that could be recognised.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content[len(mark) :].decode(encoding, errors="replace")
            return _checked(text, encoding), encoding
    wide = _wide(content)
    if wide:
        return _checked(content.decode(wide, errors="replace"), wide), wide
    try:
        return _checked(content.decode("utf-8"), "utf-8"), "utf-8"
    except UnicodeDecodeError:
        encoding = _known(declared) or _damaged_utf8(content) or _guess(content)
    return _checked(content.decode(encoding, errors="replace"), encoding), encoding


def encoding_metadata(encoding: str) -> dict[str, str]:
    """Return the metadata entry for an encoding that is worth telling."""
    return {} if encoding == "utf-8" else {"encoding": encoding}


def _checked(text: str, encoding: str) -> str:
    if len(_CONTROLS.findall(text)) > _MAX_CONTROLS * len(text):
        reason = f"read as {encoding}, they are full of control characters"
        raise NotText(reason)
    return text


def _known(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name if declared else ""
    except LookupError:
        return ""
    # Browsers read Latin-1 as its superset, and so do the files that claim it.
    return "cp1252" if name in ("iso8859-1", "ascii") else name


def _wide(content: bytes) -> str:
    """Recognise UTF-16 without a byte order mark by its zeros at every second byte."""
    sample = content[:_SAMPLE]
    if len(sample) < 4 or len(content) % 2:
        return ""
    even, odd = sample[0::2], sample[1::2]
    zeros = even.count(0) / len(even), odd.count(0) / len(odd)
    if zeros[1] > _MIN_WIDE and zeros[0] < _MAX_CONTROLS:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] > _MIN_WIDE and zeros[1] < _MAX_CONTROLS else ""


def _damaged_utf8(content: bytes) -> str:
    text = content[:_SAMPLE].decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    good = sum(1 for character in text if character > "\x7f") - bad
    return "utf-8" if good > _GOOD_PER_BAD * bad else ""


def _guess(content: bytes) -> str:
    import charset_normalizer

    sample = content[:_SAMPLE]
    if b"\x00" in sample:
        reason = "they hold zero bytes and are neither UTF-8, UTF-16 nor UTF-32"
        raise NotText(reason)
    if _western(sample):
        return "cp1252"
    best = charset_normalizer.from_bytes(sample).best()
    if best is None:
        raise NotText("no character encoding fits them")
    return _known(best.encoding) or best.encoding


def _western(sample: bytes) -> bool:
    """Recognise Windows-1252: few bytes beyond ASCII, and all of them letters or typography.

    Statistics need more text than many files have: they take "Tür" for Chinese.
    """
    high = bytes(byte for byte in sample if byte > 0x7F)
    if len(high) > _MAX_WESTERN * len(sample) or not _CENTRAL.isdisjoint(high):
        return False
    shown = high.decode("cp1252", errors="replace")
    return all(character.isalpha() or character in _TYPOGRAPHY for character in shown)
