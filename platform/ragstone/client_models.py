"""The part of the client that is about models: training as jobs, runs, and what models make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.client_following import Follower
from ragstone.schemas import api
from ragstone.schemas.models import (
    Anomaly,
    BiasReport,
    Copying,
    DamagedModel,
    FamilyInfo,
    LicenceSummary,
    ModelInfo,
    ModelMeasures,
    ModelOffer,
    Sample,
)
from ragstone.schemas.runs import Plan, Run, RunCurve
from ragstone.transport import absolute, packed, part

if TYPE_CHECKING:
    from ragstone.models.sampling import Sampler


class ModelClient(Follower):
    """A base of `Client`."""

    def families(self) -> list[FamilyInfo]:
        """List the families of models that can be trained, with their settings."""
        return self._http.get("/families", list[FamilyInfo])

    def plan_model(
        self,
        family: str,
        dataset: str,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        restart: bool = False,
    ) -> Plan:
        """Say what a training would do, and about how long it would take on the server."""
        body: dict[str, Any] = {"family": family, "name": name, "settings": dict(settings or {})}
        body["restart"] = restart
        return self._http.wait(f"/datasets/{part(dataset)}/train/plan", Plan, body)

    def submit_train(
        self,
        family: str,
        dataset: str,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        restart: bool = False,
    ) -> api.JobInfo:
        """Start a job that trains a model, and return it at once."""
        body = {"family": family, "name": name, "settings": dict(settings or {})}
        path = f"/datasets/{part(dataset)}/train"
        return self._http.post(path, api.JobInfo, {**body, "restart": restart})

    def train_model(
        self,
        family: str,
        dataset: str,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        restart: bool = False,
        on_progress: Callable[[api.TrainProgress], None] | None = None,
    ) -> ModelInfo:
        """Train a model on the server's machine, and wait for the end.

        Should this process end meanwhile, the job goes on.

        Raises
        ------
        JobCancelled
            Somebody stopped it; what it learnt so far is kept.
        """
        job = self.submit_train(family, dataset, name, settings, restart=restart)
        return self.trained(job.job, on_progress)

    def trained(
        self, job: str, on_progress: Callable[[api.TrainProgress], None] | None = None
    ) -> ModelInfo:
        """Wait for the end of a training and return the model, or raise why it failed."""
        info = self._done(job, on_progress)
        assert isinstance(info.result, api.TrainResult)
        return self.model(info.result.model)

    # ------------------------------------------------------------ runs and models

    def runs(self) -> list[Run]:
        """List the trainings of models, newest first."""
        return self._http.get("/runs", list[Run])

    def run(self, run: str) -> RunCurve:
        """Return a training with all that was measured in it."""
        return self._http.get(f"/runs/{part(run)}", RunCurve)

    def models(self) -> list[ModelInfo]:
        """List the models that were trained here, by name and number."""
        return self._http.get("/registry/models", list[ModelInfo])

    def damaged_models(self) -> list[DamagedModel]:
        """List the models whose files do not say what they are."""
        return self._http.get("/registry/damaged", list[DamagedModel])

    def model(self, model: str) -> ModelInfo:
        """Return what is known of NAME, its newest, or NAME@NUMBER."""
        return self._http.get(_path(model), ModelInfo)

    def model_card(self, model: str) -> str:
        """Return the card of a model, Markdown."""
        return self._http.get(f"{_path(model)}/card", str)

    def offer(self, model: str) -> ModelOffer:
        """Return what a model can be asked for: tasks, labels, speakers."""
        return self._http.get(f"{_path(model)}/offer", ModelOffer)

    def copying(self, model: str) -> Copying:
        """Return whether a model gives back what it learnt from, as it was measured last."""
        return self._http.get(f"{_path(model)}/copying", Copying)

    def sample(
        self,
        model: str,
        prompt: str = "",
        *,
        tokens: int = 200,
        sampler: Sampler | Mapping[str, float] | None = None,
        conditions: Mapping[str, str] | None = None,
        beams: int = 1,
        count: int = 1,
        neighbours: bool = False,
        task: str = "sample",
        images: Sequence[Path | str | bytes] = (),
        mask: Path | str | bytes = b"",
        keep: str = "",
        strength: float = 0.5,
        steps: int = 0,
        solver: str = "",
        guidance: float = 0.0,
        guide: str = "",
        pull: float = 1.0,
        each: bool = False,
        ingest: str = "",
        message: str = "",
    ) -> Sample:
        """Let a model make something; files of this machine are sent along.

        Parameters
        ----------
        sampler
            Also as a mapping: `{"seed": 1, "temperature": 0.8}`.
        """
        values = sampler if sampler is None or isinstance(sampler, Mapping) else asdict(sampler)
        body = {
            "prompt": prompt,
            "tokens": tokens,
            "sampler": values,
            "conditions": dict(conditions or {}),
            "beams": beams,
            "count": count,
            "neighbours": neighbours,
            "task": task,
            "images": [_image(one) for one in images],
            "mask": packed(mask) if mask else None,
            "keep": keep,
            "strength": strength,
            "steps": steps,
            "solver": solver,
            "guidance": guidance,
            "guide": guide,
            "pull": pull,
            "each": each,
            "ingest": ingest,
            "message": message,
        }
        return self._http.wait(f"{_path(model)}/sample", Sample, body)

    def evaluate_model(
        self, model: str, dataset: str = "", *, samples: int = 20, extractor: str = ""
    ) -> ModelMeasures:
        """Measure a model: its loss on all that is held out of a version, and what it makes."""
        body = {"dataset": dataset, "samples": samples, "extractor": extractor}
        return self._http.wait(f"{_path(model)}/evaluate", ModelMeasures, body)

    def export_model(
        self,
        model: str,
        folder: str | Path,
        layout: str = "ragstone",
        *,
        despite_copies: bool = False,
    ) -> Path:
        """Write a model into a new folder of the server's machine; return the folder."""
        body = {"folder": absolute(folder), "layout": layout, "despite_copies": despite_copies}
        return Path(self._http.wait(f"{_path(model)}/export", str, body))

    def anomalies(self, dataset: str, model: str, *, limit: int = 20) -> list[Anomaly]:
        """Return the images of a version that are the oddest to a model, the oddest first."""
        body = {"model": model, "limit": limit}
        return self._http.wait(f"/datasets/{part(dataset)}/anomalies", list[Anomaly], body)

    def bias(
        self,
        dataset: str,
        fields: Sequence[str] = (),
        *,
        model: str = "",
        samples: int = 1_000,
        extractor: str = "",
    ) -> BiasReport:
        """Return how even a version is, and what a model makes of that."""
        body = {"fields": list(fields), "model": model, "samples": samples}
        body["extractor"] = extractor
        return self._http.wait(f"/datasets/{part(dataset)}/bias", BiasReport, body)

    def licences(self, of: str) -> LicenceSummary:
        """Count the licences of a version, or of what a model learnt from: "model:NAME"."""
        return self._http.get("/licences", LicenceSummary, {"of": of})


def _path(model: str) -> str:
    return f"/registry/models/{part(model)}"


def _image(given: Path | str | bytes) -> dict[str, str | None]:
    """Return what stands for an image: the bytes of a file, or an id."""
    if isinstance(given, str) and not Path(given).is_file() and not Path(given).suffix:
        return {"id": given}
    return {"content": packed(given)}
