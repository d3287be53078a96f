"""The watermark of a workspace: its key, files that carry it, and files that are looked at."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from ragstone.config import LimitSettings
from ragstone.errors import DamagedFile, InvalidArgument, Rejected
from ragstone.ingestion.parsers.pixels import decode
from ragstone.models.waves import wav
from ragstone.schemas.models import FileWatermark, WatermarkReport
from ragstone.training import watermark_images, watermark_sounds

if TYPE_CHECKING:
    from ragstone.training.watermark_images import Detection

KEY_FILE = "watermark.key"  # in the folder of the models
_BYTES = 32
_ANY_SIZE = LimitSettings(pixels=10**9)


def key_of(models: Path) -> bytes:
    """Return the key of a workspace, made when it is wanted first.

    Whoever has it can take the watermark out, and put it into anything.

    Raises
    ------
    DamagedFile
        The file is not as long as it was.
    """
    path = models / KEY_FILE
    if not path.exists():
        models.mkdir(parents=True, exist_ok=True)
        temporary = models / f"{KEY_FILE}.{secrets.token_hex(4)}"
        temporary.write_text(secrets.token_hex(_BYTES) + "\n", encoding="ascii")
        temporary.chmod(0o600)
        temporary.replace(path)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise DamagedFile(path, f"it holds no key ({error})") from error
    if len(key) != _BYTES:
        raise DamagedFile(path, f"the key has {len(key)} bytes, not {_BYTES}")
    return key


def watermarked(content: bytes, media_type: str, key: bytes) -> bytes:
    """Return a PNG or WAV file that a model made with the watermark; others as they are."""
    target = BytesIO()
    if media_type == "image/png":
        pixels = np.asarray(Image.open(BytesIO(content)))
        Image.fromarray(watermark_images.marked(pixels, key)).save(target, "PNG")
        return target.getvalue()
    if media_type == "audio/wav":
        samples, rate = soundfile.read(BytesIO(content), dtype="int16")
        return wav(watermark_sounds.marked(samples, key), rate)
    return content


def look(files: Sequence[tuple[str, bytes]], key: bytes) -> WatermarkReport:
    """Look for the watermark in files, by their names; alone, and all together.

    An image is looked at as it lies and, where nothing is found, at all places of the pattern:
    it may be a part of one.

    Raises
    ------
    InvalidArgument
        A file is neither an image nor a recording, or images and recordings are mixed.
    """
    opened = [(name, *_opened(name, content)) for name, content in files]
    kinds = {kind for _, kind, _ in opened}
    if len(kinds) > 1:
        expected = "images or recordings, not both"
        raise InvalidArgument("files", [name for name, _, _ in opened], expected)
    together = None
    each = [_alone(name, kind, data, key) for name, kind, data in opened]
    if len(opened) > 1:
        together = _all(kinds.pop(), [data for _, _, data in opened], key)
    return WatermarkReport(
        each,
        None if together is None else together.z,
        None if together is None else together.found,
    )


def _alone(name: str, kind: str, data: NDArray[np.int16 | np.uint8], key: bytes) -> FileWatermark:
    found = _all(kind, [data], key)
    if not found.found and kind == "image":
        moved = watermark_images.detect([data.astype(np.uint8)], key, moved=True)
        found = moved if moved.found else found
    return FileWatermark(name, found.z, found.found, found.moved)


def _all(kind: str, data: Sequence[NDArray[np.int16 | np.uint8]], key: bytes) -> Detection:
    if kind == "image":
        return watermark_images.detect([one.astype(np.uint8) for one in data], key)
    return watermark_sounds.detect([one.astype(np.int16) for one in data], key)


def _opened(name: str, content: bytes) -> tuple[str, NDArray[np.int16 | np.uint8]]:
    """Return what a file is, image or sound, and its pixels or its samples."""
    try:
        samples, _ = soundfile.read(BytesIO(content), dtype="int16", always_2d=True)
    except soundfile.LibsndfileError:
        pass
    else:
        return "sound", samples[:, 0]
    try:
        return "image", np.asarray(decode(content, _ANY_SIZE).image)
    except Rejected as error:
        raise InvalidArgument("file", name, "an image or a recording") from error
