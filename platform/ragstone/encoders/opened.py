"""The encoders of a workspace: the one in the settings, and those its datasets were made with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from ragstone.encoders.kept import Kept
from ragstone.errors import EncoderUnavailable, SpaceMismatch

if TYPE_CHECKING:
    from ragstone.config import EncoderSettings
    from ragstone.encoders.base import MediaEncoder, TextEncoder
    from ragstone.encoders.rerankers import Reranker
    from ragstone.schemas.records import Modality


class Opener(Protocol):
    """What the encoders of a workspace are opened by; it knows the models that were made there."""

    def settled(self, name: str) -> str:
        """Return a name that stays that of the same vectors."""
        ...

    def open(self, settings: EncoderSettings) -> TextEncoder:
        """Return the encoder that `settings` name."""
        ...

    def open_media(self, modality: Modality, name: str, settings: EncoderSettings) -> MediaEncoder:
        """Return the encoder of images or recordings that is called `name`."""
        ...


class Elsewhere:
    """Opens encoders that no workspace made."""

    def settled(self, name: str) -> str:
        """Return the name: what is elsewhere has no numbers."""
        return name

    def open(self, settings: EncoderSettings) -> TextEncoder:
        """See `open_text_encoder`."""
        from ragstone.encoders.text import open_text_encoder

        return open_text_encoder(settings)

    def open_media(self, modality: Modality, name: str, settings: EncoderSettings) -> MediaEncoder:
        """See `open_media_encoder`."""
        from ragstone.encoders.media import open_media_encoder

        return open_media_encoder(modality, name, settings)


class Encoders:
    """Opens each encoder once; safe to share between threads.

    Parameters
    ----------
    chosen
        Used instead of the one in the settings.
    opener
        Opens those that are named.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        chosen: TextEncoder | None = None,
        opener: Opener | None = None,
    ) -> None:
        self._settings = settings
        self._chosen = chosen
        self._opener = opener or Elsewhere()
        self._by_name: dict[str, TextEncoder] = {}
        self._media: dict[tuple[Modality, str], MediaEncoder] = {}
        self._rerankers: Kept[Reranker] = Kept(self._open_reranker, most=2)
        self._opening = threading.Lock()  # two threads must not load two models

    def chosen(self) -> TextEncoder:
        """Return the encoder of the settings: that of new datasets.

        Raises
        ------
        EncoderUnavailable
            It is not on this machine.
        """
        return self._chosen or self.named(self._settings.name)

    def named(self, name: str) -> TextEncoder:
        """Return the encoder that the setting encoder.name calls `name`.

        Raises
        ------
        EncoderUnavailable
            It is not on this machine.
        """
        with self._opening:
            name = self.settled(name)
            if name not in self._by_name:
                settings = self._settings.model_copy(update={"name": name})
                self._by_name[name] = self._opener.open(settings)
            return self._by_name[name]

    def settled(self, name: str) -> str:
        """Return what `name` is called when its vectors are to stay the same.

        Raises
        ------
        EncoderUnavailable
            It is to be a model of the workspace, and there is none.
        """
        return self._opener.settled(name)

    def media(self, dataset: str, modality: Modality, space: str, name: str) -> MediaEncoder:
        """Return the encoder that made the vectors of a dataset's images, or recordings.

        Raises
        ------
        EncoderUnavailable
            It is not on this machine.
        SpaceMismatch
            What is called `name` makes other vectors by now.
        """
        with self._opening:
            if (modality, name) not in self._media:
                opened = self._opener.open_media(modality, name, self._settings)
                self._media[modality, name] = opened
            encoder = self._media[modality, name]
        if encoder.identity.space != space:
            raise SpaceMismatch(dataset, space, encoder.identity.space)
        return encoder

    def reranker(self, name: str) -> Reranker:
        """Return the reranker that the setting retrieval.reranker calls `name`, as it is now.

        Raises
        ------
        RerankerUnavailable
            It is not on this machine.
        """
        return self._rerankers.get(name)

    def _open_reranker(self, name: str) -> Reranker:
        from ragstone.encoders.rerankers import open_reranker

        return open_reranker(name, self._settings)

    def name_of(self, encoder: TextEncoder) -> str:
        """Return the name that opens `encoder` again; empty for one that the caller brought."""
        for name, opened in self._by_name.items():
            if opened is encoder:
                return name
        return ""

    def of(self, dataset: str, space: str, name: str) -> TextEncoder:
        """Return the encoder of an embedding space.

        Parameters
        ----------
        dataset
            Said in the error.
        name
            What the dataset's version calls its encoder; empty when nobody wrote it down.

        Raises
        ------
        SpaceMismatch
            Neither the encoder of the settings nor the named one makes vectors of `space`.
        """
        candidates = [*([self._chosen] if self._chosen else []), *self._by_name.values()]
        for encoder in candidates:
            if encoder.identity.space == space:
                return encoder
        for wanted in [*([] if self._chosen else [self._settings.name]), *([name] if name else [])]:
            found = self._tried(wanted)
            if found is not None and found.identity.space == space:
                return found
        raise SpaceMismatch(dataset, space, self.chosen().identity.space)

    def _tried(self, name: str) -> TextEncoder | None:
        try:
            return self.named(name)
        except EncoderUnavailable:
            return None
