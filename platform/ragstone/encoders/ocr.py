"""Text in a picture, read by the program `tesseract` when it is installed.

Tesseract and its models are under Apache-2.0, come with every Linux distribution, Homebrew and
Windows packages, and need no download at run time. Ragstone starts the program; it links nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument, MalformedInput, ParserTimeout, Unavailable

Pixels = NDArray[np.uint8]

PROGRAM = "tesseract"
_START_SECONDS = 30.0
_WORD = "5"  # the level of a word in the program's table
_PART_COLUMNS = ("page_num", "block_num", "par_num")


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text; the box is in pixels from the upper left corner."""

    text: str
    left: int
    top: int
    width: int
    height: int
    confidence: float  # mean of its words, 0 to 100


@dataclass(frozen=True, slots=True)
class PictureText:
    """What is written in a picture, in reading order; paragraphs are apart by an empty line."""

    text: str
    lines: tuple[TextLine, ...]


class TextReader(Protocol):
    """Reads the text in pictures."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same picture may give another text."""
        ...

    def read(self, pixels: Pixels) -> PictureText:
        """Return the text in uint8 RGB `pixels` of shape (height, width, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class _Word:
    part: tuple[str, ...]  # page, block and paragraph
    line: str
    text: str
    confidence: float
    left: int
    top: int
    right: int
    bottom: int


class Tesseract:
    """Text through the program `tesseract`; safe to share between threads.

    Parameters
    ----------
    languages
        As the program names them: 'eng', or 'eng+deu'.
    seconds
        Longest time for one picture.
    min_confidence
        Words that the program is less sure about are left out. At 30 those of a clean print down
        to 12 pixels stay, and what it makes of smaller ones goes.

    Raises
    ------
    Unavailable
        The program or the data of a language are not installed.
    """

    def __init__(
        self, languages: str = "eng", *, seconds: float = 60.0, min_confidence: float = 30.0
    ) -> None:
        found = shutil.which(PROGRAM)
        if found is None:
            raise _unavailable(
                "is not installed",
                "Install it (Debian and Ubuntu: apt install tesseract-ocr, macOS: brew install "
                "tesseract)",
            )
        self._program, self._languages = found, languages
        self._seconds, self._min_confidence = seconds, min_confidence
        self._check_languages()
        self._version = self._ask("--version").split("\n", 1)[0].strip()

    @property
    def fingerprint(self) -> str:
        """The program's version, the languages and the least confidence."""
        return f"{self._version} {self._languages} {self._min_confidence:g}"

    def read(self, pixels: Pixels) -> PictureText:
        """Return the text in uint8 RGB `pixels` of shape (height, width, 3).

        Give the picture at its full size: letters below about 12 pixels are not read.

        Raises
        ------
        InvalidArgument
            `pixels` has another shape or type, or is empty.
        ParserTimeout
            The program took longer than it may.
        MalformedInput
            The program refused the picture, or ended abnormally.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise InvalidArgument(
                "pixels", f"{pixels.dtype} {pixels.shape}", "uint8 (height, width, 3), not empty"
            )
        table = self._table(pixels)
        words = [word for word in _words(table) if word.confidence >= self._min_confidence]
        return _assembled(words)

    def _table(self, pixels: Pixels) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the program that `which` found, no shell
                [self._program, "stdin", "stdout", "-l", self._languages, "tsv"],
                input=_as_ppm(pixels),
                capture_output=True,
                timeout=self._seconds,
                check=False,
                # Its threads only get in each other's way, and in those of other workers.
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise ParserTimeout(self._seconds) from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else f"{PROGRAM} ended with status {done.returncode}"
            raise MalformedInput("picture", reason)
        return done.stdout.decode("utf-8", "replace")

    def _check_languages(self) -> None:
        installed = self._ask("--list-langs").splitlines()[1:]  # below a heading
        missing = [name for name in self._languages.split("+") if name not in installed]
        if missing:
            problem = f"has no data for the language {missing[0]!r}, only for {installed}"
            package = f"tesseract-ocr-{missing[0]}"
            raise _unavailable(problem, f"Install them (Debian and Ubuntu: apt install {package})")

    def _ask(self, option: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the program that `which` found, no shell
                [self._program, option],
                capture_output=True,
                timeout=_START_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            problem = f"fails: {error}"
            raise _unavailable(problem, f"Try {PROGRAM} {option} by hand") from error
        # Some versions answer on the one, some on the other.
        return (done.stdout + done.stderr).decode("utf-8", "replace")


def _unavailable(problem: str, way_out: str) -> Unavailable:
    return Unavailable(
        f"Text in pictures is read by the program {PROGRAM!r}, which {problem}",
        f"{way_out}, or leave the setting encoder.ocr empty.",
    )


def _as_ppm(pixels: Pixels) -> bytes:
    """Return the picture in the plainest format that the program reads."""
    height, width, _ = pixels.shape
    return b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(pixels).tobytes()


def _words(table: str) -> Iterator[_Word]:
    """Yield the words of the program's table, in reading order."""
    lines = table.splitlines()
    columns = lines[0].split("\t") if lines else []
    for line in lines[1:]:
        row = dict(zip(columns, line.split("\t"), strict=False))
        if row.get("level") != _WORD or not row.get("text", "").strip():
            continue
        left, top = int(row["left"]), int(row["top"])
        yield _Word(
            part=tuple(row[name] for name in _PART_COLUMNS),
            line=row["line_num"],
            text=row["text"].strip(),
            confidence=float(row["conf"]),
            left=left,
            top=top,
            right=left + int(row["width"]),
            bottom=top + int(row["height"]),
        )


def _assembled(words: Iterable[_Word]) -> PictureText:
    """Join words to lines and lines to paragraphs."""
    parts, lines = [], []
    for _, part in groupby(words, key=lambda word: word.part):
        here = [_line(list(group)) for _, group in groupby(part, key=lambda word: word.line)]
        parts.append("\n".join(line.text for line in here))
        lines.extend(here)
    return PictureText("\n\n".join(parts), tuple(lines))


def _line(words: list[_Word]) -> TextLine:
    left, top = min(word.left for word in words), min(word.top for word in words)
    return TextLine(
        " ".join(word.text for word in words),
        left,
        top,
        max(word.right for word in words) - left,
        max(word.bottom for word in words) - top,
        sum(word.confidence for word in words) / len(words),
    )
