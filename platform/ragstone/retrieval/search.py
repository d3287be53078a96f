"""Search: arms -> fusion -> reranking -> one order -> hits, on one version or several datasets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from ragstone.retrieval import fusion, similar
from ragstone.retrieval.cursors import Cursor
from ragstone.retrieval.filters import allowed_chunks
from ragstone.retrieval.hits import hits_of
from ragstone.retrieval.keyword_arm import KeywordQuery
from ragstone.retrieval.order import places
from ragstone.retrieval.planning import DEFAULT, EncodeQueries, Planner
from ragstone.retrieval.queries import Asked, parse
from ragstone.retrieval.question import MAX_OFFSET, MODES, Question, check_references
from ragstone.retrieval.reranking import OpenReranker, Rereading, RowsOf
from ragstone.retrieval.scope import Probe, Scope, Target
from ragstone.retrieval.suggestions import suggestions
from ragstone.retrieval.synonyms import Synonyms
from ragstone.schemas.api import FusionChoice, Hit, Mode, SearchResult
from ragstone.schemas.finding import Likeness
from ragstone.schemas.records import Modality
from ragstone.storage.keyword_statistics import SharedStatistics
from ragstone.storage.ranked import NOTHING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.config import RetrievalSettings
    from ragstone.encoders.base import MediaEncoder
    from ragstone.retrieval.fusion import Arms, Fused, Plan
    from ragstone.retrieval.similar import Given
    from ragstone.schemas.records import Payload
    from ragstone.storage.allowed import Allowed, Choice
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.ranked import Ranked
    from ragstone.storage.store import Store

OpenMedia: TypeAlias = "Callable[[Manifest, Modality], MediaEncoder]"
Vectors: TypeAlias = "NDArray[np.float32]"  # of a query, shape (parts of it, dimension)

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

    @cached_property
    def _synonyms(self) -> Synonyms:
        name = self._settings.synonyms
        return Synonyms.read(self._store.root / name) if name else Synonyms()

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
            targets = self._targets(question, asked, manifests)
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
            target, terms = self._likened(given, manifest, where)
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

    def _likened(
        self, given: Given, manifest: Manifest, where: Sequence[str]
    ) -> tuple[Target, list[str]]:
        """Return a version with what its indexes are asked, and the words among it."""
        allowed = self.allowed(manifest, where)
        without = similar.own_chunks(self._store, given, manifest)
        keyword, terms = None, []
        if manifest.keywords is not None:
            index = self._store.generations.open(manifest.keywords)
            terms = similar.terms_of(given, index, held=bool(without))
            keyword = similar.keyword_query(index, terms)
        probes = similar.probes_of(self._store, given, manifest)
        target = Target(manifest, keyword, bool(terms), allowed, allowed, probes, without)
        return target, terms

    def _page(self, question: Question, references: Sequence[str]) -> tuple[list[Manifest], int]:
        """Return the versions to search, and how many hits come before the page."""
        if question.after is None:
            return [self._store.resolve(reference) for reference in references], question.offset
        cursor = Cursor.read(question.after)
        cursor.check(question, self._settings, references)
        return cursor.manifests(self._store), cursor.offset

    def _targets(
        self, question: Question, asked: Asked, manifests: Sequence[Manifest]
    ) -> list[Target]:
        """Return each version with all that its indexes are asked; nothing is searched yet."""
        shared = None
        if len(manifests) > 1:
            named = [m.keywords for m in manifests if m.keywords is not None]
            shared = SharedStatistics([self._store.generations.open(one) for one in named])
        text = asked.plain if question.mode != "keyword" else ""
        words = question.mode != "vector" and bool(asked.text.strip())
        encoded: dict[str, Probe] = {}  # by space: several datasets may share one
        found = []
        for manifest in manifests:
            allowed = self.allowed(manifest, question.where, manifests)
            keyword = self._keyword_query(manifest, asked, shared)
            narrowed: Choice | None = allowed
            if keyword and (question.like or question.mode != "keyword"):
                narrowed = keyword.narrowed(allowed)  # once: it meets every chunk that has it
            probes = self._probes(manifest, text, question.like, encoded)
            found.append(Target(manifest, keyword, words, allowed, narrowed, probes))
        return found

    def _probes(
        self, manifest: Manifest, text: str, like: Sequence[Payload], encoded: dict[str, Probe]
    ) -> dict[str, Probe]:
        """Return what is looked for in each space of a version; `encoded` is added to."""
        if not text.strip():
            return self._media_probes(manifest, text, like)
        if manifest.space not in encoded:
            encoded[manifest.space] = Probe(manifest.space, self._encode([text], manifest))
        vector = {"vector": encoded[manifest.space]}
        return vector | self._media_probes(manifest, text, like)

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

    def allowed(
        self, manifest: Manifest, where: Sequence[str] = (), among: Sequence[Manifest] = ()
    ) -> Allowed | None:
        """Return the chunks of a version that pass all of `where`, as a search takes them.

        `among` are the versions that are searched together: a field has to be in one of them.

        Raises as `allowed_chunks`.
        """
        versions = among or [manifest]
        # What a filter may name depends on all versions, what it lets through on this one.
        name = " ".join([manifest.digest, *(m.digest for m in versions if len(versions) > 1)])
        return self._store.allowances.get(
            name, where, lambda: allowed_chunks(self._store, manifest, where, versions)
        )

    def arms(
        self,
        manifest: Manifest,
        query: str,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        allowed: Choice | None,
        depth: int = 0,
    ) -> dict[str, Ranked]:
        """Return the candidates of each arm for one query, best first.

        `vector` has shape (dimension,); it may be None in keyword mode. An arm gives
        `retrieval.candidates` chunks, or `depth` when that is more.
        """
        keyword = self._keyword_query(manifest, parse(query))
        narrowed = keyword.narrowed(allowed) if keyword and vector is not None else allowed
        words = mode != "vector" and bool(query.strip())
        probes = {}
        if mode != "keyword" and vector is not None:
            probes["vector"] = Probe(manifest.space, vector[None, :])
        target = Target(manifest, keyword, words, allowed, narrowed, probes)
        return target.arms(self._store, max(depth, self.candidates))

    def _keyword_query(
        self, manifest: Manifest, asked: Asked, shared: SharedStatistics | None = None
    ) -> KeywordQuery | None:
        if manifest.keywords is None:
            return None
        index = self._store.generations.open(manifest.keywords)
        if shared is not None:
            index = index.weighed_by(shared)
        return KeywordQuery.of(asked, index, self._synonyms)

    def media_arms(
        self,
        manifest: Manifest,
        query: str,
        like: Sequence[Payload],
        allowed: Choice | None,
        depth: int = 0,
    ) -> dict[str, Ranked]:
        """Return the candidates among images and recordings, each by its best match.

        Words find them where an encoder knows both, a picture or a recording always.
        """
        probes = self._media_probes(manifest, query, like)
        target = Target(manifest, None, words=False, allowed=None, narrowed=allowed, probes=probes)
        return target.arms(self._store, max(depth, self.candidates))

    def _media_probes(
        self, manifest: Manifest, query: str, like: Sequence[Payload]
    ) -> dict[str, Probe]:
        """Return the query's vectors by modality, where the version has such a space."""
        found: dict[str, Probe] = {}
        for name, held in manifest.media.items():
            modality = Modality(name)
            same = [payload for payload in like if payload.modality is modality]
            if self._open_media is None or not (same or query.strip()):
                continue
            encoder = self._open_media(manifest, modality)
            if same:
                found[name] = Probe(held.space, encoder.encode_media(same))
            elif encoder.reads_text:
                found[name] = Probe(held.space, encoder.encode_queries([query]))
        return found

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
        if mode != "keyword":
            arms |= self.media_arms(manifest, query, (), allowed)
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
