"""What a job was asked to do: all that is needed to do it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ragstone.changes import check_name
from ragstone.errors import InvalidArgument, RagstoneError
from ragstone.schemas.records import RowColumns
from ragstone.storage.files import digest_bytes
from ragstone.storage.uploads import is_upload

if TYPE_CHECKING:
    from ragstone.ingestion.options import SourceOptions


@dataclass(frozen=True, slots=True)
class IngestSpec:
    """An ingestion, as it was asked for.

    Parameters
    ----------
    sources
        Absolute paths of files and folders, and addresses.
    text, name
        Columns of tables, as in `Workspace.ingest`.
    options
        How the sources are read: what `SourceOptions.to_dict` gives, without the columns.
    places
        Of a synchronisation: the sources, text, name and options of the jobs that it repeats.
    removes
        What the places have no longer goes from the dataset too.
    from_start
        Databases are read from their beginning, wherever their cursors are.
    settings
        Sections that the caller laid over those of the workspace.
    served
        Asked of a server, which goes on with it whenever it starts again.
    """

    kind: ClassVar[str] = "ingest"

    dataset: str
    sources: tuple[str, ...]
    message: str = ""
    text: tuple[str, ...] = ()
    name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    places: tuple[dict[str, Any], ...] = ()
    removes: bool = False
    from_start: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    served: bool = False

    @property
    def identity(self) -> str:
        """The digest of what decides the outcome; equal jobs can go on with each other's work."""
        same = asdict(replace(self, message="", settings={}, served=False))
        return digest_bytes(json.dumps(same, sort_keys=True).encode())

    def opened_with(self) -> Iterator[tuple[str, SourceOptions]]:
        """Yield each place to read, and how."""
        from ragstone.ingestion.options import SourceOptions

        own = {name: getattr(self, name) for name in ("sources", "text", "name", "options")}
        for place in (*self.places, own):
            options = SourceOptions.from_dict(place["options"])
            if place["text"]:
                columns = RowColumns(tuple(place["text"]), place["name"])
                options = replace(options, columns=columns)
            yield from ((source, options) for source in place["sources"])

    def check(self) -> None:
        """Refuse what cannot work, before there is a job.

        Raises
        ------
        InvalidArgument, UnknownSource
            The dataset's name, a source or a column.
        """
        from ragstone.ingestion.sources import open_source

        check_name(self.dataset)
        if self.name is not None and not self.text:
            raise InvalidArgument("id", self.name, "used together with the text columns")
        places = list(self.opened_with())
        if not places:
            raise InvalidArgument("sources", [], "at least one file or folder")
        for source, options in places:
            if not (is_dataset(source) or is_upload(source)):  # only the workspace can tell
                open_source(source, options)

    def to_json(self) -> str:
        """Return what the catalog keeps."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote; an old job's empty spec has no sources."""
        values = {"dataset": "", "sources": [], **json.loads(text)}
        values["sources"] = tuple(values["sources"])
        values["text"] = tuple(values.get("text", ()))
        values["places"] = tuple(values.get("places", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class ReembedSpec:
    """A re-embedding, as it was asked for.

    Parameters
    ----------
    encoder
        The setting encoder.name that opens the new encoder; a folder is an absolute path.
    if_better
        Switch only when the golden queries are answered no worse.
    settings, served
        As in `IngestSpec`.
    """

    kind: ClassVar[str] = "reembed"

    dataset: str
    encoder: str
    message: str = ""
    if_better: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    served: bool = False

    @property
    def identity(self) -> str:
        """The digest of what decides the vectors; equal jobs can go on with each other's work."""
        return digest_bytes(json.dumps([self.kind, self.dataset, self.encoder]).encode())

    def check(self) -> None:
        """Refuse what cannot work, before there is a job.

        Raises
        ------
        InvalidArgument
            The dataset's name, or that of the encoder.
        """
        check_name(self.dataset)
        if not self.encoder.strip():
            raise InvalidArgument("encoder", self.encoder, "the name or the folder of a model")

    def to_json(self) -> str:
        """Return what the catalog keeps."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """The training of a model, as it was asked for.

    Parameters
    ----------
    version
        Of the dataset, which it learns from however late it begins.
    name
        That the model is to have.
    values
        Settings of network, trainer and data; see `Workspace.train_model`.
    settings, served
        As in `IngestSpec`.
    """

    kind: ClassVar[str] = "train"

    dataset: str
    version: int
    family: str
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    served: bool = False

    @property
    def identity(self) -> str:
        """The digest of what decides the model; equal jobs can go on with each other's work."""
        same = asdict(replace(self, message="", settings={}, served=False))
        return digest_bytes(json.dumps([self.kind, same], sort_keys=True, default=str).encode())

    def check(self) -> None:
        """Refuse what cannot work, before there is a job.

        Raises
        ------
        InvalidArgument
            The dataset's name, the model's, the family, or a setting.
        """
        from ragstone.models.families import family
        from ragstone.training.learning import Chosen
        from ragstone.training.registry import check_name as check_model_name

        check_name(self.dataset)
        check_model_name(self.name)
        Chosen.of(family(self.family), self.values)

    def to_json(self) -> str:
        """Return what the catalog keeps."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class MapSpec:
    """The making of a map, as it was asked for.

    Parameters
    ----------
    version
        Of the dataset, which it is of however late it begins.
    space, method
        As in `Workspace.projection`.
    settings, served
        As in `IngestSpec`.
    """

    kind: ClassVar[str] = "map"

    dataset: str
    version: int
    space: str
    method: str
    message: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    served: bool = False

    @property
    def identity(self) -> str:
        """The digest of what decides the map."""
        same = [self.kind, self.dataset, self.version, self.space, self.method]
        return digest_bytes(json.dumps(same).encode())

    def check(self) -> None:
        """Refuse what cannot work, before there is a job.

        Raises
        ------
        InvalidArgument, MissingExtra
            The dataset's name, or the method.
        """
        from ragstone.mapping import check_method

        check_name(self.dataset)
        check_method(self.method)

    def to_json(self) -> str:
        """Return what the catalog keeps."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))


JobSpec = IngestSpec | ReembedSpec | TrainSpec | MapSpec


def read_spec(kind: str, text: str) -> JobSpec:
    """Return what `to_json` of a job of this kind wrote.

    Raises
    ------
    RagstoneError
        The job is of a kind that only a newer release knows.
    """
    match kind:
        case IngestSpec.kind:
            return IngestSpec.from_json(text)
        case ReembedSpec.kind:
            return ReembedSpec.from_json(text)
        case TrainSpec.kind:
            return TrainSpec.from_json(text)
        case MapSpec.kind:
            return MapSpec.from_json(text)
    problem = f"This release knows no jobs of the kind {kind!r}"
    raise RagstoneError(problem, "Use the release that has made the job.")


def absolute(sources: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """Return one source or several for whoever has another current folder; addresses stay."""
    from ragstone.ingestion.sources import absolute_place

    several = [sources] if isinstance(sources, str | Path) else sources
    return tuple(map(absolute_place, several))


def is_dataset(source: str) -> bool:
    """Tell whether a place is another dataset of the workspace: `dataset:NAME@VERSION`."""
    return source.startswith("dataset:")


def absolute_model(name: str) -> str:
    """Return the name of an encoder for whoever has another current folder."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.is_dir() else name
