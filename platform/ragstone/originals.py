"""The bytes an item came as, and small pictures of images and recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragstone import listing
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import Media
from ragstone.storage import parts

if TYPE_CHECKING:
    from ragstone.config import LimitSettings
    from ragstone.storage.store import Store


def original(store: Store, item: str) -> Media:
    """Return the bytes of an item as they were taken in; see `Workspace.original`."""
    row = listing.item_row(store, item)
    folder = store.part_folder(row["dataset_id"], row["part"])
    kept = parts.read_item(folder, row["item_key"])["content"]  # of a row of a table
    content = store.blobs.get(row["item_id"]) if kept is None else kept
    return Media(content, row["media_type"])


def preview(store: Store, item: str, limits: LimitSettings) -> Media:
    """Return a small picture of an item; see `Workspace.preview`."""
    from ragstone.ingestion.previews import image_thumbnail
    from ragstone.ingestion.waveforms import waveform_picture

    row = listing.item_row(store, item)
    if row["modality"] == "image":
        return Media(image_thumbnail(store.blobs.get(row["item_id"]), limits), "image/webp")
    if row["modality"] == "audio":
        return Media(waveform_picture(store.blobs.get(row["item_id"]), limits), "image/png")
    raise InvalidArgument("item", item, "an image or a recording")


def page_image(store: Store, item: str, page: int, quote: str, limits: LimitSettings) -> Media:
    """Return a page of a PDF as a picture; see `Workspace.page_image`."""
    from ragstone.ingestion.page_pictures import MEDIA_TYPE, page_picture

    document = original(store, item)
    if document.media_type != MEDIA_TYPE:
        raise InvalidArgument("item", item, "a PDF")
    return Media(page_picture(document.content, page, quote, limits), "image/webp")
