"""A LangChain retriever over a dataset; needs the extra `langchain`.

from ragstone.integrations.langchain import RagstoneRetriever

retriever = RagstoneRetriever(ragstone=ws, dataset="docs@7", k=5)
retriever.invoke("how do versions work")
"""

# Without `from __future__ import annotations`: the fields are read as values.
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from ragstone.integrations.hits import Searches, described
from ragstone.schemas.api import Mode


class RagstoneRetriever(BaseRetriever):
    """Finds passages of a dataset, the best first, as documents.

    A document's id is that of its chunk; `metadata` says where it is from and why it was found.
    `invoke` raises the errors of `Workspace.search`.
    """

    ragstone: Searches = Field(exclude=True, repr=False, description="A Workspace or a Client.")
    dataset: str | list[str] = Field(description="`D`, `D@V`, or several to search together.")
    k: int = Field(10, description="How many documents.")
    mode: Mode = "hybrid"
    where: list[str] = Field([], description="Filters that must all hold: `year>=2020`.")
    rerank: bool | None = Field(None, description="Read the best candidates again; None: as tuned.")

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - of the base class
    ) -> list[Document]:
        result = self.ragstone.search(
            query, self.dataset, k=self.k, mode=self.mode, where=self.where, rerank=self.rerank
        )
        return [
            Document(id=hit.chunk_id, page_content=hit.text, metadata=described(hit))
            for hit in result.hits
        ]
