"""docs/api.md shows every route, and its examples are what the server sends and takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from ragstone.schemas.api import (
    Answer,
    DatasetInfo,
    ItemDetail,
    ItemSummary,
    QuarantineInfo,
    SearchResult,
    VersionInfo,
    to_json,
)
from ragstone.server.app import create_app
from ragstone.server.models import AskRequest, DeleteRequest, Health, SearchRequest
from ragstone.workspace import Workspace

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = {
    name: body for name, body in re.findall(r"### `([^`]+)`\n(.*?)(?=\n##|\Z)", PAGE, re.DOTALL)
}
RESULTS: dict[str, Any] = {
    "GET /v1/health": Health,
    "GET /v1/datasets": list[DatasetInfo],
    "GET /v1/datasets/{name}/versions": list[VersionInfo],
    "GET /v1/datasets/{name}/items": list[ItemSummary],
    "POST /v1/search": SearchResult,
    "POST /v1/ask": Answer,
    "GET /v1/show/{id}": ItemDetail,
    "GET /v1/quarantine": list[QuarantineInfo],
    "POST /v1/datasets/{name}/delete": VersionInfo,
}
BODIES = {
    "POST /v1/search": SearchRequest,
    "POST /v1/ask": AskRequest,
    "POST /v1/datasets/{name}/delete": DeleteRequest,
}


def example(route: str, fence: str) -> str:
    found = re.findall(rf"```{fence}\n(.*?)```", SECTIONS[route], re.DOTALL)
    assert len(found) == 1, route
    return str(found[0])


def test_every_route_is_documented(workspace: Workspace) -> None:
    paths = create_app(workspace, "token").openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert served == set(SECTIONS) == set(RESULTS)


@pytest.mark.parametrize("route", RESULTS)
def test_a_result_has_the_fields_of_its_class(route: str) -> None:
    adapter = TypeAdapter(RESULTS[route])
    written = example(route, "json")
    value = adapter.validate_json(written)
    assert to_json(value) == TypeAdapter(Any).validate_json(written)


@pytest.mark.parametrize("route", BODIES)
def test_a_body_is_taken(route: str) -> None:
    BODIES[route].model_validate_json(example(route, "json request"))
