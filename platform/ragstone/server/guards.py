"""What every route asks for: the workspace, and that its caller may do what it does."""

# Without `from __future__ import annotations`: FastAPI reads the annotations as values, and those
# of a nested function could not be looked up by name.
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from ragstone.errors import Forbidden, Unauthenticated
from ragstone.server.auth import (
    WORKSPACE,
    Action,
    Principal,
    Resource,
    allowed,
    dataset_resource,
    identify,
)
from ragstone.server.models import ErrorResponse
from ragstone.workspace import Workspace


def guarded(route_class: type[APIRoute] = APIRoute) -> APIRouter:
    """Return a router for routes that need the token."""
    return APIRouter(
        prefix="/v1",
        route_class=route_class,
        responses={"4XX": {"model": ErrorResponse}, "5XX": {"model": ErrorResponse}},
    )


def whole_workspace() -> Resource:
    """The resource of a route that is about no dataset in particular."""
    return WORKSPACE


def named_dataset(name: str) -> Resource:
    """The dataset in the path."""
    return dataset_resource(name)


def named_record(id: str) -> Resource:  # noqa: A002
    """The item, chunk, answer or job in the path."""
    return Resource("record", id)


def may(
    action: Action, resource_of: Callable[..., Resource | list[Resource]] = whole_workspace
) -> Any:
    """Return the dependency that lets a route run only when its caller may do `action`.

    `resource_of` says on what; on all of them, when it gives several.
    """

    def check(
        principal: Annotated[Principal, Depends(_principal)],
        about: Annotated[Resource | list[Resource], Depends(resource_of)],
    ) -> None:
        for resource in about if isinstance(about, list) else [about]:
            if not allowed(principal, action, resource):
                raise Forbidden(principal.name, action.value, str(resource))

    return Depends(check)


def _workspace(request: Request) -> Workspace:
    workspace: Workspace = request.app.state.workspace
    return workspace


def _principal(request: Request) -> Principal:
    principal = identify(request.headers.get("Authorization"), request.app.state.token)
    if principal is None:
        raise Unauthenticated
    return principal


Owned = Annotated[Workspace, Depends(_workspace)]
Caller = Annotated[Principal, Depends(_principal)]
