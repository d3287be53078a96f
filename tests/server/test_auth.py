"""Tokens, Host headers, and the one function that decides."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.client import Address
from ragstone.server.app import create_app
from ragstone.server.auth import (
    OWNER,
    WORKSPACE,
    Action,
    Principal,
    allowed,
    dataset_resource,
    identify,
)
from ragstone.server.hosts import bare_host
from ragstone.server.run import running
from ragstone.workspace import Workspace

GUARDED = [
    ("GET", "/v1/overview"),
    ("GET", "/v1/about"),
    ("GET", "/v1/usage"),
    ("PUT", "/v1/uploads/01ARZ3NDEKTSV4RRFFQ69G5FAV/rocks"),
    ("GET", "/v1/datasets"),
    ("GET", "/v1/datasets/rocks/versions"),
    ("GET", "/v1/datasets/rocks/items"),
    ("GET", "/v1/datasets/rocks/facets"),
    ("GET", "/v1/datasets/rocks/count"),
    ("GET", "/v1/datasets/rocks/fields"),
    ("GET", "/v1/datasets/rocks/spaces"),
    ("GET", "/v1/datasets/rocks/projection"),
    ("POST", "/v1/datasets/rocks/map"),
    ("GET", "/v1/datasets/rocks/histogram"),
    ("POST", "/v1/search"),
    ("POST", "/v1/similar"),
    ("POST", "/v1/ask"),
    ("GET", "/v1/generators"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/0123456789"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/show/0123456789"),
    ("GET", "/v1/answers/0123456789/explain"),
    ("POST", "/v1/answers/0123456789/replay"),
    ("POST", "/v1/answers/0123456789/feedback"),
    ("GET", "/v1/feedback"),
    ("POST", "/v1/feedback/0123456789/accept"),
    ("POST", "/v1/feedback/0123456789/reject"),
    ("POST", "/v1/feedback/export"),
    ("GET", "/v1/items/0123456789/trace"),
    ("GET", "/v1/items/0123456789/original"),
    ("GET", "/v1/items/0123456789/preview"),
    ("GET", "/v1/quarantine"),
    ("POST", "/v1/datasets/rocks/delete"),
    ("POST", "/v1/datasets/rocks/items/tags"),
    ("POST", "/v1/datasets/rocks/ingest"),
    ("POST", "/v1/datasets/rocks/reembed"),
    ("POST", "/v1/datasets/rocks/sync"),
    ("POST", "/v1/datasets/rocks/quarantine/retry"),
    ("POST", "/v1/datasets/rocks/quarantine/drop"),
    ("GET", "/v1/datasets/rocks/duplicates"),
    ("GET", "/v1/datasets/rocks/duplicates/text-0123"),
    ("POST", "/v1/datasets/rocks/duplicates/policy"),
    ("POST", "/v1/datasets/rocks/duplicates/calibrate"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/0123456789"),
    ("GET", "/v1/jobs/0123456789/events"),
    ("POST", "/v1/jobs/0123456789/cancel"),
    ("POST", "/v1/jobs/0123456789/retry"),
    ("GET", "/v1/diff"),
    ("GET", "/v1/datasets/rocks/tags"),
    ("POST", "/v1/datasets/rocks/tag"),
    ("POST", "/v1/datasets/rocks/untag"),
    ("POST", "/v1/datasets/rocks/fork"),
    ("POST", "/v1/datasets/rocks/restore"),
    ("POST", "/v1/forget"),
    ("GET", "/v1/forgets"),
    ("POST", "/v1/gc"),
    ("POST", "/v1/datasets/rocks/export"),
    ("POST", "/v1/datasets/rocks/import"),
    ("POST", "/v1/backup"),
    ("GET", "/v1/datasets/rocks/golden"),
    ("POST", "/v1/datasets/rocks/golden"),
    ("DELETE", "/v1/datasets/rocks/golden"),
    ("POST", "/v1/datasets/rocks/evaluate"),
    ("POST", "/v1/datasets/rocks/evaluate/answers"),
    ("POST", "/v1/datasets/rocks/gate"),
    ("GET", "/v1/datasets/rocks/evaluations"),
    ("GET", "/v1/evaluations/0123456789"),
    ("POST", "/v1/datasets/rocks/tune"),
    ("POST", "/v1/datasets/rocks/bench"),
    ("POST", "/v1/doctor"),
    ("GET", "/v1/answers"),
    ("GET", "/v1/items/0123456789/compare/9876543210"),
    ("GET", "/v1/items/0123456789/pages/0"),
    ("POST", "/v1/datasets/rocks/duplicates/preview"),
    ("POST", "/v1/datasets/rocks/golden/query"),
    ("GET", "/v1/families"),
    ("GET", "/v1/licences"),
    ("GET", "/v1/runs"),
    ("GET", "/v1/runs/0123456789"),
    ("POST", "/v1/datasets/rocks/train"),
    ("POST", "/v1/datasets/rocks/train/plan"),
    ("POST", "/v1/datasets/rocks/anomalies"),
    ("POST", "/v1/datasets/rocks/bias"),
    ("GET", "/v1/registry/damaged"),
    ("GET", "/v1/registry/models"),
    ("GET", "/v1/registry/models/pebble"),
    ("GET", "/v1/registry/models/pebble/card"),
    ("GET", "/v1/registry/models/pebble/copying"),
    ("GET", "/v1/registry/models/pebble/offer"),
    ("POST", "/v1/registry/models/pebble/evaluate"),
    ("POST", "/v1/registry/models/pebble/export"),
    ("POST", "/v1/registry/models/pebble/sample"),
]
NAMES = {
    "name": "rocks",
    "id": "0123456789",
    "group": "text-0123",
    "upload": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "model": "pebble",
    "run": "0123456789",
    "other": "9876543210",
    "page": "0",
}  # what stands for the parts of the paths
BODIES = {
    "/v1/search": {"query": "granite", "dataset": "rocks"},
    "/v1/similar": {"id": "0123456789"},
    "/v1/ask": {"question": "What is granite?", "dataset": "rocks"},
    "/v1/chat/completions": {
        "model": "rocks",
        "messages": [{"role": "user", "content": "What is granite?"}],
    },
    "/v1/answers/0123456789/feedback": {"good": True},
    "/v1/feedback/0123456789/accept": {},
    "/v1/feedback/export": {"file": "/data/q", "use": "reader"},
    "/v1/datasets/rocks/delete": {"items": ["0123456789"]},
    "/v1/datasets/rocks/ingest": {"sources": ["/data"]},
    "/v1/datasets/rocks/tag": {"tag": "printed"},
    "/v1/datasets/rocks/untag": {"tag": "printed"},
    "/v1/datasets/rocks/fork": {"name": "trial"},
    "/v1/datasets/rocks/restore": {},
    "/v1/forget": {"items": ["0123456789"]},
    "/v1/gc": {},
    "/v1/datasets/rocks/export": {"folder": "/data/out"},
    "/v1/datasets/rocks/import": {"folder": "/data/out"},
    "/v1/backup": {"target": "/data/out"},
    "/v1/datasets/rocks/reembed": {"encoder": "/data/model"},
    "/v1/datasets/rocks/sync": {},
    "/v1/datasets/rocks/quarantine/retry": {},
    "/v1/datasets/rocks/quarantine/drop": {"entries": ["0123456789"]},
    "/v1/datasets/rocks/duplicates/policy": {"undo": True},
    "/v1/datasets/rocks/duplicates/calibrate": {},
    "/v1/datasets/rocks/golden": {"queries": "/data/q", "qrels": "/data/r"},
    "/v1/datasets/rocks/evaluate": {"queries": "/data/q", "qrels": "/data/r"},
    "/v1/datasets/rocks/evaluate/answers": {"questions": "/data/q.jsonl"},
    "/v1/datasets/rocks/gate": {"min_ndcg": 0.5},
    "/v1/datasets/rocks/tune": {},
    "/v1/datasets/rocks/bench": {},
    "/v1/doctor": {},
}


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic dTpw", "Bearer", ""])
def test_every_guarded_route_needs_the_token(
    address: Address, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.request(
        method, address.url + path, headers=headers, json=BODIES.get(path), trust_env=False
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_all_routes_but_health_are_listed_above_and_guarded(owned: Workspace) -> None:
    paths = create_app(owned, "token").openapi()["paths"]
    listed = {
        (method.upper(), path.format_map(NAMES))
        for path, methods in paths.items()
        for method in methods
    }
    assert listed == {*GUARDED, ("GET", "/v1/health")}


def test_health_needs_no_token_and_tells_nothing(address: Address) -> None:
    answer = httpx.get(f"{address.url}/v1/health", trust_env=False)
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "version"}


def test_the_token_is_long_and_differs_between_servers(
    address: Address, workspace: Workspace
) -> None:
    with running(workspace) as second:
        assert second.token != address.token
        assert len(second.token) >= 43  # 32 bytes in base64


# ---------------------------------------------------------------- hosts


def _status(app: object, host: str) -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            return (await http.get("/v1/health", headers={"Host": host})).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("listening", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8400", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "LocalHost:1", 200),
        ("127.0.0.1", "[::1]:8400", 200),
        ("127.0.0.1", "evil.example", 400),
        ("127.0.0.1", "127.0.0.1.evil.example", 400),
        ("127.0.0.1", "localhost.evil.example:8400", 400),
        ("127.0.0.1", "10.0.0.7", 400),
        ("127.0.0.1", "", 400),
        ("box.lan", "box.lan:80", 200),
        ("box.lan", "other.lan", 400),
        ("0.0.0.0", "10.0.0.7:8400", 200),  # noqa: S104
        ("0.0.0.0", "evil.example", 400),  # noqa: S104
    ],
)
def test_only_own_names_pass_as_host(
    owned: Workspace, listening: str, host: str, status: int
) -> None:
    assert _status(create_app(owned, "token", host=listening), host) == status


def test_a_refused_host_gets_the_error_shape(address: Address) -> None:
    headers = {"Host": "evil.example", "Authorization": f"Bearer {address.token}"}
    answer = httpx.get(f"{address.url}/v1/datasets", headers=headers, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_argument"
    assert "evil.example" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("header", "host"),
    [("A.b:80", "a.b"), ("[::1]", "::1"), ("[2001:DB8::1]:80", "2001:db8::1"), (":80", "")],
)
def test_the_host_is_taken_out_of_the_header(header: str, host: str) -> None:
    assert bare_host(header) == host


# ---------------------------------------------------------------- pure functions


@pytest.mark.parametrize("action", Action)
def test_the_owner_may_do_all_and_a_guest_nothing(action: Action) -> None:
    for resource in (WORKSPACE, dataset_resource("rocks")):
        assert allowed(OWNER, action, resource)
        assert not allowed(Principal("somebody", "guest"), action, resource)


def test_rights_are_about_datasets_not_versions() -> None:
    assert dataset_resource("rocks@3") == dataset_resource("rocks")
    assert str(dataset_resource("rocks@3")) == "the dataset rocks"
    assert str(WORKSPACE) == "the workspace"


@given(st.text())
def test_no_header_but_the_token_identifies(header: str) -> None:
    assert identify(header, "a-secret") is None
    assert identify(f"Bearer {header}", "a-secret") is None
    assert identify("bearer a-secret", "a-secret") == OWNER
    assert identify(None, "a-secret") is None
