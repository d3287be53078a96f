"""A LlamaIndex retriever over a dataset; needs the extra `llamaindex`.

from ragstone.integrations.llamaindex import RagstoneRetriever

retriever = RagstoneRetriever(ws, "docs@7", k=5)
retriever.retrieve("how do versions work")
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import (
    NodeRelationship,
    NodeWithScore,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)

from ragstone.integrations.hits import Searches, described
from ragstone.schemas.api import Hit, Mode

_TOLD = {"source", "title", "page"}  # of the metadata, to a language model


class RagstoneRetriever(BaseRetriever):
    """Finds passages of a dataset, the best first, as nodes with scores.

    A node's id is that of its chunk, its source node is the item; `metadata` says where it is from
    and why it was found. `retrieve` raises the errors of `Workspace.search`.

    Parameters
    ----------
    ragstone
        A `Workspace` or a `Client`.
    dataset, k, mode, where, rerank
        As of `Workspace.search`.
    """

    def __init__(
        self,
        ragstone: Searches,
        dataset: str | Sequence[str],
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Sequence[str] = (),
        rerank: bool | None = None,
    ) -> None:
        super().__init__()
        self._ragstone = ragstone
        self._dataset = dataset
        self._k = k
        self._mode = mode
        self._where = where
        self._rerank = rerank

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        result = self._ragstone.search(
            query_bundle.query_str,
            self._dataset,
            k=self._k,
            mode=self._mode,
            where=self._where,
            rerank=self._rerank,
        )
        return [NodeWithScore(node=_node(hit), score=hit.score) for hit in result.hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(hit: Hit) -> TextNode:
    metadata = described(hit)
    hidden = [name for name in metadata if name not in _TOLD]
    return TextNode(
        id_=hit.chunk_id,
        text=hit.text,
        metadata=metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=list(metadata),
        start_char_idx=hit.start,
        end_char_idx=hit.end,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.item_id)},
    )
