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
    ("GET", "/v1/datasets"),
    ("GET", "/v1/datasets/rocks/versions"),
    ("GET", "/v1/datasets/rocks/items"),
    ("POST", "/v1/search"),
    ("POST", "/v1/ask"),
    ("GET", "/v1/show/0123456789"),
    ("GET", "/v1/quarantine"),
    ("POST", "/v1/datasets/rocks/delete"),
]
BODIES = {
    "/v1/search": {"query": "granite", "dataset": "rocks"},
    "/v1/ask": {"question": "What is granite?", "dataset": "rocks"},
    "/v1/datasets/rocks/delete": {"items": ["0123456789"]},
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
        (method.upper(), path.replace("{name}", "rocks").replace("{id}", "0123456789"))
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
