"""What models made, as items: marked, left out of everything unless asked for, and traced back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument
from ragstone.ingestion.sample_notes import note_of
from ragstone.models.sampling import Sampler
from ragstone.storage.manifests import Manifest
from ragstone.training.dividing import divide
from ragstone.training.snapshots import Snapshot
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {"steps": 2, "batch": 8, "size": 8, "width": 8, "latent": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """Squares and a model of them, four of whose images were taken in; version 1 has none."""
    root = tmp_path_factory.mktemp("synthetic")
    chance = np.random.default_rng(0)
    rows = []
    (root / "files").mkdir()
    for number in range(30):
        pixels = chance.integers(0, 255, (16, 16)).astype(np.uint8)
        Image.fromarray(pixels).save(root / "files" / f"{number:02}.png")
        told = {"side": ["left", "right"][number % 2], "text": f"square {number}"}
        rows.append({"file_name": f"{number:02}.png", **told})
    (root / "files" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = root / "workspace"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        opened.ingest([root / "files"], "squares")
        opened.train_model("vae", "squares", "vae", {**TINY, "label": "side"})
        asked = {"label": "left"}
        opened.sample("vae", conditions=asked, count=4, ingest="squares", message="four more")
        yield opened


def head(ws: Workspace, name: str = "squares") -> Manifest:
    return ws._store.head(name)


def test_each_image_of_a_sheet_becomes_a_marked_item(made: Workspace) -> None:
    (version,) = [v for v in made.log("squares") if v.message == "four more"]
    assert (version.items, version.synthetic, version.added) == (34, 4, 4)
    items = [item for item in made.items("squares") if item.synthetic]
    assert [item.synthetic for item in items] == ["vae@1"] * 4
    assert {item.media_type for item in items} == {"image/png"}
    info = made.model("vae")
    shown = made.show(items[2].item_id)
    said = shown.metadata["synthetic"]
    assert shown.metadata["side"] == "left"
    assert (said["model"], said["digest"], said["run"]) == ("vae@1", info.digest, info.run)
    assert (said["seed"], said["number"], said["conditions"]) == (0, 2, {"label": "left"})
    assert note_of(made.original(items[2].item_id).content) == said
    one = made.sample("vae", conditions={"label": "left"}, sampler=Sampler(seed=5), ingest="other")
    (item,) = made.items("other")
    assert made.original(item.item_id).content == one.media  # what is shown is what is kept


def test_the_same_again_adds_nothing(made: Workspace) -> None:
    before = head(made).version
    again = made.sample("vae", conditions={"label": "left"}, count=4, ingest="squares")
    assert again.ingested is not None
    assert again.ingested.items.unchanged == 4
    assert again.ingested.version == head(made).version == before
    assert made.sample("vae", count=4).ingested is None
    made.sync("squares")
    assert made.log("squares")[0].synthetic == 4  # no place has them, so none has lost them


def test_a_search_leaves_them_out_unless_it_is_told(made: Workspace) -> None:
    some = made.items("squares")
    real, other = some[0], next(item for item in some if item.synthetic)
    likeness = made.original(other.item_id).content

    def found(**how: object) -> set[str]:
        result = made.search("", "squares", image=likeness, k=50, **how)  # type: ignore[arg-type]
        return {hit.item_id for hit in result.hits}

    every = {item.item_id for item in some}
    synthetic = {item.item_id for item in some if item.synthetic}
    assert found() == every - synthetic
    assert found(synthetic=True) == every
    assert found(synthetic="only") == synthetic
    assert found(where=["synthetic.model=vae@1"]) == synthetic
    assert found(where=["side=right"]).isdisjoint(synthetic)
    near = made.similar(real.item_id, k=50)
    assert {hit.item_id for hit in near.hits} == every - synthetic - {real.item_id}
    near = made.similar(real.item_id, k=50, synthetic="only")
    assert {hit.item_id for hit in near.hits} == synthetic
    counted = {v.value: v.items for v in made.facets("squares", ["side"])[0].values}
    assert counted == {"left": 15, "right": 15}
    counted = {v.value: v.items for v in made.facets("squares", ["side"], synthetic=True)[0].values}
    assert counted == {"left": 19, "right": 15}
    with pytest.raises(ragstone.errors.UnknownField):
        made.search("square", "squares", where=["synthetics exists"])


def test_a_version_without_any_is_searched_as_before(made: Workspace) -> None:
    store = made._store
    first, last = store.resolve("squares@1"), head(made)
    assert first.synthetic_parts == []
    assert len(last.synthetic_parts) == 1
    assert made._retriever.allowed(first) is None  # nothing is looked up, nothing filtered
    allowed = made._retriever.allowed(last)
    assert allowed is not None
    assert len(allowed) == 30
    old = [hit.item_id for hit in made.search("square 7", "squares@1").hits]
    assert [hit.item_id for hit in made.search("square 7", "squares").hits] == old


def test_a_training_leaves_them_out_and_keeps_its_sides(made: Workspace) -> None:
    store = made._store
    usable = divide(Snapshot.of(store, store.resolve("squares@1")), lambda _: True)
    now = divide(Snapshot.of(store, head(made)), lambda _: True)
    assert now.left_out == {"made by a model": 4}
    assert now.held_out == usable.held_out
    every = divide(Snapshot.of(store, head(made)), lambda _: True, synthetic=True)
    assert len(every.held_out) == 34
    assert usable.held_out.items() <= every.held_out.items()


def test_they_give_way_to_what_none_made(made: Workspace, tmp_path: Path) -> None:
    synthetic = next(item for item in made.items("squares") if item.synthetic)
    picture = Image.open(io.BytesIO(made.original(synthetic.item_id).content))
    picture.save(tmp_path / "zz-redrawn.png")  # the same pixels, without the note
    made.fork("squares", "copies")
    made.ingest([tmp_path / "zz-redrawn.png"], "copies")
    visible = made.items("copies")
    assert "zz-redrawn.png" in {item.name for item in visible}
    assert synthetic.item_id not in {item.item_id for item in visible}
    assert made.log("copies")[0].synthetic == 3


def test_they_are_traced_to_their_model_and_its_data(made: Workspace) -> None:
    synthetic = [item.item_id for item in made.items("squares") if item.synthetic]
    traced = made.trace(synthetic[1])
    assert traced.made_by is not None
    assert (traced.made_by.model, traced.made_by.data) == ("vae@1", "squares@1")
    assert traced.made_by.known
    assert traced.made_by.run == made.model("vae").run
    assert traced.made_by.number == 1
    real = made.trace(made.items("squares")[0].item_id)
    assert real.made_by is None
    assert set(synthetic) <= set(real.made)


def test_texts_are_taken_in_too(made: Workspace, tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number}.txt").write_text(f"Note {number}: granite lies on slate here.")
    made.ingest([tmp_path], "notes")
    made.train_model("gru", "notes", "gru", {"steps": 2, "batch": 2, "width": 8, "context": 16})
    told = made.sample("gru", "Granite", tokens=30, count=3, ingest="notes")
    assert told.ingested is not None
    assert told.ingested.items.added == 3
    texts = [made.show(item.item_id).text for item in made.items("notes") if item.synthetic]
    assert len(set(texts)) == 3
    assert texts[0] == f"Granite{told.text}".strip()
    answer = made.ask("What lies on slate?", "notes")
    assert answer.found
    cited = {made.show(citation.item_id).metadata.get("synthetic") for citation in answer.citations}
    assert cited == {None}
    assert made.search("granite", "notes", synthetic="only", mode="keyword").hits


def test_what_cannot_be_taken_in_changes_nothing(made: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="a name of letters"):
        made.sample("vae", ingest="no/name")
    assert "no/name" not in {info.name for info in made.datasets()}


def test_they_stay_marked_in_copies_and_versions_made_anew(made: Workspace) -> None:
    made.fork("squares@2", "again")
    assert made.log("again")[0].synthetic == 4
    made.fork("squares@1", "before")
    assert made.log("before")[0].synthetic == 0
    made.restore("again@1")
    assert made.log("again")[0].synthetic == 4
    (one, *_) = [item for item in made.items("again") if item.synthetic]
    made.delete("again", [one.item_id])
    assert made.log("again")[0].synthetic == 3
    assert len(made.search("", "again", image=made.original(one.item_id).content, k=50).hits) == 30
    assert made.doctor().healthy


def test_a_marked_file_stays_marked_elsewhere(made: Workspace, tmp_path: Path) -> None:
    (tmp_path / "drawn.png").write_bytes(made.sample("vae").media)
    made.ingest([tmp_path], "elsewhere")
    (item,) = made.items("elsewhere")
    assert item.synthetic == "vae@1"
    with ragstone.open(
        tmp_path / "copy", create=True, encoder=made._encoders.chosen(), ingestion={"workers": 0}
    ) as other:
        made.export("squares", tmp_path / "export")
        other.import_dataset(tmp_path / "export", "squares")
        assert other.log("squares")[0].synthetic == 4
        assert len(other.search("square", "squares", k=50).hits) == 30


def test_what_models_made_of_what_is_forgotten_is_named(made: Workspace) -> None:
    items = made.items("squares")
    synthetic = [item.item_id for item in items if item.synthetic]
    made.fork("squares", "kept")
    receipt = made.forget([items[0].item_id], models=True)
    assert receipt.deleted == ["vae@1"]
    assert set(synthetic) <= set(receipt.made)
    traced = made.trace(synthetic[0])
    assert traced.made_by is not None
    assert not traced.made_by.known
    assert made.log("squares")[0].synthetic == 4
    assert made.forgotten()[0].made == receipt.made
