"""Models that were trained here, for people and programs; plain frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from ragstone.schemas.api import Bin, Difference, FacetValue, IngestResult


@dataclass(frozen=True, slots=True)
class ModelData:
    """What a model learnt from."""

    dataset: str
    version: int
    digest: str  # of the version's manifest
    items: int
    held_out: str  # how what validates was chosen
    tokens: int  # to train on
    validation_tokens: int
    validation_bytes: int  # of the held-out text in UTF-8
    licences: list[str] = field(default_factory=list)  # as the items' metadata name them
    left_out: dict[str, int] = field(default_factory=dict)  # items by the reason why


@dataclass(frozen=True, slots=True)
class DatastoreInfo:
    """A datastore of kNN-LM beside a model."""

    entries: int  # tokens it holds
    neighbours: int
    weight: float  # of the neighbours' tokens, 0..1
    temperature: float
    without: float  # validation loss of the model alone, on the text not used for tuning, in nats
    with_: float  # and with the neighbours
    # What it holds, D@V, and that version's digest; empty in older ones. No part of how it is
    # told in the digests of answers.
    data: str = field(default="", repr=False)
    data_digest: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model: one of the numbers of a name."""

    name: str
    number: int  # from 1
    family: str
    digest: str  # BLAKE3 of its weights, hex
    parameters: int
    config: dict[str, Any]
    training: dict[str, Any]  # settings of the trainer
    tokenizer: str  # or whatever turns items into what the network reads
    data: ModelData
    steps: int
    best_step: int
    loss: float  # nats per token of what is held out
    bits_per_byte: float | None  # where the loss can be counted so
    seconds: float
    created: str  # ISO 8601, UTC
    ragstone: str  # release that made it
    datastore: DatastoreInfo | None = None
    material: dict[str, Any] = field(default_factory=dict)  # settings of the data
    measures: dict[str, float] = field(default_factory=dict)  # of `ragstone evaluate model`
    run: str = ""  # that it came of; models of before there were runs have none


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """A setting that a training takes."""

    name: str
    kind: str  # int, float, bool or str
    part: Literal["network", "trainer", "data"]  # that it is for
    default: Any  # None: the data decide


@dataclass(frozen=True, slots=True)
class FamilyInfo:
    """A family of models that can be trained."""

    name: str
    material: str  # what it learns from, and makes
    about: str
    settings: list[SettingInfo]
    finds_odd: bool  # a model of it tells how odd an image is


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """What a model can be asked for."""

    model: str  # NAME@NUMBER
    family: str
    material: str
    tasks: list[str]  # of `Workspace.sample`; none: it makes nothing
    labels: list[str]  # that it was told
    speakers: list[str]
    prompt: bool  # it reads a text
    goes_on: bool  # and writes on after it


@dataclass(frozen=True, slots=True)
class DamagedModel:
    """A model whose files do not say what it is."""

    name: str
    number: int
    damaged: str  # what is wrong with it


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model made."""

    # As JSON, bytes are base64.
    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    model: str  # NAME@NUMBER
    prompt: str
    text: str  # what follows the prompt, its translation, or the prompt without gaps
    seed: int
    conditions: dict[str, str] = field(default_factory=dict)
    media: bytes = b""  # the file, where it is no text
    media_type: str = ""
    note: dict[str, Any] = field(default_factory=dict)  # of its origin, as the file has it
    ingested: IngestResult | None = None  # where it was added to a dataset
    # Each thing by itself, where that was asked for: files as `media_type` says, or texts in UTF-8.
    pieces: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """How odd an item is to a model."""

    item_id: str
    source: str  # where it came from
    score: float  # the more, the odder; what it counts is the model's
    deviations: float  # from the median of the version, in robust standard deviations


Verdict: TypeAlias = Literal["unknown", "no", "some", "copies"]


@dataclass(frozen=True, slots=True)
class Copying:
    """Whether a model gives back what it learnt from, as far as that was measured."""

    model: str  # NAME@NUMBER
    verdict: Verdict
    figures: dict[str, float]
    said: str  # the same in words


@dataclass(frozen=True, slots=True)
class FileWatermark:
    """Whether a file carries the watermark of a workspace."""

    name: str
    z: float  # standard deviations from what chance gives
    found: bool
    moved: (
        tuple[int, int] | None
    )  # of a part of an image: pixels cut off at the left and top, by 32


@dataclass(frozen=True, slots=True)
class WatermarkReport:
    """Whether files carry the watermark, alone and all together."""

    files: list[FileWatermark]
    z: float | None  # of all together; None for one file
    found: bool | None


@dataclass(frozen=True, slots=True)
class Spread:
    """How the items of a version spread over the values of a field."""

    field: str
    values: list[FacetValue]  # the most frequent first
    bins: list[Bin]  # of many numbers, instead
    others: int  # values that are not listed
    missing: int  # items without the field
    evenness: float  # entropy as a part of its most: 1 where all values are as frequent
    imbalance: float  # how many times as frequent as the rarest the most frequent value is


@dataclass(frozen=True, slots=True)
class LabelShare:
    """A label in the data, and in what a model makes."""

    label: str
    data: float  # share of the items that have one
    made: float  # share of what the model makes unasked, as a classifier sees it
    right: float | None  # share of what is made when it is asked for; None: it cannot be
    interval: tuple[float, float] | None = None  # of `right`, 95 %


@dataclass(frozen=True, slots=True)
class BiasReport:
    """How even a version is, and what a model makes of that."""

    data: str  # D@V
    spreads: list[Spread]
    model: str = ""  # NAME@NUMBER; empty: none was asked for
    extractor: str = ""  # the classifier, NAME@NUMBER
    samples: int = 0
    labels: list[LabelShare] = field(default_factory=list)
    distance: float | None = None  # of both shares: half the sum of their differences
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AugmentationShare:
    """Classifiers that know a part of the real images, without and with what a model makes."""

    share: float  # percent of the real images
    images: int  # the same, counted
    accuracy: Difference  # on what is held out; before: without, after: with; over the seeds
    each: list[list[float]]  # by seed: without, with


@dataclass(frozen=True, slots=True)
class AugmentationStudy:
    """Whether images that a model makes help a classifier."""

    data: str  # D@V
    model: str  # NAME@NUMBER
    label: str  # field of the metadata
    synthetic: int  # images that the model made
    seeds: int
    steps: int  # of each training
    held_out: int  # images that it is measured by
    shares: list[AugmentationShare]


@dataclass(frozen=True, slots=True)
class LicenceCount:
    """A licence, and what it asks for as far as its name says."""

    licence: str  # as the metadata of the items name it
    items: int
    terms: list[
        str
    ]  # no derivatives, not commercial, share alike, all rights reserved, attribution


@dataclass(frozen=True, slots=True)
class LicenceSummary:
    """The licences of what a version holds, or a model learnt from."""

    of: str  # D@V
    items: int
    licences: list[LicenceCount]  # the most frequent first
    missing: int  # items without one
    synthetic: int  # items that models made
    conflicts: list[str]  # in words


@dataclass(frozen=True, slots=True)
class ModelMeasures:
    """How good a model is, on a version."""

    model: str  # NAME@NUMBER
    data: str  # DATASET@VERSION
    loss: float  # nats per token of what is held out
    bits_per_byte: float | None
    samples: int  # that were made to be measured
    measures: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # 95 %, of some of them
    notes: list[str] = field(default_factory=list)  # what was not measured, and how it can be
    likelihood: str = ""  # exact or bound: what the loss is of it; empty: it is none
    extractor: str = ""  # NAME@NUMBER of the classifier that gave features of images


@dataclass(frozen=True, slots=True)
class Contestant:
    """A family in a comparison."""

    family: str
    model: ModelInfo | None  # None: it could not be trained
    measures: ModelMeasures | None
    problem: str = ""  # why it could not


@dataclass(frozen=True, slots=True)
class FamilyComparison:
    """Families that learnt from one version for the same time, measured alike."""

    data: str  # DATASET@VERSION
    minutes: float
    samples: int
    seed: int
    extractor: str  # NAME@NUMBER; empty: there was none
    contestants: list[Contestant]
    report: str  # folder with report.html and report.md
