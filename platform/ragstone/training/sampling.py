"""What a model of the registry is used for: what it makes, its measures, and copies for others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ragstone.encoders.writing import check_new, written_whole
from ragstone.errors import CopyingModel, InvalidArgument
from ragstone.models.exporting import export
from ragstone.models.families import family
from ragstone.models.sampling import Sampler
from ragstone.schemas.models import ModelInfo, ModelMeasures, Sample
from ragstone.training.copying import copying
from ragstone.training.datastores import datastore_of
from ragstone.training.eyes import advice, eye_of
from ragstone.training.learning import bits
from ragstone.training.materials.base import Asked, Made, Material, Request, Work
from ragstone.training.materials.known import MATERIALS
from ragstone.training.materials.texts import Texts
from ragstone.training.measures.base import Measuring
from ragstone.training.measures.extractors import Extractor
from ragstone.training.model_files import load_model, open_language_model, open_model
from ragstone.training.settings import TrainingSettings
from ragstone.training.signing import Piece, fields, note, signed
from ragstone.training.snapshots import Snapshot
from ragstone.training.trainer import Trainer

if TYPE_CHECKING:
    from ragstone.encoders.opened import Encoders
    from ragstone.models.base import GenerativeModel
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_KEEPING = "inpaint"  # a task that leaves pixels as they are: a watermark would change them
LAYOUTS = ("ragstone", "transformers")


def sample(
    registry: Registry,
    model: str,
    prompt: str,
    tokens: int,
    sampler: Sampler | None,
    conditions: Mapping[str, str],
    beams: int,
    count: int,
    work: Work,
    *,
    neighbours: bool,
    key: bytes | None,
    encoders: Encoders | None = None,
) -> tuple[Sample, Iterator[Piece]]:
    """Return what a model made, and each thing by itself; see `Workspace.sample`.

    Parameters
    ----------
    key
        Of the watermark; None: none is put in.
    """
    info, folder = registry.info(model), registry.folder(model)
    store = datastore_of(folder) if neighbours else None
    if neighbours and store is None:
        expected = f"a model with a datastore: ragstone train knnlm DATASET {info.name}"
        raise InvalidArgument("model", model, expected)
    material = family(info.family).material
    if material != "images" and work != Work():
        expected = f"what a model of images does; {info.name} is of the family {info.family}"
        raise InvalidArgument("task", work.task, expected)
    request = Request(
        prompt=prompt,
        conditions=conditions,
        tokens=tokens,
        sampler=sampler,
        beams=beams,
        count=count,
        mixing=store.mix if store else None,
        work=work,
        encoders=encoders,
        guide=open_model(registry.folder(work.guide)) if work.guide else None,
    )
    if work.task == _KEEPING:
        key = None
    network, codec = open_model(folder)
    chosen = MATERIALS[material]
    made = chosen.make(network, codec, request)
    said = note(info, request, None if len(made.each) > 1 else 0)
    result = Sample(
        model=f"{info.name}@{info.number}",
        prompt=prompt,
        text=made.text,
        seed=sampler.seed if sampler else 0,
        conditions=dict(conditions),
        media=signed(made.media, made.media_type, said, key) if made.media else b"",
        media_type=made.media_type,
        note=said,
    )
    told = fields(info, conditions)
    each = enumerate(_each(chosen, network, codec, request, made))
    return result, (
        Piece(signed(content, one.media_type, said, key), one.media_type, said, told)
        for number, (one, content) in each
        for said in [note(info, request, number)]
    )


def _each(
    material: Material, network: GenerativeModel, codec: Any, request: Request, made: Made
) -> Iterator[tuple[Made, bytes]]:
    """Yield the things that were asked for, one by one, with their bytes.

    What is made one at a time has the seeds that follow.
    """
    if made.each:
        yield from ((made, content) for content in made.each)
        return
    sampler = request.sampler or Sampler()
    for number in range(request.count):
        if number:
            again = replace(sampler, seed=sampler.seed + number)
            made = material.make(network, codec, replace(request, count=1, sampler=again))
        opening = request.prompt if isinstance(material, Texts) else ""
        yield made, made.media or (opening + made.text).encode()


def evaluate_model(
    store: Store,
    registry: Registry,
    model: str,
    reference: str,
    samples: int,
    extractor: str,
    encoders: Encoders | None = None,
) -> ModelMeasures:
    """See `Workspace.evaluate_model`."""
    if samples < 0:
        raise InvalidArgument("samples", samples, "at least 0")
    info = registry.info(model)
    own = f"{info.data.dataset}@{info.data.version}"
    network, codec = open_model(registry.folder(model))
    eye, notes = _eye(registry, extractor, info, codec)
    settings = TrainingSettings.from_json(json.dumps(info.training))
    material = MATERIALS[family(info.family).material]
    with store.shared(), TemporaryDirectory() as scratch:
        manifest = store.resolve(reference or own)
        asked = Asked(settings=info.material, folder=Path(scratch), codec=codec, encoders=encoders)
        prepared = material.prepare(Snapshot.of(store, manifest), asked)
        feed = prepared.feed(network.config)
        loss = Trainer(network, feed, settings, Path(scratch) / "none").validate().loss
        wanted = Measuring(samples=samples, eye=eye)
        found = material.measure(network, codec, prepared, wanted)
    name, data = f"{info.name}@{info.number}", f"{manifest.dataset}@{manifest.version}"
    if data == own:
        registry.measured(name, found.values)
    return ModelMeasures(
        model=name,
        data=data,
        loss=loss,
        bits_per_byte=bits(loss, prepared, network),
        samples=samples,
        measures=found.values,
        intervals=found.intervals,
        notes=notes + found.notes,
        likelihood=network.log_prob_kind or "",
        extractor=eye.reference if eye else "",
    )


def _eye(
    registry: Registry, asked: str, info: ModelInfo, codec: Any
) -> tuple[Extractor | None, list[str]]:
    """Return what the images of a model are measured by, or a note how to come by it."""
    known = family(info.family)
    if known.material != "images":
        if asked:
            expected = f"none: {info.name} makes no images"
            raise InvalidArgument("extractor", asked, expected)
        return None, []
    eye = eye_of(registry, asked, info, codec)
    return eye, [] if eye else [advice(info, codec)]


def export_model(
    registry: Registry, model: str, folder: Path, layout: str, *, despite_copies: bool
) -> Path:
    """See `Workspace.export_model`."""
    if layout not in LAYOUTS:
        raise InvalidArgument("layout", layout, "one of " + ", ".join(LAYOUTS))
    check_new(folder)
    found = copying(registry.info(model))
    if found.verdict == "copies" and not despite_copies:
        raise CopyingModel(found.model, found.said)
    place = registry.folder(model)
    with written_whole(folder) as out:
        if layout == "ragstone":
            load_model(place)  # what is damaged is not handed on
            copytree(place, out, dirs_exist_ok=True)
        else:
            network, tokenizer = open_language_model(place)
            export(network, tokenizer, out)
        (out / "README.md").write_text(registry.card(model), encoding="utf-8")
    return folder


def import_model(registry: Registry, folder: Path, name: str) -> ModelInfo:
    """See `Workspace.import_model`."""
    return registry.take(folder, name, load_model)
