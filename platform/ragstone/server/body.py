"""What the bodies of all requests have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """The body of a request: what it does not name is refused, and so is another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
