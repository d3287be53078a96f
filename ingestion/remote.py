"""Which source a place outside of this machine is."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from ragstone.config import FetchSettings, LimitSettings
from ragstone.errors import BlockedAddress, InvalidArgument
from ragstone.ingestion.addresses import parse_url
from ragstone.ingestion.object_sources import PROTOCOLS, ObjectSource, store_root
from ragstone.ingestion.web_sources import SitemapSource, UrlSource

if TYPE_CHECKING:
    from ragstone.ingestion.sources import Source  # which imports this

_SITEMAP = "sitemap:"
_WEB = re.compile(r"https?:", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")  # two letters at least: C:/ is a drive
_SITEMAP_FILE = re.compile(r"/[\w.-]*sitemap[\w.-]*\.xml(?:\.gz)?$", re.IGNORECASE)
_CHAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+::.*://")
# Known and not taken: they read the machine's own files, or speak to what no guard watches.
_REFUSED = frozenset(
    "file local ftp ftps sftp ssh scp smb cifs nfs hdfs webhdfs gopher dict ldap ldaps tftp telnet "
    "data jar zip tar blockcache filecache simplecache github git dav webdav".split()
)


def open_remote(where: str, settings: FetchSettings, limits: LimitSettings) -> Source | None:
    """Open a web page, a sitemap, or what an object store holds.

    Parameters
    ----------
    where
        `https://…` for one document, `sitemap:https://…` or a URL that ends like `sitemap.xml`
        for all pages of a sitemap, `s3://…`, `gs://…`, `az://…` for objects.

    Returns
    -------
    None when it is neither: a path of this machine, or for somebody else to open.

    Raises
    ------
    InvalidArgument
        It is an address of a kind that is not taken in.
    SourceUnavailable
        The package for this kind of object store is not installed.
    """
    sitemap = _sitemap(where)
    if sitemap is not None:
        return SitemapSource(sitemap, settings, limits)
    if _WEB.match(where):
        return UrlSource([where], settings, limits)
    scheme = _SCHEME.match(where)
    name = scheme[1].lower() if scheme else ""
    if name in PROTOCOLS:
        return ObjectSource(where, limits)
    if name in _REFUSED or _CHAIN.match(where):
        taken = ", ".join(f"{name}://" for name in ("https", *PROTOCOLS) if name != "memory")
        raise InvalidArgument("source", where, f"a path, or an address by {taken}")
    return None


def remote_prefix(where: str) -> str:
    """Return what the sources of a remote place begin with; then come `/` or nothing more.

    That of a sitemap is no source, but `sitemap:URL`: its pages are anywhere on its site.
    """
    scheme = _SCHEME.match(where)
    if scheme and scheme[1].lower() in PROTOCOLS:
        return store_root(where)
    sitemap = _sitemap(where)
    url = where if sitemap is None else sitemap
    with suppress(BlockedAddress):
        url = parse_url(url, range(2**16)).url
    return url if sitemap is None else f"{_SITEMAP}{url}"


def is_page(where: str) -> bool:
    """Tell whether a place is one document of the web."""
    return bool(_WEB.match(where)) and _sitemap(where) is None


def _sitemap(where: str) -> str | None:
    """Return the address of a sitemap; None when the place is none."""
    if where.lower().startswith(_SITEMAP):
        return where[len(_SITEMAP) :]
    return where if _WEB.match(where) and _SITEMAP_FILE.search(where) else None
