"""What is said in a recording, with times, by a Whisper network on this machine.

Whisper (Radford et al., 2022) reads 30 s at a time and writes where each segment begins and ends. A
long recording is read as the paper does: the next window begins where the last finished segment
ended, so that windows never overlap and nothing is written twice. Importing this module imports no
torch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ragstone.encoders.segments import Cut, cut
from ragstone.encoders.weights import NetworkFiles, find_network
from ragstone.errors import EncoderUnavailable, InvalidArgument

if TYPE_CHECKING:
    from ragstone.config import EncoderSettings
    from ragstone.encoders.loaded_whisper import LoadedWhisper
    from ragstone.schemas.records import Payload

Samples = NDArray[np.int16]

SAMPLE_RATE = 16_000  # Hz
_PER_MILLISECOND = SAMPLE_RATE // 1_000
_SHORTEST = SAMPLE_RATE // 10  # a remainder of a tenth of a second holds no word
# -60 dB of full scale. Whisper invents sentences for silence ("Thank you for watching").
_SILENCE = 32
_ARCHITECTURE = "whisper"


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech; `start` and `end` are milliseconds of the recording."""

    start: int
    end: int
    text: str


class Transcriber(Protocol):
    """Turns a recording into text."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same recording may give another text."""
        ...

    def transcribe(
        self, samples: Samples, on_window: Callable[[int], None] | None = None
    ) -> list[Segment]:
        """Return what is said in int16 `samples` at 16 kHz, in order, without overlap.

        `on_window` is called with the milliseconds read so far after each window.
        """
        ...


def open_transcriber(name: str, settings: EncoderSettings, language: str = "") -> Transcriber:
    """Return the transcriber that `name` calls; its weights are loaded by the first recording.

    Parameters
    ----------
    name
        A hub name already on this machine, or a path.
    settings
        Say on which device it runs.
    language
        Code such as 'en'; empty: recognised in the first window of each recording.

    Raises
    ------
    EncoderUnavailable
        It is not on this machine, or no Whisper network.
    """
    return WhisperTranscriber(find_network(name), device=settings.device, language=language)


class WhisperTranscriber:
    """Greedy, so that the same recording gives the same text; safe to share between threads.

    Parameters
    ----------
    files
        From `find_network`.
    device
        'auto', 'cpu', 'cuda' or 'cuda:N'.
    language
        Code such as 'en'; empty: recognised in the first window of each recording.

    Raises
    ------
    EncoderUnavailable
        The network is of another family.
    """

    def __init__(self, files: NetworkFiles, *, device: str = "auto", language: str = "") -> None:
        if files.architecture != _ARCHITECTURE:
            raise EncoderUnavailable(
                files.name,
                f"its architecture is {files.architecture or 'not named'!r}, and transcripts are "
                f"made by {_ARCHITECTURE}",
            )
        self._files, self._device, self._language = files, device, language
        self._model: LoadedWhisper | None = None
        self._turn = threading.Lock()  # one recording at a time: a window fills the processor

    @property
    def fingerprint(self) -> str:
        """Name and digest of the network, and the language."""
        return f"{self._files.name}-{self._files.digest[:16]}-{self._language or 'auto'}"

    def transcribe(
        self, samples: Samples, on_window: Callable[[int], None] | None = None
    ) -> list[Segment]:
        """Return what is said in int16 `samples` at 16 kHz, in order, without overlap.

        Silence costs nothing and gives nothing. One window is in memory at a time, however long the
        recording is.

        Parameters
        ----------
        on_window
            Called with the milliseconds read so far after each window.

        Raises
        ------
        InvalidArgument
            `samples` is not int16 of shape (n,), or the network does not know the language.
        EncoderUnavailable
            The network cannot be loaded.
        """
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise InvalidArgument("samples", f"{samples.dtype} {samples.shape}", "int16 (samples,)")
        if len(samples) < _SHORTEST or _silent(samples):
            return []
        found: list[Segment] = []
        with self._turn:
            model = self._loaded()
            language, seek = self._language, 0
            while len(samples) - seek >= _SHORTEST:
                window = samples[seek : seek + model.window]
                read = len(window)
                if not _silent(window):
                    language = language or model.language_of(window)
                    cuts, read = self._window(model, window, language)
                    found.extend(_segments(model, cuts, seek, len(samples)))
                seek += read
                if on_window is not None:
                    on_window(seek // _PER_MILLISECOND)
        return found

    def _window(
        self, model: LoadedWhisper, window: Samples, language: str
    ) -> tuple[list[Cut], int]:
        """Return the segments of one window, and how many of its samples they account for."""
        limit = max(1, len(window) // model.step)
        cuts, read = cut(model.decode(window, language), model.first_time, limit)
        return cuts, len(window) if read >= limit else read * model.step

    def _loaded(self) -> LoadedWhisper:
        if self._model is None:
            from ragstone.encoders.loaded_whisper import LoadedWhisper

            self._model = LoadedWhisper(self._files, self._device)
        self._model.check_language(self._language)
        return self._model


def joined(windows: Sequence[Payload]) -> Samples:
    """Return the recording, int16 (samples,), whose overlapping `windows` these are.

    What lies between windows, if anything, is silence.
    """
    times = [window.time or (0, 0) for window in windows]
    begins = [begin * _PER_MILLISECOND for begin, _ in times]
    ends = [begin + len(window.data) for begin, window in zip(begins, windows, strict=True)]
    whole = np.zeros(max(ends, default=0), dtype=np.int16)
    for begin, end, window in zip(begins, ends, windows, strict=True):
        whole[begin:end] = window.data
    return whole


def _silent(window: Samples) -> bool:
    # Not np.abs: the most negative int16 has no positive counterpart.
    return int(window.max()) <= _SILENCE and int(window.min()) >= -_SILENCE


def _segments(model: LoadedWhisper, cuts: list[Cut], seek: int, total: int) -> list[Segment]:
    """Return the cuts that have words, with times of the recording in place of the window's."""
    segments = []
    for part in cuts:
        text = model.text_of(part.tokens)
        if text:
            begin = min(seek + part.start * model.step, total)
            end = min(seek + part.end * model.step, total)
            segments.append(Segment(begin // _PER_MILLISECOND, end // _PER_MILLISECOND, text))
    return segments
