"""`ragstone provenance`: which model made a file; and how samples are written with that beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, say, styled
from ragstone.errors import InvalidArgument, NoProvenance

if TYPE_CHECKING:
    from ragstone.schemas.models import Sample

_MEDIA = {".png", ".wav"}  # of these `a.json` is the sidecar of `a.png`
_LONGEST = 2**20  # bytes of a file that is read as what stands beside another


def provenance(
    file: Annotated[Path, typer.Argument(help="An image or a recording.")],
    *,
    as_json: options.Json = False,
) -> None:
    """Say which model made a file, as the file tells, or what stands beside it.

    A note can be taken out of a file, or put into another one: it proves nothing.

    Example: ragstone provenance seven.png
    """
    found = provenance_of(file)
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        shown = value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)
        say(styled(f"{name:<12}", "dim") + styled(str(shown)))


def provenance_of(file: Path) -> dict[str, Any]:
    """Return what a file, or the JSON beside it, says of the model that made it.

    Raises
    ------
    InvalidArgument
        The file cannot be read.
    NoProvenance
        Nothing is said.
    """
    from ragstone.ingestion.sample_notes import note_of
    from ragstone.schemas.synthetic import MARK, model_of

    try:
        found = note_of(file.read_bytes())
    except OSError as error:
        expected = f"a file that can be read ({error.strerror})"
        raise InvalidArgument("file", str(file), expected) from error
    if found:
        return {**found, "said_by": "the file"}
    claim = _claim(beside_of(file))
    if not model_of(claim):
        raise NoProvenance(file)
    return {**claim[MARK], "said_by": beside_of(file).name}


def write_sample(out: Path, made: Sample) -> None:
    """Write what a model made, and a claim of its origin beside it.

    Raises
    ------
    InvalidArgument
        Something else stands where the claim would be, or it cannot be written.
    """
    from ragstone.training.signing import beside

    content, place = made.media or made.text.encode(), beside_of(out)
    if place.exists() and "claim_generator" not in _claim(place):
        raise InvalidArgument(
            "out", str(out), f"a file beside which there is no other {place.name}"
        )
    claim = beside(content, made.media_type or "text/plain", made.note)
    try:
        out.write_bytes(content)
        place.write_text(json.dumps(claim, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise InvalidArgument("out", str(out), expected) from error


def beside_of(file: Path) -> Path:
    """Return where the claim of a file's origin is: the sidecar that an ingestion reads, too."""
    if file.suffix.lower() in _MEDIA:
        return file.with_suffix(".json")
    return file.with_name(f"{file.name}.json")


def _claim(place: Path) -> dict[str, Any]:
    """Return the claim in a file, empty where there is none."""
    if not place.is_file() or place.stat().st_size > _LONGEST:
        return {}
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
