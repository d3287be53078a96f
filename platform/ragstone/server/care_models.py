"""What the routes that measure and mend take in."""

from __future__ import annotations

from pydantic import Field

from ragstone.schemas.api import Mode
from ragstone.server.body import Body


class GoldenRequest(Body):
    """Body of `POST /v1/datasets/{name}/golden`."""

    queries: str = Field(description="JSON lines, absolute on the server's machine.")
    qrels: str = Field(description="TSV, absolute on the server's machine.")


class EvaluateRequest(Body):
    """Body of `POST /v1/datasets/{name}/evaluate`; without files, the golden queries count."""

    queries: str | None = Field(None, description="JSON lines, absolute on the server's machine.")
    qrels: str | None = Field(None, description="TSV, absolute on the server's machine.")
    modes: list[Mode] = Field(["keyword", "vector", "hybrid"])
    against: str | None = Field(None, description="`D@V`, to compare each mode with.")
    settings: list[str] = Field([], description="Search with these: `retrieval.fusion=rrf`.")
    worst: int = Field(0, description="So many of the queries that lost most are shown.")


class AnswersRequest(Body):
    """Body of `POST /v1/datasets/{name}/evaluate/answers`."""

    questions: str = Field(description="File or folder, absolute on the server's machine.")
    generators: list[str] = Field([], description="As in `ask`; none: the one in the settings.")
    against: str | None = Field(None, description="`D@V`, to compare each generator with.")
    settings: list[str] = Field([], description="Answer with these: `generation.passages=4`.")
    limit: int | None = Field(None, description="So many of the questions, drawn from a seed.")
    worst: int = Field(0, description="So many of the questions that lost most are shown.")
    counterfactual: int = Field(
        20, description="So many answers are asked for again without what they cite."
    )


class GateRequest(Body):
    """Body of `POST /v1/datasets/{name}/gate`; without files, the golden queries count."""

    queries: str | None = Field(None, description="JSON lines, absolute on the server's machine.")
    qrels: str | None = Field(None, description="TSV, absolute on the server's machine.")
    mode: Mode = "hybrid"
    min_ndcg: float | None = Field(None, description="Least nDCG@10.")
    max_drop: float | None = Field(None, description="Most it may be below the other version.")
    against: str | None = Field(None, description="`D@V`; null takes the version before.")


class TuneRequest(Body):
    """Body of `POST /v1/datasets/{name}/tune`; without files, the golden queries count."""

    queries: str | None = Field(None, description="JSON lines, absolute on the server's machine.")
    qrels: str | None = Field(None, description="TSV, absolute on the server's machine.")
    reranker: str = Field("", description="Tried as well: as in the setting retrieval.reranker.")
    message: str = ""
    dry_run: bool = False


class BenchRequest(Body):
    """Body of `POST /v1/datasets/{name}/bench`."""

    queries: int = Field(100, description="How many searches each figure is made of.")
    seed: int = Field(0, description="Draws queries and chunks.")


class DoctorRequest(Body):
    """Body of `POST /v1/doctor`."""

    rebuild: bool = False
