"""The part of the client that looks at everything, and brings files to the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ulid import ULID

from ragstone.errors import InvalidArgument, UnknownSource
from ragstone.schemas import api
from ragstone.text import text_columns
from ragstone.transport import Transport, part

_PIECE = 2**20


class Files:
    """A look at everything, and uploads; a base of `Client`, which has the connections."""

    _http: Transport

    def overview(self) -> api.Overview:
        """Say what there is, what it takes on the disk, and what happened last."""
        return self._http.get("/overview", api.Overview)

    def submit_retry(self, job: str) -> api.JobInfo:
        """As `retry`, but return the job at once, which waits for its turn."""
        return self._http.post(f"/jobs/{part(job)}/retry", api.JobInfo, {})

    def upload(
        self,
        files: Mapping[str, bytes | Path | BinaryIO],
        dataset: str,
        *,
        message: str = "",
        text: str | Sequence[str] = (),
        id: str | None = None,  # noqa: A002
        options: Mapping[str, Any] | None = None,
    ) -> api.JobInfo:
        """Send files of this machine, by their names, and have them taken into a dataset."""
        if not files:
            raise InvalidArgument("files", {}, "at least one file")
        upload = str(ULID())
        for name, content in files.items():
            path = f"/uploads/{upload}/{part(name)}"
            try:
                sent = self._http.send("PUT", path, content=_pieces(content))
            except OSError as error:
                raise UnknownSource(str(content)) from error
            self._http.decoded(sent.content, api.UploadedFile)
        body = {
            "sources": [f"upload:{upload}"],
            "message": message,
            "text": list(text_columns(text)),
            "id": id,
            "options": dict(options or {}),
        }
        return self._http.post(f"/datasets/{part(dataset)}/ingest", api.JobInfo, body)


def _pieces(content: bytes | Path | BinaryIO) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    elif isinstance(content, Path):
        with content.open("rb") as file:
            yield from _pieces(file)
    else:
        while piece := content.read(_PIECE):
            yield piece
