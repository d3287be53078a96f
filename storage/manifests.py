"""Manifests: one JSON file per version, the only commit point.

A manifest names everything a version consists of, with the digest of each file, and carries the
digest of its parent, so a version proves itself back to the first one. It is linked to its final
name, never over an existing one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap64

from ragstone.errors import DamagedFile
from ragstone.storage.files import FileStamp, digest_bytes, publish_once

if TYPE_CHECKING:
    from ragstone.schemas.api import FusionMethod

MANIFEST_FORMAT = 4
# Format 1 does not say which keys a segment holds, nor where a version is from; in format 2 every
# segment is a FAISS file; in format 3 there are texts alone, and no near-duplicates.
_READABLE = {1, 2, 3, 4}


@dataclass(frozen=True, slots=True)
class PartRef:
    """A part as a manifest names it; `path` is relative to the workspace."""

    id: str
    path: str
    items: int
    chunks: int
    files: dict[str, FileStamp]
    synthetic: int = 0  # of the items, those that a model made; not known of older parts


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """A file with vectors of one space: a FAISS index, or the vectors of one part.

    `path` is relative to the workspace.
    """

    path: str
    space: str
    vectors: int
    file: FileStamp
    keys: str = ""  # Roaring bitmap of its chunk keys, as below; empty in format 1


@dataclass(frozen=True, slots=True)
class GenerationRef:
    """A Tantivy index folder; `path` is relative to the workspace."""

    path: str
    chunks: int
    files: dict[str, FileStamp]


@dataclass(frozen=True, slots=True)
class PairsRef:
    """A file with pairs of duplicates; `path` is relative to the workspace."""

    path: str
    pairs: int
    file: FileStamp


@dataclass(frozen=True, slots=True)
class MediaSpace:
    """Where the images, or the recordings, of a dataset are embedded."""

    space: str
    encoder: str  # the setting that opens its encoder


@dataclass(frozen=True, slots=True)
class TunedFusion:
    """How the arms of a search are fused best, learned from judged queries."""

    method: FusionMethod
    vector_weight: float
    queries: int  # it was learned from
    ndcg: float  # nDCG@10 of queries it was not learned from
    before: float  # the same of what was used before
    reranker: str | None = None  # empty: none is better; None: none was tried
    rerank_weight: float = 0.0
    reranker_digest: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One immutable version of a dataset."""

    dataset_id: str
    dataset: str
    version: int
    parent: str | None  # digest of the version before, in this dataset
    message: str
    created: str  # ISO 8601, UTC
    settings: str  # digest of what shaped the chunks
    space: str
    content: str  # digest of the live sources and their items
    items: int
    chunks: int
    added: int
    removed: int
    next_item: int
    next_source: int
    next_chunk: int
    parts: list[PartRef] = field(default_factory=list)
    segments: list[SegmentRef] = field(default_factory=list)
    keywords: GenerationRef | None = None
    removed_items: str = ""  # Roaring bitmap of item keys, portable format, base64
    removed_sources: str = ""
    origin: str = ""  # digest of the version that this one was made equal to: fork, restore
    encoder: str = ""  # the setting encoder.name that opens the encoder of `space`
    media: dict[str, MediaSpace] = field(default_factory=dict)  # by modality
    pairs: list[PairsRef] = field(default_factory=list)  # of duplicates among its items
    policy: dict[str, Any] = field(default_factory=dict)  # which duplicates are hidden
    hidden: str = ""  # those items, which are in `removed_items` too
    # How far databases were read whose rows it holds: last value by digest of place and reading.
    cursors: dict[str, int | float | str] = field(default_factory=dict)
    fusion: TunedFusion | None = None  # as `ragstone tune` left it
    format: int = MANIFEST_FORMAT
    digest: str = ""

    @property
    def created_at(self) -> datetime:
        """The time of the commit."""
        return datetime.fromisoformat(self.created)

    @property
    def synthetic_parts(self) -> list[str]:
        """The ids of the parts that hold items that a model made: of most versions none."""
        return [part.id for part in self.parts if part.synthetic]

    def files(self) -> Iterator[tuple[str, FileStamp]]:
        """Yield every file this version consists of: path in the workspace and its stamp."""
        for part in self.parts:
            yield from ((f"{part.path}/{name}", s) for name, s in part.files.items())
        yield from ((segment.path, segment.file) for segment in self.segments)
        yield from ((pairs.path, pairs.file) for pairs in self.pairs)
        if self.keywords:
            root = self.keywords.path
            yield from ((f"{root}/{name}", s) for name, s in self.keywords.files.items())

    def folders(self) -> set[str]:
        """Return the folders and files, by path in the workspace, that this version needs."""
        named = {file.path for of in (self.parts, self.segments, self.pairs) for file in of}
        return named | ({self.keywords.path} if self.keywords else set())


def pack_bitmap(keys: BitMap64) -> str:
    """Return `keys` as text for a manifest."""
    keys.run_optimize()
    return base64.b64encode(keys.serialize()).decode()


def unpack_bitmap(packed: str) -> BitMap64:
    """Return the keys in `packed`; empty text is the empty set."""
    return BitMap64.deserialize(base64.b64decode(packed)) if packed else BitMap64()


def seal(manifest: Manifest) -> Manifest:
    """Return `manifest` with its own digest set."""
    return replace(manifest, digest=digest_of(asdict(manifest)))


def version_path(folder: Path, version: int) -> Path:
    """Return where version number `version` of the dataset at `folder` is."""
    return folder / "versions" / f"{version:06d}.json"


def publish(folder: Path, manifest: Manifest) -> None:
    """Make `manifest` (sealed) the version it names; this is the commit.

    Raises
    ------
    FileExistsError
        The version number is taken.
    """
    publish_once(version_path(folder, manifest.version), _body(manifest))


def stands(folder: Path, manifest: Manifest) -> bool:
    """Tell whether `manifest` is published; what is there and cannot be read counts as it."""
    try:
        return version_path(folder, manifest.version).read_bytes() == _body(manifest)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def read(path: Path) -> Manifest:
    """Read the manifest at `path` and check it against its own digest.

    Raises
    ------
    DamagedFile
        It cannot be read, is no manifest, or its bytes have changed.
    """
    try:
        values = json.loads(path.read_bytes())
        if values["format"] not in _READABLE:
            raise DamagedFile(path, f"format {values['format']} is not known to this release")
        if digest_of(values) != values["digest"]:
            raise DamagedFile(path, "its digest does not fit its content")
        return _from_json(values)
    except OSError as error:
        raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(path, f"it is no manifest ({error})") from error


def numbers(folder: Path) -> list[int]:
    """Return the version numbers published in the dataset at `folder`, ascending."""
    return sorted(int(path.stem) for path in (folder / "versions").glob("[0-9]*.json"))


def _body(manifest: Manifest) -> bytes:
    return json.dumps(asdict(manifest), indent=1, ensure_ascii=False).encode()


def digest_of(values: dict[str, Any]) -> str:
    """Return the digest of a JSON object, its own "digest" left out."""
    body = {key: value for key, value in values.items() if key != "digest"}
    return digest_bytes(json.dumps(body, sort_keys=True, ensure_ascii=False).encode())


def part_from(values: dict[str, Any]) -> PartRef:
    """Return the part that `values` (from JSON) names."""
    return PartRef(**{**values, "files": _stamps(values["files"])})


def segment_from(values: dict[str, Any]) -> SegmentRef:
    """Return the segment that `values` (from JSON) names."""
    return SegmentRef(**{**values, "file": FileStamp(**values["file"])})


def generation_from(values: dict[str, Any]) -> GenerationRef:
    """Return the keyword generation that `values` (from JSON) names."""
    return GenerationRef(**{**values, "files": _stamps(values["files"])})


def _stamps(values: dict[str, Any]) -> dict[str, FileStamp]:
    return {name: FileStamp(**value) for name, value in values.items()}


def _from_json(values: dict[str, Any]) -> Manifest:
    known = {f.name for f in fields(Manifest)}
    plain = {key: value for key, value in values.items() if key in known}
    plain["parts"] = [part_from(part) for part in values["parts"]]
    plain["segments"] = [segment_from(segment) for segment in values["segments"]]
    plain["media"] = {k: MediaSpace(**space) for k, space in values.get("media", {}).items()}
    plain["pairs"] = [
        PairsRef(**{**pairs, "file": FileStamp(**pairs["file"])})
        for pairs in values.get("pairs", [])
    ]
    if fusion := values.get("fusion"):
        plain["fusion"] = TunedFusion(**fusion)
    if generation := values["keywords"]:
        plain["keywords"] = generation_from(generation)
    return Manifest(**plain)
