"""What the routes about versions take in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ragstone.server.body import Body


class TagRequest(Body):
    """Body of `POST /v1/datasets/{name}/tag`."""

    tag: str
    message: str = ""
    move: bool = Field(False, description="Let the tag leave the version it names now.")


class UntagRequest(Body):
    """Body of `POST /v1/datasets/{name}/untag`."""

    tag: str


class ForkRequest(Body):
    """Body of `POST /v1/datasets/{name}/fork`."""

    name: str = Field(description="Of the new dataset.")
    message: str = ""


class RestoreRequest(Body):
    """Body of `POST /v1/datasets/{name}/restore`."""

    message: str = ""


class ForgetRequest(Body):
    """Body of `POST /v1/forget`."""

    items: list[str] = Field(description="Item ids, whole or as a prefix.")
    reason: str = Field("", description="Kept in the receipt.")
    models: bool = Field(False, description="Delete the models that learnt from them as well.")


class GcRequest(Body):
    """Body of `POST /v1/gc`."""

    datasets: list[str] | None = Field(None, description="Whose versions may go; all if null.")
    keep: int | None = Field(None, description="Keep so many of the newest versions.")
    days: float | None = Field(None, description="Keep versions that are not older.")
    dry_run: bool = False


class ExportRequest(Body):
    """Body of `POST /v1/datasets/{name}/export`."""

    folder: str = Field(description="Absolute path on the server's machine; new, or empty.")
    licence: str = "unknown"


class ImportRequest(Body):
    """Body of `POST /v1/datasets/{name}/import`."""

    folder: str = Field(description="Absolute path on the server's machine.")
    message: str = ""


class BackupRequest(Body):
    """Body of `POST /v1/backup`."""

    target: str = Field(description="Absolute path on the server's machine.")


class Compared(BaseModel):
    """Query string of `GET /v1/diff`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: str
    after: str | None = None
    limit: int = 50
    offset: int = 0
    text: bool = True
