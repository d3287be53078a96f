"""What the indexes of a version are asked: a question, or something stored, for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from ragstone.retrieval import similar
from ragstone.retrieval.filters import allowed_chunks
from ragstone.retrieval.keyword_arm import KeywordQuery
from ragstone.retrieval.queries import Asked, parse
from ragstone.retrieval.question import Question
from ragstone.retrieval.scope import Probe, Target
from ragstone.retrieval.synonyms import Synonyms
from ragstone.schemas.records import Modality
from ragstone.storage.keyword_statistics import SharedStatistics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.config import RetrievalSettings
    from ragstone.encoders.base import MediaEncoder
    from ragstone.retrieval.planning import EncodeQueries
    from ragstone.retrieval.similar import Given
    from ragstone.schemas.api import Mode
    from ragstone.schemas.records import Payload
    from ragstone.storage.allowed import Allowed, Choice
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

OpenMedia: TypeAlias = "Callable[[Manifest, Modality], MediaEncoder]"


class Targeting:
    """Turns questions into what the indexes of versions in `store` are asked."""

    def __init__(
        self,
        store: Store,
        settings: RetrievalSettings,
        encode: EncodeQueries,
        open_media: OpenMedia | None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._encode = encode
        self._open_media = open_media

    def targets(
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

    def target(
        self,
        manifest: Manifest,
        query: str,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        allowed: Choice | None,
    ) -> Target:
        """Return one version with what its indexes are asked, for a query encoded already.

        `vector` has shape (dimension,); it may be None in keyword mode. Words find images and
        recordings where an encoder knows both.
        """
        keyword = self._keyword_query(manifest, parse(query))
        narrowed = keyword.narrowed(allowed) if keyword and vector is not None else allowed
        words = mode != "vector" and bool(query.strip())
        probes = {}
        if mode != "keyword" and vector is not None:
            probes["vector"] = Probe(manifest.space, vector[None, :])
        if mode != "keyword":
            probes |= self._media_probes(manifest, query, ())
        return Target(manifest, keyword, words, allowed, narrowed, probes)

    def likened(
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

    def _keyword_query(
        self, manifest: Manifest, asked: Asked, shared: SharedStatistics | None = None
    ) -> KeywordQuery | None:
        if manifest.keywords is None:
            return None
        index = self._store.generations.open(manifest.keywords)
        if shared is not None:
            index = index.weighed_by(shared)
        return KeywordQuery.of(asked, index, self._synonyms)

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

    @cached_property
    def _synonyms(self) -> Synonyms:
        name = self._settings.synonyms
        return Synonyms.read(self._store.root / name) if name else Synonyms()
