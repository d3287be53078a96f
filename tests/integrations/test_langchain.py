"""The LangChain retriever, with the real package, over a workspace and over a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

import ragstone
from ragstone.client import Client, connect
from ragstone.errors import UnknownDataset
from ragstone.integrations.langchain import RagstoneRetriever
from ragstone.server.run import running
from ragstone.workspace import Workspace

Library = Workspace | Client


@pytest.fixture(scope="module", params=["workspace", "server"])
def ws(library: Path, request: pytest.FixtureRequest) -> Iterator[Library]:
    with ragstone.open(library) as opened:
        if request.param == "workspace":
            yield opened
        else:
            with running(opened) as address, connect(address.url, address.token) as client:
                yield client


def test_documents_are_the_hits_of_a_search(ws: Library) -> None:
    retriever = RagstoneRetriever(ragstone=ws, dataset="rocks", k=2)
    documents = retriever.invoke("dark volcanic rock")
    hits = ws.search("dark volcanic rock", "rocks", k=2).hits
    assert [d.id for d in documents] == [hit.chunk_id for hit in hits]
    first, hit = documents[0], hits[0]
    assert first.page_content == hit.text
    assert first.metadata["item_id"] == hit.item_id
    assert (first.metadata["dataset"], first.metadata["version"]) == ("rocks", 2)
    assert first.metadata["source"].endswith("basalt.md")
    assert first.metadata["score"] == hit.score
    assert first.metadata["arms"]["keyword"] == {
        "rank": hit.arms["keyword"].rank,
        "score": hit.arms["keyword"].score,
    }
    item = ws.show(hit.item_id)
    assert hasattr(item, "text")
    assert item.text[first.metadata["start"] : first.metadata["end"]] == first.page_content


def test_a_version_a_mode_and_filters(ws: Library) -> None:
    old = RagstoneRetriever(ragstone=ws, dataset="rocks@1", mode="keyword")
    assert old.invoke("volcanic") == []
    chosen = RagstoneRetriever(ragstone=ws, dataset="rocks", where=["name=granite.md"])
    assert {d.metadata["name"] for d in chosen.invoke("rock")} == {"granite.md"}


def test_in_a_chain_and_awaited(ws: Library) -> None:
    def texts(documents: list[Document]) -> list[str]:
        return [document.page_content for document in documents]

    chain = RagstoneRetriever(ragstone=ws, dataset="rocks", k=1) | RunnableLambda(texts)
    assert "volcanic" in chain.invoke("dark volcanic rock")[0]
    assert "volcanic" in asyncio.run(chain.ainvoke("dark volcanic rock"))[0]


def test_errors_are_those_of_a_search(ws: Library) -> None:
    with pytest.raises(UnknownDataset, match="'stones'"):
        RagstoneRetriever(ragstone=ws, dataset="stones").invoke("rock")


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ValidationError, match="ragstone"):
        RagstoneRetriever(ragstone="my-workspace", dataset="rocks")  # type: ignore[arg-type]
