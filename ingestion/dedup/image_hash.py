"""The signature of a picture: a 256-bit hash of its low frequencies, and a small grey copy of it.

The picture is stretched to 32 x 32 grey levels. Its hash holds the signs of the 16 x 16 lowest
frequencies of their cosine transform (after Zauner, "Implementation and benchmarking of perceptual
image hash functions", 2010, and Facebook's PDQ, 2019). Signs, rather than a comparison with the
median, because then a turned or mirrored picture has a hash that follows from the hash alone: bits
change places or are negated. The copy is kept so that a stored picture can be compared
pixel by pixel without being decoded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.schemas.records import Signature

ALGORITHM = "dct256-grey32-1"
PAYLOAD_ALGORITHM = "blake3-rgb-1"

SIDE = 32  # of the grey copy
BITS = 16  # frequencies of the hash in each direction
_HASH_BYTES = BITS * BITS // 8
_HEAD = _HASH_BYTES + 2
_LENGTH = _HEAD + SIDE * SIDE
_DETAIL = 2.0  # standard deviation of the blur that is taken off to leave the detail
_BORDER = 4  # samples, two of these deviations
_COARSE = 3.0  # of the one that leaves the shapes
_DETAIL_STEP = 10.0  # steps of the stored detail in one grey level

# The eight ways to lay a square picture on itself: each is (transposed, flipped up-down,
# flipped left-right), in this order of doing.
TURNS = {
    "upright": (False, False, False),
    "mirror": (False, False, True),
    "flip": (False, True, False),
    "turn-180": (False, True, True),
    "transpose": (True, False, False),
    "turn-90": (True, False, True),
    "turn-270": (True, True, False),
    "transverse": (True, True, True),
}

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Signatures of n pictures, as arrays."""

    hashes: NDArray[np.uint8]  # shape (n, 32)
    detail: Floats  # shape (n,), grey levels: how much there is to recognise them by
    sides: NDArray[np.uint8]  # shape (n,): the shorter side in pixels, 255 for all longer ones
    grey: NDArray[np.uint8]  # shape (n, 32, 32), stretched to the range 0 to 255


def payload_digest(pixels: NDArray[np.uint8]) -> bytes:
    """Return BLAKE3 of the size and of all pixels; `pixels` is RGB, shape (height, width, 3)."""
    height, width = pixels.shape[:2]
    digest = blake3(f"{width}x{height} rgb\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def sign_image(pixels: NDArray[np.uint8], payload: NDArray[np.uint8]) -> tuple[Signature, ...]:
    """Return the signatures of a picture: its exact one, then the one for near-duplicates.

    Parameters
    ----------
    pixels
        All of it, uint8 RGB of shape (height, width, 3), orientation applied.
    payload
        The same, made smaller or not.
    """
    return (
        Signature("payload", PAYLOAD_ALGORITHM, payload_digest(pixels)),
        Signature("image", ALGORITHM, near_signature(payload)),
    )


def near_signature(payload: NDArray[np.uint8]) -> bytes:
    """Return 1,058 bytes: hash, detail in tenths of a grey level, shorter side, and grey copy."""
    grey = grey_copy(payload, SIDE)
    blur = blurring(_DETAIL, SIDE)
    smooth = blur @ grey @ blur.T
    # Not at the borders: there the blur leaves detail of a smooth gradient.
    inner = (grey - smooth)[_BORDER:-_BORDER, _BORDER:-_BORDER]
    detail = round(float(inner.std()) * _DETAIL_STEP)
    low, high = float(grey.min()), float(grey.max())
    stretched = (grey - low) * (255.0 / max(high - low, 1e-6))
    stored = np.rint(stretched).astype(np.uint8)
    hashed = hashes(stored[None])[0]
    head = bytes([min(detail, 255), min(*payload.shape[:2], 255)])
    return bytes(hashed.tobytes() + head + stored.tobytes())


def grey_copy(payload: NDArray[np.uint8], side: int) -> Floats:
    """Return the picture's luma (ITU-R 601), stretched to float32 of shape (side, side)."""
    from PIL import Image

    grey = Image.fromarray(payload).convert("L").convert("F")
    return np.asarray(grey.resize((side, side), Image.Resampling.BILINEAR), np.float32)


def unpacked(values: Sequence[bytes]) -> Pictures:
    """Return the parts of near signatures."""
    rows = np.frombuffer(b"".join(values), np.uint8).reshape(-1, _LENGTH)
    return Pictures(
        hashes=np.ascontiguousarray(rows[:, :_HASH_BYTES]),
        detail=rows[:, _HASH_BYTES].astype(np.float32) / np.float32(_DETAIL_STEP),
        sides=rows[:, _HASH_BYTES + 1],
        grey=rows[:, _HEAD:].reshape(-1, SIDE, SIDE),
    )


def hashes(grey: NDArray[np.uint8] | Floats) -> NDArray[np.uint8]:
    """Return the hashes of grey copies, shape (n, 32, 32), as uint8 of shape (n, 32)."""
    basis = cosines(SIDE, BITS)
    found = basis @ grey.astype(np.float64) @ basis.T
    found[:, 0, 0] = 0  # the mean says nothing: its bit is never set
    return np.packbits((found > 0).reshape(len(found), -1), axis=1)


def turned_hashes(found: NDArray[np.uint8], turn: str) -> NDArray[np.uint8]:
    """Return the hashes that the same pictures have after `turn`, one of `TURNS`."""
    transposed, up_down, left_right = TURNS[turn]
    bits = np.unpackbits(found, axis=1).reshape(-1, BITS, BITS)
    if transposed:
        bits = bits.transpose(0, 2, 1)
    odd = (np.arange(BITS) % 2).astype(np.uint8)  # these cosines change their sign when mirrored
    mask = (odd[:, None] * np.uint8(up_down)) ^ (odd[None, :] * np.uint8(left_right))
    return np.packbits((bits ^ mask).reshape(len(found), -1), axis=1)


Grey = TypeVar("Grey", NDArray[np.uint8], NDArray[np.float32])


def turned(grey: Grey, turn: str) -> Grey:
    """Return grey copies, shape (n, 32, 32), after `turn`, one of `TURNS`."""
    transposed, up_down, left_right = TURNS[turn]
    if transposed:
        grey = grey.transpose(0, 2, 1)
    return grey[:, :: -1 if up_down else 1, :: -1 if left_right else 1]


def spread(grey: NDArray[np.uint8]) -> Floats:
    """Return how much of each picture has detail: the share of 8 x 8 fields, shape (n,), 0 to 1.

    A field has it with a twentieth of the mean energy. A photograph has detail nearly everywhere, a
    digit or a bird in an empty sky in half of the fields, and one such is easily laid on another.
    """
    copies = grey.astype(np.float32)
    blur = blurring(_COARSE, SIDE)
    energy = (copies - blur @ copies @ blur.T) ** 2
    fields = energy.reshape(-1, 8, SIDE // 8, 8, SIDE // 8).mean(axis=(2, 4))
    mean = energy.mean(axis=(1, 2))[:, None, None]
    return np.asarray((fields > 0.05 * mean).mean(axis=(1, 2), dtype=np.float32))


@cache
def cosines(samples: int, frequencies: int) -> NDArray[np.float64]:
    """Return the orthonormal cosine transform (DCT-II), shape (frequencies, samples)."""
    places = (np.arange(samples) + 0.5) * np.pi / samples
    basis = np.cos(np.arange(frequencies)[:, None] * places) * np.sqrt(2 / samples)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis)


@cache
def blurring(deviation: float, side: int) -> Floats:
    """Return the matrix that blurs `side` samples by a Gaussian of `deviation` samples.

    Shape (side, side), rows of sum 1: samples beyond the ends do not count.
    """
    apart = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-0.5 * (apart / deviation) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
