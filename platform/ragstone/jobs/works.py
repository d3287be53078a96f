"""Makes of what was asked for the work that can be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragstone.config import load_settings
from ragstone.errors import EncoderUnavailable

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder
    from ragstone.encoders.opened import Encoders
    from ragstone.jobs.commit import Ingestion
    from ragstone.jobs.map import MapMaking
    from ragstone.jobs.records import Records
    from ragstone.jobs.reembed import Reembedding
    from ragstone.jobs.spec import IngestSpec, JobSpec, MapSpec, ReembedSpec, TrainSpec
    from ragstone.jobs.train import Training
    from ragstone.jobs.work import Work
    from ragstone.retrieval.search import Retriever
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store


@dataclass(frozen=True, slots=True)
class Works:
    """The jobs of a workspace, as work; see `JobDesk`."""

    _store: Store
    _records: Records
    _settings: Settings
    _given: Mapping[str, Mapping[str, Any]]
    _encoders: Encoders
    _retriever: Retriever

    def encoder_for(self, dataset: str) -> TextEncoder:
        """Return the encoder of a dataset, for a new one that of the settings."""
        for head in self._store.heads():
            if head.dataset == dataset:
                return self.encoder_of(head)
        return self._encoders.chosen()

    def encoder_of(self, version: Manifest) -> TextEncoder:
        """Return the encoder that made the vectors of a version."""
        return self._encoders.of(version.dataset, version.space, version.encoder)

    def for_a_process(self, job: str, spec: JobSpec) -> Work:
        """Return a job whose task another process can compute."""
        from ragstone.jobs.spec import IngestSpec, MapSpec, ReembedSpec

        match spec:
            case IngestSpec():
                return self._ingestion_for_a_worker(job, spec)
            case ReembedSpec():
                return self.reembedding(job, spec)
            case MapSpec():
                return self.map_making(job, spec)
        return self.training(job, spec)

    def map_making(self, job: str, spec: MapSpec) -> MapMaking:
        """Return the making of a map."""
        from ragstone.jobs.map import MapMaking

        return MapMaking(self._store, self._records, job, spec, self._settings_of(spec))

    def training(self, job: str, spec: TrainSpec) -> Training:
        """Return the training of a model."""
        from ragstone.jobs.train import Training

        return Training(self._store, self._records, job, spec, self._settings_of(spec))

    def reembedding(self, job: str, spec: ReembedSpec) -> Reembedding:
        """Return a re-embedding, with the encoder that it names."""
        from ragstone.jobs.reembed import Reembedding

        return Reembedding(
            self._store,
            self._records,
            job,
            spec,
            _with_encoder(self._settings_of(spec), spec.encoder),
            self._encoders.named(spec.encoder).identity.space,
            self._retriever,
            lambda texts, version: self.encoder_of(version).encode_queries(texts),
        )

    def _ingestion_for_a_worker(self, job: str, spec: IngestSpec) -> Ingestion:
        """Return a job whose encoder another process can open: by its name."""
        wanted = self.encoder_for(spec.dataset)
        name = self._encoders.name_of(wanted) or self._settings.encoder.name
        encoder = self._encoders.named(name)
        if encoder.identity.space != wanted.identity.space:
            problem = "a working process can open only one that is named in the settings"
            raise EncoderUnavailable(wanted.identity.name, problem)
        return self.ingestion(job, spec, encoder, name)

    def ingestion(self, job: str, spec: IngestSpec, encoder: TextEncoder, name: str) -> Ingestion:
        """Return an ingestion with an open encoder, and the name that opens it, if any."""
        from ragstone.jobs.commit import Ingestion

        settings = self._settings_of(spec)
        if name:
            settings = _with_encoder(settings, name)
        space = encoder.identity.space
        return Ingestion(self._store, self._records, job, spec, settings, space, name)

    def _settings_of(self, spec: JobSpec) -> Settings:
        """Return the settings of a job: those of now, under what its caller gave."""
        if spec.settings in ({}, self._given):
            return self._settings
        return load_settings(self._store.root, **{**self._given, **spec.settings})


def _with_encoder(settings: Settings, name: str) -> Settings:
    named = settings.encoder.model_copy(update={"name": name})
    return settings.model_copy(update={"encoder": named})
