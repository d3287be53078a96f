"""Routes that measure and mend."""

from ragstone.schemas.api import DoctorReport, GoldenQuery, RetrievalEvaluation
from ragstone.server.auth import Action
from ragstone.server.guards import Owned, guarded, may, named_dataset
from ragstone.server.models import DoctorRequest, EvaluateRequest, GoldenRequest, server_path

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
    queries = body.queries and server_path("queries", body.queries)
    qrels = body.qrels and server_path("qrels", body.qrels)
    return ws.evaluate_retrieval(name, queries or None, qrels or None, modes=body.modes)


@router.post("/doctor", dependencies=[may(Action.MEND)])
def doctor(ws: Owned, body: DoctorRequest) -> DoctorReport:
    """Check every promise of the storage; with `rebuild`, make what is derived anew first."""
    return ws.doctor(rebuild=body.rebuild)
