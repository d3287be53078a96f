"""Training a language model on a dataset version, from its texts to a number in the registry."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.models.families import Family, family
from ragstone.models.tokenizers import Tokenizer, make_tokenizer
from ragstone.schemas.models import ModelData, ModelInfo
from ragstone.storage.files import remove
from ragstone.training.corpus import Corpus, read_corpus
from ragstone.training.feeding import TokenData
from ragstone.training.model_files import write_model
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Plan, Progress, Trainer

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

# Settings that are neither the network's nor the trainer's.
_OWN = {"tokenizer": "str", "tokens": "int"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Settings of a training by what they are for."""

    config: dict[str, Any]
    training: TrainingSettings
    tokenizer: str
    tokens: int

    @classmethod
    def of(cls, known: Family, values: Mapping[str, Any]) -> Chosen:
        """Part settings; a text stands for a value of the setting's type.

        Raises
        ------
        InvalidArgument
            A setting is unknown or of another type.
        """
        networks = {f.name: str(f.type) for f in fields(known.config) if f.name != "vocabulary"}
        trainers = {f.name: str(f.type) for f in fields(TrainingSettings)}
        kinds = {**networks, **trainers, **_OWN}
        read = {}
        for name, value in values.items():
            if name not in kinds:
                raise InvalidArgument("setting", name, "one of " + ", ".join(sorted(kinds)))
            read[name] = _value(name, value, kinds[name])
        return cls(
            {name: value for name, value in read.items() if name in networks},
            TrainingSettings.of({k: v for k, v in read.items() if k in trainers}),
            read.get("tokenizer", "characters"),
            read.get("tokens", 4096),
        )


def train_model(
    store: Store,
    registry: Registry,
    family_name: str,
    reference: str,
    name: str,
    values: Mapping[str, Any],
    *,
    restart: bool = False,
    on_plan: Callable[[Plan], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ModelInfo:
    """See `Workspace.train_model`."""
    known = family(family_name)
    chosen = Chosen.of(known, values)
    folder = registry.training_folder(name)
    if restart:
        remove(folder)
    with store.shared():
        manifest = store.resolve(reference)
        corpus = read_corpus(store, manifest)
    tokenizer = make_tokenizer(chosen.tokenizer, corpus.training, chosen.tokens)
    training, held_out = (tokens_of(tokenizer, t) for t in (corpus.training, corpus.held_out))
    config = known.config.of({"vocabulary": tokenizer.size, **chosen.config})
    torch.manual_seed(chosen.training.seed)
    model = known.build(config)
    data = TokenData(training, held_out, model.config.context)
    trainer = Trainer(model, data, chosen.training, folder, on_progress)
    on_plan(trainer.plan())
    outcome = trainer.fit()
    size = sum(len(text.encode()) for text in corpus.held_out)
    info = ModelInfo(
        name=name,
        number=registry.next_number(name),
        family=family_name,
        digest="",
        parameters=model.parameters_count,
        config=json.loads(config.to_json()),
        training=json.loads(trainer.settings.to_json()),
        tokenizer=f"{chosen.tokenizer}, {tokenizer.size:,} tokens",
        data=_data(manifest, corpus, training, held_out, size),
        steps=outcome.steps,
        best_step=outcome.best_step,
        loss=outcome.best,
        bits_per_byte=outcome.best * (len(held_out) - 1) / math.log(2) / size,
        seconds=round(outcome.seconds, 1),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        ragstone=version("ragstone"),
    )
    return registry.add(info, lambda place: write_model(place, model, tokenizer))


def _data(
    manifest: Manifest,
    corpus: Corpus,
    training: NDArray[np.int32],
    held_out: NDArray[np.int32],
    size: int,
) -> ModelData:
    return ModelData(
        dataset=manifest.dataset,
        version=manifest.version,
        digest=manifest.digest,
        items=manifest.items,
        held_out=corpus.how,
        tokens=len(training),
        validation_tokens=len(held_out),
        validation_bytes=size,
        licences=corpus.licences,
    )


def tokens_of(tokenizer: Tokenizer, texts: list[str]) -> NDArray[np.int32]:
    """Return the texts one after the other, with the token of their end before each."""
    parts = [np.asarray([tokenizer.end, *tokenizer.encode(text)], np.int32) for text in texts]
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def _value(name: str, value: Any, kind: str) -> Any:
    """Return a value of the type `kind`; texts are read."""
    if not isinstance(value, str) or kind == "str":
        return value
    try:
        if kind == "bool":
            return {"true": True, "false": False}[value.lower()]
        return int(value) if kind == "int" else float(value)
    except (KeyError, ValueError) as error:
        raise InvalidArgument(name, value, f"of type {kind}") from error
