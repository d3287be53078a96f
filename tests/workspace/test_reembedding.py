"""Re-embedding in the calling process: resumed, compared, switched; and golden queries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import ragstone
from ragstone.encoders.base import TextEncoder, Vectors
from ragstone.encoders.text import SentenceEncoder
from ragstone.errors import (
    EncoderUnavailable,
    InvalidArgument,
    SpaceMismatch,
    UnknownDataset,
    UnknownSource,
    VersionConflict,
)
from ragstone.jobs.folder import JobFolder
from ragstone.schemas.api import GoldenQuery, ItemCounts, JobInfo, ReembedProgress, ReembedResult
from ragstone.storage.parts import spaces_of
from ragstone.workspace import Workspace

from .test_jobs import FILES, IN_A_PART, Watched, write_files

TEXTS = {
    "granite.md": "# Granite\n\nGranite is a hard stone made of quartz, feldspar and mica.",
    "basalt.md": "# Basalt\n\nBasalt is a dark rock that volcanoes pour out as lava.",
    "bread.md": "# Bread\n\nFlour, water and yeast are kneaded, left to rise and baked.",
    "sailing.md": "# Sailing\n\nA boat cannot go straight into the wind; it has to tack.",
}
QUERIES = {
    "q1": ("which minerals are in the hard stone", {"granite.md": 2, "basalt.md": 0}),
    "q2": ("what comes out of an erupting mountain", {"basalt.md": 1}),
    "q3": ("how does one make a loaf in the oven", {"bread.md": 1}),
    "q4": ("steering a yacht against the breeze", {"sailing.md": 1}),
}


class Spy:
    """Notes what named encoders embed, and calls `before` before each part."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls = 0
        self.before: Callable[[int], None] = lambda _: None


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    made, real = Spy(), SentenceEncoder.encode_documents

    def noted(
        self: SentenceEncoder, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        made.calls += 1
        made.before(made.calls)
        made.texts += texts
        return real(self, texts, on_batch)

    monkeypatch.setattr(SentenceEncoder, "encode_documents", noted)
    return made


@pytest.fixture
def watched(encoder: TextEncoder) -> Watched:
    return Watched(encoder)


@pytest.fixture
def open_small(tmp_path: Path, watched: Watched) -> Callable[[], Workspace]:
    """Opens one workspace again and again; its parts are small, its vectors hashes."""

    def opened() -> Workspace:
        settings = {"workers": 0, "part_chunks": IN_A_PART}
        path = tmp_path / "workspace"
        return ragstone.open(path, create=True, encoder=watched, ingestion=settings)

    return opened


@pytest.fixture
def ws(open_small: Callable[[], Workspace]) -> Iterator[Workspace]:
    with open_small() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "files")


def found(ws: Workspace, reference: str) -> list[tuple[str, float]]:
    hits = ws.search("Stone 7 is unlike", reference, mode="vector", k=5).hits
    return [(hit.chunk_id, hit.score) for hit in hits]


def spaces(ws: Workspace, dataset: str = "stones") -> set[str]:
    """Return the spaces of the vectors that the newest version really holds."""
    head = ws._store.head(dataset)
    held = {s for part in head.parts for s in spaces_of(part)} | {s.space for s in head.segments}
    for part in head.parts:
        assert (ws.path / part.path / f"vectors-{head.space}.npy").exists()
    return held | {head.space}


def last(ws: Workspace) -> JobInfo:
    return ws.job(ws.jobs()[0].job)


# ---------------------------------------------------------------- the switch


def test_every_chunk_gets_a_vector_of_the_new_encoder(
    ws: Workspace, folder: Path, small_model: Path
) -> None:
    ws.ingest(folder, "stones")
    before, heard = found(ws, "stones"), list[ReembedProgress]()
    made = ws.reembed("stones", str(small_model), message="smaller", on_progress=heard.append)
    assert (made.version, made.switched, made.chunks, made.resumed) == (2, True, FILES, 0)
    assert made.comparison is None
    new, old = ws.log("stones")
    assert (new.message, new.space, made.space) == ("smaller", made.space, new.space)
    assert (new.content, new.items, new.chunks) == (old.content, old.items, old.chunks)
    assert made.space_before == old.space != new.space
    text = (folder / "007.txt").read_text().rstrip(".")
    best = ws.search(text, "stones", mode="vector", k=1).hits[0]
    assert best.name == "007.txt"
    assert best.score > 0.97  # the mark at the end is not looked for
    assert found(ws, "stones@1") == before
    assert spaces(ws) == {made.space}
    assert ws.diff("stones").reembedded
    assert not ws.diff("stones").resettled
    assert ws.diff("stones").counts.same == FILES
    assert ws.doctor().healthy
    assert [event.done for event in heard] == sorted(event.done for event in heard)
    assert (heard[-1].done, heard[-1].total) == (FILES, FILES)
    job = last(ws)
    assert (job.kind, job.state, job.encoder) == ("reembed", "done", str(small_model))
    assert job.result == made
    assert list((ws.path / "jobs").iterdir()) == []


def test_what_has_not_changed_is_not_read_again_after_it(
    ws: Workspace, folder: Path, small_model: Path, spy: Spy, watched: Watched
) -> None:
    ws.ingest(folder, "stones")
    ws.reembed("stones", str(small_model))
    spy.texts.clear()
    watched.texts.clear()
    again = ws.ingest(folder, "stones")
    assert (again.version, again.items) == (2, ItemCounts(unchanged=FILES))
    (folder / "new.txt").write_text("Slate splits into thin plates.")
    more = ws.ingest(folder, "stones")
    assert (more.version, more.items) == (3, ItemCounts(added=1, unchanged=FILES))
    assert spy.texts == ["Slate splits into thin plates."]
    assert watched.texts == []
    assert len(spaces(ws)) == 1
    assert (
        ws.search("Slate splits into thin plates.", "stones", mode="vector", k=1).hits[0].score
        > 0.97
    )
    assert ws.doctor().healthy


def test_there_and_back_again(ws: Workspace, folder: Path, small_model: Path) -> None:
    ws.ingest(folder, "stones")
    before = found(ws, "stones")
    ws.reembed("stones", str(small_model))
    ws.restore("stones@1")
    assert found(ws, "stones") == before
    assert ws.reembed("stones", str(small_model)).version == 4
    assert ws.doctor().healthy


def test_an_old_workspace_opens_the_encoder_by_what_its_version_says(
    open_small: Callable[[], Workspace], folder: Path, small_model: Path
) -> None:
    with open_small() as first:
        first.ingest(folder, "stones")
        first.reembed("stones", str(small_model))
        results = found(first, "stones")
    with open_small() as second:
        assert found(second, "stones") == results


def test_a_folder_may_be_named_from_here(
    ws: Workspace, folder: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws.ingest(folder, "stones")
    monkeypatch.chdir(small_model.parent)
    ws.reembed("stones", small_model.name)
    monkeypatch.chdir(folder)
    assert last(ws).encoder == str(small_model)
    assert ws.ingest(folder, "stones").items.unchanged == FILES


def test_wrong_calls_make_no_job(ws: Workspace, folder: Path, small_model: Path) -> None:
    ws.ingest(folder, "stones")
    with pytest.raises(InvalidArgument, match="expected another encoder than 'stones' has"):
        ws.reembed("stones", "all-MiniLM-L6-v2")
    with pytest.raises(EncoderUnavailable, match="neither a folder nor a model"):
        ws.reembed("stones", "nobody/no-such-model")
    with pytest.raises(UnknownDataset, match="pebbles"):
        ws.reembed("pebbles", str(small_model))
    with pytest.raises(InvalidArgument, match="the name or the folder of a model"):
        ws.reembed("stones", " ")
    with pytest.raises(InvalidArgument, match="golden queries to compare on"):
        ws.reembed("stones", str(small_model), if_better=True)
    assert [job.kind for job in ws.jobs()] == ["ingest"]
    assert len(ws.log("stones")) == 1


# ---------------------------------------------------------------- cut off


def interrupt(ws: Workspace, spy: Spy, model: Path, call: int = 4) -> JobInfo:
    def before(number: int) -> None:
        if number == call:
            raise KeyboardInterrupt

    spy.before = before
    with pytest.raises(KeyboardInterrupt):
        ws.reembed("stones", str(model))
    spy.before = lambda _: None
    return last(ws)


def test_the_same_call_goes_on_where_it_was_interrupted(
    ws: Workspace, folder: Path, small_model: Path, spy: Spy
) -> None:
    ws.ingest(folder, "stones")
    before = found(ws, "stones")
    cut = interrupt(ws, spy, small_model)
    assert (cut.state, cut.error) == ("interrupted", None)
    assert len(spy.texts) == 3 * IN_A_PART
    assert (found(ws, "stones"), len(ws.log("stones"))) == (before, 1)
    assert ws.doctor().healthy
    made = ws.reembed("stones", str(small_model))
    assert (made.job, made.chunks, made.resumed) == (cut.job, FILES, 3 * IN_A_PART)
    assert len(spy.texts) == len(set(spy.texts)) == FILES, "nothing is embedded twice"
    assert ws.doctor().healthy


def test_retry_goes_on_after_the_workspace_was_opened_again(
    open_small: Callable[[], Workspace], folder: Path, small_model: Path, spy: Spy
) -> None:
    with open_small() as first:
        first.ingest(folder, "stones")
        cut = interrupt(first, spy, small_model)
    with open_small() as second:
        done = second.retry(cut.job)
        assert isinstance(done.result, ReembedResult)
        assert (done.state, done.result.resumed) == ("done", 3 * IN_A_PART)
    assert len(spy.texts) == FILES


def test_a_cancelled_job_starts_anew(
    ws: Workspace, folder: Path, small_model: Path, spy: Spy
) -> None:
    ws.ingest(folder, "stones")
    cut = interrupt(ws, spy, small_model)
    assert ws.cancel(cut.job).state == "cancelled"
    assert not (ws.path / "jobs" / cut.job).exists()
    done = ws.retry(cut.job)
    assert isinstance(done.result, ReembedResult)
    assert (done.state, done.result.resumed) == ("done", 0)


def test_a_damaged_part_is_embedded_again(
    ws: Workspace, folder: Path, small_model: Path, spy: Spy
) -> None:
    ws.ingest(folder, "stones")
    cut = interrupt(ws, spy, small_model)
    damaged = sorted(JobFolder(ws.path, cut.job).parts.glob("*/vectors-*.npy"))[1]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    assert ws.reembed("stones", str(small_model)).resumed == 2 * IN_A_PART
    assert ws.doctor().healthy


@pytest.mark.parametrize(("number", "kept"), [(0, 0), (FILES - 1, 3 * IN_A_PART)])
def test_what_was_erased_meanwhile_does_not_come_back(
    ws: Workspace, folder: Path, small_model: Path, spy: Spy, number: int, kept: int
) -> None:
    """An item of the first part has a new vector already; one of the last has none."""
    ws.ingest(folder, "stones")
    interrupt(ws, spy, small_model)
    gone = ws.items("stones")[number]
    ws.forget([gone.item_id])
    made = ws.reembed("stones", str(small_model))
    assert (made.chunks, made.resumed) == (FILES - 1, kept)
    assert gone.name not in {item.name for item in ws.items("stones")}
    assert ws.doctor().healthy


def test_a_switch_that_nobody_heard_of_is_found(
    open_small: Callable[[], Workspace],
    folder: Path,
    small_model: Path,
    spy: Spy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off between the version and the job's row."""

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with open_small() as first:
        first.ingest(folder, "stones")
        monkeypatch.setattr(first._jobs._records, "done", cut_off)
        with pytest.raises(KeyboardInterrupt):
            first.reembed("stones", str(small_model))
    spy.texts.clear()
    with open_small() as second:
        made = second.reembed("stones", str(small_model))
        assert (made.version, made.switched, len(second.log("stones"))) == (2, True, 2)
        assert last(second).state == "done"
    assert spy.texts == []


# ---------------------------------------------------------------- others at the same time


def test_what_came_meanwhile_is_embedded_too(
    ws: Workspace, folder: Path, small_model: Path, spy: Spy, tmp_path: Path
) -> None:
    ws.ingest(folder, "stones")
    (tmp_path / "slate.txt").write_text("Slate splits into thin plates.")
    gone = ws.items("stones")[0]

    def change_it(call: int) -> None:
        if call == 3:
            ws.ingest(tmp_path / "slate.txt", "stones")
            ws.delete("stones", [gone.item_id])

    spy.before = change_it
    made = ws.reembed("stones", str(small_model))
    assert (made.version, made.resumed) == (4, FILES)
    assert len(spy.texts) == len(set(spy.texts)) == FILES + 1, "only what is new, the second time"
    names = {item.name for item in ws.items("stones")}
    assert names == {f"{number:03}.txt" for number in range(1, FILES)} | {"slate.txt"}
    assert len(spaces(ws)) == 1
    assert ws.doctor().healthy


def test_a_dataset_that_changes_all_the_time_is_a_conflict(
    ws: Workspace, folder: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ragstone.jobs import reembed

    ws.ingest(folder, "stones")
    items = iter(ws.items("stones"))
    real = reembed.embed

    def embed_and_change(*values: object) -> object:
        made = real(*values)  # type: ignore[arg-type]
        ws.delete("stones", [next(items).item_id])
        return made

    monkeypatch.setattr(reembed, "embed", embed_and_change)
    with pytest.raises(VersionConflict, match="'stones'"):
        ws.reembed("stones", str(small_model))
    assert last(ws).state == "failed"
    monkeypatch.setattr(reembed, "embed", real)
    made = ws.reembed("stones", str(small_model))
    assert made.switched
    assert made.resumed == made.chunks > 0
    assert ws.doctor().healthy


def test_an_ingestion_that_began_before_the_switch_never_mixes_vectors(
    ws: Workspace, folder: Path, small_model: Path, watched: Watched
) -> None:
    ws.ingest(folder / "000.txt", "stones")

    def switch(call: int) -> None:
        if call == 4:
            watched.before = lambda _: None
            ws.reembed("stones", str(small_model))

    watched.before = switch
    with pytest.raises(SpaceMismatch, match="stones"):
        ws.ingest(folder, "stones")
    job = next(job.job for job in ws.jobs() if job.state == "failed")
    done = ws.retry(job)
    assert done.state == "done"
    assert ws.log("stones")[0].items == FILES
    assert len(spaces(ws)) == 1
    assert ws.doctor().healthy


# ---------------------------------------------------------------- golden queries


def write_judged(folder: Path, queries: dict[str, tuple[str, dict[str, int]]]) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"_id": key, "text": text}) for key, (text, _) in queries.items()]
    rows = [f"{key}\t{name}\t{n}" for key, (_, all_) in queries.items() for name, n in all_.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]))
    return folder / "queries.jsonl", folder / "qrels.tsv"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def judged(workspace: Workspace, texts: Path, tmp_path: Path) -> Workspace:
    """A workspace with the real encoder and a dataset with golden queries."""
    workspace.ingest(texts, "texts")
    workspace.add_golden("texts", *write_judged(tmp_path / "judged", QUERIES))
    return workspace


def test_golden_queries_are_kept_replaced_and_taken_away(judged: Workspace, tmp_path: Path) -> None:
    first = judged.golden("texts")
    assert first[0] == GoldenQuery("q1", QUERIES["q1"][0], {"granite.md": 2, "basalt.md": 0})
    assert [query.query_id for query in first] == ["q1", "q2", "q3", "q4"]
    changed = {"q2": ("lava", {"basalt.md": 3}), "q9": ("dough", {"bread.md": 1})}
    after = judged.add_golden("texts", *write_judged(tmp_path / "more", changed))
    assert [query.query_id for query in after] == ["q1", "q2", "q3", "q4", "q9"]
    assert after[1] == GoldenQuery("q2", "lava", {"basalt.md": 3})
    assert judged.golden("texts") == after
    judged.clear_golden("texts")
    assert judged.golden("texts") == []


def test_golden_queries_are_of_one_dataset_and_survive_a_rebuilding(
    judged: Workspace, texts: Path
) -> None:
    judged.ingest(texts, "others")
    kept = judged.golden("texts")
    assert judged.golden("others") == []
    judged.doctor(rebuild=True)
    assert judged.golden("texts") == kept
    with pytest.raises(UnknownDataset, match="nothing"):
        judged.golden("nothing")


def test_golden_queries_that_name_nothing_are_refused(judged: Workspace, tmp_path: Path) -> None:
    wrong = write_judged(tmp_path / "wrong", {"q": ("lava", {"cake.md": 1})})
    with pytest.raises(InvalidArgument, match="judgements of items by their names"):
        judged.add_golden("texts", *wrong)
    with pytest.raises(UnknownSource, match=r"nowhere\.tsv"):
        judged.add_golden("texts", wrong[0], tmp_path / "nowhere.tsv")
    assert len(judged.golden("texts")) == 4


def test_search_is_measured_with_them(judged: Workspace, tmp_path: Path) -> None:
    files = write_judged(tmp_path / "judged", QUERIES)
    assert (
        judged.evaluate_retrieval("texts").modes == judged.evaluate_retrieval("texts", *files).modes
    )
    with pytest.raises(InvalidArgument, match="queries and qrels go together"):
        judged.evaluate_retrieval("texts", files[0])
    judged.clear_golden("texts")
    with pytest.raises(InvalidArgument, match="ragstone golden texts"):
        judged.evaluate_retrieval("texts")


def test_both_spaces_are_compared_as_search_finds_in_them(
    judged: Workspace, small_model: Path
) -> None:
    made = judged.reembed("texts", str(small_model))
    comparison = made.comparison
    assert comparison is not None
    assert comparison.queries == 4
    assert (comparison.before.space, comparison.after.space) == (made.space_before, made.space)
    for version, quality in ((1, comparison.before), (2, comparison.after)):
        real = judged.evaluate_retrieval(f"texts@{version}", modes=["vector", "hybrid"])
        for mode, means in real.modes.items():
            assert quality.modes[mode]["ndcg@10"] == means["ndcg@10"]
    assert comparison.before.modes["vector"]["ndcg@10"] == 1
    assert comparison.after.modes["vector"]["ndcg@10"] < 1, "its weights are random"
    assert comparison.after.modes["vector"]["recall@10"] == 1, "there are four documents"
    assert last(judged).result == made


def test_a_worse_encoder_is_not_switched_to(judged: Workspace, small_model: Path) -> None:
    before = judged.log("texts")
    made = judged.reembed("texts", str(small_model), if_better=True)
    assert (made.switched, made.version, made.chunks) == (False, 1, 4)
    assert made.comparison is not None
    assert last(judged).state == "done"
    assert judged.log("texts") == before
    assert list((judged.path / "jobs").iterdir()) == []
    assert judged.doctor().healthy


def test_a_better_encoder_is_switched_to(judged: Workspace, small_model: Path) -> None:
    judged.reembed("texts", str(small_model))
    made = judged.reembed("texts", "all-MiniLM-L6-v2", if_better=True)
    assert (made.switched, made.version) == (True, 3)
    assert judged._store.head("texts").encoder == "all-MiniLM-L6-v2"
    best = judged.search("what comes out of an erupting mountain", "texts", mode="vector").hits[0]
    assert best.name == "basalt.md"


def test_golden_queries_of_deleted_items_do_not_stop_it(
    judged: Workspace, small_model: Path, tmp_path: Path
) -> None:
    judged.clear_golden("texts")
    one = write_judged(tmp_path / "one", {"q": ("loaf", {"bread.md": 1})})
    judged.add_golden("texts", *one)
    (bread,) = [item for item in judged.items("texts") if item.name == "bread.md"]
    judged.delete("texts", [bread.item_id])
    stays = judged.reembed("texts", str(small_model), if_better=True)
    assert (stays.switched, stays.comparison) == (False, None)
    assert "bread.md" in stays.note
    made = judged.reembed("texts", str(small_model))
    assert (made.switched, made.comparison, made.version) == (True, None, 3)


def test_an_old_encoder_that_is_gone_does_not_stop_it(
    judged: Workspace, small_model: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    import shutil

    moved = tmp_path / "moved"
    shutil.copytree(small_model, moved)
    judged.reembed("texts", str(moved))
    judged.close()
    shutil.rmtree(moved)
    with ragstone.open(judged.path, encoder=encoder) as ws:
        with pytest.raises(SpaceMismatch, match="moved"):
            ws.reembed("texts", "all-MiniLM-L6-v2", if_better=True)
        made = ws.reembed("texts", "all-MiniLM-L6-v2")
        assert made.switched
        assert made.comparison is not None
        assert made.comparison.before.modes == {}
        assert made.comparison.after.modes["vector"]["ndcg@10"] == 1
        assert made.note.startswith("the old space could not be searched")


def test_staged_vectors_are_searched_exactly(ws: Workspace, folder: Path) -> None:
    """Against a plain product of all vectors."""
    from ragstone.storage.reembedding import nearest

    ws.ingest(folder, "stones")
    ws.delete("stones", [ws.items("stones")[3].item_id])
    head = ws._store.head("stones")
    queries = np.random.default_rng(0).normal(size=(3, 384)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    made = nearest(ws.path, head, head.parts, head.space, queries, 7)
    live = ws._store.live_chunks(head.dataset_id, head.version)
    for query, best in zip(queries, made, strict=True):
        exact = ws._store.segments.search(head.segments, query, 7, live)
        assert best.keys.tolist() == exact.keys.tolist()
        assert best.scores == pytest.approx(exact.scores, abs=2e-6)
