"""Images to documents, and to thumbnails."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, features

from ragstone.config import LimitSettings
from ragstone.errors import (
    EmptyInput,
    LimitExceeded,
    MalformedInput,
    Rejected,
    UnsupportedFormat,
)
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.parsers.image import ImageOptions, measure, parse_image
from ragstone.ingestion.previews import image_thumbnail
from ragstone.schemas.records import Document, Modality, Raw

LIMITS = LimitSettings()
TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "PPM": "image/x-portable-anymap",
}


def scene(width: int = 60, height: int = 40) -> Image.Image:
    """A smooth picture, bright at the left, with a red corner at the top left."""
    x = np.linspace(220, 40, width)[None, :].repeat(height, 0)
    pixels = np.stack([x, x * 0.8, x * 0.6], axis=2).astype(np.uint8)
    pixels[: height // 4, : width // 4] = (250, 10, 10)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels_of(document: Document) -> NDArray[np.uint8]:
    (payload,) = document.payloads
    assert payload.modality is Modality.IMAGE
    assert payload.data.dtype == np.uint8
    return payload.data.astype(np.uint8)


def parsed(image: Image.Image, kind: str = "PNG", **options: Any) -> Document:
    return parse_image(encoded(image, kind, **options), LIMITS)


def signature(document: Document, kind: str) -> bytes:
    return next(each.value for each in document.signatures if each.kind == kind)


@pytest.mark.parametrize(("kind", "media_type"), TYPES.items())
def test_every_format_gives_its_pixels(kind: str, media_type: str) -> None:
    document = parsed(scene(), kind)
    assert document.media_type == media_type
    assert document.modality is Modality.IMAGE
    assert (document.text, document.blocks, document.title) == ("", (), "")
    assert (document.metadata["width"], document.metadata["height"]) == (60, 40)
    off = np.abs(pixels_of(document).astype(int) - np.asarray(scene()).astype(int))
    assert off.mean() < 6


@pytest.mark.parametrize(("ending", "mode"), [(".pbm", "1"), (".pgm", "L"), (".ppm", "RGB")])
def test_portable_pictures_are_known_by_their_ending(ending: str, mode: str) -> None:
    raw = Raw("x", f"x{ending}")
    document = parse(raw, encoded(scene().convert(mode), "PPM"), LIMITS)
    assert (document.modality, document.metadata["mode"]) == (Modality.IMAGE, mode)
    with pytest.raises(MalformedInput):
        parse(raw, b"P6\nand then a text", LIMITS)
    assert parse(Raw("x", "x.txt"), b"P6\nand then a text", LIMITS).modality is Modality.TEXT


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif() -> None:
    assert parsed(scene(), "AVIF").media_type == "image/avif"


def test_heic_with_its_package() -> None:
    package = pytest.importorskip("pillow_heif")
    package.register_heif_opener()
    assert parsed(scene(64, 64), "HEIF").media_type == "image/heic"


def test_heic_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pillow_heif", "pi_heif"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    content = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200)
    with pytest.raises(UnsupportedFormat, match="pi-heif, a HEIC image") as caught:
        parse_image(content, LIMITS)
    assert "pip install --upgrade pi-heif" in caught.value.hint


def test_the_first_frame_and_page_are_taken() -> None:
    red, blue = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    for kind in ("GIF", "TIFF", "WEBP"):
        document = parsed(red, kind, save_all=True, append_images=[blue])
        assert pixels_of(document)[10, 10, 0] > 240, kind


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *[(mode, "PNG") for mode in ("1", "L", "LA", "P", "I;16")],
        *[(mode, "TIFF") for mode in ("F", "I", "LAB")],
        *[("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("RGBA", "WEBP")],
    ],
)
def test_every_mode_becomes_rgb(mode: str, kind: str) -> None:
    grey = scene().convert("L")
    made = {
        "I;16": lambda: Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
        "I": lambda: Image.fromarray(np.asarray(grey).astype(np.int32) * 257),
        "F": lambda: Image.fromarray(np.asarray(grey).astype(np.float32) / 255),
        "LAB": lambda: Image.fromarray(
            np.dstack([np.asarray(grey), *[np.full((40, 60), 0, np.uint8)] * 2]), "LAB"
        ),
    }
    image = made[mode]() if mode in made else scene().convert(mode)
    found = pixels_of(parsed(image, kind)).astype(float)
    assert found.shape == (40, 60, 3)
    # what is bright stays bright: the left of the picture
    assert found[20:, 15:25].mean() > found[20:, -10:].mean() + 60


def test_real_numbers_beyond_0_to_1_are_stretched_and_the_others_ignored() -> None:
    values = np.array([[-50, 50, np.nan, np.inf]], np.float32)
    found = pixels_of(parsed(Image.fromarray(values), "TIFF"))[0, :, 0]
    assert found.tolist() == [0, 255, 128, 128]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (5, 0, 10, 10))
    found = pixels_of(parsed(image.convert(mode)))
    assert found[5, 1].tolist() == [255, 255, 255]
    assert found[5, 8].max() < 10


def test_a_transparent_colour_of_an_rgb_png_becomes_white() -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    found = pixels_of(parsed(image, transparency=(10, 20, 30)))
    assert found[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(orientation: int) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # the file holds what the camera saw lying on its side
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = scene()
    held = image.transpose(turned[orientation]) if orientation in turned else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    document = parsed(held, exif=exif)
    assert (document.metadata["width"], document.metadata["height"]) == (60, 40)
    np.testing.assert_array_equal(pixels_of(document), np.asarray(image))
    assert signature(document, "payload") == signature(parsed(image), "payload")


def camera_notes() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 5D"
    exif[0x010E], exif[0x013B] = "A heap\x00 of stones", "Ada"
    exif[0x0132] = "2020:01:01 00:00:00"
    exif.get_ifd(0x8769).update({0x9003: "2021:05:03 12:33:11", 0x9011: "+02:00"})
    exif.get_ifd(0x8825).update(
        {1: "S", 2: (33.0, 30.0, 36.0), 3: "E", 4: (151.0, 12.0, 0.0), 5: b"\x00", 6: 58.0}
    )
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_the_camera_wrote_becomes_plain_fields(kind: str) -> None:
    metadata = parsed(scene(), kind, exif=camera_notes()).metadata
    assert metadata["camera"] == "Canon EOS 5D"
    # Pillow writes no directory of the exposure into a TIFF: the time of the last change is left
    taken = "2020-01-01T00:00:00" if kind == "TIFF" else "2021-05-03T12:33:11+02:00"
    assert metadata["created"] == taken
    assert metadata["description"] == "A heap of stones"
    assert metadata["author"] == "Ada"


def test_the_place_is_kept_only_when_asked_for() -> None:
    content = encoded(scene(), "JPEG", exif=camera_notes())
    assert "gps" not in parse_image(content, LIMITS).metadata
    kept = parse_image(content, LIMITS, ImageOptions(keep_gps=True)).metadata["gps"]
    assert kept == {"latitude": -33.51, "longitude": 151.2, "altitude": 58.0}


def test_a_place_that_is_none_is_left_out() -> None:
    bad = camera_notes()
    bad.get_ifd(0x8825)[2] = (99.0, 0.0, 0.0)
    content = encoded(scene(), "JPEG", exif=bad)
    metadata = parse_image(content, LIMITS, ImageOptions(keep_gps=True)).metadata
    assert "gps" not in metadata
    assert metadata["camera"] == "Canon EOS 5D"


def test_damaged_notes_do_not_cost_the_picture() -> None:
    content = encoded(scene(), "JPEG", exif=camera_notes())
    place = content.index(b"Exif\x00\x00") + 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for position in range(8, 120, 5):
            broken = bytearray(content)
            broken[place + position] ^= 0xFF
            document = parse_image(bytes(broken), LIMITS, ImageOptions(keep_gps=True))
            assert len(document.payloads) == 1


def test_a_payload_has_no_side_above_512() -> None:
    assert pixels_of(parsed(scene(1300, 650))).shape == (256, 512, 3)
    assert pixels_of(parsed(scene(2000, 2))).shape == (1, 512, 3)
    assert pixels_of(parsed(scene(100, 300))).shape == (300, 100, 3)


def test_equal_pixels_have_equal_payload_signatures_whatever_the_file() -> None:
    png, bmp = parsed(scene(700, 30)), parsed(scene(700, 30), "BMP")
    assert png.signatures == bmp.signatures
    changed = scene(700, 30)
    changed.putpixel((699, 29), (1, 2, 3))
    assert signature(parsed(changed), "payload") != signature(png, "payload")
    reshaped = Image.fromarray(np.asarray(scene(700, 30)).reshape(60, 350, 3))
    assert signature(parsed(reshaped), "payload") != signature(png, "payload")


def test_quality_signals_say_what_they_are_called() -> None:
    random = np.random.default_rng(0)
    sharp = Image.fromarray(random.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    soft = sharp.resize((20, 20)).resize((200, 200))
    one, other = (measure(np.asarray(image)) for image in (sharp, soft))
    assert one["blur"] > 20 * other["blur"]
    assert one["contrast"] > other["contrast"]
    blank = measure(np.full((300, 300, 3), 255, np.uint8))
    assert blank == {"blur": 0.0, "brightness": 1.0, "contrast": 0.0, "entropy": 0.0}
    assert measure(np.asarray(sharp)) == one
    assert parsed(sharp).metadata["quality"] == one


def test_the_pixel_limit_holds_before_decoding() -> None:
    # a PNG that promises 30,000 x 30,000 pixels and has none of them
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    content = b"\x89PNG\r\n\x1a\n" + chunks
    with pytest.raises(LimitExceeded, match="900,000,000") as caught:
        parse_image(content, LIMITS)
    assert "limits.pixels" in caught.value.hint
    with pytest.raises(MalformedInput):
        parse_image(content.replace(header, struct.pack(">IIBBBBB", 30, 30, 8, 2, 0, 0, 0)), LIMITS)


def test_the_limit_is_the_setting_and_pillow_keeps_its_own() -> None:
    before = Image.MAX_IMAGE_PIXELS
    content = encoded(scene(60, 40))
    with pytest.raises(LimitExceeded, match="2,400, over the limit of 2,399"):
        parse_image(content, LimitSettings(pixels=2_399))
    assert parse_image(content, LimitSettings(pixels=2_400)).payloads
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_picture_above_pillows_limit_is_read_when_ours_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert parsed(scene()).payloads


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "GIF"])
def test_a_cut_off_file_is_malformed(kind: str) -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = encoded(image, kind)
    with pytest.raises(MalformedInput):
        parse_image(content[: len(content) // 2], LIMITS)
    with pytest.raises(Rejected):
        parse_image(content[:12], LIMITS)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM1"])
def test_a_header_alone_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedInput, match="header is damaged"):
        parse_image(content, LIMITS)


def test_nothing_and_something_else_are_told_apart() -> None:
    with pytest.raises(EmptyInput):
        parse_image(b"", LIMITS)
    with pytest.raises(UnsupportedFormat, match="An image of this kind"):
        parse_image(b"<svg xmlns='http://www.w3.org/2000/svg'/>", LIMITS)
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
    with pytest.raises(UnsupportedFormat):
        parse_image(postscript, LIMITS)


SEEDS = [encoded(scene(24, 16), kind) for kind in TYPES]


@settings(max_examples=400, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 400),
)
def test_fuzzed_files_are_read_or_rejected(
    seed: bytes, edits: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(seed)
    for position, value in edits:
        content[position % len(content)] = value
    limits = LimitSettings(pixels=1_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in (parse_image, image_thumbnail):
            with suppress(Rejected):
                read(bytes(content[: len(content) - cut]), limits)


@pytest.mark.parametrize("kind", TYPES)
def test_thumbnails_are_small_upright_and_say_nothing_else(kind: str) -> None:
    exif = camera_notes()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    made = image_thumbnail(encoded(scene(900, 600), kind, **options), LIMITS)
    with Image.open(io.BytesIO(made)) as image:
        assert image.format == "WEBP"
        assert image.size == ((171, 256) if options else (256, 171))
        assert dict(image.getexif()) == {}
    assert b"Canon" not in made


def test_a_thumbnail_never_grows() -> None:
    with Image.open(io.BytesIO(image_thumbnail(encoded(scene(30, 20)), LIMITS, side=64))) as image:
        assert image.size == (30, 20)
