"""A language model that was trained in the workspace as a generator: `model:NAME`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ragstone.errors import DamagedFile, GeneratorUnavailable, UnknownModel
from ragstone.generation.base import Prompt, Sampling
from ragstone.generation.output import readable
from ragstone.generation.prompts import without_last
from ragstone.models.families import goes_on
from ragstone.models.sampling import Sampler, write
from ragstone.storage.files import digest_bytes
from ragstone.training.datastores import datastore_of
from ragstone.training.model_files import open_language_model
from ragstone.training.registry import Registry

_NEIGHBOURS = "+knn"
_HALF = "\ufffd"  # what an unfinished character is decoded to


class TrainedGenerator:
    """Continues the prompt with a model of the registry.

    Parameters
    ----------
    name
        NAME, the newest of that name, or NAME@NUMBER; with `+knn` neighbours from its datastore are
        mixed in.
    models
        The folder `models` of the workspace.

    Raises
    ------
    GeneratorUnavailable
        There is no such model, it is damaged or writes no texts, or there is no datastore beside
        it.
    """

    def __init__(self, name: str, models: Path) -> None:
        self._name = name
        own = name.removesuffix(_NEIGHBOURS)
        registry = Registry(models)
        try:
            self._info = registry.info(own)
            self._folder = registry.folder(own)
        except (UnknownModel, DamagedFile) as error:
            raise GeneratorUnavailable(self.id, f"{error.message}. {error.hint}") from error
        if not goes_on(self._info.family):
            raise GeneratorUnavailable(
                self.id, f"a model of the family {self._info.family} does not go on with a text"
            )
        self._datastore = datastore_of(self._folder) if name != own else None
        if name != own and self._datastore is None:
            raise GeneratorUnavailable(
                self.id, f"there is no datastore beside it: ragstone train knnlm DATASET {own}"
            )

    @property
    def id(self) -> str:
        """`model:` and the name."""
        return f"model:{self._name}"

    @property
    def digest(self) -> str:
        """Of the weights, and of the datastore where it is used."""
        store = self._info.datastore
        if self._datastore is None or store is None:
            return self._info.digest
        return digest_bytes(f"{self._info.digest} {store}".encode())

    @property
    def context_length(self) -> int:
        """Tokens that it reads at once."""
        return int(self._info.config["context"])

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of `prompt`."""
        return len(open_language_model(self._folder)[1].encode(prompt.text))

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:
        """Yield what the model writes after the prompt, until it ends the text.

        A prompt that is too long loses its last passages, then its beginning.

        Raises
        ------
        GeneratorNonsense
            It ends without a word.
        """
        return readable(self._pieces(prompt, sampling), self.id, sampling.stop)

    def _pieces(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:
        model, tokenizer = open_language_model(self._folder)
        context = self.context_length
        room = max(1, context // 2, context - sampling.max_new_tokens)
        while prompt.passages and self.count_tokens(prompt) > room:
            prompt = without_last(prompt)
        asked = tokenizer.encode(prompt.text).tolist()[-room:]
        sampler = Sampler(temperature=sampling.temperature, seed=sampling.seed)
        mixing = self._datastore.mix if self._datastore else None
        written: list[int] = []
        said = ""
        for token in write(model, asked or [tokenizer.end], sampler, mixing):
            if token == tokenizer.end or len(written) == sampling.max_new_tokens:
                break
            written.append(token)
            text = tokenizer.decode(written)
            if not text.endswith(_HALF):
                yield text[len(said) :]
                said = text
