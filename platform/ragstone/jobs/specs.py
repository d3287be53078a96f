"""What is asked for becomes a specification, with the settings that it is asked with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.encoders.opened import Encoders
    from ragstone.jobs.records import Records
    from ragstone.jobs.spec import IngestSpec, MapSpec, ReembedSpec, TrainSpec
    from ragstone.storage.store import Store


class Specs:
    """A base of `JobDesk`, which has all of these."""

    _store: Store
    _records: Records
    _encoders: Encoders
    _given: dict[str, dict[str, Any]]

    def spec(
        self,
        sources: tuple[str, ...],
        dataset: str,
        message: str,
        text: tuple[str, ...],
        name: str | None,
        options: Mapping[str, Any] | None = None,
        *,
        served: bool = False,
    ) -> IngestSpec:
        """Return what is asked for, with the settings it is asked with."""
        from ragstone.jobs.spec import IngestSpec

        return IngestSpec(
            dataset,
            sources,
            message,
            text,
            name,
            dict(options or {}),
            settings=self._given,
            served=served,
        )

    def sync_spec(self, dataset: str, message: str, *, served: bool = False) -> IngestSpec:
        """Return what reads everything again that was ever taken into a dataset.

        Raises
        ------
        UnknownDataset, InvalidArgument
            There is no dataset, or nothing that was ingested in it.
        """
        self._store.head(dataset)
        done = [info.job for info in self._records.listed(dataset, "done")]
        return self._again(dataset, done, message or "sync", removes=True, served=served)

    def quarantine_spec(
        self, dataset: str, entries: Sequence[str], *, served: bool = False
    ) -> IngestSpec:
        """Return what reads again what put inputs of a dataset into quarantine.

        Parameters
        ----------
        entries
            Their ids, or the beginnings of these; none stands for all.

        Raises
        ------
        UnknownId, InvalidArgument
            There is no such entry, or nothing is in quarantine.
        """
        jobs = [job for _, job in self._records.entries(dataset, entries)]
        return self._again(dataset, jobs, "quarantine tried again", removes=False, served=served)

    def reembed_spec(
        self, dataset: str, encoder: str, message: str, *, if_better: bool, served: bool = False
    ) -> ReembedSpec:
        """Return what is asked for, with the settings it is asked with."""
        from ragstone.jobs.spec import ReembedSpec, absolute_model

        name = self._encoders.settled(absolute_model(encoder))
        return ReembedSpec(dataset, name, message, if_better, self._given, served)

    def train_spec(
        self,
        family: str,
        dataset: str,
        name: str,
        values: Mapping[str, Any],
        *,
        served: bool = False,
    ) -> TrainSpec:
        """Return what is asked for, of the version that is meant now.

        Raises
        ------
        UnknownDataset, UnknownVersion
            There is none.
        """
        from ragstone.jobs.spec import TrainSpec

        version = self._store.resolve(dataset)
        return TrainSpec(
            version.dataset,
            version.version,
            family,
            name,
            dict(values),
            settings=self._given,
            served=served,
        )

    def map_spec(self, dataset: str, space: str, method: str, *, served: bool = False) -> MapSpec:
        """Return what is asked for, of the version that is meant now.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument
            There is none, or it has no vectors in the space.
        """
        from ragstone.jobs.spec import MapSpec
        from ragstone.mapping import chosen_space

        version = self._store.resolve(dataset)
        space = chosen_space(version, space)
        return MapSpec(
            version.dataset,
            version.version,
            space,
            method,
            message=f"version {version.version} in {space} by {method}",
            settings=self._given,
            served=served,
        )

    def _again(
        self, dataset: str, jobs: Sequence[str], message: str, *, removes: bool, served: bool
    ) -> IngestSpec:
        """Return one job over the places of several, the oldest first, each once.

        Without `removes` nothing is left out: what was refused may lie below the last value of a
        cursor.
        """
        from ragstone.jobs.spec import IngestSpec

        places: dict[str, dict[str, Any]] = {}
        for job in sorted(set(jobs)):
            spec = self._records.spec(job)
            for place in _places_of(spec) if isinstance(spec, IngestSpec) else ():
                places[_what_is_read(place)] = place
        if not places:
            raise InvalidArgument("dataset", dataset, "one that something was ingested into")
        return IngestSpec(
            dataset,
            (),
            message,
            places=tuple(places.values()),
            removes=removes,
            from_start=not removes,
            settings=self._given,
            served=served,
        )


def _places_of(spec: IngestSpec) -> Iterator[dict[str, Any]]:
    """Yield the places of an ingestion one by one, without what it had read up to."""
    own = {"sources": spec.sources, "text": spec.text, "name": spec.name, "options": spec.options}
    for several in (*spec.places, own):
        options = {name: value for name, value in several["options"].items() if name != "after"}
        rest = {"text": list(several["text"]), "name": several["name"], "options": options}
        yield from ({"sources": [source], **rest} for source in several["sources"])


def _what_is_read(place: dict[str, Any]) -> str:
    """Return what two readings of a place have in common when the later one stands for both.

    Those of a database do, with whatever columns and cursor: they name the same rows.
    """
    from ragstone.ingestion.sources import is_database

    (source,) = place["sources"]
    if not is_database(source):
        return json.dumps(place, sort_keys=True)
    return json.dumps([source, *(place["options"].get(name) for name in ("table", "query"))])
