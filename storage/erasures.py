"""Erasures: what was erased for real, and how versions read since: `forgets/<id>.json`.

Manifests are immutable and hold no text, so they stay, with their digests. The receipt of an
erasure says which files were written anew without the erased items; whoever reads a manifest reads
it with these in the place of the old ones. Publishing the receipt is the commit of an erasure.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ragstone.errors import DamagedFile
from ragstone.storage.files import make_folder, publish_once
from ragstone.storage.manifests import (
    GenerationRef,
    Manifest,
    PartRef,
    SegmentRef,
    digest_of,
    generation_from,
    part_from,
    segment_from,
)

RECEIPT_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left of a version."""

    items: int
    chunks: int
    content: str  # digest of the live sources and their items


@dataclass(frozen=True, slots=True)
class Receipt:
    """One erasure. Files are by their path in the workspace; None is for one with nothing left."""

    id: str  # ULID
    created: str  # ISO 8601, UTC
    reason: str
    items: list[str]  # ids
    answers: list[str]  # ids of those that had used an item, and were erased
    sources: int
    chunks: int
    parts: dict[str, PartRef | None] = field(default_factory=dict)
    segments: dict[str, SegmentRef | None] = field(default_factory=dict)
    keywords: dict[str, GenerationRef | None] = field(default_factory=dict)
    versions: dict[str, dict[str, Remainder]] = field(default_factory=dict)  # dataset id -> number
    format: int = RECEIPT_FORMAT
    digest: str = ""
    learnt: list[str] = field(default_factory=list)  # models whose data held an item
    deleted: list[str] = field(default_factory=list)  # of these
    made: list[str] = field(default_factory=list)  # items, still there, that those models made


class Erasures:
    """The receipts of the workspace `root`, read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.reload()

    def reload(self) -> None:
        """Read the receipts.

        Raises
        ------
        DamagedFile
            One cannot be read: what versions consist of is not known then.
        """
        self._receipts = [
            read(path) for path in sorted((self._root / "forgets").glob("[0-9A-Z]*.json"))
        ]

    def __len__(self) -> int:
        return len(self._receipts)

    @property
    def receipts(self) -> list[Receipt]:
        """All receipts, oldest first."""
        return list(self._receipts)

    def concerning(self, dataset_id: str, version: int) -> list[Receipt]:
        """Return the receipts of what was erased from a version, oldest first."""
        number = str(version)
        return [r for r in self._receipts if number in r.versions.get(dataset_id, {})]

    def applied(self, manifest: Manifest) -> Manifest:
        """Return `manifest` as it reads since the erasures."""
        for receipt in self.concerning(manifest.dataset_id, manifest.version):
            manifest = without(manifest, receipt)
        return manifest

    def publish(self, receipt: Receipt) -> Receipt:
        """Make the erasure so; this is its commit."""
        sealed = replace(receipt, digest=digest_of(asdict(receipt)))
        make_folder(self._root / "forgets")
        content = json.dumps(asdict(sealed), indent=1, ensure_ascii=False).encode()
        publish_once(self._root / "forgets" / f"{receipt.id}.json", content)
        self._receipts.append(sealed)
        return sealed


def without(manifest: Manifest, receipt: Receipt) -> Manifest:
    """Return `manifest` with the files that `receipt` put in the place of its own."""
    left = receipt.versions[manifest.dataset_id][str(manifest.version)]
    parts = [receipt.parts.get(part.path, part) for part in manifest.parts]
    segments = [receipt.segments.get(segment.path, segment) for segment in manifest.segments]
    keywords = manifest.keywords
    if keywords:
        keywords = receipt.keywords.get(keywords.path, keywords)
    return replace(
        manifest,
        items=left.items,
        chunks=left.chunks,
        content=left.content,
        parts=[part for part in parts if part],
        segments=[segment for segment in segments if segment],
        keywords=keywords,
    )


def read(path: Path) -> Receipt:
    """Read the receipt at `path` and check it against its own digest.

    Raises
    ------
    DamagedFile
        It cannot be read, is no receipt, or its bytes have changed.
    """
    try:
        values = json.loads(path.read_bytes())
        if values["format"] != RECEIPT_FORMAT:
            raise DamagedFile(path, f"format {values['format']} is not known to this release")
        if digest_of(values) != values["digest"]:
            raise DamagedFile(path, "its digest does not fit its content")
        return _from_json(values)
    except OSError as error:
        raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(path, f"it is no receipt ({error})") from error


def _from_json(values: dict[str, Any]) -> Receipt:
    files = {
        name: {path: made and build(made) for path, made in values[name].items()}
        for name, build in (
            ("parts", part_from),
            ("segments", segment_from),
            ("keywords", generation_from),
        )
    }
    versions = {
        dataset: {number: Remainder(**left) for number, left in numbers.items()}
        for dataset, numbers in values["versions"].items()
    }
    return Receipt(**{**values, **files, "versions": versions})
