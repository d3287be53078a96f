"""The LlamaIndex retriever, with the real package, over a workspace and over a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode

import ragstone
from ragstone.client import Client, connect
from ragstone.errors import UnknownDataset
from ragstone.integrations.llamaindex import RagstoneRetriever
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


def test_nodes_are_the_hits_of_a_search(ws: Library) -> None:
    nodes = RagstoneRetriever(ws, "rocks", k=2).retrieve("dark volcanic rock")
    hits = ws.search("dark volcanic rock", "rocks", k=2).hits
    assert [(n.node_id, n.score, n.text) for n in nodes] == [
        (hit.chunk_id, hit.score, hit.text) for hit in hits
    ]
    node, hit = nodes[0].node, hits[0]
    assert isinstance(node, TextNode)
    assert (node.start_char_idx, node.end_char_idx) == (hit.start, hit.end)
    source = node.relationships[NodeRelationship.SOURCE]
    assert isinstance(source, RelatedNodeInfo)
    assert source.node_id == hit.item_id
    assert (node.metadata["dataset"], node.metadata["version"]) == ("rocks", 2)
    assert node.metadata["arms"]["vector"]["rank"] == hit.arms["vector"].rank
    assert node.metadata["source"].endswith("basalt.md")


def test_a_language_model_is_told_the_source_and_no_more(ws: Library) -> None:
    [node] = RagstoneRetriever(ws, "rocks", k=1).retrieve("dark volcanic rock")
    told = node.get_content(MetadataMode.LLM)
    assert "basalt.md" in told
    assert "chunk_id" not in told


def test_a_version_a_mode_and_filters(ws: Library) -> None:
    assert RagstoneRetriever(ws, "rocks@1", mode="keyword").retrieve("volcanic") == []
    chosen = RagstoneRetriever(ws, "rocks", where=["name=granite.md"]).retrieve("rock")
    assert {node.metadata["name"] for node in chosen} == {"granite.md"}


def test_awaited_and_in_a_query_engine(ws: Library) -> None:
    retriever = RagstoneRetriever(ws, "rocks", k=1)
    [node] = asyncio.run(retriever.aretrieve("dark volcanic rock"))
    assert "volcanic" in node.text
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    response = engine.query("dark volcanic rock")
    assert [n.node_id for n in response.source_nodes] == [node.node_id]
    assert "volcanic" in str(response)  # this model says what it was told


def test_errors_are_those_of_a_search(ws: Library) -> None:
    with pytest.raises(UnknownDataset, match="'stones'"):
        RagstoneRetriever(ws, "stones").retrieve("rock")
