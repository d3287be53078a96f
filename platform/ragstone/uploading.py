"""The part of the façade that takes files in from elsewhere: over HTTP, or out of memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ragstone.errors import InvalidArgument, UnknownSource
from ragstone.storage import uploads
from ragstone.text import text_columns

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.jobs.desk import JobDesk
    from ragstone.schemas import api
    from ragstone.storage.store import Store


class Uploading:
    """Uploads into a workspace; a base of `Workspace`, which has the store."""

    _store: Store
    _jobs: JobDesk
    settings: Settings

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
        """Keep files in the workspace, and put the job in the queue that takes them in.

        Parameters
        ----------
        files
            By their names, which may have folders: their bytes, where they are, or an open file.
        dataset, message, text, id, options
            As of `submit`.

        Raises
        ------
        InvalidArgument, UploadTooLarge, UnknownSource
            There is no job then.
        """
        if not files:
            raise InvalidArgument("files", {}, "at least one file")
        upload = uploads.new_id()
        for name, content in files.items():
            incoming = self.receive(upload, name)
            try:
                for piece in uploads.pieces(content):
                    incoming.write(piece)
                incoming.keep()
            except OSError as error:
                raise UnknownSource(str(content)) from error
            finally:
                incoming.discard()
        columns = text_columns(text)
        place = (f"{uploads.SCHEME}{upload}",)
        spec = self._jobs.spec(place, dataset, message, columns, id, options, served=True)
        return self._jobs.submit(spec)

    def submit_retry(self, job: str) -> api.JobInfo:
        """As `retry`, but only put the job in the queue again, which a server works on.

        Raises
        ------
        UnknownJob, JobConflict
            There is no such job, or it waits, runs or is done.
        """
        return self._jobs.resubmit(job)

    def receive(self, upload: str, name: str) -> uploads.Incoming:
        """Return what takes one file in, piece by piece; `submit` then reads `upload:ULID`.

        An upload that no job names within a day goes when the workspace is opened.

        Parameters
        ----------
        upload
            A ULID, the same for all files that belong together.

        Raises
        ------
        InvalidArgument, StorageFault
            It is none, or nothing can be written.
        """
        folder = uploads.folder_of(self._store.root, upload)
        return uploads.Incoming(folder, name, self.settings.server.upload_bytes)
