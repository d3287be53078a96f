"""Who may do what: one principal per request, one pure function that decides."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ragstone.schemas.feedback import LOCAL_OWNER


class Action(StrEnum):
    """What a request wants to do; each route names one."""

    LIST = "list"  # see which datasets there are
    READ = "read"  # versions, items, texts, quarantine
    SEARCH = "search"
    ASK = "ask"
    RATE = "rate"  # say what an answer is worth
    REVIEW = "review"  # make golden queries of what was said
    DELETE = "delete"  # publish a version without some items
    LABEL = "label"  # publish a version in which items have other tags
    INGEST = "ingest"  # take files of the server's machine into a dataset
    WATCH = "watch"  # see which jobs there are, and how far
    TRAIN = "train"  # let models learn from a dataset
    SAMPLE = "sample"  # let models make things, also for datasets
    CANCEL = "cancel"  # take a job back, or have it tried again
    EVALUATE = "evaluate"  # measure search with files of the server's machine
    TUNE = "tune"  # learn how to search from such files, and publish a version
    BRANCH = "branch"  # tag, fork and restore versions
    ERASE = "erase"  # give versions up, and erase items for real
    COPY = "copy"  # write data to folders of the server's machine
    MEND = "mend"  # check the storage, and make what is derived anew


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls."""

    name: str
    kind: Literal["owner", "guest"]


OWNER = Principal(LOCAL_OWNER, "owner")


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is about."""

    kind: Literal["workspace", "dataset", "record"]
    name: str = ""  # of the dataset without its version, or the id of the record

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}".rstrip()


WORKSPACE = Resource("workspace")


def dataset_resource(reference: str) -> Resource:
    """Return the resource that `D` or `D@V` names; rights are given per dataset."""
    return Resource("dataset", reference.partition("@")[0])


def allowed(principal: Principal, action: Action, resource: Resource) -> bool:
    """Say whether `principal` may do `action` on `resource`: the owner may do all, others nothing.

    Pure, and the only place that decides; roles and grants come in here.
    """
    del action, resource  # every right of the owner is the same, until there are roles
    return principal.kind == "owner"


def identify(authorization: str | None, token: str) -> Principal | None:
    """Return the principal that an `Authorization` header proves, or None.

    The comparison takes the same time for every wrong token.
    """
    scheme, _, sent = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    same = secrets.compare_digest(sent.strip().encode(), token.encode())
    return OWNER if same else None
