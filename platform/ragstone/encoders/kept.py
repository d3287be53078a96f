"""Networks that are opened once, and again when their files have changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ragstone.encoders.digests import Stamp, folder_stamp
from ragstone.errors import EncoderUnavailable

Network = TypeVar("Network")


class Kept(Generic[Network]):
    """The networks used last, by name; safe to share between threads.

    One that is trained again in its folder is opened anew, and the old one let go as soon as
    nobody uses it. What ships, and what is in the hub cache, does not change.

    Parameters
    ----------
    open_network
        Opens one by its name; must not load its weights.
    most
        How many are kept.
    """

    def __init__(self, open_network: Callable[[str], Network], most: int) -> None:
        self._open = open_network
        self._most = most
        self._kept: OrderedDict[str, tuple[tuple[Stamp, ...] | None, Network]] = OrderedDict()
        self._opening = threading.Lock()  # two who ask at once must not open two

    def get(self, name: str) -> Network:
        """Return the network `name`, as its files are now; errors are those of opening it."""
        with self._opening:
            # Looked at before they are read: what changes in between is seen the next time.
            stamps = _stamps(name)
            kept = self._kept.pop(name, None)
            same = kept is not None and stamps is not None and kept[0] == stamps
            network = kept[1] if kept and same else self._open(name)
            self._kept[name] = stamps, network
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return network


def _stamps(name: str) -> tuple[Stamp, ...] | None:
    """Return those of a folder's files; None when it cannot be read: opening it says why."""
    folder = Path(name).expanduser()
    try:
        return folder_stamp(name, folder) if folder.is_dir() else ()
    except EncoderUnavailable:
        return None
