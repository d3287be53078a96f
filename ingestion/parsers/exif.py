"""What a camera wrote into a picture: orientation, time, maker and place."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ragstone.ingestion.parsers.base import clean, collapse

if TYPE_CHECKING:
    from PIL.Image import Exif

# Tags of EXIF 2.32, by their numbers: main directory, then the directory of the exposure.
_ORIENTATION = 0x0112
_PLAIN = {
    0x010E: "description",
    0x013B: "author",
    0x8298: "copyright",
    0x0131: "software",
}
_MAKE, _MODEL, _CHANGED = 0x010F, 0x0110, 0x0132
_EXPOSURE, _PLACE = 0x8769, 0x8825
_TAKEN, _ZONE, _LENS = 0x9003, 0x9011, 0xA434

_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)(?:[ T](\d\d):(\d\d):(\d\d))?")
_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_LONGEST = 500  # characters of one field
# A hostile directory fails in as many ways as there are types in it.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def orientation(exif: Exif) -> int:
    """Return the orientation that the camera noted, 1 to 8; 1 (upright) when there is none."""
    value = _tag(exif, _ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def describe(exif: Exif) -> dict[str, Any]:
    """Return description, author, copyright, software, camera, lens, time and place, where given.

    All are text but `gps`: degrees north and east, metres above the sea. A damaged directory has no
    fields: the picture is worth more than what was written about it.
    """
    fields: dict[str, Any] = {name: _text(_tag(exif, tag)) for tag, name in _PLAIN.items()}
    exposure = _directory(exif, _EXPOSURE)
    fields["camera"] = _camera(_text(_tag(exif, _MAKE)), _text(_tag(exif, _MODEL)))
    fields["lens"] = _text(exposure.get(_LENS))
    taken, changed = _text(exposure.get(_TAKEN)), _text(_tag(exif, _CHANGED))
    fields["created"] = _time(taken, _text(exposure.get(_ZONE))) or _time(changed, "")
    fields["gps"] = _place(_directory(exif, _PLACE))
    return {name: value for name, value in fields.items() if value}


def _tag(exif: Exif, tag: int) -> object:
    try:
        return exif.get(tag)
    except DAMAGED:
        return None


def _directory(exif: Exif, tag: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(tag))
    except DAMAGED:
        return {}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return clean(collapse(value.replace("\x00", " ")))[:_LONGEST]


def _camera(make: str, model: str) -> str:
    """Return maker and model; many cameras repeat the maker in the model."""
    if not make or not model:
        return make or model
    return model if model.lower().startswith(make.split()[0].lower()) else f"{make} {model}"


def _time(written: str, zone: str) -> str:
    """Return an EXIF time as ISO 8601; empty when it is none, as in cameras without a clock."""
    found = _DATE.match(written)
    if found is None or found[1] == "0000" or found[2] == "00" or found[3] == "00":
        return ""
    day = f"{found[1]}-{found[2]}-{found[3]}"
    if found[4] is None:
        return day
    offset = zone if _OFFSET.fullmatch(zone) else ""
    return f"{day}T{found[4]}:{found[5]}:{found[6]}{offset}"


def _place(directory: dict[int, Any]) -> dict[str, float]:
    """Return latitude, longitude and altitude; empty without the first two."""
    latitude = _degrees(directory.get(2), directory.get(1), "S", 90)
    longitude = _degrees(directory.get(4), directory.get(3), "W", 180)
    if latitude is None or longitude is None:
        return {}
    place = {"latitude": latitude, "longitude": longitude}
    altitude = _number(directory.get(6))
    if altitude is not None:
        below = directory.get(5) in (1, b"\x01")
        place["altitude"] = -altitude if below else altitude
    return place


def _degrees(value: object, side: object, negative: str, limit: float) -> float | None:
    if not isinstance(value, tuple) or len(value) != 3:
        return None
    parts = [_number(part) for part in value]
    degrees = sum((part or 0.0) / 60**power for power, part in enumerate(parts))
    if parts[0] is None or not 0 <= degrees <= limit:
        return None
    return float(round(-degrees if side == negative else degrees, 7))


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except DAMAGED:
        return None
    return number if math.isfinite(number) else None
