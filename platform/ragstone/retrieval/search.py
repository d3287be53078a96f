"""Search: arms -> fusion -> reranking -> one order -> hits, on one version or several datasets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ragstone.retrieval import fusion
from ragstone.retrieval.cursors import Cursor
from ragstone.retrieval.hits import hits_of
from ragstone.retrieval.order import places
from ragstone.retrieval.planning import DEFAULT, EncodeQueries, Planner
from ragstone.retrieval.queries import parse
from ragstone.retrieval.question import MAX_OFFSET, MODES, Question, check_references
from ragstone.retrieval.reranking import OpenReranker, Rereading, RowsOf
from ragstone.retrieval.scope import Scope
from ragstone.retrieval.suggestions import suggestions
from ragstone.retrieval.targeting import OpenMedia, Targeting
from ragstone.schemas.api import FusionChoice, Hit, Mode, SearchResult
from ragstone.schemas.finding import Likeness
from ragstone.storage.files import stamp
from ragstone.storage.ranked import NOTHING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.config import RetrievalSettings
    from ragstone.retrieval.fusion import Arms, Fused, Plan
    from ragstone.retrieval.similar import Given
    from ragstone.storage.allowed import Allowed, Choice
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.ranked import Ranked
    from ragstone.storage.store import Store

__all__ = ["DEFAULT", "MODES", "EncodeQueries", "Retriever"]


class Retriever:
    """Searches versions of the datasets in `store`.

    Parameters
    ----------
    encode
        Turns queries into unit vectors, float32 of shape (queries, dimension), of the version's
        embedding space.
    open_media
        Opens the encoder of a version's images or recordings.
    open_reranker
        Opens a reranker by its name.
    """

    def __init__(
        self,
        store: Store,
        settings: RetrievalSettings,
        encode: EncodeQueries,
        open_media: OpenMedia | None = None,
        open_reranker: OpenReranker | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._encode = encode
        self._open_media = open_media
        self._open_reranker = open_reranker
        self._planner = Planner(store, settings, encode)
        self._targeting = Targeting(store, settings, encode, open_media)

    def with_settings(self, settings: RetrievalSettings) -> Retriever:
        """Return another one that searches the same with other settings."""
        opened = self._open_media, self._open_reranker
        return Retriever(self._store, settings, self._encode, *opened)

    def with_encoder(self, encode: EncodeQueries) -> Retriever:
        """Return another one that searches the same with queries encoded by `encode`."""
        opened = self._open_media, self._open_reranker
        return Retriever(self._store, self._settings, encode, *opened)

    @property
    def candidates(self) -> int:
        """How many chunks an arm gives."""
        return self._settings.candidates

    @property
    def rerank_weight(self) -> float:
        """What a reranker weighs where nobody has tuned it."""
        return self._settings.rerank_weight

    def search(self, question: Question, references: Sequence[str]) -> SearchResult:
        """Return the hits for `question` in each of `references` ("D" or "D@V"), one at least.

        Raises
        ------
        InvalidQuery, InvalidArgument, InvalidCursor, InvalidFilter, UnknownField, UnknownDataset,
        UnknownVersion
            The call is wrong, and the message says how.
        RerankerUnavailable
            It cannot be loaded, or is not the one that a version was tuned with.
        """
        question.check(self._settings)
        check_references(references)
        asked = parse(question.query)
        with self._store.shared():
            manifests, offset = self._page(question, references)
            targets = self._targeting.targets(question, asked, manifests)
            scope = Scope(self._store, targets)
            found = self._ordered(scope, question, offset)
            after, cursor = offset + question.k, None
            if found.more and after <= MAX_OFFSET:
                cursor = Cursor.of(
                    question, self._settings, references, manifests, after, self._store
                )
            known = question.mode != "vector" and [t.keyword for t in targets if t.keyword]
            meant = suggestions(asked, *(k.index for k in known)) if known else []
        return SearchResult(
            dataset=manifests[0].dataset,
            version=manifests[0].version,
            query=question.query,
            mode=question.mode,
            hits=found.hits,
            fusion=found.fusion,
            reading=asked.reading,
            suggestions=meant,
            datasets=[f"{manifest.dataset}@{manifest.version}" for manifest in manifests],
            offset=offset,
            next=None if cursor is None else str(cursor),
        )

    def similar(
        self, given: Given, reference: str, k: int, where: Sequence[str] = ()
    ) -> SearchResult:
        """Return what resembles `given` in `reference` ("D" or "D@V"), itself left out.

        Items, each with its best chunk, when it is an item; else chunks.

        Raises
        ------
        InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        """
        grouped = given.kind == "item"
        question = Question("", k, where=where, group=grouped, rerank=False)
        question.check_page()
        with self._store.shared():
            manifest = self._store.resolve(reference)
            target, terms = self._targeting.likened(given, manifest, where)
            found = self._ordered(Scope(self._store, [target]), question, 0)
        return SearchResult(
            dataset=manifest.dataset,
            version=manifest.version,
            query="",
            mode="hybrid",
            hits=found.hits,
            fusion=found.fusion,
            datasets=[f"{manifest.dataset}@{manifest.version}"],
            like=Likeness(given.id, given.kind, terms),
        )

    def _page(self, question: Question, references: Sequence[str]) -> tuple[list[Manifest], int]:
        """Return the versions to search, and how many hits come before the page."""
        if question.after is None:
            return [self._store.resolve(reference) for reference in references], question.offset
        cursor = Cursor.read(question.after)
        cursor.check(question, self._settings, references)
        return cursor.manifests(self._store), cursor.offset

    def _ordered(self, scope: Scope, question: Question, offset: int) -> _Found:
        """Return the page of the order that begins after `offset` hits."""
        manifests, searched = scope.manifests, scope.searched("vector")

        choice = self._planner.choice(manifests, rerank=question.rerank)

        def fused_at(depth: int) -> Fused:
            arms = scope.arms(depth)
            plan = self._planner.plan(choice, manifests, searched, arms, depth)
            fused = self.fuse(arms, question.mode, plan)
            if depth > self.candidates or self._rereading is None:
                return fused
            return self._rereading.reranked(manifests, question.query, scope.rows, fused, plan)

        groups_of = scope.items_of if question.group else None
        order = places(fused_at, self.candidates, groups_of)
        window = list(islice(order, offset, offset + question.k + 1))
        page, more = window[: question.k], len(window) > question.k
        hits = hits_of(self._store, scope, page, offset + 1, question.neighbours)
        fused = bool(window) and bool(window[0].fused.shares)
        return _Found(hits, choice if fused else None, more)

    @property
    def _rereading(self) -> Rereading | None:
        if self._open_reranker is None:
            return None
        return Rereading(self._open_reranker, self._settings.rerank_candidates)

    def arms(
        self,
        manifest: Manifest,
        query: str,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        allowed: Choice | None,
    ) -> dict[str, Ranked]:
        """Return the `retrieval.candidates` best chunks of each arm for one query.

        `vector` has shape (dimension,); it may be None in keyword mode.
        """
        target = self._targeting.target(manifest, query, vector, mode, allowed)
        return target.arms(self._store, self.candidates)

    def allowed(self, manifest: Manifest, where: Sequence[str] = ()) -> Allowed | None:
        """Return the chunks of a version that pass all of `where`.

        Raises as `allowed_chunks`.
        """
        return self._targeting.allowed(manifest, where)

    def plan(
        self, manifest: Manifest, arms: Collection[str], *, rerank: bool | None = None
    ) -> Plan:
        """Return how these arms of a version are fused, and whether they are reranked.

        It is as `tune` has stored with the version, else as the settings say.
        """
        choice = self._planner.choice([manifest], rerank=rerank)
        searched = {name: [manifest] for name in arms if name == "vector"}
        return self._planner.plan(choice, [manifest], searched, arms, self.candidates)

    @property
    def untuned(self) -> FusionChoice:
        """How the arms of a version are fused, and reranked, that is not tuned."""
        return self._planner.untuned

    def fuse(self, arms: Arms, mode: Mode, plan: Plan) -> Fused:
        """Return all candidates with their final scores, best first.

        An arm of images or recordings counts as much as that of the vectors of texts.
        """
        if mode != "hybrid" and len(arms) < 2:
            return fusion.alone(arms)
        return fusion.fuse(arms, plan)

    def rank(
        self,
        manifest: Manifest,
        query: str,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        allowed: Choice | None,
    ) -> Ranked:
        """Return all candidates for a query, as `search` ranks them; `vector` as of `arms`."""
        arms = self.arms(manifest, query, vector, mode, allowed)
        plan = self.plan(manifest, arms)
        fused = self.fuse(arms, mode, plan)
        if plan.choice.reranker and self._rereading is not None:
            rows_of = self._rows_of(manifest)
            fused = self._rereading.reranked([manifest], query, rows_of, fused, plan)
        return fused.ranked

    def read_again(self, manifest: Manifest, query: str, fused: Fused, reranker: str) -> Ranked:
        """Return what `reranker` says of the best candidates in a version.

        Raises
        ------
        RerankerUnavailable
            It cannot be loaded, or is not the one that the version was tuned with.
        """
        if self._rereading is None:
            return NOTHING
        rows_of = self._rows_of(manifest)
        return self._rereading.read([manifest], query, rows_of, fused, reranker)

    @property
    def settings(self) -> RetrievalSettings:
        """How it searches."""
        return self._settings

    def digests(self, fusion: FusionChoice | None) -> dict[str, str]:
        """Return the digests of what a search used besides the version and its encoders."""
        found = {}
        if fusion is not None and fusion.reranker:
            found["reranker"] = self.digest_of(fusion.reranker)
        if self._settings.synonyms:
            found["synonyms"] = stamp(self._store.root / self._settings.synonyms).blake3
        return found

    def digest_of(self, reranker: str) -> str:
        """Return the digest of a reranker.

        Raises
        ------
        RerankerUnavailable
            It is not on this machine.
        """
        return self._open_reranker(reranker).identity.digest if self._open_reranker else ""

    def _rows_of(self, manifest: Manifest) -> RowsOf:
        if manifest.keywords is None:
            return lambda _: {}
        return self._store.generations.open(manifest.keywords).fetch


@dataclass(frozen=True, slots=True)
class _Found:
    """A page of hits."""

    hits: list[Hit]
    fusion: FusionChoice | None  # None where one arm ranks alone
    more: bool  # there are hits after it
