"""Maps of versions: what the points are, and that they go with what they are of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ragstone import mapping
from ragstone.errors import InvalidArgument, UnknownField
from ragstone.mapping import principal_points, umap_points
from ragstone.workspace import Workspace

WORDS = ("granite quartz", "basalt lava", "chalk shells")


@pytest.fixture
def stones(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A dataset of 30 rows of three kinds."""
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": n, "text": f"{WORDS[n % 3]} number {n}", "kind": WORDS[n % 3], "year": 1990 + n}
        for n in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    workspace.ingest([path], "stones", text="text", id="id")
    return workspace


def files(ws: Workspace) -> list[Path]:
    return sorted(ws.path.glob("datasets/*/maps/*"))


def test_principal_components_are_those_of_the_singular_values() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    vectors[:, 3] *= 9
    points, explained = principal_points(vectors)
    centred = vectors - vectors.mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2] * singular[:2]
    for axis in (0, 1):
        same = np.abs(points[:, axis] @ expected[:, axis])
        assert same == pytest.approx(np.square(expected[:, axis]).sum(), rel=1e-4)
    assert explained == pytest.approx((singular**2 / (singular**2).sum())[:2].tolist(), abs=1e-4)
    mirrored, _ = principal_points(-vectors)
    assert np.allclose(mirrored, -points, atol=1e-4)  # the axes are the same ones


@pytest.mark.parametrize("count", [1, 2])
def test_few_items_have_their_place(workspace: Workspace, tmp_path: Path, count: int) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(count):
        (texts / f"{number}.txt").write_text(f"stone number {number}")
    workspace.ingest([texts], "few")
    found = workspace.projection("few")
    assert len(found.items) == len(found.x) == len(found.y) == found.placed == found.total == count


def test_items_of_a_kind_lie_together(stones: Workspace) -> None:
    found = stones.projection("stones", label="kind")
    assert (found.placed, found.total, found.sampled) == (30, 30, False)
    assert set(found.items) == {item.item_id for item in stones.items("stones")}
    assert sum(found.explained) > 0.2
    points, labels = np.array([found.x, found.y]).T, np.array(found.labels)
    centres = {kind: points[labels == kind].mean(0) for kind in WORDS}
    for point, label in zip(points, labels, strict=True):
        nearest = min(centres, key=lambda kind: float(np.linalg.norm(point - centres[kind])))
        assert nearest == label


def test_filters_choose_points_and_leave_them_where_they_are(stones: Workspace) -> None:
    whole = stones.projection("stones")
    found = stones.projection("stones", where=["year<1995"], label="year")
    places = dict(zip(whole.items, zip(whole.x, whole.y, strict=True), strict=True))
    assert len(found.items) == 5
    assert found.placed == 30
    assert [places[item] for item in found.items] == list(zip(found.x, found.y, strict=True))


def test_many_numbers_are_put_into_stretches(stones: Workspace) -> None:
    found = stones.projection("stones", label="year")
    years = {item.item_id: 1990 + n for n, item in enumerate(stones.items("stones"))}
    for item, label in zip(found.items, found.labels, strict=True):
        low, high = map(int, label.split(" to "))
        assert low <= years[item] < high
    assert 2 < len(set(found.labels)) <= 6


def test_of_many_items_a_sample_is_shown(
    stones: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "MOST", 10)
    found = stones.projection("stones")
    assert (len(found.items), found.placed, found.total, found.sampled) == (10, 10, 30, True)
    for file in files(stones):
        file.unlink()
    assert stones.projection("stones") == found


def test_images_have_a_space_of_their_own(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for shade in range(5):
        image = Image.linear_gradient("L").rotate(shade * 40)
        image.save(folder / f"{shade}.png")
    workspace.ingest([folder], "pictures")
    (space,) = workspace.spaces("pictures")
    assert space.startswith("image.")
    assert workspace.projection("pictures").space == space


def test_it_is_made_once_for_each_version(stones: Workspace) -> None:
    first = stones.projection("stones")
    (file,) = files(stones)
    written = file.stat().st_mtime_ns
    assert stones.projection("stones") == first
    assert file.stat().st_mtime_ns == written
    gone = first.items[0]
    stones.delete("stones", [gone])
    assert gone not in stones.projection("stones").items
    assert stones.projection("stones@1") == first
    assert len(files(stones)) == 2


def test_it_goes_with_its_version(stones: Workspace) -> None:
    stones.projection("stones")
    stones.delete("stones", [stones.items("stones")[0].item_id])
    stones.projection("stones")
    before = files(stones)
    stones.gc(keep=1)
    assert len(before) == 2
    assert len(files(stones)) == 1
    assert stones.doctor().healthy


def test_an_erased_item_is_on_no_map(stones: Workspace) -> None:
    gone = stones.projection("stones").items[0]
    stones.forget([gone])
    assert not any(gone.encode() in file.read_bytes() for file in files(stones))
    assert gone not in stones.projection("stones").items
    assert stones.doctor().healthy


def test_a_damaged_one_is_named_and_made_again(stones: Workspace) -> None:
    whole = stones.projection("stones")
    (file,) = files(stones)
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
    (finding,) = stones.doctor().findings
    assert (finding.check, finding.where) == ("maps", file.relative_to(stones.path).as_posix())
    assert stones.projection("stones") == whole  # and takes its place
    assert stones.doctor().healthy
    file.write_bytes(b"{")
    assert len(stones.doctor(rebuild=True).moved) == 1
    assert stones.doctor().healthy


def test_what_is_left_of_one_that_nobody_has_is_found(stones: Workspace) -> None:
    stones.projection("stones")
    (file,) = files(stones)
    file.rename(file.with_name(f"0123456789.{file.name}"))
    assert [finding.check for finding in stones.doctor().findings] == ["leftovers"]


def test_backups_leave_them_out(stones: Workspace, tmp_path: Path) -> None:
    stones.projection("stones")
    stones.backup(tmp_path / "backups")
    assert list((tmp_path / "backups").rglob("parts"))
    assert not list((tmp_path / "backups").rglob("maps"))


def test_umap_keeps_neighbours_together() -> None:
    pytest.importorskip("umap")
    random = np.random.default_rng(0)
    heaps = np.repeat(np.eye(3, 16), 30, axis=0) + random.normal(scale=0.05, size=(90, 16))
    vectors = (heaps / np.linalg.norm(heaps, axis=1, keepdims=True)).astype(np.float32)
    points = umap_points(vectors)
    assert points.shape == (90, 2)
    assert np.array_equal(points, umap_points(vectors))
    for point, heap in zip(points, np.repeat(range(3), 30), strict=True):
        apart = np.linalg.norm(points - point, axis=1)
        assert set(np.repeat(range(3), 30)[np.argsort(apart)[:20]]) == {heap}


def test_wrong_calls_say_what_is_wrong(stones: Workspace) -> None:
    for how in ({"method": "tsne"}, {"space": "nowhere"}):
        with pytest.raises(InvalidArgument):
            stones.projection("stones", **how)  # type: ignore[arg-type]
    with pytest.raises(UnknownField):
        stones.projection("stones", label="colour")
