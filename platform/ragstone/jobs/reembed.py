"""The second step of a re-embedding, in the owner of the workspace: compare, and switch.

Blue and green: searches go on with the old vectors until the version that has the new ones stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

from ragstone import golden
from ragstone.errors import (
    EncoderUnavailable,
    InvalidArgument,
    RagstoneError,
    SpaceMismatch,
    VersionConflict,
)
from ragstone.jobs.embed import Embedded, Heard, ReembedTask, embed
from ragstone.jobs.folder import Base, JobFolder
from ragstone.jobs.work import HeardNews, Run, StateAfter, Task, mark, state_after
from ragstone.schemas.api import ReembedResult, SpaceComparison
from ragstone.storage import manifests
from ragstone.storage.reembedding import NewSpace, living_parts, nearest, switch

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder
    from ragstone.evaluation.judged import JudgedQueries
    from ragstone.jobs.records import Records
    from ragstone.jobs.spec import ReembedSpec
    from ragstone.retrieval.search import EncodeQueries, Retriever
    from ragstone.schemas.api import JobInfo
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.ranked import Ranked
    from ragstone.storage.store import Store

_TRIES = 5  # each embeds only what came during the one before


@dataclass(frozen=True, slots=True)
class Reembedding:
    """A job of this workspace, to be carried out.

    Parameters
    ----------
    space
        That of the new encoder, which `settings` name.
    retriever
        Searches the dataset as it is.
    encode
        Embeds queries with the encoder that a version has.
    """

    store: Store
    records: Records
    job: str
    spec: ReembedSpec
    settings: Settings
    space: str
    retriever: Retriever
    encode: EncodeQueries

    @property
    def folder(self) -> JobFolder:
        """What is kept of the job."""
        return JobFolder(self.store.root, self.job)

    def carry_out(
        self,
        run: Run,
        may_commit: Callable[[], None] = lambda: None,
        state_after: StateAfter = state_after,
    ) -> None:
        """As `Work.carry_out`.

        Raises
        ------
        InvalidArgument
            The dataset has this encoder by now.
        VersionConflict
            The dataset changed again and again.
        StorageFault
            The disk or the catalog. A version that stands by then is found by the next try.
        """
        started = monotonic()
        self.records.start(self.job, self.spec)
        try:
            result = self._settle(run, may_commit)
        except BaseException as error:
            mark(self.records, self.job, state_after(error), error)
            raise
        result = replace(result, seconds=round(monotonic() - started, 3))
        self.records.done(self.job, self.spec.dataset, result)
        self.folder.tidy()

    def _settle(self, run: Run, may_commit: Callable[[], None]) -> ReembedResult:
        with self.store.keeping():
            for left in reversed(range(_TRIES)):
                standing = self._standing()
                if standing:
                    return standing
                try:
                    return self._try(run, may_commit)
                except VersionConflict:
                    if not left:
                        raise
        raise AssertionError

    def _try(self, run: Run, may_commit: Callable[[], None]) -> ReembedResult:
        store, spec, folder = self.store, self.spec, self.folder
        head = store.head(spec.dataset)
        check_other_space(spec, head, self.space)
        with folder.held():
            folder.build_on(Base(head.dataset_id, head.version, head.digest))
        judged = golden.judged(store, spec.dataset)
        queries = _asked(judged) if judged else ()
        living = tuple(living_parts(store.root, head))
        embedded = run(
            ReembedTask(store.root, self.job, self.settings, self.space, living, queries)
        )
        assert isinstance(embedded, Embedded)
        self._check_head(head)  # before a comparison that would be of yesterday
        result = self._result(head, embedded)
        if judged:
            result = self._compared(result, head, judged, embedded)
        if not result.switched:
            return result
        folder.keep_computed(result)
        may_commit()
        to = NewSpace(self.space, spec.encoder, head.settings)
        made = switch(store, head, to, embedded.parts, spec.message)
        return replace(result, version=made.version)

    def _check_head(self, head: Manifest) -> None:
        current = self.store.head(self.spec.dataset)
        if current.digest != head.digest:
            raise VersionConflict(head.dataset, current.version)

    def _result(self, head: Manifest, embedded: Embedded) -> ReembedResult:
        """Return the result as it is when nothing was compared."""
        unknown = self.spec.if_better
        return ReembedResult(
            job=self.job,
            dataset=head.dataset,
            version=head.version,
            switched=not unknown,
            encoder=self.spec.encoder,
            space=self.space,
            space_before=head.space,
            chunks=embedded.chunks,
            resumed=embedded.resumed,
            comparison=None,
            seconds=0.0,
            note="there are no golden queries any more" if unknown else "",
        )

    def _compared(
        self, result: ReembedResult, head: Manifest, judged: JudgedQueries, embedded: Embedded
    ) -> ReembedResult:
        """Return the result with the comparison, and whether to switch by it."""
        from ragstone.evaluation import spaces

        store, depth = self.store, self.retriever.candidates
        old, note = self._found_before(head, judged)
        new = nearest(store.root, head, embedded.parts, self.space, embedded.queries, depth)
        before = spaces.Space(head.space, head.encoder, old)
        after = spaces.Space(self.space, self.spec.encoder, new)
        try:
            found = spaces.compare(store, self.retriever, head, judged, before, after)
        except InvalidArgument as error:  # what they name has been deleted
            return replace(result, note=error.message)
        return replace(result, comparison=found, switched=self._wanted(found), note=note)

    def _found_before(
        self, head: Manifest, judged: JudgedQueries
    ) -> tuple[list[Ranked] | None, str]:
        from ragstone.evaluation.spaces import found_in

        try:
            vectors = self.encode(_asked(judged), head)
        except (EncoderUnavailable, SpaceMismatch) as error:
            return None, f"the old space could not be searched: {error}"
        return found_in(self.retriever, head, vectors), ""

    def _wanted(self, comparison: SpaceComparison) -> bool:
        from ragstone.evaluation.spaces import worse

        if not self.spec.if_better:
            return True
        return bool(comparison.before.modes) and not worse(comparison)

    def _standing(self) -> ReembedResult | None:
        """Return the outcome of an earlier try whose switch came through, though nobody heard."""
        kept: ReembedResult | None = self.folder.read_computed(ReembedResult)
        base = self.folder.base()
        if not (kept and base) or self.store.head(self.spec.dataset).space != self.space:
            return None
        number = base.version + 1
        if number not in manifests.numbers(self.store.root / "datasets" / base.dataset_id):
            return None
        made = self.store.manifest(base.dataset_id, number)
        if (made.parent, made.space) != (base.digest, self.space):
            return None
        return replace(kept, version=number)


def _asked(judged: JudgedQueries) -> tuple[str, ...]:
    from ragstone.evaluation.spaces import asked

    return tuple(asked(judged))


def reembed(work: Reembedding, encoder: TextEncoder, on_progress: Heard | None) -> None:
    """Carry out a job in the calling process; see `Workspace.reembed`."""

    def run(task: Task, on_news: HeardNews = lambda _: None) -> Embedded:  # noqa: ARG001
        assert isinstance(task, ReembedTask)
        return embed(task, encoder, on_progress)

    work.carry_out(run)


def check_other_space(spec: ReembedSpec, head: Manifest, space: str) -> None:
    """Refuse the encoder that the dataset has already.

    Raises
    ------
    InvalidArgument
        So it is.
    """
    if head.space == space:
        expected = f"another encoder than {head.dataset!r} has: its space is {space!r} already"
        raise InvalidArgument("encoder", spec.encoder, expected)


def reembed_result(info: JobInfo) -> ReembedResult:
    """Return the end of a job that is done as `Workspace.reembed` returns it."""
    if not isinstance(info.result, ReembedResult):
        problem = f"The job {info.job} has no result"
        raise RagstoneError(problem, f"ragstone jobs {info.job} shows how it stands.")
    return info.result
