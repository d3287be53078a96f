"""Waves: recordings that a model of sound learns to make, by label and speaker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.errors import InvalidArgument
from ragstone.ingestion.parsers.decoding_audio import decode
from ragstone.models.base import GenerativeModel
from ragstone.models.sampling import Sampler
from ragstone.models.wavenet import LENGTHS, WaveNet, WaveNetConfig
from ragstone.models.waves import LABEL, SPEAKER, WaveCodec, as_loud, wav
from ragstone.schemas.records import Modality
from ragstone.storage.files import remove
from ragstone.training.clips import ClipData, Clips
from ragstone.training.dividing import Division, Row, divide, nothing_left
from ragstone.training.materials.base import (
    Asked,
    Codec,
    Made,
    Material,
    Prepared,
    Request,
    facts,
)
from ragstone.training.measures.base import Measured, Measuring
from ragstone.training.measures.waves import measure

if TYPE_CHECKING:
    from ragstone.training.snapshots import Snapshot

_NORMALISE = "normalise"
_SECONDS = 4.0  # of a clip, by default
_ANY_LENGTH = LimitSettings(audio_seconds=1e9)  # it was within the limits when it was taken in


class Waves(Material):
    """For models of sound."""

    settings: ClassVar[Mapping[str, str]] = {
        LABEL: "str",
        SPEAKER: "str",
        "rate": "int",
        "levels": "int",
        "seconds": "float",
        _NORMALISE: "bool",
        "synthetic": "bool",
    }

    def prepare(self, snapshot: Snapshot, asked: Asked) -> Prepared:
        """See `Material.prepare`."""
        reading = _Reading(snapshot, asked)
        training, held_out = (reading.clips(held_out=side) for side in (False, True))
        codec = reading.codec
        found = max(clips.lengths.max(initial=LENGTHS) for clips in (training, held_out))
        decided = {
            "levels": codec.levels,
            "labels": len(codec.labels),
            "speakers": len(codec.speakers),
            "longest": int(found),
        }
        return Prepared(
            codec=codec,
            decided=decided,
            feed=lambda config: _feed(training, held_out, config),
            data=facts(
                snapshot.manifest,
                reading.division,
                (training.samples, held_out.samples),
                held_out.samples,
                reading.left_out,
            ),
            per_byte=1.0,  # a level is kept as a byte
        )

    def open_codec(self, folder: Path) -> Codec:
        """See `Material.open_codec`."""
        return WaveCodec.open(folder)

    def make(self, model: GenerativeModel, codec: Any, request: Request) -> Made:
        """Let it speak; what is not named, label or speaker, it is not told."""
        sampler = request.sampler or Sampler()
        if sampler != Sampler(temperature=sampler.temperature, seed=sampler.seed):
            expected = "temperature and seed alone for a model of sound"
            raise InvalidArgument("sampler", None, expected)
        numbers = {name: codec.number(name, given) for name, given in request.conditions.items()}
        unknown = {LABEL: len(codec.labels), SPEAKER: len(codec.speakers)}
        label, speaker = (torch.tensor([numbers.get(n, last)]) for n, last in unknown.items())
        network, seeds = cast("WaveNet", model), [sampler.seed]
        made = network.sample(label, speaker, seeds, sampler.temperature)
        return Made(media=wav(codec.decode(made[0].numpy()), codec.rate), media_type="audio/wav")

    def measure(
        self, model: GenerativeModel, codec: Any, prepared: Prepared, asked: Measuring
    ) -> Measured:
        """See `measures.waves`."""
        data = cast("ClipData", prepared.feed(model.config))
        return Measured(measure(cast("WaveNet", model), codec, data, asked.samples))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a clip lies in the file of levels."""

    item: str
    begin: int
    length: int
    label: int
    speaker: int


class _Reading:
    """The recordings of a version, read into one file of levels."""

    def __init__(self, snapshot: Snapshot, asked: Asked) -> None:
        self._snapshot, self._settings = snapshot, asked.settings
        self._fields = {name: str(asked.settings.get(name, "")) for name in (LABEL, SPEAKER)}
        synthetic = bool(asked.settings.get("synthetic", False))
        self.division: Division = divide(
            snapshot, lambda row: row["modality"] == Modality.AUDIO, synthetic=synthetic
        )
        rows = [row for row in snapshot.rows() if row["item_id"] in self.division.held_out]
        self.codec: WaveCodec = asked.codec or self._codec(rows)
        self.left_out = Counter(self.division.left_out)
        self._levels, self._places = self._read(rows, asked.folder / "waves")
        if not self._places:
            raise nothing_left(snapshot.manifest.dataset, self.left_out)

    def clips(self, *, held_out: bool) -> Clips:
        """Return the clips of one side, by the ids of their items."""
        sides = self.division.held_out
        chosen = sorted(
            (place for place in self._places if sides[place.item] == held_out),
            key=lambda place: place.item,
        )

        def column(name: str) -> NDArray[np.int64]:
            return np.asarray([getattr(place, name) for place in chosen], np.int64)

        return Clips(
            levels=self._levels,
            begins=column("begin"),
            lengths=column("length"),
            labels=column("label"),
            speakers=column("speaker"),
            ids=tuple(place.item for place in chosen),
        )

    def _codec(self, rows: Iterable[Row]) -> WaveCodec:
        settings, found = self._settings, [row["metadata"] for row in rows]
        rate = settings.get("rate") or min(int(metadata["sample_rate"]) for metadata in found)
        if not 1_000 <= rate <= 48_000:
            raise InvalidArgument("rate", rate, "from 1,000 to 48,000 samples a second")
        names = {}
        for role, field in self._fields.items():
            values = {str(metadata[field]) for metadata in found if field in metadata}
            if field and not values:
                expected = "a field of the metadata of the recordings: "
                expected += ", ".join(sorted({name for metadata in found for name in metadata}))
                raise InvalidArgument(role, field, expected)
            names[role] = tuple(sorted(values)) or ("",)
        return WaveCodec(
            rate=rate,
            levels=settings.get("levels", 256),
            labels=names[LABEL],
            speakers=names[SPEAKER],
        )

    def _read(self, rows: Iterable[Row], folder: Path) -> tuple[NDArray[np.uint8], list[_Place]]:
        """Write the levels of all clips into a file of `folder`; return it, mapped, and places."""
        folder.mkdir(parents=True, exist_ok=True)
        path, places, end = folder / "levels", [], 0
        remove(path)
        most = round(float(self._settings.get("seconds", _SECONDS)) * self.codec.rate)
        with path.open("wb") as file:
            for row in rows:
                told = self._told(row["metadata"])
                if told is None:
                    continue
                content = self._snapshot.blobs.get(row["item_id"])
                samples = decode(content, _ANY_LENGTH, self.codec.rate).samples[:most]
                if len(samples) < LENGTHS:
                    self.left_out[f"shorter than {LENGTHS} samples"] += 1
                    continue
                if self._settings.get(_NORMALISE, True):
                    samples = as_loud(samples)
                file.write(self.codec.encode(samples).tobytes())
                places.append(_Place(row["item_id"], end, len(samples), *told))
                end += len(samples)
        return (np.memmap(path, np.uint8, "r") if end else np.zeros(0, np.uint8)), places

    def _told(self, metadata: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the numbers of label and speaker; None where the codec knows none."""
        numbers = []
        for role, known in ((LABEL, self.codec.labels), (SPEAKER, self.codec.speakers)):
            field = self._fields[role]
            value = str(metadata.get(field, "")) if field else ""
            if value not in known:
                self.left_out[f"no {role} that the model knows"] += 1
                return None
            numbers.append(known.index(value))
        return numbers[0], numbers[1]


def _feed(training: Clips, held_out: Clips, config: WaveNetConfig) -> ClipData:
    """Return the clips; of those that are longer than a model knows, the beginning."""
    return ClipData(training.within(config.longest), held_out.within(config.longest))
