"""Text in pictures: the real program where it is installed, and how it may fail where not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ragstone.encoders.ocr import PictureText, Tesseract, TextLine
from ragstone.errors import InvalidArgument, MalformedInput, ParserTimeout, Unavailable

PAGE = "The stone house stands on a rock.\nInvoice 4711 of 12 March 2024\n\nTotal: 1,250.00 EUR"
HEAD = (
    "level page_num block_num par_num line_num word_num left top width height conf text"
).replace(" ", "\t")
WHITE = np.full((20, 30, 3), 255, np.uint8)

installed = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="the program tesseract is not installed"
)


def drawn(text: str, size: int = 28) -> np.ndarray[Any, np.dtype[np.uint8]]:
    picture = Image.new("RGB", (900, 300), "white")
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).multiline_text((40, 40), text, "black", font, spacing=12)
    return np.asarray(picture)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that puts a program called tesseract, which does `body`, first on the path."""

    def install(body: str) -> None:
        path = tmp_path / "tesseract"
        path.write_text(
            f"#!{sys.executable} -IS\nimport sys, time\n"
            "if sys.argv[1] == '--list-langs':\n"
            "    print('List of available languages (2):\\neng\\ndeu')\n"
            "elif sys.argv[1] == '--version':\n    print('tesseract 9.9.9\\n more')\n"
            f"else:\n    given = sys.stdin.buffer.read()\n    {body}\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


def writes(*rows: str) -> str:
    """Body of a program that prints a table of `rows`, their cells apart by spaces."""
    lines = [HEAD, *(row.replace(" ", "\t") for row in rows)]
    return f"print({chr(10).join(lines)!r})"


# ---------------------------------------------------------------- the real program


@installed
def test_a_page_is_read_in_lines_and_paragraphs() -> None:
    found = Tesseract("eng").read(drawn(PAGE))
    assert found.text == PAGE
    assert [line.text for line in found.lines] == [line for line in PAGE.splitlines() if line]
    first = found.lines[0]
    assert 30 <= first.left <= 60
    assert 35 <= first.top <= 60
    assert first.confidence > 80


@installed
def test_the_real_program_finds_no_text_in_noise_or_nothing() -> None:
    reader = Tesseract("eng")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for pixels in (WHITE, noise, np.zeros((1, 1, 3), np.uint8)):
        assert reader.read(pixels) == PictureText("", ())


@installed
def test_the_real_program_has_a_version_and_names_missing_languages() -> None:
    assert Tesseract("eng").fingerprint.startswith("tesseract ")
    with pytest.raises(Unavailable, match="no data for the language 'xyz'"):
        Tesseract("eng+xyz")


# ---------------------------------------------------------------- its table


def test_words_become_lines_with_boxes(program: Callable[[str], None]) -> None:
    program(
        writes(
            "1 1 0 0 0 0 0 0 30 20 -1 ",
            "5 1 1 1 1 1 3 4 10 5 90 stone",
            "5 1 1 1 1 2 15 2 8 9 80.5 house",
            "5 1 1 1 2 1 3 14 4 4 96 on",
            "5 1 1 1 2 2 9 14 4 4 12 ~",
            "5 1 2 1 1 1 0 0 2 2 95 rock",
            "5 1 2 1 1 2 0 0 2 2 95 ",
        )
    )
    assert Tesseract("eng+deu").read(WHITE) == PictureText(
        "stone house\non\n\nrock",
        (
            TextLine("stone house", 3, 2, 20, 9, 85.25),
            TextLine("on", 3, 14, 4, 4, 96.0),
            TextLine("rock", 0, 0, 2, 2, 95.0),
        ),
    )


def test_the_least_confidence_is_a_choice_and_part_of_the_fingerprint(
    program: Callable[[str], None],
) -> None:
    program(writes("5 1 1 1 1 1 3 4 10 5 12 faint"))
    assert Tesseract().read(WHITE).text == ""
    eager = Tesseract(min_confidence=0)
    assert eager.read(WHITE).text == "faint"
    assert eager.fingerprint == "tesseract 9.9.9 eng 0"
    assert Tesseract().fingerprint == "tesseract 9.9.9 eng 30"


def test_the_picture_is_handed_over_whole(program: Callable[[str], None]) -> None:
    program(
        "print(sys.argv[1:] == ['stdin', 'stdout', '-l', 'eng', 'tsv'] and "
        "given == b'P6 3 2 255\\n' + bytes(range(18)) and "
        + repr(f"{HEAD}\n5 1 1 1 1 1 0 0 1 1 99 right".replace(" ", "\t"))
        + ")"
    )
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert Tesseract().read(pixels).text == "right"
    strided = np.repeat(pixels, 2, axis=1)[:, ::2]
    assert Tesseract().read(strided).text == "right"


# ---------------------------------------------------------------- failures


def test_without_the_program_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="'tesseract', which is not installed") as caught:
        Tesseract()
    assert "apt install tesseract-ocr" in caught.value.hint
    assert "encoder.ocr" in caught.value.hint


def test_a_missing_language_is_named_with_its_package(program: Callable[[str], None]) -> None:
    program("pass")
    with pytest.raises(Unavailable, match="no data for the language 'fra'") as caught:
        Tesseract("deu+fra")
    assert "tesseract-ocr-fra" in caught.value.hint


def test_a_program_that_cannot_be_started_is_unavailable(
    program: Callable[[str], None], tmp_path: Path
) -> None:
    program("pass")
    (tmp_path / "tesseract").write_text("#!/no/such/interpreter\n")
    with pytest.raises(Unavailable, match="which fails"):
        Tesseract()


def test_a_picture_that_takes_too_long_is_given_up(program: Callable[[str], None]) -> None:
    program("time.sleep(60)")
    with pytest.raises(ParserTimeout):
        Tesseract(seconds=0.5).read(WHITE)


def test_a_refused_picture_is_rejected_with_the_programs_words(
    program: Callable[[str], None],
) -> None:
    program("sys.exit('Error during processing.')")
    with pytest.raises(MalformedInput, match="Error during processing"):
        Tesseract().read(WHITE)
    program("sys.exit(3)")
    with pytest.raises(MalformedInput, match="ended with status 3"):
        Tesseract().read(WHITE)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_pixels_of_another_shape_are_refused(program: Callable[[str], None], pixels: Any) -> None:
    program("pass")
    with pytest.raises(InvalidArgument, match="expected uint8"):
        Tesseract().read(pixels)
