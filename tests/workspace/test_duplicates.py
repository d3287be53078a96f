"""Duplicates through the façade: found at the commit, named, hidden, shown again, never lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, UnknownId
from ragstone.schemas.api import DuplicateGroup, ItemCounts
from ragstone.workspace import Workspace

_WORDS = [f"{a}{b}{c}" for a in ("gra", "sla", "mar", "cha") for b in "niteble" for c in "xyz"]


def text(seed: int, changed: Sequence[int] = ()) -> str:
    """Return 120 words that depend on `seed` alone, but for those at the places `changed`."""
    drawn = random.Random(seed).choices(_WORDS, k=120)  # noqa: S311
    return " ".join(f"other{place}" if place in changed else w for place, w in enumerate(drawn))


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in texts.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def visible(workspace: Workspace, reference: str = "stones") -> set[str]:
    return {item.name for item in workspace.items(reference)}


def groups(workspace: Workspace, reference: str = "stones") -> list[tuple[str, set[str], set[str]]]:
    """Return kind, members and visible members of each group."""
    return [
        (group.kind, {m.name for m in group.members}, {m.name for m in group.members if m.visible})
        for group in workspace.duplicates(reference).groups
    ]


NEAR = {"b.txt": text(1), "a.txt": text(1, [60]), "c.txt": text(2)}


def test_a_near_duplicate_is_named_and_hidden(workspace: Workspace, tmp_path: Path) -> None:
    result = workspace.ingest(write(tmp_path / "in", NEAR), "stones")
    assert result.items == ItemCounts(added=3)
    assert (result.duplicates.pairs, result.duplicates.hidden) == (1, 1)
    assert visible(workspace) == {"a.txt", "c.txt"}
    assert groups(workspace) == [("text", {"a.txt", "b.txt"}, {"a.txt"})]
    (listed,) = workspace.duplicates("stones").groups
    group = workspace.duplicate_group("stones", listed.group)
    (pair,) = group.pairs
    assert 0 < pair.distance <= 0.2
    assert pair.evidence["jaccard"] == pytest.approx(1 - pair.distance)
    assert group.saved == (tmp_path / "in" / "b.txt").stat().st_size
    assert workspace.log("stones")[0].items == 2


def test_hidden_items_are_not_found_and_come_back(workspace: Workspace, tmp_path: Path) -> None:
    workspace.ingest(write(tmp_path / "in", NEAR), "stones")
    before = workspace.search(text(1), "stones", k=20)
    assert {hit.name for hit in before.hits} == {"a.txt", "c.txt"}
    workspace.set_duplicate_policy("stones", undo=True)
    assert visible(workspace) == {"a.txt", "b.txt", "c.txt"}
    for mode in ("keyword", "vector", "hybrid"):
        found = workspace.search(text(1), "stones", k=20, mode=mode)
        assert found.hits[0].name == "b.txt"
        assert {hit.name for hit in found.hits} == {"a.txt", "b.txt", "c.txt"}
    assert workspace.search(text(1), "stones@1", k=20).hits == before.hits
    assert visible(workspace, "stones@1") == {"a.txt", "c.txt"}
    workspace.set_duplicate_policy("stones", keep={"text": "first"})
    assert visible(workspace) == {"a.txt", "c.txt"}
    assert [v.version for v in workspace.log("stones")] == [3, 2, 1]
    assert workspace.log("stones")[0].content == workspace.log("stones")[2].content
    assert workspace.doctor().healthy


def test_new_data_meets_old_data(workspace: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"b.txt": NEAR["b.txt"], "c.txt": NEAR["c.txt"]})
    workspace.ingest(folder, "stones")
    write(folder, {"a.txt": NEAR["a.txt"]})
    result = workspace.ingest(folder, "stones")
    assert (result.items.added, result.items.unchanged) == (1, 2)
    assert result.duplicates.hidden == 1
    assert visible(workspace) == {"a.txt", "c.txt"}, "the kept one does not depend on the order"
    assert visible(workspace, "stones@1") == {"b.txt", "c.txt"}
    assert workspace.doctor().healthy


def test_running_again_does_nothing(workspace: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", NEAR)
    workspace.ingest(folder, "stones")
    again = workspace.ingest(folder, "stones")
    assert again.items == ItemCounts(unchanged=3)
    assert (again.version, again.duplicates.pairs) == (1, 0)


def test_markup_is_no_difference(workspace: Workspace, tmp_path: Path) -> None:
    page = f"<html><body><p>{text(1)}</p></body></html>"
    folder = write(tmp_path / "in", {"page.html": page, "plain.txt": f"{text(1)}\n"})
    workspace.ingest(folder, "stones")
    (found,) = groups(workspace)
    assert found == ("exact", {"page.html", "plain.txt"}, {"page.html"})


def test_the_threshold_can_be_changed_without_reading(workspace: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.txt": text(1), "b.txt": text(1, [20, 40, 60, 80])})
    workspace.ingest(folder, "stones")
    assert visible(workspace) == {"a.txt", "b.txt"}  # J is about 0.7
    (folder / "a.txt").unlink()
    (folder / "b.txt").unlink()
    workspace.set_duplicate_policy("stones", thresholds={"text": 0.4})
    assert visible(workspace) == {"a.txt"}
    report = workspace.duplicates("stones")
    assert report.policy["text"] == {"keep": "first", "threshold": 0.4}
    assert [(k.kind, k.groups, k.hidden) for k in report.kinds] == [("text", 1, 1)]


def test_the_best_one_can_be_kept(workspace: Workspace, tmp_path: Path) -> None:
    longer = f"{text(1)} {text(1)[:100]}"
    folder = write(tmp_path / "in", {"a.txt": text(1), "b.txt": longer})
    workspace.ingest(folder, "stones")
    workspace.set_duplicate_policy("stones", keep={"text": "best", "exact": "best"})
    assert visible(workspace) == {"b.txt"}


def test_deleting_the_kept_one_shows_the_other(workspace: Workspace, tmp_path: Path) -> None:
    workspace.ingest(write(tmp_path / "in", NEAR), "stones")
    (kept,) = [item for item in workspace.items("stones") if item.name == "a.txt"]
    workspace.delete("stones", [kept.item_id])
    assert visible(workspace) == {"b.txt", "c.txt"}
    assert workspace.search(text(1), "stones").hits[0].name == "b.txt"
    assert workspace.doctor().healthy


def test_forgetting_one_of_two(workspace: Workspace, tmp_path: Path) -> None:
    workspace.ingest(write(tmp_path / "in", NEAR), "stones")
    (listed,) = workspace.duplicates("stones").groups
    (hidden,) = [member for member in listed.members if not member.visible]
    workspace.forget([hidden.item_id])
    assert groups(workspace) == []
    assert visible(workspace) == {"a.txt", "c.txt"}
    assert workspace.doctor().healthy


def test_duplicates_survive_a_rebuilt_catalog(workspace: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", NEAR)
    workspace.ingest(folder, "stones")
    before = workspace.duplicates("stones")
    workspace.doctor(rebuild=True)
    assert workspace.duplicates("stones") == before
    write(folder, {"d.txt": text(1, [70])})
    assert workspace.ingest(folder, "stones").duplicates.hidden == 2
    assert visible(workspace) == {"a.txt", "c.txt"}


def test_a_fork_keeps_its_duplicates(workspace: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", NEAR)
    workspace.ingest(folder, "stones")
    workspace.fork("stones", "pebbles")
    assert groups(workspace, "pebbles") == groups(workspace)
    workspace.set_duplicate_policy("pebbles", undo=True)
    assert visible(workspace, "pebbles") == {"a.txt", "b.txt", "c.txt"}
    assert visible(workspace) == {"a.txt", "c.txt"}
    assert workspace.doctor().healthy


@pytest.mark.parametrize("order", [("a.txt", "b.txt", "d.txt"), ("d.txt", "a.txt", "b.txt")])
def test_any_order_keeps_the_same(
    workspace: Workspace, tmp_path: Path, order: tuple[str, ...]
) -> None:
    texts = {"a.txt": text(1, [60]), "b.txt": text(1), "d.txt": text(1, [30])}
    for number, name in enumerate(order):
        folder = write(tmp_path / f"in{number}", {})
        # The source decides what is first: one folder for all.
        (tmp_path / "all").mkdir(exist_ok=True)
        (tmp_path / "all" / name).write_text(texts[name])
        workspace.ingest(tmp_path / "all", "stones")
        folder.rmdir()
    assert groups(workspace) == [("text", {"a.txt", "b.txt", "d.txt"}, {"a.txt"})]


def test_semantic_duplicates_only_when_asked_for(
    workspace: Workspace, tmp_path: Path, encoder: TextEncoder
) -> None:
    one = "The granite quarry was closed in 1972 because of the noise."
    other = "Because of the noise, the granite quarry was closed in 1972."
    folder = write(tmp_path / "in", {"a.txt": one, "b.txt": other, "c.txt": "Cats sleep a lot."})
    workspace.ingest(folder, "stones")
    assert groups(workspace) == []
    vectors = encoder.encode_documents([one, other])
    distance = 1 - float(vectors[0] @ vectors[1])
    wide = {"semantic": distance + 0.02}
    workspace.set_duplicate_policy("stones", keep={"semantic": "first"}, thresholds=wide)
    assert groups(workspace) == [("semantic", {"a.txt", "b.txt"}, {"a.txt"})]
    assert workspace.doctor().healthy


def test_calibration_from_labelled_pairs(workspace: Workspace, tmp_path: Path) -> None:
    workspace.ingest(write(tmp_path / "in", NEAR), "stones")
    rows = ["text_a,text_b,label"]
    rows += [f"The {w} quarry is open today,The quarry of {w} is open today,1" for w in _WORDS]
    rows += [f"The {w} quarry is open today,Cats sleep under the {w} tree,0" for w in _WORDS]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(rows))
    found = workspace.calibrate_duplicates("stones", pairs=path)
    assert (found.pairs, found.duplicates) == (2 * len(_WORDS), len(_WORDS))
    assert found.proposed is not None
    assert 0 < found.proposed < 0.6
    with pytest.raises(InvalidArgument, match="text_a, text_b and label"):
        workspace.calibrate_duplicates("stones", pairs=tmp_path / "in" / "a.txt")


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"keep": {"smell": "first"}}, "exact, text, image, audio, semantic"),
        ({"keep": {"text": "luckiest"}}, "first, best, newest, all"),
        ({"thresholds": {"text": 1.5}}, "from 0 to 1"),
    ],
)
def test_wrong_rules_are_refused(
    workspace: Workspace, tmp_path: Path, rules: dict[str, dict[str, object]], problem: str
) -> None:
    workspace.ingest(write(tmp_path / "in", NEAR), "stones")
    with pytest.raises(InvalidArgument, match=problem):
        workspace.set_duplicate_policy("stones", **rules)  # type: ignore[arg-type]
    assert len(workspace.log("stones")) == 1


def test_unknown_group(workspace: Workspace, tmp_path: Path) -> None:
    workspace.ingest(write(tmp_path / "in", NEAR), "stones")
    with pytest.raises(UnknownId, match="text-0000"):
        workspace.duplicate_group("stones", "text-0000")
    (listed,) = workspace.duplicates("stones").groups
    assert isinstance(workspace.duplicate_group("stones", listed.group), DuplicateGroup)
