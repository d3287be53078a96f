"""What is said of each sample: which model made it, of what, and how it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ragstone.ingestion.sample_notes import noted
from ragstone.schemas.synthetic import MARK
from ragstone.training.watermarks import watermarked

if TYPE_CHECKING:
    from ragstone.schemas.models import ModelInfo
    from ragstone.training.materials.base import Request

SAMPLE = "sample"  # the task of making something out of nothing
_LONGEST = 4_000  # characters of a prompt in a note
# IPTC, "Digital Source Type": made by a model that was trained on sampled content.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that a model made.

    Parameters
    ----------
    content
        The file; UTF-8 of a text.
    note
        What is said of it.
    fields
        What it was asked to be like, under the names that the data have for it: `digit: 7`.
    """

    content: bytes
    media_type: str
    note: Mapping[str, Any]
    fields: Mapping[str, str]


def note(info: ModelInfo, request: Request, number: int | None) -> dict[str, Any]:
    """Return what is said of a sample; it does not say when, so that the same stays the same.

    Parameters
    ----------
    number
        Of the sample among those asked for at once; None: of a sheet of all.

    Returns
    -------
    dict
        `of` has the ids of the items that it was made of, where it was made of images.
    """
    work = request.work
    said = {
        "model": f"{info.name}@{info.number}",
        "digest": info.digest,
        "family": info.family,
        "run": info.run,
        "data": f"{info.data.dataset}@{info.data.version}",
        "data_digest": info.data.digest,
        "seed": request.sampler.seed if request.sampler else 0,
        "number": number,
        "count": request.count,
        "conditions": dict(request.conditions),
        "prompt": request.prompt[:_LONGEST],
        "task": "" if work.task == SAMPLE else work.task,
        "of": [blake3(image).hexdigest() for image in work.images],
        "release": version("ragstone"),
    }
    return {name: value for name, value in said.items() if value not in (None, "", {}, [])}


def fields(info: ModelInfo, conditions: Mapping[str, str]) -> dict[str, str]:
    """Return conditions by the fields of the metadata that the model was told them from."""
    named = {name: info.material.get(name) for name in conditions}
    return {str(field): conditions[name] for name, field in named.items() if field}


def signed(content: bytes, media_type: str, said: Mapping[str, Any], key: bytes | None) -> bytes:
    """Return a file with its note in it, and the watermark of a key where there is one."""
    if key is not None:
        content = watermarked(content, media_type, key)
    return noted(content, media_type, said)


def beside(content: bytes, media_type: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written beside a file: a claim in the words of C2PA, which nobody signed.

    As the sidecar of an image or a recording it marks the item, too, when the file is ingested.
    """
    agent = f"Ragstone/{said['release']}"
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": agent}
    return {
        "claim_generator": agent,
        "format": media_type,
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [action]}},
            {
                "label": "c2pa.hash.data",
                "data": {"alg": "blake3", "hash": blake3(content).hexdigest()},
            },
        ],
        MARK: dict(said),
    }
