"""Routes of models: train them as jobs, look at them and their runs, let them make things."""

from typing import Annotated

from fastapi import Query

from ragstone.errors import InvalidArgument
from ragstone.schemas.api import JobInfo
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
from ragstone.server.auth import Action
from ragstone.server.guards import Owned, guarded, may, named_dataset
from ragstone.server.modelling_models import (
    AnomaliesRequest,
    BiasRequest,
    EvaluateModelRequest,
    ExportModelRequest,
    Image,
    SampleRequest,
    TrainRequest,
)
from ragstone.server.models import server_path, unpacked

router = guarded()


@router.get("/families", dependencies=[may(Action.LIST)])
def families(ws: Owned) -> list[FamilyInfo]:
    """List the families of models that can be trained, with their settings."""
    return ws.families()


@router.post("/datasets/{name:path}/train/plan", dependencies=[may(Action.TRAIN, named_dataset)])
def plan(ws: Owned, name: str, body: TrainRequest) -> Plan:
    """Say what a training would do, and about how long it would take."""
    return ws.plan_model(body.family, name, body.name, body.settings, restart=body.restart)


@router.post(
    "/datasets/{name:path}/train",
    status_code=202,
    dependencies=[may(Action.TRAIN, named_dataset)],
)
def train(ws: Owned, name: str, body: TrainRequest) -> JobInfo:
    """Start a job that trains a model on `D` or `D@V`."""
    return ws.submit_train(body.family, name, body.name, body.settings, restart=body.restart)


@router.get("/runs", dependencies=[may(Action.WATCH)])
def runs(ws: Owned) -> list[Run]:
    """List the trainings of models, newest first."""
    return ws.runs()


@router.get("/runs/{run}", dependencies=[may(Action.WATCH)])
def run(ws: Owned, run: str) -> RunCurve:
    """Show a training with all that was measured in it."""
    return ws.run(run)


@router.get("/registry/models", dependencies=[may(Action.LIST)])
def models(ws: Owned) -> list[ModelInfo]:
    """List the models that were trained here, by name and number."""
    return ws.models()


@router.get("/registry/damaged", dependencies=[may(Action.LIST)])
def damaged(ws: Owned) -> list[DamagedModel]:
    """List the models whose files do not say what they are."""
    return ws.damaged_models()


@router.get("/registry/models/{model}", dependencies=[may(Action.READ)])
def model(ws: Owned, model: str) -> ModelInfo:
    """Show what is known of NAME, its newest, or NAME@NUMBER."""
    return ws.model(model)


@router.get("/registry/models/{model}/card", dependencies=[may(Action.READ)])
def card(ws: Owned, model: str) -> str:
    """Show the card of a model, Markdown."""
    return ws.model_card(model)


@router.get("/registry/models/{model}/offer", dependencies=[may(Action.READ)])
def offer(ws: Owned, model: str) -> ModelOffer:
    """Show what a model can be asked for."""
    return ws.offer(model)


@router.get("/registry/models/{model}/copying", dependencies=[may(Action.READ)])
def copying(ws: Owned, model: str) -> Copying:
    """Say whether a model gives back what it learnt from, as it was measured last."""
    return ws.copying(model)


@router.post("/registry/models/{model}/sample", dependencies=[may(Action.SAMPLE)])
def sample(ws: Owned, model: str, body: SampleRequest) -> Sample:
    """Let a model make something, and add it to a dataset when that is asked for."""
    from ragstone.models.sampling import Sampler

    values = body.sampler_values()
    return ws.sample(
        model,
        body.prompt,
        tokens=body.tokens,
        sampler=None if values is None else Sampler(**values),
        conditions=body.conditions,
        beams=body.beams,
        count=body.count,
        neighbours=body.neighbours,
        task=body.task,
        images=[_content(ws, one) for one in body.images],
        mask=unpacked("mask", body.mask) or b"",
        keep=body.keep,
        strength=body.strength,
        steps=body.steps,
        solver=body.solver,
        guidance=body.guidance,
        guide=body.guide,
        pull=body.pull,
        each=body.each,
        ingest=body.ingest,
        message=body.message,
    )


@router.post("/registry/models/{model}/evaluate", dependencies=[may(Action.EVALUATE)])
def evaluate(ws: Owned, model: str, body: EvaluateModelRequest) -> ModelMeasures:
    """Measure a model: its loss on all that is held out, and what it makes."""
    return ws.evaluate_model(model, body.dataset, samples=body.samples, extractor=body.extractor)


@router.post("/registry/models/{model}/export", dependencies=[may(Action.COPY)])
def export(ws: Owned, model: str, body: ExportModelRequest) -> str:
    """Write a model into a new folder of the server's machine."""
    folder = ws.export_model(
        model,
        server_path("folder", body.folder),
        body.layout,
        despite_copies=body.despite_copies,
    )
    return str(folder)


@router.post("/datasets/{name:path}/anomalies", dependencies=[may(Action.READ, named_dataset)])
def anomalies(ws: Owned, name: str, body: AnomaliesRequest) -> list[Anomaly]:
    """List the images of `D` or `D@V` that are the oddest to a model."""
    return ws.anomalies(name, body.model, limit=body.limit)


@router.post("/datasets/{name:path}/bias", dependencies=[may(Action.READ, named_dataset)])
def bias(ws: Owned, name: str, body: BiasRequest) -> BiasReport:
    """Say how even `D` or `D@V` is, and what a model makes of that."""
    return ws.bias(
        name, body.fields, model=body.model, samples=body.samples, extractor=body.extractor
    )


@router.get("/licences", dependencies=[may(Action.READ)])
def licences(
    ws: Owned, of: Annotated[str, Query(description="`D`, `D@V`, or `model:NAME`.")]
) -> LicenceSummary:
    """Count the licences of a version, or of what a model learnt from."""
    return ws.licences(of)


def _content(ws: Owned, image: Image) -> bytes:
    """Return the bytes of an item, or of a file that came along; no path of the server's machine.

    Raises
    ------
    UnknownId, InvalidArgument
        There is no such item, or it is neither.
    """
    if image.id is not None:
        return ws.original(image.id).content
    content = unpacked("images", image.content)
    if content is None:
        raise InvalidArgument("images", None, "items with id, or files with content")
    return content
