"""The part of the façade that one looks around with: pages of items, how they spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragstone import listing
from ragstone.schemas.synthetic import where_with

if TYPE_CHECKING:
    from ragstone.jobs.desk import JobDesk
    from ragstone.schemas import api
    from ragstone.schemas.synthetic import Synthetic
    from ragstone.storage.store import Store


class Exploring:
    """Looking around in a version; a base of `Workspace`, which has the store."""

    _store: Store
    _jobs: JobDesk

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
        """Return a page of the items of `dataset` ("D" or "D@V") that pass all filters.

        Parameters
        ----------
        where
            Filters, as of `search`.
        order
            A field, the smallest first; `-size` for the largest first. Items without it come last.
            Empty: in the order they came.
        snippet
            So many characters of the beginning of the text of each come with it.
        synthetic
            False: what models made is left out; "only": nothing else is listed.

        Raises
        ------
        InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        """
        filters = where_with(where, synthetic)
        return listing.items(self._store, dataset, offset, limit, filters, order, snippet)

    def count_items(
        self, dataset: str, *, where: Sequence[str] = (), synthetic: Synthetic = True
    ) -> int:
        """Return how many items of `dataset` ("D" or "D@V") pass all filters; see `items`."""
        return listing.count_items(self._store, dataset, where_with(where, synthetic))

    def fields(self, dataset: str) -> list[api.FieldInfo]:
        """Return which fields the items of `dataset` ("D" or "D@V") have, and what kind they are.

        Of a large version 2,000 items are looked at, which lie evenly in it.
        """
        from ragstone.retrieval.fields import fields

        return fields(self._store, self._store.resolve(dataset))

    def facets(
        self,
        dataset: str,
        fields: Sequence[str] = (),
        *,
        where: Sequence[str] = (),
        limit: int = 20,
        synthetic: Synthetic = False,
    ) -> list[api.Facet]:
        """Return how the items of `dataset` ("D" or "D@V") spread over the values of fields.

        Parameters
        ----------
        fields
            As in filters; without any, the most usual ones.
        where
            Filters, as of `search`: only items that pass all of them are counted.
        limit
            Values of a field, the most frequent first; many numbers become ten bins.
        synthetic
            As of `search`.

        Raises
        ------
        InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how.
        """
        from ragstone.retrieval.facets import facets

        filters = where_with(where, synthetic)
        with self._store.shared():
            return facets(self._store, self._store.resolve(dataset), fields, filters, limit)

    def histogram(
        self,
        dataset: str,
        field: str,
        *,
        where: Sequence[str] = (),
        bins: int = 20,
        synthetic: Synthetic = False,
    ) -> api.Histogram:
        """Return how the items of `dataset` ("D" or "D@V") spread over numbers or times.

        Parameters
        ----------
        field
            As in filters.
        where
            Filters, as of `search`.
        bins
            About how many; their edges are round, and written as a filter takes them.
        synthetic
            As of `search`.

        Raises
        ------
        InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion
            The call is wrong, and the message says how; or the field has no numbers or times.
        """
        from ragstone.retrieval.histograms import histogram

        filters = where_with(where, synthetic)
        with self._store.shared():
            return histogram(self._store, self._store.resolve(dataset), field, filters, bins)

    def tag_items(
        self,
        dataset: str,
        items: Sequence[str],
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        message: str = "",
    ) -> api.VersionInfo:
        """Make a version of `dataset` in which `items` have other tags, and return the newest.

        Nothing is read or embedded again. Filters find tags with `tags=checked`; restoring the
        version before takes them away again. Without any change no version is made.

        Parameters
        ----------
        items
            Ids, or prefixes of 8 characters, of the newest version.
        add, remove
            Tags.

        Raises
        ------
        UnknownDataset, UnknownId, InvalidArgument
            Nothing was changed.
        """
        from ragstone.tagging import Tagging, tag_items

        tag_items(self._store, dataset, items, Tagging(tuple(add), tuple(remove)), message)
        return listing.versions(self._store, dataset)[0]

    def spaces(self, dataset: str) -> list[str]:
        """Return the embedding spaces that `dataset` ("D" or "D@V") has vectors in."""
        from ragstone.mapping import spaces

        return spaces(self._store.resolve(dataset))

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
        """Return a map of `dataset` ("D" or "D@V"): items as points, alike ones near each other.

        It is made once for each version, space and method, and then kept: by PCA when it is asked
        for, by UMAP as a job (`submit_map`). Of more than 20,000 items a sample is on it, always
        the same one.

        Parameters
        ----------
        space
            Embedding space; empty takes that of the texts, or of what there is.
        method
            "pca", or "umap", which needs `pip install ragstone[map]`.
        label
            Field whose values come with the points; many numbers or times come as stretches.
        where, synthetic
            As of `search`: which points to return.

        Raises
        ------
        NoMap
            It has to be made by a job first.
        InvalidArgument, InvalidFilter, UnknownField, UnknownDataset, UnknownVersion, MissingExtra
            The call is wrong, and the message says how.
        """
        from ragstone.placing import projection

        filters = where_with(where, synthetic)
        return projection(self._store, dataset, space, method, label, filters)

    def submit_map(self, dataset: str, *, space: str = "", method: str = "umap") -> api.JobInfo:
        """Put the making of a map in the queue, which a server works on; see `projection`.

        Raises
        ------
        InvalidArgument, MissingExtra, UnknownDataset, UnknownVersion
            There is no job then.
        """
        return self._jobs.submit(self._jobs.map_spec(dataset, space, method, served=True))
