"""Answers made again from their records, and compared with what was said then.

    record → seal → version → search → prompt → generator → claims → the same?

What cannot be done any more (the version was given up, the model is gone) is a difference like any
other; what is left is compared all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import ValidationError

from ragstone.answers import with_words
from ragstone.config import GenerationSettings, RetrievalSettings
from ragstone.errors import DamagedFile, RagstoneError
from ragstone.generation.generators import open_generator
from ragstone.generation.ground import Grounded, prepare, write
from ragstone.generation.prompts import FOLLOWUP, GROUNDED
from ragstone.generation.rewriting import rewritten
from ragstone.receipts.comparing import Differences
from ragstone.receipts.finding import find_answer
from ragstone.retrieval.question import Question
from ragstone.schemas.tracing import Replay
from ragstone.sessions import turns_of
from ragstone.storage import answers
from ragstone.storage.citing import Cited, Quotes

if TYPE_CHECKING:
    from ragstone.encoders.base import TextEncoder
    from ragstone.generation.base import Generator as Writer
    from ragstone.retrieval.search import Retriever
    from ragstone.schemas.answers import StoredAnswer
    from ragstone.schemas.api import Hit
    from ragstone.storage.answers import AnswerRow, Seal
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store
_Section = TypeVar("_Section", GenerationSettings, RetrievalSettings)
_Part = Literal["encoder", "reranker", "synonyms", "generator", "reader", "verifier"]


@dataclass(frozen=True, slots=True)
class Replaying:
    """Makes answers in `store` again.

    Parameters
    ----------
    encoder_of
        Opens the encoder of a version.
    chosen
        Opens the encoder of the settings: for answers whose version was given up.
    """

    store: Store
    retriever: Retriever
    encoder_of: Callable[[Manifest], TextEncoder]
    chosen: Callable[[], TextEncoder]

    def replay(self, identity: str) -> Replay:
        """See `Workspace.replay`."""
        started = monotonic()
        row, seal = find_answer(self.store, identity)
        differences = Differences()
        problem = answers.tampering(row, seal)
        if problem:
            differences.add("tampered", problem)
        stored = row.stored()
        if stored is None:
            return _replay(row, None, seal, differences, [], started)
        run = _Run(self, row, stored, differences)
        run.run()
        return _replay(row, stored, seal, differences, run.missing, started)


def _replay(
    row: AnswerRow,
    stored: StoredAnswer | None,
    seal: Seal | None,
    differences: Differences,
    missing: list[str],
    started: float,
) -> Replay:
    answer = stored.answer if stored else None
    return Replay(
        answer_id=row.answer_id,
        question=answer.question if answer else "",
        dataset=answer.dataset if answer else row.dataset_id,
        version=row.version,
        generator=answer.generator if answer else "",
        same=not differences.found,
        differences=differences.found,
        missing=missing,
        seal=seal.seal if seal else "",
        seconds=round(monotonic() - started, 3),
    )


@dataclass(slots=True)
class _Run:
    """One answer on its way from the record to the same answer."""

    of: Replaying
    row: AnswerRow
    stored: StoredAnswer
    differences: Differences
    missing: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Compare each step with the record, as far as one can be taken."""
        if self.stored.receipt is None:
            self.missing += [
                "filters, retrieval settings and digests of the models",
                "what the generator wrote before it was checked",
            ]
        manifest = self._manifest()
        hits = self._search(manifest) if manifest else self.stored.hits
        encoder = self._encoder(manifest)
        if manifest:
            self._compare_quotes()
        if encoder:
            self._generate(hits, encoder)

    # ------------------------------------------------------------ the version

    def _manifest(self) -> Manifest | None:
        """Return the version that was asked, when it is still there."""
        store, row = self.of.store, self.row
        heads = {head.dataset_id: head for head in store.heads()}
        head = heads.get(row.dataset_id)
        if head is None:
            self.differences.add("version", f"there is no dataset {row.dataset_id} any more")
            return None
        if row.version in store.collected(row.dataset_id):
            problem = f"version {row.version} of {head.dataset!r} was given up by gc"
            self.differences.add("version", problem)
            return None
        if not 1 <= row.version <= head.version:
            problem = f"{head.dataset!r} has no version {row.version}"
            self.differences.add("version", problem)
            return None
        manifest = store.manifest(row.dataset_id, row.version)
        promised = self.stored.version_digest
        if manifest.digest != promised:
            problem = "the version has another digest"
            self.differences.add("version", problem, before=promised, after=manifest.digest)
        for receipt in store.erasures.concerning(row.dataset_id, row.version):
            problem = f"{len(receipt.items)} items were erased from it, see {receipt.id}"
            self.differences.add("erased", problem)
        return manifest

    def _compare_quotes(self) -> None:
        quotes, cited = Quotes(self.of.store), Cited(self.row.dataset_id, self.row.version)
        with self.of.store.shared():
            for citation in self.stored.answer.citations:
                try:
                    problem = quotes.problem(cited, citation)
                except DamagedFile as error:
                    problem = error.message
                if problem:
                    self.differences.add("quote", f"quote {citation.number}: {problem}")

    # ------------------------------------------------------------ what is found

    def _search(self, manifest: Manifest) -> list[Hit]:
        """Return what is found now; what was found then, when nothing can be searched."""
        receipt = self.stored.receipt
        retriever = self.of.retriever
        where: list[str] = []
        k = int(self.stored.settings.get("passages", len(self.stored.hits)))
        if receipt is not None:
            settings = self._settings(RetrievalSettings, receipt.retrieval)
            if settings is None:
                return self.stored.hits
            if settings != retriever.settings:
                retriever = retriever.with_settings(settings)
            where, k = receipt.where, receipt.k
        answer = self.stored.answer
        question = Question(
            answer.rewritten or answer.question,
            k=k,
            where=where,
            neighbours=int(self.stored.settings.get("neighbours", 0)),
        )
        try:
            found = retriever.search(question, [f"{manifest.dataset}@{manifest.version}"])
        except RagstoneError as error:
            self.differences.add("retrieval", error.message)
            return self.stored.hits
        self._compare_digests(retriever.digests(found.fusion), ("reranker", "synonyms"))
        hits = with_words(self.of.store, found).hits
        self.differences.hits(self.row.record, hits)
        return hits

    def _encoder(self, manifest: Manifest | None) -> TextEncoder | None:
        try:
            encoder = self.of.encoder_of(manifest) if manifest else self.of.chosen()
        except RagstoneError as error:
            self.differences.add("encoder", error.message)
            return None
        self._compare_digests({"encoder": encoder.identity.digest}, ("encoder",))
        return encoder

    def _compare_digests(self, now: Mapping[str, str], parts: Sequence[_Part]) -> None:
        """Compare the digests of models and files with those in the receipt."""
        if self.stored.receipt is None:
            return
        for part in parts:
            before, after = self.stored.receipt.digests.get(part), now.get(part, "")
            if before is not None and before != after:
                self.differences.add(part, f"the {part} has another digest", None, before, after)

    # ------------------------------------------------------------ what is written

    def _generate(self, hits: list[Hit], encoder: TextEncoder) -> None:
        # A record from before there were readers and verifiers was made without.
        values = {"reader": "", "verifier": "", **self.stored.settings}
        settings = self._settings(GenerationSettings, values)
        if settings is None:
            return
        answer = self.stored.answer
        query = answer.rewritten or answer.question
        try:
            grounded = self._grounded(query, hits, encoder, settings)
        except RagstoneError as error:
            self.differences.add("generator", error.message)
            return
        if grounded is not None:
            self.differences.answer(self.stored, grounded)

    def _grounded(
        self, query: str, hits: list[Hit], encoder: TextEncoder, settings: GenerationSettings
    ) -> Grounded | None:
        """Write the answer again; None where there was none to compare with."""
        stored = self.stored
        writer = open_generator(
            stored.answer.generator, encoder, settings, self.of.store.root / "models"
        )
        self._rewrite(writer, settings)
        if stored.template and stored.template != GROUNDED.digest:
            self.differences.add(
                "template",
                "the words around question and passages have changed",
                before=stored.template,
                after=GROUNDED.digest,
            )
        prepared = prepare(query, hits, writer, encoder, settings)
        self._compare_digests(prepared.digests(writer), ("generator", "reader", "verifier"))
        if stored.prompt:
            self.differences.text("prompt", stored.prompt, prepared.prompt.text)
        if stored.state != "done":
            self.missing.append(f"the answer: it {stored.state}")
            return None
        stream = write(prepared, writer, settings)
        while True:
            try:
                next(stream)
            except StopIteration as end:
                grounded: Grounded = end.value
                return grounded

    def _rewrite(self, writer: Writer, settings: GenerationSettings) -> None:
        """Make the question that follows on others stand alone again."""
        receipt, answer = self.stored.receipt, self.stored.answer
        rewriting = receipt.rewriting if receipt else None
        if rewriting is None:  # it follows on nothing, or nothing is known of what it followed on
            return
        turns = turns_of(self.of.store, rewriting.follows)
        if not turns or len(turns) != len(rewriting.follows):
            self.missing.append("the conversation that the question followed on")
            return
        if rewriting.template and rewriting.template != FOLLOWUP.digest:
            self.differences.add(
                "template",
                "the words around question and conversation have changed",
                before=rewriting.template,
                after=FOLLOWUP.digest,
            )
        # A model that failed then, or took too long, may do better now: its part is not repeated.
        model = writer if rewriting.by == "model" else None
        now = rewritten(answer.question, turns, model, settings)
        if rewriting.by != now.by:
            self.differences.add("rewriting", now.problem, None, rewriting.by, now.by)
        if model is not None:
            self.differences.text("rewriting", rewriting.prompt, now.prompt)
            self.differences.text("rewriting", rewriting.raw, now.raw)
        self.differences.text("rewriting", answer.rewritten or answer.question, now.question)

    def _settings(self, kind: type[_Section], values: dict[str, Any]) -> _Section | None:
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            problem = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()
            )
            self.differences.add("settings", f"this release cannot read them: {problem}")
            return None
