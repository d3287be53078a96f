"""The client gives what the workspace gives: results, and errors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone import errors
from ragstone.client import Address, Client, RemoteError, connect, find_server
from ragstone.schemas.answers import StoredAnswer
from ragstone.schemas.api import ChunkDetail, ItemDetail, MapResult
from ragstone.workspace import Workspace

READS: dict[str, Callable[[Any], Any]] = {
    "datasets": lambda ws: ws.datasets(),
    "log": lambda ws: ws.log("rocks"),
    "items": lambda ws: ws.items("rocks"),
    "items of a page": lambda ws: ws.items("rocks@2", offset=1, limit=1),
    "items of a filter, sorted, with their beginnings": lambda ws: ws.items(
        "rocks", where=["modality=text"], order="-name", snippet=20, synthetic=False
    ),
    "items that models made": lambda ws: ws.items("rocks", synthetic="only"),
    "how many items": lambda ws: ws.count_items("rocks", where=["name~basalt"]),
    "facets": lambda ws: ws.facets("rocks", ["modality"], where=["name~basalt"]),
    "embedding spaces": lambda ws: ws.spaces("rocks"),
    "a map": lambda ws: ws.projection("rocks", label="modality", where=["name~basalt"]),
    "fields": lambda ws: ws.fields("rocks"),
    "histogram": lambda ws: ws.histogram("rocks", "size", where=["modality=text"], bins=3),
    "search": lambda ws: ws.search("hard stone", "rocks"),
    "search by words": lambda ws: ws.search("stone", "rocks@1", k=3, mode="keyword"),
    "search in vain": lambda ws: ws.search("zyzzyva", "rocks", mode="keyword"),
    "search page by page": lambda ws: ws.search(
        "stone", "rocks", k=1, after=ws.search("stone", "rocks", k=1).next
    ),
    "search by item, with neighbours": lambda ws: ws.search(
        "stone", ["rocks"], offset=1, group=True, neighbours=1
    ),
    "more like an item": lambda ws: ws.similar(ws.items("rocks")[0].item_id, k=2),
    "more like a chunk, in another version": lambda ws: ws.similar(
        ws.search("stone", "rocks").hits[0].chunk_id, where=["modality=text"], dataset="rocks@1"
    ),
    "chunk with its neighbours": lambda ws: ws.show(
        ws.search("stone", "rocks").hits[0].chunk_id, around=1
    ),
    "search with a filter": lambda ws: ws.search("stone", "rocks", where=["modality=text"]),
    "quarantine": lambda ws: ws.quarantine(),
    "quarantine of one": lambda ws: ws.quarantine("rocks"),
}
FAILURES: dict[str, Callable[[Any], Any]] = {
    "unknown dataset": lambda ws: ws.log("nothing"),
    "a name with a slash": lambda ws: ws.log("a/b"),
    "a name that is a folder": lambda ws: ws.log(".."),
    "unknown version": lambda ws: ws.items("rocks@99"),
    "no items": lambda ws: ws.items("rocks", limit=0),
    "unknown order": lambda ws: ws.items("rocks", order="-weight"),
    "filters that are a text": lambda ws: ws.count_items("rocks", where="modality=text"),
    "a map of no kind": lambda ws: ws.projection("rocks", method="tsne"),
    "a histogram of words": lambda ws: ws.histogram("rocks", "title"),
    "empty query": lambda ws: ws.search("", "rocks"),
    "negative k": lambda ws: ws.search("x", "rocks", k=-1),
    "no cursor": lambda ws: ws.search("x", "rocks", after="x"),
    "no dataset": lambda ws: ws.search("x", []),
    "a dataset twice": lambda ws: ws.search("x", ["rocks", "rocks@1"]),
    "no filter": lambda ws: ws.search("x", "rocks", where=["?"]),
    "unknown field": lambda ws: ws.search("x", "rocks", where=["weight>1"]),
    "unknown id": lambda ws: ws.show("0123456789"),
    "more like nothing": lambda ws: ws.similar("0123456789"),
    "short id": lambda ws: ws.show("ab"),
    "an id that is an address": lambda ws: ws.show("http://x/?a=b#c"),
    "empty id": lambda ws: ws.show(""),
    "replay what is not there": lambda ws: ws.replay("0123456789"),
    "explain what is not there": lambda ws: ws.explain("0123456789"),
    "trace what is not there": lambda ws: ws.trace("0123456789"),
    "a page of answers that is none": lambda ws: ws.trace("0123456789", limit=0),
    "tag what is not there": lambda ws: ws.tag_items("rocks", ["0123456789"], add=["x"]),
    "tag with nothing": lambda ws: ws.tag_items("rocks", ["0123456789"]),
    "delete what is not there": lambda ws: ws.delete("rocks", ["0123456789"]),
}


@pytest.mark.parametrize("name", READS)
def test_results_equal_those_of_the_workspace(client: Client, owned: Workspace, name: str) -> None:
    assert READS[name](client) == READS[name](owned)


def test_show_gives_back_the_right_class(client: Client, owned: Workspace) -> None:
    item = client.show(owned.items("rocks")[0].item_id)
    assert isinstance(item, ItemDetail)
    assert item == owned.show(item.item_id)
    chunk = client.show(item.chunks[0].chunk_id)
    assert isinstance(chunk, ChunkDetail)
    assert chunk == item.chunks[0]


def test_ask_and_its_receipt(client: Client, owned: Workspace) -> None:
    answer = client.ask("What is granite made of?", "rocks", where=["modality=text"])
    stored = client.show(answer.answer_id)
    assert isinstance(stored, StoredAnswer)
    assert stored.answer == answer
    assert stored == owned.show(answer.answer_id)
    assert answer.created.tzinfo is not None


def test_an_answer_is_made_again_explained_and_traced(client: Client, owned: Workspace) -> None:
    answer = client.ask("What is granite made of?", "rocks")
    replay = client.replay(answer.answer_id)
    assert replay.same
    assert replay.seal == owned.replay(answer.answer_id).seal
    assert client.explain(answer.answer_id) == owned.explain(answer.answer_id)
    item = answer.citations[0].item_id
    traced = client.trace(item, limit=1)
    assert traced == owned.trace(item, limit=1)
    assert traced.answers[0].answer_id == answer.answer_id


def test_delete(client: Client, owned: Workspace, scrap: str) -> None:
    gone = [item.item_id for item in owned.items(scrap)]
    version = client.delete(scrap, gone, message="all of them")
    assert version == owned.log(scrap)[0]
    assert client.items(scrap) == []


def test_tags_of_items(client: Client, owned: Workspace, scrap: str) -> None:
    item = owned.items(scrap)[0].item_id
    version = client.tag_items(scrap, [item], add=["checked"], message="looked at")
    assert version == owned.log(scrap)[0]
    assert [one.item_id for one in client.items(scrap, where=["tags=checked"])] == [item]
    assert client.tag_items(scrap, [item], remove=["checked"]).version == version.version + 1


def test_a_map_that_takes_long_is_made_by_a_job(client: Client, owned: Workspace) -> None:
    pytest.importorskip("umap")
    with pytest.raises(errors.NoMap, match="no map of rocks@2"):
        client.projection("rocks", method="umap")
    job = client.follow(client.submit_map("rocks", method="umap").job)
    assert (job.kind, job.state, job.error) == ("map", "done", None)
    assert isinstance(job.result, MapResult)
    assert (job.result.version, job.result.method, job.result.placed) == (2, "umap", 2)
    found = client.projection("rocks", method="umap")
    assert found == owned.projection("rocks", method="umap")
    assert len(found.items) == 2


@pytest.mark.parametrize("name", FAILURES)
def test_errors_equal_those_of_the_workspace(client: Client, owned: Workspace, name: str) -> None:
    with pytest.raises(errors.RagstoneError) as here:
        FAILURES[name](owned)
    with pytest.raises(errors.RagstoneError) as there:
        FAILURES[name](client)
    assert type(there.value) is type(here.value)
    assert there.value.as_dict() == here.value.as_dict()


def test_a_wrong_token(address: Address) -> None:
    with (
        connect(address.url, "wrong") as client,
        pytest.raises(errors.Unauthenticated, match="no valid token"),
    ):
        client.datasets()


# ---------------------------------------------------------------- finding the server


def test_connect_by_the_workspace_folder(owned: Workspace, address: Address) -> None:
    with ragstone.connect(owned.path) as client:
        assert client.url == address.url
        assert client.datasets() == owned.datasets()


def test_connect_to_a_folder_that_nobody_serves(tmp_path: Path) -> None:
    with pytest.raises(errors.ServerUnavailable, match="no server has this workspace open"):
        connect(tmp_path)


@pytest.mark.parametrize(
    "record",
    ["", "[]", "{}", '{"pid": 1}', '{"url": "http://127.0.0.1:1", "token": "t", "pid": 1}'],
)
def test_an_owner_file_that_names_no_server(tmp_path: Path, record: str) -> None:
    (tmp_path / "owner.json").write_text(record, encoding="utf-8")
    assert find_server(tmp_path) is None


def test_a_dead_owner_is_not_believed(tmp_path: Path) -> None:
    """Its port may belong to somebody else by now, who must not get the token."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    record = {"host": socket.gethostname(), "url": "http://127.0.0.1:1", "token": "secret"}
    file = tmp_path / "owner.json"
    file.write_text(json.dumps(record | {"pid": dead.pid}), encoding="utf-8")
    assert find_server(tmp_path) is None
    file.write_text(json.dumps(record | {"pid": os.getpid()}), encoding="utf-8")
    assert find_server(tmp_path) == Address("http://127.0.0.1:1", "secret")


# ---------------------------------------------------------------- no server, or another one


def test_no_server_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with (
        connect(f"http://127.0.0.1:{port}", "t") as client,
        pytest.raises(errors.ServerUnavailable, match=f"No server answers at .*:{port}") as caught,
    ):
        client.datasets()
    assert caught.value.retryable
    assert "ragstone serve" in caught.value.hint


@contextmanager
def _stranger(status: int, body: bytes) -> Iterator[str]:
    """A server that is not Ragstone, or a newer one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_error_this_version_does_not_know() -> None:
    body = b'{"error": {"code": "too_hot", "message": "It burns", "hint": "Wait"}}'
    with _stranger(418, body) as url, connect(url, "t") as client:
        with pytest.raises(RemoteError, match="It burns") as caught:
            client.datasets()
        assert caught.value.as_dict() == {"code": "too_hot", "message": "It burns", "hint": "Wait"}
        assert caught.value.http_status == 418


@pytest.mark.parametrize("body", [b"<html>502</html>", b"[]", b'{"error": "no"}', b""])
def test_an_error_without_a_reason(body: bytes) -> None:
    with (
        _stranger(502, body) as url,
        connect(url, "t") as client,
        pytest.raises(RemoteError, match="answered 502 without saying why"),
    ):
        client.datasets()


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"a": 1}', b'[{"name": "x"}]'])
def test_a_server_that_speaks_something_else(body: bytes) -> None:
    with (
        _stranger(200, body) as url,
        connect(url, "t") as client,
        pytest.raises(errors.ServerUnavailable, match="does not speak this API"),
    ):
        client.datasets()


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://127.0.0.1:99999"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(errors.RagstoneError), connect(url, "t") as client:
        client.datasets()


def test_the_client_is_light() -> None:
    """Neither storage nor torch nor the server come with it."""
    code = (
        "import sys, ragstone.client;"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in"
        " {'torch', 'duckdb', 'faiss', 'tantivy', 'fastapi', 'numpy', 'streamlit'}"
        " or name.startswith(('ragstone.storage', 'ragstone.workspace', 'ragstone.server'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_models_made_is_found_on_demand_through_the_server(
    client: Client, owned: Workspace, tmp_path: Path
) -> None:
    rows = [
        {"text": "Chalk is soft and white.", "kind": "real"},
        {"text": "Chalk is hard and green.", "synthetic": {"model": "writer@1"}},
    ]
    (tmp_path / "chalk.jsonl").write_text("\n".join(map(json.dumps, rows)))
    owned.ingest([tmp_path / "chalk.jsonl"], "chalk", text="text")

    def texts(**how: Any) -> set[str]:
        hits = client.search("chalk", "chalk", mode="keyword", **how).hits
        return {hit.text.rpartition(" ")[2] for hit in hits}

    assert texts() == {"white."}
    assert texts(synthetic=True) == {"white.", "green."}
    assert texts(synthetic="only") == {"green."}
    real, made = client.items("chalk")
    assert (real.synthetic, made.synthetic) == ("", "writer@1")
    assert not client.similar(real.item_id).hits
    assert client.similar(real.item_id, synthetic=True).hits[0].item_id == made.item_id
    assert client.facets("chalk", ["modality"])[0].values[0].items == 1
    assert client.facets("chalk", ["modality"], synthetic=True)[0].values[0].items == 2
    answer = client.ask("Is chalk hard and green?", "chalk")
    assert made.item_id not in {citation.item_id for citation in answer.citations}
    answer = client.ask("Is chalk hard and green?", "chalk", synthetic="only")
    assert {citation.item_id for citation in answer.citations} <= {made.item_id}
    assert owned.log("chalk")[0].synthetic == 1
