"""The part of the client that waits for jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ragstone import errors
from ragstone.errors import ServerUnavailable
from ragstone.schemas import api
from ragstone.transport import Transport, part, raise_known

_NEWS_SECONDS = 20  # a request for news of a job is answered so soon at the latest


class Follower:
    """A base of `Client`, which has the connection."""

    _http: Transport

    def _done(self, job: str, on_progress: Callable[[Any], None] | None) -> api.JobInfo:
        info = self.follow(job, on_progress)
        if info.error:
            raise_known(info.error.code, info.error.message, info.error.hint, status=500)
        if info.state == "cancelled":
            raise errors.JobCancelled(info.job)
        if info.result is None:
            raise ServerUnavailable(
                self._http.url, f"it ended before job {info.job}, which is not lost"
            )
        return info

    def follow(self, job: str, on_progress: Callable[[Any], None] | None = None) -> api.JobInfo:
        """Wait until a job has ended, in whatever way, and return it."""
        revision = -1
        while True:
            query = {"after": revision, "seconds": _NEWS_SECONDS}
            info = self._http.get(f"/jobs/{part(job)}/events", api.JobInfo, query)
            if on_progress and info.progress and info.revision != revision:
                on_progress(info.progress)
            if info.ended_for_good:
                return info
            revision = info.revision
