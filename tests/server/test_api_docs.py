"""docs/api.md shows every route, and its examples are what the server sends and takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from ragstone.schemas.answers import Answer, AnswerList, GeneratorInfo
from ragstone.schemas.api import (
    BackupResult,
    CalibrationReport,
    Collection,
    DatasetInfo,
    DoctorReport,
    DuplicateGroup,
    DuplicatePreview,
    DuplicateReport,
    ExportResult,
    Facet,
    FieldInfo,
    ForgetReceipt,
    GoldenQuery,
    Histogram,
    ImportResult,
    ItemComparison,
    ItemDetail,
    ItemSummary,
    JobInfo,
    Overview,
    Projection,
    QuarantineInfo,
    RetrievalEvaluation,
    SearchResult,
    SpeedReport,
    TagInfo,
    TuningReport,
    UploadedFile,
    VersionDiff,
    VersionInfo,
    to_json,
)
from ragstone.schemas.evaluations import AnswerEvaluation, Evaluation
from ragstone.schemas.feedback import Feedback, FeedbackExport
from ragstone.schemas.insight import About, Usage
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
from ragstone.schemas.tracing import Explanation, Replay, Trace
from ragstone.server.app import create_app
from ragstone.server.care_models import (
    AnswersRequest,
    BenchRequest,
    DoctorRequest,
    EvaluateRequest,
    GateRequest,
    GoldenRequest,
    TuneRequest,
)
from ragstone.server.completion_models import ChatCompletion, ChatRequest, Model, ModelList
from ragstone.server.exploring_models import MapRequest, TagItemsRequest
from ragstone.server.feedback_models import (
    AcceptRequest,
    FeedbackExportRequest,
    FeedbackRequest,
)
from ragstone.server.insight_models import GoldenQueryRequest, PreviewRequest
from ragstone.server.modelling_models import (
    AnomaliesRequest,
    BiasRequest,
    EvaluateModelRequest,
    ExportModelRequest,
    SampleRequest,
    TrainRequest,
)
from ragstone.server.models import (
    AskRequest,
    CalibrateRequest,
    DeleteRequest,
    EntriesRequest,
    Health,
    IngestRequest,
    PolicyRequest,
    ReembedRequest,
    SearchRequest,
    SimilarRequest,
    SyncRequest,
)
from ragstone.server.version_models import (
    BackupRequest,
    ExportRequest,
    ForgetRequest,
    ForkRequest,
    GcRequest,
    ImportRequest,
    RestoreRequest,
    TagRequest,
    UntagRequest,
)
from ragstone.workspace import Workspace

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = {
    name: body for name, body in re.findall(r"### `([^`]+)`\n(.*?)(?=\n##|\Z)", PAGE, re.DOTALL)
}
RESULTS: dict[str, Any] = {
    "GET /v1/health": Health,
    "GET /v1/overview": Overview,
    "PUT /v1/uploads/{upload}/{name}": UploadedFile,
    "GET /v1/datasets": list[DatasetInfo],
    "GET /v1/datasets/{name}/versions": list[VersionInfo],
    "GET /v1/datasets/{name}/items": list[ItemSummary],
    "GET /v1/datasets/{name}/facets": list[Facet],
    "GET /v1/datasets/{name}/count": int,
    "GET /v1/datasets/{name}/fields": list[FieldInfo],
    "GET /v1/datasets/{name}/histogram": Histogram,
    "GET /v1/datasets/{name}/spaces": list[str],
    "GET /v1/datasets/{name}/projection": Projection,
    "POST /v1/datasets/{name}/map": JobInfo,
    "POST /v1/search": SearchResult,
    "POST /v1/similar": SearchResult,
    "POST /v1/ask": Answer,
    "GET /v1/generators": list[GeneratorInfo],
    "GET /v1/models": ModelList,
    "GET /v1/models/{id}": Model,
    "POST /v1/chat/completions": ChatCompletion,
    "GET /v1/show/{id}": ItemDetail,
    "GET /v1/items/{id}/trace": Trace,
    "GET /v1/answers": AnswerList,
    "POST /v1/answers/{id}/replay": Replay,
    "GET /v1/answers/{id}/explain": Explanation,
    "POST /v1/answers/{id}/feedback": Feedback,
    "GET /v1/feedback": list[Feedback],
    "POST /v1/feedback/{id}/accept": Feedback,
    "POST /v1/feedback/{id}/reject": Feedback,
    "POST /v1/feedback/export": FeedbackExport,
    "GET /v1/quarantine": list[QuarantineInfo],
    "POST /v1/datasets/{name}/delete": VersionInfo,
    "POST /v1/datasets/{name}/items/tags": VersionInfo,
    "GET /v1/diff": VersionDiff,
    "GET /v1/datasets/{name}/tags": list[TagInfo],
    "POST /v1/datasets/{name}/tag": TagInfo,
    "POST /v1/datasets/{name}/untag": list[TagInfo],
    "POST /v1/datasets/{name}/fork": VersionInfo,
    "POST /v1/datasets/{name}/restore": VersionInfo,
    "POST /v1/forget": ForgetReceipt,
    "GET /v1/forgets": list[ForgetReceipt],
    "POST /v1/gc": Collection,
    "POST /v1/datasets/{name}/export": ExportResult,
    "POST /v1/datasets/{name}/import": ImportResult,
    "POST /v1/backup": BackupResult,
    "POST /v1/datasets/{name}/ingest": JobInfo,
    "POST /v1/datasets/{name}/reembed": JobInfo,
    "GET /v1/jobs": list[JobInfo],
    "GET /v1/jobs/{id}": JobInfo,
    "GET /v1/jobs/{id}/events": JobInfo,
    "POST /v1/jobs/{id}/cancel": JobInfo,
    "POST /v1/jobs/{id}/retry": JobInfo,
    "POST /v1/datasets/{name}/sync": JobInfo,
    "POST /v1/datasets/{name}/quarantine/retry": JobInfo,
    "POST /v1/datasets/{name}/quarantine/drop": list[str],
    "GET /v1/datasets/{name}/duplicates": DuplicateReport,
    "GET /v1/datasets/{name}/duplicates/{group}": DuplicateGroup,
    "POST /v1/datasets/{name}/duplicates/policy": DuplicateReport,
    "POST /v1/datasets/{name}/duplicates/preview": DuplicatePreview,
    "GET /v1/items/{id}/compare/{other}": ItemComparison,
    "POST /v1/datasets/{name}/duplicates/calibrate": CalibrationReport,
    "GET /v1/datasets/{name}/golden": list[GoldenQuery],
    "POST /v1/datasets/{name}/golden": list[GoldenQuery],
    "POST /v1/datasets/{name}/golden/query": GoldenQuery,
    "DELETE /v1/datasets/{name}/golden": list[GoldenQuery],
    "POST /v1/datasets/{name}/evaluate": RetrievalEvaluation,
    "POST /v1/datasets/{name}/evaluate/answers": AnswerEvaluation,
    "POST /v1/datasets/{name}/gate": RetrievalEvaluation,
    "GET /v1/datasets/{name}/evaluations": list[Evaluation],
    "GET /v1/evaluations/{id}": Evaluation,
    "POST /v1/datasets/{name}/tune": TuningReport,
    "POST /v1/datasets/{name}/bench": SpeedReport,
    "GET /v1/about": About,
    "GET /v1/usage": Usage,
    "POST /v1/doctor": DoctorReport,
    "GET /v1/families": list[FamilyInfo],
    "POST /v1/datasets/{name}/train/plan": Plan,
    "POST /v1/datasets/{name}/train": JobInfo,
    "GET /v1/runs": list[Run],
    "GET /v1/runs/{run}": RunCurve,
    "GET /v1/registry/models": list[ModelInfo],
    "GET /v1/registry/damaged": list[DamagedModel],
    "GET /v1/registry/models/{model}": ModelInfo,
    "GET /v1/registry/models/{model}/card": str,
    "GET /v1/registry/models/{model}/offer": ModelOffer,
    "GET /v1/registry/models/{model}/copying": Copying,
    "POST /v1/registry/models/{model}/sample": Sample,
    "POST /v1/registry/models/{model}/evaluate": ModelMeasures,
    "POST /v1/registry/models/{model}/export": str,
    "POST /v1/datasets/{name}/anomalies": list[Anomaly],
    "POST /v1/datasets/{name}/bias": BiasReport,
    "GET /v1/licences": LicenceSummary,
}
BYTES = {  # and no JSON
    "GET /v1/items/{id}/original",
    "GET /v1/items/{id}/preview",
    "GET /v1/items/{id}/pages/{page}",
}
BODIES = {
    "POST /v1/search": SearchRequest,
    "POST /v1/similar": SimilarRequest,
    "POST /v1/ask": AskRequest,
    "POST /v1/chat/completions": ChatRequest,
    "POST /v1/answers/{id}/feedback": FeedbackRequest,
    "POST /v1/feedback/{id}/accept": AcceptRequest,
    "POST /v1/feedback/export": FeedbackExportRequest,
    "POST /v1/datasets/{name}/delete": DeleteRequest,
    "POST /v1/datasets/{name}/items/tags": TagItemsRequest,
    "POST /v1/datasets/{name}/map": MapRequest,
    "POST /v1/datasets/{name}/tag": TagRequest,
    "POST /v1/datasets/{name}/untag": UntagRequest,
    "POST /v1/datasets/{name}/fork": ForkRequest,
    "POST /v1/datasets/{name}/restore": RestoreRequest,
    "POST /v1/forget": ForgetRequest,
    "POST /v1/gc": GcRequest,
    "POST /v1/datasets/{name}/export": ExportRequest,
    "POST /v1/datasets/{name}/import": ImportRequest,
    "POST /v1/backup": BackupRequest,
    "POST /v1/datasets/{name}/ingest": IngestRequest,
    "POST /v1/datasets/{name}/reembed": ReembedRequest,
    "POST /v1/datasets/{name}/sync": SyncRequest,
    "POST /v1/datasets/{name}/quarantine/retry": EntriesRequest,
    "POST /v1/datasets/{name}/quarantine/drop": EntriesRequest,
    "POST /v1/datasets/{name}/duplicates/policy": PolicyRequest,
    "POST /v1/datasets/{name}/duplicates/preview": PreviewRequest,
    "POST /v1/datasets/{name}/duplicates/calibrate": CalibrateRequest,
    "POST /v1/datasets/{name}/golden": GoldenRequest,
    "POST /v1/datasets/{name}/golden/query": GoldenQueryRequest,
    "POST /v1/datasets/{name}/evaluate": EvaluateRequest,
    "POST /v1/datasets/{name}/evaluate/answers": AnswersRequest,
    "POST /v1/datasets/{name}/gate": GateRequest,
    "POST /v1/datasets/{name}/tune": TuneRequest,
    "POST /v1/datasets/{name}/bench": BenchRequest,
    "POST /v1/doctor": DoctorRequest,
    "POST /v1/datasets/{name}/train/plan": TrainRequest,
    "POST /v1/datasets/{name}/train": TrainRequest,
    "POST /v1/registry/models/{model}/sample": SampleRequest,
    "POST /v1/registry/models/{model}/evaluate": EvaluateModelRequest,
    "POST /v1/registry/models/{model}/export": ExportModelRequest,
    "POST /v1/datasets/{name}/anomalies": AnomaliesRequest,
    "POST /v1/datasets/{name}/bias": BiasRequest,
}


def example(route: str, fence: str) -> str:
    found = re.findall(rf"```{fence}\n(.*?)```", SECTIONS[route], re.DOTALL)
    assert len(found) == 1, route
    return str(found[0])


def test_every_route_is_documented(workspace: Workspace) -> None:
    paths = create_app(workspace, "token").openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert served == set(SECTIONS) == set(RESULTS) | BYTES


@pytest.mark.parametrize("route", RESULTS)
def test_a_result_has_the_fields_of_its_class(route: str) -> None:
    adapter = TypeAdapter(RESULTS[route])
    written = example(route, "json")
    value = adapter.validate_json(written)
    assert to_json(value) == TypeAdapter(Any).validate_json(written)


@pytest.mark.parametrize("route", BODIES)
def test_a_body_is_taken(route: str) -> None:
    BODIES[route].model_validate_json(example(route, "json request"))
