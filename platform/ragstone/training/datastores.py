"""Datastores of kNN-LM beside a model: built from a dataset version, tuned, kept in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ragstone.errors import InvalidArgument
from ragstone.models.knn import Datastore, Mixture, judge, tuned
from ragstone.schemas.models import DatastoreInfo
from ragstone.storage.files import TEMPORARY, publish_folder, remove
from ragstone.training.corpus import read_corpus, write_tokens
from ragstone.training.model_files import open_language_model
from ragstone.training.registry import DATASTORE
from ragstone.training.snapshots import Snapshot

if TYPE_CHECKING:
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_INFO = "knn.json"


def build_datastore(
    store: Store, registry: Registry, model: str, reference: str, neighbours: int
) -> DatastoreInfo:
    """See `Workspace.build_datastore`."""
    if neighbours < 1:
        raise InvalidArgument("neighbours", neighbours, "at least 1")
    folder = registry.folder(model)
    network, tokenizer = open_language_model(folder)
    with store.shared(), TemporaryDirectory() as scratch:
        manifest = store.resolve(reference)
        corpus = read_corpus(Snapshot.of(store, manifest))
        tokens = write_tokens(corpus, tokenizer, Path(scratch))
        mixture = Mixture(min(neighbours, len(tokens.training) - 1))
        found = Datastore.build(network, tokens.training, mixture)
        chances = judge(network, found, tokens.held_out)
    found = tuned(found, chances)
    rest = slice(len(chances.own) // 2, None)
    info = DatastoreInfo(
        entries=len(found),
        neighbours=found.mixture.neighbours,
        weight=found.mixture.weight,
        temperature=found.mixture.temperature,
        without=chances.loss(Mixture(), rest),
        with_=chances.loss(found.mixture, rest),
        data=f"{manifest.dataset}@{manifest.version}",
        data_digest=manifest.digest,
    )
    place = folder / f"{TEMPORARY}{DATASTORE}"
    remove(place)
    place.mkdir()
    found.save(place)
    (place / _INFO).write_text(json.dumps(asdict(info), indent=2) + "\n", encoding="utf-8")
    remove(folder / DATASTORE)
    publish_folder(place, folder / DATASTORE, sorted(place.iterdir()))
    return info


@lru_cache(maxsize=2)
def open_datastore(folder: Path, built: float) -> Datastore:  # noqa: ARG001
    """Return the datastore beside the model in `folder`; `built` tells a new one from an old."""
    known = json.loads((folder / DATASTORE / _INFO).read_text(encoding="utf-8"))
    mixture = Mixture(known["neighbours"], known["weight"], known["temperature"])
    return Datastore.open(folder / DATASTORE, mixture)


def datastore_of(folder: Path) -> Datastore | None:
    """Return the datastore beside the model in `folder`; None where there is none."""
    path = folder / DATASTORE / _INFO
    return open_datastore(folder, path.stat().st_mtime) if path.is_file() else None
