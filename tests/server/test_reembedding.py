"""Re-embedding by a real server: killed half-way, cancelled, searched meanwhile, compared."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import httpx
import pytest

import ragstone
from ragstone.client import Client
from ragstone.encoders.base import TextEncoder
from ragstone.errors import EncoderUnavailable, InvalidArgument, JobDied, UnknownDataset
from ragstone.schemas.api import JobInfo, ReembedProgress, ReembedResult
from ragstone.workspace import Workspace

from .test_jobs import MANY, Server, client_post, folder, server, wait_until, worker_of, write_files

__all__ = ["folder", "server"]  # fixtures


@pytest.fixture
def model(tmp_path: Path, encoder: TextEncoder) -> Path:
    """The folder of a model without weights: hashing needs none."""
    made = tmp_path / "model"
    made.mkdir()
    shutil.copy(encoder.tokenizer_file, made)
    (made / "model.safetensors").write_bytes(b"")
    (made / "config.json").write_text(
        json.dumps({"hidden_size": 16, "max_position_embeddings": 128})
    )
    return made


def under_way(info: JobInfo) -> bool:
    return isinstance(info.progress, ReembedProgress) and info.progress.done >= 30


def ingested(server: Server, tmp_path: Path) -> None:
    """Fill the dataset `stones`, and end the server, whose process has encoded too much."""
    server.gate.unlink()
    with server.start() as client:
        client.ingest(write_files(tmp_path / "many", MANY), "stones")
    server.end()
    server.gate.touch()


def vector_files(workspace: Path, parts: str) -> set[int]:
    """Return the inodes of the vectors in parts: a part that is switched to is linked."""
    return {path.stat().st_ino for path in workspace.glob(f"{parts}/*/vectors-*.npy")}


def names(client: Client, reference: str) -> list[str]:
    hits = client.search("Stone 7 is unlike all others", reference, mode="vector", k=3).hits
    return [hit.name for hit in hits]


def test_a_process_of_its_own_opens_a_model_that_was_trained_here(
    server: Server, tmp_path: Path, encoder: TextEncoder
) -> None:
    ingested(server, tmp_path)
    small = {"steps": 2, "context": 32, "width": 16, "layers": 1, "tokens": 300}
    with ragstone.open(server.workspace, encoder=encoder) as ws:
        trained = ws.train_model("bert", "stones", "reads", small)
    with server.start() as client:
        done = client.reembed("stones", "model:reads")
        assert done.encoder == "model:reads@1"
        assert trained.digest[:8] in done.space
        assert len(names(client, "stones")) == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_survives_the_end_of_its_server(
    server: Server, tmp_path: Path, model: Path, number: signal.Signals
) -> None:
    ingested(server, tmp_path)
    with server.start() as client:
        job = client.submit_reembed("stones", str(model), message="hashed anew").job
        wait_until(client, job, under_way)
        assert [version.version for version in client.log("stones")] == [1]
    server.end(number)
    staged = vector_files(server.workspace, f"jobs/{job}/parts")
    assert len(staged) >= 3
    server.open_gate()
    with server.start() as client:
        done = client.follow(job)
        assert (done.state, done.kind, done.message) == ("done", "reembed", "hashed anew")
        assert isinstance(done.result, ReembedResult)
        assert 30 <= done.result.resumed < done.result.chunks == MANY
        new, old = client.log("stones")
        assert (new.content, new.space) == (old.content, done.result.space)
        assert names(client, "stones")[0] == "007.txt"
        kept = vector_files(server.workspace, "datasets/*/parts")
        assert staged <= kept, "what was embedded before is what was switched to"
        assert client.ingest(tmp_path / "many", "stones").items.unchanged == MANY
        assert client.doctor().healthy
    assert list((server.workspace / "jobs").iterdir()) == []


def test_searches_go_on_meanwhile_and_it_can_be_taken_back(
    server: Server, tmp_path: Path, model: Path
) -> None:
    ingested(server, tmp_path)
    with server.start() as client:
        before = names(client, "stones")
        job = client.submit_reembed("stones", str(model)).job
        wait_until(client, job, under_way)
        assert names(client, "stones") == before
        gone = client.items("stones", limit=1)[0]
        assert client.delete("stones", [gone.item_id]).version == 2
        assert client.cancel(job).state == "cancelled"
        assert not (server.workspace / "jobs" / job).exists()
        assert client.log("stones")[0].space == client.log("stones")[1].space
        server.open_gate()
        done = client.retry(job)
        assert isinstance(done.result, ReembedResult)
        assert (done.state, done.result.resumed, done.result.version) == ("done", 0, 3)
        assert client.doctor().healthy


def test_one_whose_process_died_is_retried(server: Server, tmp_path: Path, model: Path) -> None:
    ingested(server, tmp_path)
    with server.start() as client:
        job = client.submit_reembed("stones", str(model)).job
        wait_until(client, job, under_way)
        os.kill(worker_of(server), signal.SIGKILL)
        with pytest.raises(JobDied, match="got the signal SIGKILL"):
            client.reembedded(job)
        server.open_gate()
        done = client.retry(job)
        assert isinstance(done.result, ReembedResult)
        assert done.result.resumed >= 30


def test_both_spaces_are_compared(
    server: Server, folder: Path, model: Path, tmp_path: Path
) -> None:
    """Hashed vectors find a text only by itself, so such are the queries."""
    (tmp_path / "q.jsonl").write_text(
        json.dumps({"_id": "1", "text": "Stone 7 is unlike all others"})
    )
    (tmp_path / "r.tsv").write_text("1\t007.txt\t1\n")
    server.gate.unlink()
    with server.start() as client:
        client.ingest(folder, "stones")
        kept = client.add_golden("stones", tmp_path / "q.jsonl", tmp_path / "r.tsv")
        assert client.golden("stones") == kept
        made = client.reembed("stones", str(model), if_better=True)
        assert made.switched
        assert made.comparison is not None
        for quality in (made.comparison.before, made.comparison.after):
            assert quality.modes["vector"] == {"ndcg@10": 1.0, "recall@10": 1.0}
        assert client.job(made.job).result == made
        assert client.evaluate_retrieval("stones").modes["vector"]["ndcg@10"] == 1
        client.clear_golden("stones")
        assert client.golden("stones") == []


def test_wrong_calls_make_no_job(server: Server, folder: Path, model: Path) -> None:
    server.gate.unlink()
    with server.start() as client:
        client.ingest(folder, "stones")
        with pytest.raises(InvalidArgument, match="another encoder than 'stones' has"):
            client.reembed("stones", "all-MiniLM-L6-v2")
        with pytest.raises(EncoderUnavailable, match="neither a folder nor a model"):
            client.reembed("stones", "nobody/no-such-model")
        with pytest.raises(UnknownDataset, match="pebbles"):
            client.reembed("pebbles", str(model))
        with pytest.raises(InvalidArgument, match="golden queries to compare on"):
            client.reembed("stones", str(model), if_better=True)
        answer = client_post(server, "/datasets/stones/reembed", {"encoder": str(model)})
        assert answer.status_code == 202
        assert (answer.json()["kind"], answer.json()["sources"]) == ("reembed", [])
        second = client.submit_reembed("stones", str(model)).job
        client.follow(answer.json()["job"])
        with pytest.raises(InvalidArgument, match="another encoder than 'stones' has"):
            client.reembedded(second)
        assert len(client.log("stones")) == 2


def test_routes_of_golden_queries(http: httpx.Client, owned: Workspace, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps({"_id": "1", "text": "hard stone"}))
    (tmp_path / "r.tsv").write_text("1\tgranite.md\t1\n")
    body = {"queries": str(tmp_path / "q.jsonl"), "qrels": str(tmp_path / "r.tsv")}
    query = {"query_id": "1", "query": "hard stone", "documents": {"granite.md": 1}}
    http.delete("/datasets/rocks/golden")  # of other tests
    expected = [{**query, "feedback": []}]
    assert http.post("/datasets/rocks/golden", json=body).json() == expected
    assert http.get("/datasets/rocks/golden").json() == expected
    measured = http.post("/datasets/rocks/evaluate", json={}).json()
    assert "queries" in measured, measured
    assert (measured["queries"], measured["modes"]["hybrid"]["ndcg@10"]) == (1, 1.0)
    relative = http.post("/datasets/rocks/golden", json={**body, "qrels": "r.tsv"})
    assert (relative.status_code, relative.json()["error"]["code"]) == (400, "invalid_argument")
    assert http.request("DELETE", "/datasets/rocks/golden").json() == []
    assert owned.golden("rocks") == []
    refused = http.post("/datasets/rocks/evaluate", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_argument")


def test_a_half_written_model_is_an_error_of_the_call(
    server: Server, folder: Path, model: Path
) -> None:
    (model / "tokenizer.json").unlink()
    server.gate.unlink()
    with server.start() as client:
        client.ingest(folder, "stones")
        with pytest.raises(EncoderUnavailable, match=r"tokenizer\.json"):
            client.reembed("stones", str(model))
        assert [job.kind for job in client.jobs()] == ["ingest"]
