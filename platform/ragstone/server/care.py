"""Routes that measure and mend."""

from pathlib import Path

from ragstone.schemas.api import (
    DoctorReport,
    GoldenQuery,
    RetrievalEvaluation,
    SpeedReport,
    TuningReport,
)
from ragstone.schemas.evaluations import AnswerEvaluation, Evaluation
from ragstone.server.auth import Action
from ragstone.server.care_models import (
    AnswersRequest,
    BenchRequest,
    DoctorRequest,
    EvaluateRequest,
    GateRequest,
    GoldenRequest,
    TuneRequest,
)
from ragstone.server.guards import Owned, guarded, may, named_dataset, named_record
from ragstone.server.models import (
    server_path,
)

router = guarded()


@router.get("/datasets/{name:path}/golden", dependencies=[may(Action.READ, named_dataset)])
def golden(ws: Owned, name: str) -> list[GoldenQuery]:
    """List the golden queries of a dataset, by id."""
    return ws.golden(name)


@router.post("/datasets/{name:path}/golden", dependencies=[may(Action.EVALUATE, named_dataset)])
def add_golden(ws: Owned, name: str, body: GoldenRequest) -> list[GoldenQuery]:
    """Keep judged queries in files of the server's machine, and list all there are then."""
    queries, qrels = server_path("queries", body.queries), server_path("qrels", body.qrels)
    return ws.add_golden(name, queries, qrels)


@router.delete("/datasets/{name:path}/golden", dependencies=[may(Action.EVALUATE, named_dataset)])
def clear_golden(ws: Owned, name: str) -> list[GoldenQuery]:
    """Take all golden queries of a dataset away, and list what is left."""
    ws.clear_golden(name)
    return ws.golden(name)


@router.post("/datasets/{name:path}/evaluate", dependencies=[may(Action.EVALUATE, named_dataset)])
def evaluate(ws: Owned, name: str, body: EvaluateRequest) -> RetrievalEvaluation:
    """Measure search on `D` or `D@V` with judged queries in files, or with the golden ones."""
    return ws.evaluate_retrieval(
        name,
        *_files(body),
        modes=body.modes,
        against=body.against,
        settings=body.settings,
        worst=body.worst,
    )


@router.post(
    "/datasets/{name:path}/evaluate/answers", dependencies=[may(Action.EVALUATE, named_dataset)]
)
def evaluate_answers(ws: Owned, name: str, body: AnswersRequest) -> AnswerEvaluation:
    """Measure answers from `D` or `D@V` to questions in a file of the server's machine."""
    return ws.evaluate_answers(
        name,
        server_path("questions", body.questions),
        generators=body.generators,
        against=body.against,
        settings=body.settings,
        limit=body.limit,
        worst=body.worst,
        counterfactual=body.counterfactual,
    )


@router.post("/datasets/{name:path}/gate", dependencies=[may(Action.EVALUATE, named_dataset)])
def gate(ws: Owned, name: str, body: GateRequest) -> RetrievalEvaluation:
    """Measure search, and say in `gate` whether it is good enough."""
    return ws.evaluate_gate(
        name,
        *_files(body),
        mode=body.mode,
        min_ndcg=body.min_ndcg,
        max_drop=body.max_drop,
        against=body.against,
    )


@router.get("/datasets/{name:path}/evaluations", dependencies=[may(Action.READ, named_dataset)])
def evaluations(ws: Owned, name: str) -> list[Evaluation]:
    """List what was measured of a dataset, newest first, without single queries."""
    return ws.evaluations(name)


@router.get("/evaluations/{id}", dependencies=[may(Action.READ, named_record)])
def evaluation(ws: Owned, id: str) -> Evaluation:  # noqa: A002
    """Show one measurement, by its id or a prefix of it."""
    return ws.evaluation(id)


@router.post("/datasets/{name:path}/tune", dependencies=[may(Action.TUNE, named_dataset)])
def tune(ws: Owned, name: str, body: TuneRequest) -> TuningReport:
    """Learn how the arms are fused best, and publish a version that does so."""
    return ws.tune(
        name, *_files(body), reranker=body.reranker, message=body.message, dry_run=body.dry_run
    )


@router.post("/datasets/{name:path}/bench", dependencies=[may(Action.EVALUATE, named_dataset)])
def bench(ws: Owned, name: str, body: BenchRequest) -> SpeedReport:
    """Measure how fast the server's machine searches `D` or `D@V`; nothing is changed."""
    return ws.bench(name, queries=body.queries, seed=body.seed)


def _files(body: EvaluateRequest | GateRequest | TuneRequest) -> tuple[Path | None, Path | None]:
    queries = None if body.queries is None else server_path("queries", body.queries)
    return queries, None if body.qrels is None else server_path("qrels", body.qrels)


@router.post("/doctor", dependencies=[may(Action.MEND)])
def doctor(ws: Owned, body: DoctorRequest) -> DoctorReport:
    """Check every promise of the storage; with `rebuild`, make what is derived anew first."""
    return ws.doctor(rebuild=body.rebuild)
