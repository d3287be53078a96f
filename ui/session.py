"""What pages share: the client, the choice of dataset and version, and what the URL says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage

from ragstone.client import Address, Client, connect, find_server
from ragstone.errors import DamagedFile, InvalidArgument, ServerUnavailable, UnknownId
from ragstone.schemas.answers import GeneratorInfo, StoredAnswer
from ragstone.schemas.api import (
    ChunkDetail,
    DatasetInfo,
    FieldInfo,
    ItemDetail,
    Media,
    Projection,
    VersionInfo,
)
from ragstone.schemas.synthetic import Synthetic

WORKSPACE_VARIABLE = "RAGSTONE_WORKSPACE"
NEWEST = "newest"
_LAST_DATASET, _AWAITED, _PAGES = "last dataset", "awaited dataset", "pages"
_FETCHERS = 4  # previews at a time


def workspace() -> Path:
    """Return the workspace this user interface was started for."""
    return Path(os.environ[WORKSPACE_VARIABLE])


def client() -> Client:
    """Return the client of the server that has the workspace now.

    Asked anew on each run: a server that was started again has another port and another token.

    Raises
    ------
    ServerUnavailable
        No server has it.
    """
    address = _address()
    return _client(address.url, address.token)


def record(id: str) -> ItemDetail | ChunkDetail | StoredAnswer:  # noqa: A002
    """Return the item, chunk or answer; kept for a moment, since each click asks again.

    Raises
    ------
    UnknownId, ServerUnavailable
        As `Client.show`.
    """
    address = _address()
    return _record(address.url, address.token, id)


def original(item: str) -> Media:
    """Return the bytes of an item; raises as `record`."""
    return client().original(item)


def preview(item: str) -> Media:
    """Return a small picture of an image or a recording; raises as `record`."""
    address = _address()
    return _preview(address.url, address.token, item)


def page_image(item: str, page: int, quote: str) -> Media:
    """Return a page of a PDF as a picture; raises as `Client.page_image`."""
    address = _address()
    return _page_image(address.url, address.token, item, page, quote)


def generators() -> list[GeneratorInfo]:
    """Return who can write answers; kept for a minute, since servers are asked."""
    address = _address()
    return _generators(address.url, address.token)


def fields(reference: str, digest: str) -> list[FieldInfo]:
    """Return the fields of a version, which its digest names; raises as `record`."""
    address = _address()
    return _fields(address.url, address.token, reference, digest)


def spaces(reference: str, digest: str) -> list[str]:
    """Return the embedding spaces of a version, which its digest names; raises as `record`."""
    address = _address()
    return _spaces(address.url, address.token, reference, digest)


def projection(
    reference: str,
    digest: str,
    space: str,
    method: str,
    label: str,
    where: tuple[str, ...],
    synthetic: Synthetic,
) -> Projection:
    """Return a map of a version, which its digest names; raises as `Client.projection`."""
    address = _address()
    asked = (space, method, label, where, synthetic)
    return _projection(address.url, address.token, reference, digest, asked)


def previews(items: Sequence[str]) -> dict[str, Media | None]:
    """Return a small picture of each image or recording, None of one that has none.

    They are fetched together, and kept: a page of them is shown again and again.
    """
    address = _address()
    return _previews(address.url, address.token, tuple(items))


def sound(item: str) -> Media:
    """Return the bytes of a short recording, kept; raises as `record`."""
    address = _address()
    return _sound(address.url, address.token, item)


def address() -> Address:
    """Return where the server is; its token is not to be shown."""
    return _address()


def _address() -> Address:
    address = find_server(workspace())
    if address is None:
        raise ServerUnavailable(str(workspace()), "no server has this workspace open")
    return address


@st.cache_resource(max_entries=4, show_spinner=False, on_release=Client.close)
def _client(url: str, token: str) -> Client:
    return connect(url, token)


@st.cache_resource(ttl=30, max_entries=32, show_spinner=False)
def _record(url: str, token: str, id: str) -> ItemDetail | ChunkDetail | StoredAnswer:  # noqa: A002
    return _client(url, token).show(id)


@st.cache_resource(max_entries=256, show_spinner=False)
def _preview(url: str, token: str, item: str) -> Media:
    return _client(url, token).preview(item)


@st.cache_resource(max_entries=64, show_spinner=False)
def _page_image(url: str, token: str, item: str, page: int, quote: str) -> Media:
    return _client(url, token).page_image(item, page, quote=quote)


@st.cache_resource(ttl=60, max_entries=4, show_spinner=False)
def _generators(url: str, token: str) -> list[GeneratorInfo]:
    return _client(url, token).generators()


@st.cache_resource(max_entries=64, show_spinner=False)
def _fields(url: str, token: str, reference: str, digest: str) -> list[FieldInfo]:  # noqa: ARG001
    return _client(url, token).fields(reference)


@st.cache_resource(max_entries=64, show_spinner=False)
def _spaces(url: str, token: str, reference: str, digest: str) -> list[str]:  # noqa: ARG001
    return _client(url, token).spaces(reference)


@st.cache_resource(ttl=600, max_entries=8, show_spinner=False)
def _projection(
    url: str,
    token: str,
    reference: str,
    digest: str,  # noqa: ARG001
    asked: tuple[str, str, str, tuple[str, ...], Synthetic],
) -> Projection:
    space, method, label, where, synthetic = asked
    return _client(url, token).projection(
        reference, space=space, method=method, label=label, where=where, synthetic=synthetic
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _sound(url: str, token: str, item: str) -> Media:
    return _client(url, token).original(item)


@st.cache_resource(max_entries=64, show_spinner=False)
def _previews(url: str, token: str, items: tuple[str, ...]) -> dict[str, Media | None]:
    opened = _client(url, token)

    def fetched(item: str) -> Media | None:
        try:
            return opened.preview(item)
        except (InvalidArgument, UnknownId, DamagedFile):
            return None

    with ThreadPoolExecutor(_FETCHERS) as pool:
        return dict(zip(items, pool.map(fetched, items), strict=True))


# ---------------------------------------------------------------- dataset and version


@dataclass(frozen=True, slots=True)
class Choice:
    """The dataset and version that the person looks at."""

    dataset: DatasetInfo
    version: VersionInfo
    pinned: bool  # an old or named version rather than "the newest"

    @property
    def reference(self) -> str:
        """`D` or `D@V`."""
        return f"{self.dataset.name}@{self.version.version}" if self.pinned else self.dataset.name


def choose() -> Choice | None:
    """Show the two select boxes; None, with a word of guidance, while there is nothing to choose.

    The URL names both, so that a link keeps them.
    """
    known = {info.name: info for info in client().datasets()}
    if not known:
        st.info("This workspace has no dataset yet. Ingest some files, then come back:")
        st.code("ragstone ingest FOLDER --dataset NAME", language="shell")
        return None
    if st.session_state.get(_AWAITED) in known:
        go(dataset=st.session_state.pop(_AWAITED))
    left, right = st.columns([3, 2])
    with left:
        name = _dataset(list(known))
    history = {str(entry.version): entry for entry in client().log(name)}
    with right:
        number = st.selectbox("Version", [NEWEST, *history], key="version", bind="query-params")
    newest = next(iter(history.values()))
    return Choice(known[name], history.get(number, newest), pinned=number != NEWEST)


def choose_when_there(dataset: str) -> None:
    """Have a dataset chosen as soon as there is one of this name: a job is making it."""
    st.session_state[_AWAITED] = dataset


def _dataset(names: list[str]) -> str:
    """Show the select box of datasets; the URL always names the one it stands on.

    So the box is not bound: a bound one leaves its default out of the URL, and a link would mean
    another dataset as soon as a new one comes first. What the URL says is the box's default
    instead; without a word in it, as after a change of page, it is the one looked at before.
    """
    wanted = (at("dataset"), st.session_state.get(_LAST_DATASET), names[0])
    start = next(name for name in wanted if name in names)
    name = st.selectbox("Dataset", names, index=names.index(start))
    st.session_state[_LAST_DATASET] = name
    go(dataset=name)
    return name


# ---------------------------------------------------------------- other pages


def register(pages: Mapping[str, StreamlitPage]) -> None:
    """Say which pages there are, by the names in their addresses."""
    st.session_state[_PAGES] = dict(pages)


def visit(page: str, **values: str) -> None:
    """Go to a page, whose address says `values`; not from a callback."""
    pages: Mapping[str, StreamlitPage] = st.session_state.get(_PAGES, {})
    if page in pages:
        st.switch_page(pages[page], query_params=values)
    go(page=page, **values)  # a page that runs by itself


# ---------------------------------------------------------------- the URL


def go(**values: str | None) -> None:
    """Set names in the URL, or take those out whose value is None."""
    for name, value in values.items():
        if value is not None:
            if at(name) != value:
                st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def at(name: str) -> str | None:
    """Return what the URL says under `name`; None when it says nothing."""
    return st.query_params.get(name) or None


def open_answer(id: str) -> None:  # noqa: A002
    """Have an answer shown with all its parts by the next run of Ask; for callbacks."""
    go(answer=id)
