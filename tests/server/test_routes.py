"""Each route against the workspace method it calls, and the shape of failures."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ragstone.schemas.api import to_json
from ragstone.server.app import create_app
from ragstone.workspace import Workspace


def test_datasets(http: httpx.Client, owned: Workspace) -> None:
    assert http.get("/datasets").json() == to_json(owned.datasets())


def test_versions(http: httpx.Client, owned: Workspace) -> None:
    found = http.get("/datasets/rocks/versions").json()
    assert found == to_json(owned.log("rocks"))
    assert [version["message"] for version in found] == ["the second stone", "the first stone"]


def test_items_are_paged_and_take_a_version(http: httpx.Client, owned: Workspace) -> None:
    assert http.get("/datasets/rocks/items").json() == to_json(owned.items("rocks"))
    second = http.get("/datasets/rocks/items", params={"offset": 1, "limit": 1}).json()
    assert second == to_json(owned.items("rocks", offset=1, limit=1))
    assert len(http.get("/datasets/rocks@1/items").json()) == 1


def test_facets(http: httpx.Client, owned: Workspace) -> None:
    query = {"fields": ["modality", "language"], "where": ["modality=text"], "limit": 3}
    found = http.get("/datasets/rocks/facets", params=query).json()
    assert found == to_json(
        owned.facets("rocks", ["modality", "language"], where=["modality=text"], limit=3)
    )
    assert found[0]["values"] == [{"value": "text", "items": 2}]


@pytest.mark.parametrize("mode", ["keyword", "vector", "hybrid"])
def test_search(http: httpx.Client, owned: Workspace, mode: str) -> None:
    body = {"query": "hard stone", "dataset": "rocks", "k": 1, "mode": mode}
    found = http.post("/search", json=body).json()
    expected = owned.search("hard stone", "rocks", k=1, mode=mode)  # type: ignore[arg-type]
    assert found == to_json(expected)
    assert found["hits"][0]["title"] == "Granite"


def test_search_with_a_filter_and_a_version(http: httpx.Client) -> None:
    body = {"query": "stone", "dataset": "rocks@1", "where": ["modality=text"]}
    found = http.post("/search", json=body).json()
    assert (found["version"], len(found["hits"])) == (1, 1)


def test_ask_stores_an_answer_that_show_gives_back(http: httpx.Client) -> None:
    body = {"question": "What is granite made of?", "dataset": "rocks"}
    answer = http.post("/ask", json=body).json()
    assert answer["found"]
    assert "quartz" in answer["answer"]
    stored = http.get(f"/show/{answer['answer_id']}").json()
    assert stored["answer"] == answer
    assert "quartz" in stored["hits"][0]["text"]


def test_show_an_item_and_a_chunk(http: httpx.Client, owned: Workspace) -> None:
    item = owned.items("rocks")[0]
    shown = http.get(f"/show/{item.item_id}").json()
    assert shown == to_json(owned.show(item.item_id))
    chunk = shown["chunks"][0]["chunk_id"]
    assert http.get(f"/show/{chunk}").json() == to_json(owned.show(chunk))


def test_quarantine_of_all_and_of_one(http: httpx.Client, owned: Workspace) -> None:
    assert http.get("/quarantine").json() == to_json(owned.quarantine())
    found = http.get("/quarantine", params={"dataset": "rocks"}).json()
    assert found[0]["source"].endswith("broken.pdf")
    unknown = http.get("/quarantine", params={"dataset": "nothing"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_dataset")


def test_delete_publishes_a_version(http: httpx.Client, owned: Workspace, scrap: str) -> None:
    first = owned.items(scrap)[0]
    body = {"items": [first.item_id], "message": "one less"}
    version = http.post(f"/datasets/{scrap}/delete", json=body).json()
    assert (version["removed"], version["message"]) == (1, "one less")
    assert first.item_id not in {item.item_id for item in owned.items(scrap)}


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/datasets/nothing/versions", None, 404, "unknown_dataset"),
        ("GET", "/datasets/a/b/versions", None, 404, "unknown_dataset"),
        ("GET", "/datasets/rocks@99/items", None, 404, "unknown_version"),
        ("GET", "/datasets/rocks/items?limit=0", None, 400, "invalid_argument"),
        ("GET", "/datasets/rocks/items?offset=-1", None, 400, "invalid_argument"),
        ("GET", "/datasets/rocks/items?limit=x", None, 400, "invalid_argument"),
        ("GET", "/datasets/rocks/items?page=2", None, 400, "invalid_argument"),
        ("GET", "/show/0123456789", None, 404, "unknown_id"),
        ("GET", "/show/ab", None, 404, "unknown_id"),
        ("GET", "/show/", None, 404, "unknown_id"),
        ("GET", "/nowhere", None, 404, "not_found"),
        ("POST", "/datasets", None, 405, "invalid_input"),
        ("POST", "/search", {"query": "", "dataset": "rocks"}, 400, "invalid_query"),
        ("POST", "/search", {"query": "x", "dataset": "rocks", "k": -1}, 400, "invalid_argument"),
        ("POST", "/search", {"query": "x", "dataset": "rocks", "k": "5"}, 400, "invalid_argument"),
        ("POST", "/search", {"query": "x", "dataset": "rocks", "top": 5}, 400, "invalid_argument"),
        ("POST", "/search", {"query": "x"}, 400, "invalid_argument"),
        ("POST", "/search", {"query": "x", "dataset": "none"}, 404, "unknown_dataset"),
        (
            "POST",
            "/search",
            {"query": "x", "dataset": "rocks", "mode": "magic"},
            400,
            "invalid_argument",
        ),
        (
            "POST",
            "/search",
            {"query": "x", "dataset": "rocks", "where": ["?"]},
            400,
            "invalid_filter",
        ),
        ("POST", "/ask", {"question": " ", "dataset": "rocks"}, 400, "invalid_query"),
        ("POST", "/datasets/rocks/delete", {"items": ["0123456789"]}, 404, "unknown_id"),
        ("POST", "/datasets/rocks/delete", {"items": "abc"}, 400, "invalid_argument"),
    ],
)
def test_failures_have_a_code_a_message_and_a_way_out(
    http: httpx.Client, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message", "hint"}
    assert all(answer.json()["error"].values())


def test_an_unknown_key_is_named(http: httpx.Client) -> None:
    body = {"query": "x", "dataset": "rocks", "tpo": 5}
    assert "tpo" in http.post("/search", json=body).json()["error"]["message"]


def test_a_body_that_is_no_json(http: httpx.Client) -> None:
    answer = http.post("/search", content=b'{"query', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_argument")


def test_a_long_refused_value_is_cut(http: httpx.Client) -> None:
    body = {"query": "x", "dataset": "rocks", "mode": "m" * 100_000}
    assert len(http.post("/search", json=body).text) < 1_000


def test_a_defect_is_reported_without_its_details(owned: Workspace) -> None:
    """A closed workspace stands for any bug: it raises something that is no RagstoneError."""

    class Broken:
        path, settings = owned.path, owned.settings

        def datasets(self) -> None:
            msg = "the password is 1234"
            raise RuntimeError(msg)

    async def ask() -> httpx.Response:
        app = create_app(Broken(), "token")  # type: ignore[arg-type]
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Authorization": "Bearer token"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.get("/v1/datasets", headers=headers)

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "error")
    assert "1234" not in answer.text


# ---------------------------------------------------------------- together


def test_many_searches_at_once_agree(http: httpx.Client) -> None:
    bodies = [
        {"query": query, "dataset": "rocks", "mode": mode}
        for query in ("hard stone", "volcanic rock", "magma", "crystals")
        for mode in ("keyword", "hybrid")
    ]
    alone = [http.post("/search", json=body).json() for body in bodies]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda body: http.post("/search", json=body).json(), bodies * 4))
    assert together == alone * 4
