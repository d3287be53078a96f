"""What the routes about feedback take in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ragstone.server.body import Body


class FeedbackRequest(Body):
    """Body of `POST /v1/answers/{id}/feedback`."""

    good: bool
    reason: str = Field("", description="Why it is bad, in one of the documented words.")
    comment: str = ""
    answer_text: str = Field("", description="What a bad answer should have said.")


class AcceptRequest(Body):
    """Body of `POST /v1/feedback/{id}/accept`."""

    items: list[str] = Field(
        [], description="Ids of items that answer the question, whole or as a prefix."
    )


class FeedbackExportRequest(Body):
    """Body of `POST /v1/feedback/export`."""

    file: str = Field(description="New file, absolute on the server's machine.")
    use: str = Field(description="What it is to train: `reader` or `verifier`.")
    dataset: str | None = None


class FeedbackFilter(BaseModel):
    """Query string of `GET /v1/feedback`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = None
    state: str | None = None
