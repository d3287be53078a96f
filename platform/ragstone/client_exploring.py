"""The part of the client that one looks around with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragstone.schemas import api
from ragstone.schemas.synthetic import Synthetic, where_with
from ragstone.transport import part

if TYPE_CHECKING:
    from ragstone.transport import Transport


class ExploringClient:
    """Looking around in a version; a base of `Client`, which has the connection."""

    _http: Transport

    def items(
        self,
        dataset: str,
        *,
        where: Sequence[str] = (),
        offset: int = 0,
        limit: int = 50,
        order: str = "",
        snippet: int = 0,
        synthetic: Synthetic = True,
    ) -> list[api.ItemSummary]:
        """List a page of the items of `D` or `D@V` that pass all filters."""
        query = _filters(where, synthetic) | {"order": order, "snippet": snippet}
        query |= {"offset": offset, "limit": limit}
        return self._http.get(f"/datasets/{part(dataset)}/items", list[api.ItemSummary], query)

    def count_items(
        self, dataset: str, *, where: Sequence[str] = (), synthetic: Synthetic = True
    ) -> int:
        """Count the items of `D` or `D@V` that pass all filters."""
        path = f"/datasets/{part(dataset)}/count"
        return self._http.get(path, int, _filters(where, synthetic))

    def fields(self, dataset: str) -> list[api.FieldInfo]:
        """Return which fields the items of `D` or `D@V` have, and what kind they are."""
        return self._http.get(f"/datasets/{part(dataset)}/fields", list[api.FieldInfo])

    def facets(
        self,
        dataset: str,
        fields: Sequence[str] = (),
        *,
        where: Sequence[str] = (),
        limit: int = 20,
        synthetic: Synthetic = False,
    ) -> list[api.Facet]:
        """Return how the items of `D` or `D@V` spread over the values of fields."""
        filters = where_with(where, synthetic)
        query = {"fields": list(fields), "where": filters, "limit": limit}
        return self._http.get(f"/datasets/{part(dataset)}/facets", list[api.Facet], query)

    def histogram(
        self,
        dataset: str,
        field: str,
        *,
        where: Sequence[str] = (),
        bins: int = 20,
        synthetic: Synthetic = False,
    ) -> api.Histogram:
        """Return how the items of `D` or `D@V` spread over the numbers or times of a field."""
        query = _filters(where, synthetic) | {"field": field, "bins": bins}
        return self._http.get(f"/datasets/{part(dataset)}/histogram", api.Histogram, query)

    def tag_items(
        self,
        dataset: str,
        items: Sequence[str],
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        message: str = "",
    ) -> api.VersionInfo:
        """Publish a version in which items have other tags."""
        body: dict[str, Any] = {"items": list(items), "add": list(add), "remove": list(remove)}
        body["message"] = message
        return self._http.wait(f"/datasets/{part(dataset)}/items/tags", api.VersionInfo, body)

    def spaces(self, dataset: str) -> list[str]:
        """Return the embedding spaces that `D` or `D@V` has vectors in."""
        return self._http.get(f"/datasets/{part(dataset)}/spaces", list[str])

    def projection(
        self,
        dataset: str,
        *,
        space: str = "",
        method: str = "pca",
        label: str = "",
        where: Sequence[str] = (),
        synthetic: Synthetic = False,
    ) -> api.Projection:
        """Return a map of `D` or `D@V`: its items as points, alike ones near each other."""
        query = _filters(where, synthetic) | {"space": space, "method": method, "label": label}
        return self._http.get(f"/datasets/{part(dataset)}/projection", api.Projection, query)

    def submit_map(self, dataset: str, *, space: str = "", method: str = "umap") -> api.JobInfo:
        """Have a map made, and return the job at once."""
        body = {"space": space, "method": method}
        return self._http.post(f"/datasets/{part(dataset)}/map", api.JobInfo, body)


def _filters(where: Sequence[str], synthetic: Synthetic) -> dict[str, Any]:
    wanted = synthetic if isinstance(synthetic, str) else str(synthetic).lower()
    return {"where": where_with(where, wanted=False), "synthetic": wanted}
