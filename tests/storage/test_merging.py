"""Merging: which segments there are, of vectors and of keywords, and what many versions cost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap64

from ragstone.errors import DamagedFile
from ragstone.storage import parts
from ragstone.storage.doctor import examine
from ragstone.storage.keyword_segments import KeywordDocument, Workbench
from ragstone.storage.keywords import Generations, read_keys, write_generation
from ragstone.storage.manifests import GenerationRef, Manifest
from ragstone.storage.merging import FAN_IN, LARGEST, SMALLEST, due
from ragstone.storage.store import Store
from ragstone.storage.vectors import PART_SUFFIX, SUFFIX

from .conftest import SPACE, by_words, commit, fill, remove, unit_vectors

Opener = Callable[[], Store]
WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]


# ---------------------------------------------------------------- what is due


@dataclass(frozen=True)
class Step:
    """A segment as `due` sees it."""

    held: int
    size: int


def of(*sizes: int) -> list[Step]:
    return [Step(size, size) for size in sizes]


def test_nothing_is_due_below_the_fan_in() -> None:
    assert due(of(20_000, *[200] * (FAN_IN - 1)), 2) == []


def test_small_ones_are_merged_and_the_large_ones_let_be() -> None:
    assert due(of(20_000, *[200] * FAN_IN, 3_000), 2) == of(*[200] * FAN_IN)


def test_one_that_is_half_dead_is_written_anew_by_itself() -> None:
    assert due([Step(1_000, 500), Step(1_000, 499)], 2) == [Step(1_000, 499)]


def test_none_grows_over_the_largest() -> None:
    chosen = due(of(*[LARGEST // 4] * FAN_IN), 2)
    assert len(chosen) == 4
    assert due(of(*[LARGEST // 2 + 1] * FAN_IN), 2) == []


# ---------------------------------------------------------------- keywords


def passage(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=8))


class Grown:
    """A keyword index that grew step by step, beside the texts that it must hold."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.draw = root, random.Random(seed)  # noqa: S311  # no secret
        self.texts: dict[int, str] = {}
        self.made: list[GenerationRef] = []
        self.keys: list[list[int]] = []

    def step(self, count: int, gone: int) -> GenerationRef:
        """Write a generation with `count` chunks more, and without `gone` of the old ones."""
        old = self.draw.sample(sorted(self.texts), gone)
        first = max(self.texts, default=-1) + 1
        fresh = {key: passage(self.draw) for key in range(first, first + count)}
        made = write_generation(
            self.root,
            self.root,
            self.made[-1] if self.made else None,
            (KeywordDocument(key, {"heading": "", "text": t}) for key, t in fresh.items()),
            old,
        )
        self.texts = {k: t for k, t in self.texts.items() if k not in old} | fresh
        self.made.append(made)
        self.keys.append(sorted(self.texts))
        return made


def segments_in(root: Path, generation: GenerationRef) -> list[dict[str, object]]:
    meta = json.loads((root / generation.path / "meta.json").read_bytes())
    return list(meta["segments"])


def test_a_grown_index_holds_what_it_should_in_few_segments(tmp_path: Path) -> None:
    grown = Grown(tmp_path, 3)
    grown.step(600, 0)
    for _ in range(3 * FAN_IN):
        grown.step(20, 9)
        assert len(segments_in(tmp_path, grown.made[-1])) <= FAN_IN
    for generation, keys in zip(grown.made, grown.keys, strict=True):
        assert read_keys(tmp_path / generation.path) == keys
        assert generation.chunks == len(keys)
    opened = Generations(tmp_path)
    for word in WORDS[::10]:
        expected = {key for key, text in grown.texts.items() if word in text.split()}
        found = by_words(opened, grown.made[-1], [word], 999)
        assert set(found.keys.tolist()) == expected
    rows = opened.fetch(grown.made[-1], grown.keys[-1][:30])
    assert {key: row["text"] for key, row in rows.items()} == {
        key: grown.texts[key] for key in grown.keys[-1][:30]
    }


def test_a_generation_holds_the_files_of_its_segments_and_no_others(tmp_path: Path) -> None:
    grown = Grown(tmp_path, 4)
    for _ in range(FAN_IN + 3):
        made = grown.step(20, 5 if grown.texts else 0)
        names = {path.name for path in (tmp_path / made.path).iterdir()}
        assert names == set(made.files)
        stems = {str(s["segment_id"]).replace("-", "") for s in segments_in(tmp_path, made)}
        assert {name.split(".")[0] for name in names} == {*stems, "meta"}
        deletions = [name for name in names if name.endswith(".del")]
        assert len(deletions) == sum(bool(s["deletes"]) for s in segments_in(tmp_path, made))


def test_large_segments_are_linked_not_written_again(tmp_path: Path) -> None:
    grown = Grown(tmp_path, 5)
    first = grown.step(SMALLEST, 0)
    for _ in range(2 * FAN_IN):
        last = grown.step(10, 0)
    for name in first.files:
        if name != "meta.json":
            assert (tmp_path / first.path / name).samefile(tmp_path / last.path / name)


def test_mostly_dead_keyword_segments_are_written_anew(tmp_path: Path) -> None:
    grown = Grown(tmp_path, 6)
    grown.step(100, 0)
    (segment,) = segments_in(tmp_path, grown.step(0, 75))
    assert segment["max_doc"] == 100
    (segment,) = segments_in(tmp_path, grown.step(0, 1))
    assert segment["max_doc"] == 24
    assert segments_in(tmp_path, grown.step(0, 24)) == []
    assert segments_in(tmp_path, grown.step(3, 0))[0]["max_doc"] == 3


def test_tantivy_merges_nothing_by_itself(tmp_path: Path) -> None:
    """Else segments would be written that `due` did not choose."""
    bench = Workbench(tmp_path)
    for number in range(20):
        bench.add([KeywordDocument(number, {"heading": "", "text": "slate"})])
    bench.delete(range(0, 20, 5))
    assert len(bench.segments) == 16
    assert bench.close() == 16
    assert read_keys(tmp_path) == [key for key in range(20) if key % 5]


def test_index_that_tantivy_merged_itself_goes_on(tmp_path: Path) -> None:
    """As earlier releases wrote them: with `.managed.json`, and files that nobody needs."""
    grown = Grown(tmp_path, 7)
    made = grown.step(50, 0)
    folder = tmp_path / made.path
    (folder / ".managed.json").write_text(json.dumps(sorted(made.files)))
    stray = f"{'0' * 32}.store"
    (folder / stray).write_bytes(b"left over")
    promised = next(iter(made.files.values()))
    grown.made[-1] = GenerationRef(
        made.path, made.chunks, {**made.files, ".managed.json": promised, stray: promised}
    )
    last = grown.step(5, 1)
    assert {".managed.json", stray}.isdisjoint(last.files)
    assert read_keys(tmp_path / last.path) == grown.keys[-1]
    assert (folder / stray).exists()


# ---------------------------------------------------------------- vectors in their part


def nearest(store: Store, manifest: Manifest, text: str) -> list[tuple[int, float]]:
    live = store.live_chunks(manifest.dataset_id, manifest.version)
    return store.segments.search(manifest.segments, unit_vectors([text])[0], 9, live).pairs()


def test_few_vectors_stay_in_their_part_until_they_are_merged(open_store: Opener) -> None:
    store = open_store()
    made = [commit(store, {f"s{n}": f"Slate {n}. Chalk {n}"}) for n in range(FAN_IN)]
    suffixes = [Path(segment.path).suffix for segment in made[-2].segments]
    assert suffixes == [SUFFIX, *[PART_SUFFIX] * (FAN_IN - 2)]
    assert [Path(segment.path).suffix for segment in made[-1].segments] == [SUFFIX]
    before = [nearest(store, manifest, "Chalk 3") for manifest in made]
    assert before[-1] == before[-2]
    assert before[-1][0][1] == pytest.approx(1, abs=1e-3)
    store = open_store()
    assert [nearest(store, manifest, "Chalk 3") for manifest in made] == before
    assert examine(store).findings == []


def test_vectors_in_a_part_score_as_in_a_segment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {f"s{n}": f"Slate {n}. Chalk {n}. Marble {n}" for n in range(20)}
    for name in ("docs", "other"):
        commit(store, {"first": "Granite is coarse"}, name)
    there = commit(store, texts)
    monkeypatch.setattr("ragstone.storage.changes.SMALLEST", 0)
    here = commit(store, texts, "other")
    assert there.segments[-1].path.endswith(PART_SUFFIX)
    assert here.segments[-1].path.endswith(SUFFIX)
    for query in ("Slate 4", "Marble", "Granite"):
        assert nearest(store, there, query) == nearest(store, here, query)
    for one, other in zip(
        store.segments.contents(there.segments[-1]),
        store.segments.contents(here.segments[-1]),
        strict=True,
    ):
        assert one.tobytes() == other.tobytes()


def test_many_parts_make_a_segment(store: Store) -> None:
    commit(store, {"first": "Granite is coarse"})
    with store.change("docs", SPACE) as change:
        fill(store, change, {"a": "Slate splits"})
        fill(store, change, {"b": "Chalk is soft"})
        manifest = store.commit(change, "two parts", "settings")
    assert manifest.segments[-1].path.endswith(SUFFIX)


def test_damaged_vectors_of_a_part_are_refused_not_searched(open_store: Opener) -> None:
    store = open_store()
    commit(store, {"first": "Granite is coarse"})
    manifest = commit(store, {"second": "Slate splits"})
    path = store.root / manifest.segments[-1].path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    store = open_store()
    with pytest.raises(DamagedFile, match="bytes have changed"):
        nearest(store, manifest, "Slate")
    (finding,) = [f for f in examine(store).findings if f.check == "files"]
    assert finding.where == manifest.segments[-1].path
    assert "backup" in finding.remedy


def test_dead_vectors_of_parts_leave_with_a_merge(store: Store) -> None:
    commit(store, {"first": "Granite is coarse"})
    commit(store, {"a": "Slate splits. Slate is grey. Slate is thin"})
    manifest = remove(store, "a")
    assert [segment.vectors for segment in manifest.segments] == [1]
    keys = [key for key, _ in nearest(store, manifest, "Slate splits")]
    assert keys == [0]
    assert store.live_chunks(manifest.dataset_id, manifest.version) is None
    table = parts.read_table(store.root / manifest.parts[-1].path, "chunks", ["chunk_key"])
    assert BitMap64(np.asarray(table["chunk_key"])) == BitMap64([1, 2, 3])
