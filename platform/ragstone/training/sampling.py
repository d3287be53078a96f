"""What a model of the registry is used for: texts that it writes, and copies for others."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from ragstone.encoders.writing import check_new, written_whole
from ragstone.errors import InvalidArgument
from ragstone.models.exporting import export
from ragstone.models.sampling import Sampler, write
from ragstone.schemas.models import Sample
from ragstone.training.datastores import datastore_of
from ragstone.training.model_files import open_model
from ragstone.training.registry import Registry


def sample(
    registry: Registry,
    model: str,
    prompt: str,
    tokens: int,
    sampler: Sampler | None,
    *,
    neighbours: bool,
) -> Sample:
    """See `Workspace.sample`."""
    info, folder = registry.info(model), registry.folder(model)
    network, tokenizer = open_model(folder)
    store = datastore_of(folder) if neighbours else None
    if neighbours and store is None:
        expected = f"a model with a datastore: ragstone train knnlm DATASET {info.name}"
        raise InvalidArgument("model", model, expected)
    chosen = sampler or Sampler()
    asked = [tokenizer.end, *tokenizer.encode(prompt).tolist()]
    written: list[int] = []
    for token in islice(write(network, asked, chosen, store.mix if store else None), tokens):
        if token == tokenizer.end:
            break
        written.append(token)
    name = f"{info.name}@{info.number}"
    return Sample(name, prompt, tokenizer.decode(written), chosen.seed)


def export_model(registry: Registry, model: str, folder: Path) -> Path:
    """See `Workspace.export_model`."""
    check_new(folder)
    network, tokenizer = open_model(registry.folder(model))
    with written_whole(folder) as place:
        export(network, tokenizer, place)
        (place / "README.md").write_text(registry.card(model), encoding="utf-8")
    return folder
