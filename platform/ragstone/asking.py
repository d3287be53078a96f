"""Asking: a question becomes one that stands alone, is searched, and goes to who answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from ragstone.answers import AnswerStream, Asked, answer_many, answer_stream, with_words
from ragstone.errors import InvalidQuery, RefusedSample
from ragstone.generation.generators import TRAINED, open_generator
from ragstone.retrieval.question import Question
from ragstone.schemas.answers import Answer, AnswerError, Receipt
from ragstone.sessions import Conversation, conversation
from ragstone.training.refusing import check_asked

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.base import TextEncoder
    from ragstone.generation.base import Generator
    from ragstone.retrieval.search import Retriever
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks one version by one generator.

    Parameters
    ----------
    where
        Filters of every search.
    """

    store: Store
    settings: Settings
    retriever: Retriever
    manifest: Manifest
    encoder: TextEncoder
    writer: Generator
    where: Sequence[str]

    @classmethod
    def of(
        cls,
        store: Store,
        settings: Settings,
        retriever: Retriever,
        encoder_of: Callable[[Manifest], TextEncoder],
        dataset: str,
        generator: str | None,
        where: Sequence[str],
    ) -> Asking:
        """Open what answers from `dataset` ("D" or "D@V"), whose version stays the same from here.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument, GeneratorUnavailable, EncoderUnavailable
            There is no such dataset or generator.
        """
        manifest = store.resolve(dataset)
        encoder = encoder_of(manifest)
        name, models = generator or settings.generation.generator, store.root / "models"
        writer = open_generator(name, encoder, settings.generation, models)
        return cls(store, settings, retriever, manifest, encoder, writer, where)

    def stream(
        self, question: str, session: str | None, history: Sequence[tuple[str, str]]
    ) -> AnswerStream:
        """See `Workspace.ask_stream`."""
        talk = conversation(self.store, self.manifest.dataset_id, session, history)
        asked = self._asked(question, talk)
        return answer_stream(self.store, asked, self.writer, self.encoder, self.settings.generation)

    def many(self, questions: Sequence[str]) -> Iterator[Answer | AnswerError]:
        """See `Workspace.ask_many`; so many at a time as the settings say."""
        size = self.settings.generation.batch
        for begin in range(0, len(questions), size):
            asked = [self._alone(question) for question in questions[begin : begin + size]]
            searched = [one for one in asked if isinstance(one, Asked)]
            answers = answer_many(
                self.store, searched, self.writer, self.encoder, self.settings.generation
            )
            for one in asked:
                yield one if isinstance(one, AnswerError) else next(answers)

    def _alone(self, question: str) -> Asked | AnswerError:
        try:
            return self._asked(question, Conversation(None, [], []))
        except (InvalidQuery, RefusedSample) as error:
            # It is of this question; whatever else is wrong is so with all.
            return AnswerError(error.code, error.message, error.hint)

    def _asked(self, question: str, talk: Conversation) -> Asked:
        if self.writer.id.startswith(TRAINED):  # it is a model of this workspace that is asked
            check_asked(self.settings.models, self.store.root, question, {})
        alone, rewriting = talk.alone(question, self.writer, self.settings.generation)
        generation, reference = self.settings.generation, self.manifest
        searched = Question(
            alone, k=generation.passages, where=self.where, neighbours=generation.neighbours
        )
        found = self.retriever.search(searched, [f"{reference.dataset}@{reference.version}"])
        found = with_words(self.store, found)
        digests = {
            "encoder": self.encoder.identity.digest,
            **self.retriever.digests(found.fusion),
        }
        receipt = Receipt(
            raw="",
            k=generation.passages,
            where=list(self.where),
            retrieval=self.settings.retrieval.model_dump(),
            fusion=found.fusion,
            digests=digests,
            release=version("ragstone"),
            rewriting=rewriting,
        )
        return Asked(question, found, reference.digest, receipt, talk.session)
