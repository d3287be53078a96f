"""Search: arms -> fusion -> reranking -> hits, on one version of one dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, get_args

import numpy as np

from ragstone.encoders.rerankers import RERANKER
from ragstone.errors import InvalidArgument, InvalidQuery, RerankerUnavailable
from ragstone.retrieval import fusion
from ragstone.retrieval.filters import allowed_chunks
from ragstone.retrieval.fusion import RERANKER_ARM, Plan
from ragstone.retrieval.highlight import Matches
from ragstone.retrieval.keyword_arm import KeywordQuery
from ragstone.retrieval.noise import NONSENSE, Noise, keyword_noise, vector_noise
from ragstone.retrieval.queries import Asked, parse
from ragstone.retrieval.suggestions import suggestions
from ragstone.retrieval.synonyms import Synonyms
from ragstone.schemas.api import FusionChoice, Hit, Mode, SearchResult
from ragstone.schemas.records import Modality
from ragstone.storage.ranked import NOTHING, Ranked, best_of, ranked
from ragstone.text import embed_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragstone.config import RetrievalSettings
    from ragstone.encoders.base import MediaEncoder
    from ragstone.encoders.rerankers import Reranker
    from ragstone.retrieval.fusion import Arms, Fused
    from ragstone.schemas.records import Payload
    from ragstone.storage.allowed import Allowed, Choice
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

EncodeQueries: TypeAlias = "Callable[[Sequence[str], Manifest], NDArray[np.float32]]"
OpenMedia: TypeAlias = "Callable[[Manifest, Modality], MediaEncoder]"
OpenReranker: TypeAlias = "Callable[[str], Reranker]"
Vectors: TypeAlias = "NDArray[np.float32]"  # of a query, shape (parts of it, dimension)

MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT = FusionChoice("minmax", 0.5, "default")
MAX_HITS = 1_000


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
        # Of the vector arm, by digest of a version: the noise, and on how many candidates.
        self._noises: dict[str, tuple[float, int]] = {}

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

    def search(
        self,
        query: str,
        reference: str,
        *,
        k: int,
        mode: Mode,
        where: Sequence[str],
        like: Sequence[Payload] = (),
        rerank: bool | None = None,
    ) -> SearchResult:
        """Return the best `k` chunks for `query` in `reference` ("D" or "D@V").

        Parameters
        ----------
        like
            A picture, or the windows of a recording: what resembles it is found as well; with an
            empty query alone.
        rerank
            Whether a reranker reads the best candidates again; None for as the version was tuned,
            or as the settings say.

        Raises
        ------
        InvalidQuery, InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        RerankerUnavailable
            It cannot be loaded, or is not the one that the version was tuned with.
        """
        self._check(query, k, mode, where, like)
        with self._store.shared():
            manifest = self._store.resolve(reference)
            allowed = self.allowed(manifest, where)
            asked = parse(query)
            text = asked.plain if mode != "keyword" else ""
            vector = self._encode([text], manifest)[0] if text.strip() else None
            keyword = self._keyword_query(manifest, asked)
            narrowed = allowed
            if keyword and (like or mode != "keyword"):
                narrowed = keyword.narrowed(allowed)  # once: it meets every chunk that has it
            arms = self._arms(manifest, keyword, vector, mode, allowed, narrowed, depth=k)
            arms |= self.media_arms(manifest, text, like, narrowed, depth=k)
            plan = self.plan(manifest, arms, depth=k, rerank=rerank)
            fused = self.reranked(manifest, query, self.fuse(arms, mode, plan), plan)
            hits = self._hits(manifest, keyword, fused, k)
            known = keyword and mode != "vector"
            meant = suggestions(asked, keyword.index) if keyword and known else []
        how = plan.choice if fused.shares else None
        return SearchResult(
            manifest.dataset, manifest.version, query, mode, hits, how, asked.reading, meant
        )

    def allowed(self, manifest: Manifest, where: Sequence[str] = ()) -> Allowed | None:
        """Return the chunks of a version that pass all of `where`, as a search takes them.

        Raises as `allowed_chunks`.
        """
        return self._store.allowances.get(
            manifest.digest, where, lambda: allowed_chunks(self._store, manifest, where)
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
        return self._arms(manifest, keyword, vector, mode, allowed, narrowed, depth)

    def _keyword_query(self, manifest: Manifest, asked: Asked) -> KeywordQuery | None:
        if manifest.keywords is None:
            return None
        index = self._store.generations.open(manifest.keywords)
        return KeywordQuery.of(asked, index, self._synonyms)

    def _arms(
        self,
        manifest: Manifest,
        keyword: KeywordQuery | None,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        allowed: Choice | None,
        narrowed: Choice | None,
        depth: int,
    ) -> dict[str, Ranked]:
        """As `arms`; `narrowed` are those of the allowed chunks that have what is demanded."""
        depth = max(depth, self._settings.candidates)
        found: dict[str, Ranked] = {}
        if mode != "vector" and keyword and keyword.asked.text.strip():
            found["keyword"] = keyword.search(depth, allowed)
        if mode != "keyword" and vector is not None:
            segments = [s for s in manifest.segments if s.space == manifest.space]
            found["vector"] = self._store.segments.search(segments, vector, depth, narrowed)
        return found

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
        depth = max(depth, self._settings.candidates)
        found = {}
        for modality, rows in self._media_vectors(manifest, query, like).items():
            space = manifest.media[modality].space
            segments = [s for s in manifest.segments if s.space == space]
            several = [self._store.segments.search(segments, v, depth, allowed) for v in rows]
            found[modality] = best_of(several, depth)
        return found

    def _media_vectors(
        self, manifest: Manifest, query: str, like: Sequence[Payload]
    ) -> dict[str, Vectors]:
        """Return the query's vectors by modality, where the version has such a space."""
        found: dict[str, Vectors] = {}
        for name in manifest.media:
            modality = Modality(name)
            same = [payload for payload in like if payload.modality is modality]
            if self._open_media is None or not (same or query.strip()):
                continue
            encoder = self._open_media(manifest, modality)
            if same:
                found[name] = encoder.encode_media(same)
            elif encoder.reads_text:
                found[name] = encoder.encode_queries([query])
        return found

    def plan(
        self,
        manifest: Manifest,
        arms: Collection[str],
        depth: int = 0,
        *,
        rerank: bool | None = None,
    ) -> Plan:
        """Return how these arms of a version are fused, and whether they are reranked.

        It is as `tune` has stored with the version, else as the settings say.
        """
        settings = self._settings
        choice = self._choice(manifest, rerank=rerank)
        noises, least = {"keyword": keyword_noise(manifest.chunks)}, {}
        if "vector" in arms and len(arms) > 1:
            noises["vector"], least["vector"] = self._vector_noise(manifest)
        return Plan(choice, Noise(noises, max(depth, settings.candidates), least))

    def digest_of(self, reranker: str) -> str:
        """Return the digest of a reranker.

        Raises
        ------
        RerankerUnavailable
            It is not on this machine.
        """
        return self._open_reranker(reranker).identity.digest if self._open_reranker else ""

    def _choice(self, manifest: Manifest, *, rerank: bool | None) -> FusionChoice:
        choice, tuned = self.untuned, manifest.fusion
        if tuned and self._settings.use_tuned:
            choice = replace(
                choice, method=tuned.method, vector_weight=tuned.vector_weight, origin="tuned"
            )
            if tuned.reranker is not None:
                share = tuned.rerank_weight
                choice = replace(choice, reranker=tuned.reranker, rerank_weight=share)
        if rerank is False:
            return replace(choice, reranker="", rerank_weight=0.0)
        if rerank and not choice.reranker:
            share = self._settings.rerank_weight
            return replace(choice, reranker=RERANKER, rerank_weight=share)
        return choice

    @property
    def untuned(self) -> FusionChoice:
        """How the arms of a version are fused, and reranked, that is not tuned."""
        settings = self._settings
        method, weight = settings.fusion, settings.vector_weight
        share = settings.rerank_weight if settings.reranker else 0.0
        choice = FusionChoice(method, weight, "settings", settings.reranker, share)
        return DEFAULT if replace(choice, origin=DEFAULT.origin) == DEFAULT else choice

    def reranked(self, manifest: Manifest, query: str, fused: Fused, plan: Plan) -> Fused:
        """Return `fused` with what the planned reranker says of the best candidates."""
        if not plan.choice.reranker:
            return fused
        found = self.read_again(manifest, query, fused, plan.choice.reranker)
        if not len(found):
            return fused
        return fusion.fuse({**fused.arms, RERANKER_ARM: found}, plan)

    def read_again(self, manifest: Manifest, query: str, fused: Fused, reranker: str) -> Ranked:
        """Return what `reranker` says of the best candidates that have a text.

        It sees the words of the query without the operators.

        Raises
        ------
        RerankerUnavailable
            It cannot be loaded, or is not the one that the version was tuned with.
        """
        text = parse(query).plain
        if self._open_reranker is None or manifest.keywords is None or not text.strip():
            return NOTHING
        opened = self._open_reranker(reranker)
        _check_tuned(manifest, reranker, opened.identity.digest)
        index = self._store.generations.open(manifest.keywords)
        keys = fused.ranked.keys[: self._settings.rerank_candidates].tolist()
        rows = index.fetch(keys)
        texts = {key: embed_text(rows[key]["heading"], rows[key]["text"]) for key in keys}
        read = [key for key in keys if texts[key].strip()]
        scores = opened.scores(text, [texts[key] for key in read])
        return ranked(np.array(read, np.int64), scores)

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
        return self.reranked(manifest, query, fused, plan).ranked

    def _vector_noise(self, manifest: Manifest) -> tuple[float, int]:
        """Return the spread of the vector arm's scores for what means nothing, once a version.

        With it comes the number of candidates it was measured on.
        """
        if manifest.digest not in self._noises:
            found = self._nonsense(manifest)
            self._noises[manifest.digest] = vector_noise(found), max(map(len, found), default=0)
        return self._noises[manifest.digest]

    def _nonsense(self, manifest: Manifest) -> list[Ranked]:
        allowed = self.allowed(manifest)
        vectors = self._encode(NONSENSE, manifest)
        return [
            self._arms(manifest, None, v, "vector", allowed, allowed, 0)["vector"] for v in vectors
        ]

    def _check(
        self, query: str, k: int, mode: str, where: Sequence[str], like: Sequence[Payload]
    ) -> None:
        if not (query.strip() or like):
            raise InvalidQuery("is empty", "Give at least one word.")
        words, limit = len(query.split()), self._settings.max_query_words
        if words > limit:
            problem = f"has {words:,} words, over the limit of {limit:,}"
            raise InvalidQuery(
                problem, "Search for a part of it, or raise retrieval.max_query_words."
            )
        if not 1 <= k <= MAX_HITS:
            raise InvalidArgument("k", k, f"a number from 1 to {MAX_HITS}")
        if isinstance(where, str):
            raise InvalidArgument("where", where, "a list of filters")
        if mode not in MODES:
            raise InvalidArgument("mode", mode, f"one of {', '.join(MODES)}")

    def _hits(
        self,
        manifest: Manifest,
        keyword: KeywordQuery | None,
        fused: Fused,
        k: int,
    ) -> list[Hit]:
        if keyword is None:
            return []
        matches = Matches(keyword.terms)
        found = fused.ranked.pairs(k)
        keys = [key for key, _ in found]
        rows = keyword.index.fetch(keys)
        shared = self._store.shared_sources(manifest.dataset_id, manifest.version)
        places = fused.places(keys)
        hits = []
        for rank, (key, score) in enumerate(found, start=1):
            row = rows[key]
            source, name = shared.get(row["item_key"], (row["source"], row["name"]))
            hits.append(
                Hit(
                    rank=rank,
                    score=score,
                    chunk_id=row["chunk_id"],
                    item_id=row["item_id"],
                    source=source,
                    name=name,
                    title=row["title"],
                    heading=row["heading"],
                    page=row["page"],
                    text=row["text"],
                    start=row["start"],
                    end=row["end"],
                    arms=places[key],
                    highlights=matches.places(row["text"], keyword.index.analysis_of(row)),
                    metadata=json.loads(row["metadata"]),
                    # rows of older workspaces have neither
                    modality=row.get("modality", "text"),
                    from_ms=row.get("from_ms"),
                    to_ms=row.get("to_ms"),
                )
            )
        return hits


def _check_tuned(manifest: Manifest, reranker: str, digest: str) -> None:
    """Refuse another reranker of the same name than the version was tuned with."""
    tuned = manifest.fusion
    if tuned and tuned.reranker == reranker and tuned.reranker_digest not in ("", digest):
        version = f"{manifest.dataset}@{manifest.version}"
        raise RerankerUnavailable(reranker, f"it is not the one that {version} was tuned with")
