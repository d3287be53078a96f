"""A Whisper network in memory: imports torch and transformers at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers.utils import logging

from ragstone.encoders.devices import choose_device, limit_threads
from ragstone.encoders.loading import load_network, load_part
from ragstone.encoders.weights import NetworkFiles
from ragstone.errors import EncoderUnavailable, InvalidArgument

_RATE = 16_000  # Hz
_FULL_SCALE = 32_768  # int16 to [-1, 1)
_FRAMES_PER_STEP = 2  # the network halves the spectrogram's frames; a time is one of its frames
# Published with the network: no speech in a window that it takes for silence and is unsure about.
_NO_SPEECH, _UNSURE = 0.6, -1.0


class LoadedWhisper:
    """Weights on a device; one call at a time."""

    def __init__(self, files: NetworkFiles, device: str) -> None:
        self._name = files.name
        self._device = choose_device(device)
        limit_threads()
        self._model = load_network(files, "WhisperForConditionalGeneration").to(self._device)
        self._tokenizer = load_part(files, transformers.AutoTokenizer)
        self._extractor = load_part(files, transformers.AutoFeatureExtractor)
        self._extractor.dither = 0.0  # noise that some settings add to the sound
        self._settings = self._model.generation_config
        self._languages: dict[str, int] = {
            token.strip("<|>"): number
            for token, number in (getattr(self._settings, "lang_to_id", None) or {}).items()
        }
        self._check_promises()

    @property
    def window(self) -> int:
        """Samples that the network reads at a time: 30 s for the published ones."""
        return int(self._extractor.n_samples)

    @property
    def step(self) -> int:
        """Samples from one time that the network can write to the next."""
        return int(self._extractor.hop_length) * _FRAMES_PER_STEP

    @property
    def first_time(self) -> int:
        """Token of the time 0; the words' tokens are below it."""
        return int(self._settings.no_timestamps_token_id) + 1

    def check_language(self, language: str) -> None:
        """Refuse a language that the network does not know; empty is always right.

        Raises
        ------
        InvalidArgument
            The network does not know it.
        """
        known = sorted(self._languages) if self._multilingual else ["en"]
        if language and language not in known:
            raise InvalidArgument("language", language, f"one of {', '.join(known)}, or empty")

    @torch.inference_mode()
    def language_of(self, window: NDArray[np.int16]) -> str:
        """Return the code of the language spoken; empty for a network of one language."""
        if not self._multilingual:
            return ""
        number = int(self._model.detect_language(self._features(window))[0])
        return next(code for code, known in self._languages.items() if known == number)

    @torch.inference_mode()
    def decode(self, window: NDArray[np.int16], language: str) -> list[int]:
        """Return the tokens of words and times of one window, the likeliest at each place."""
        spoken = {"language": language, "task": "transcribe"} if self._multilingual else {}
        with _without_advice():
            found = self._model.generate(
                self._features(window),
                return_timestamps=True,
                force_unique_generate_call=True,  # this window once; `speech` moves on
                num_beams=1,
                do_sample=False,
                temperature=0.0,
                no_speech_threshold=_NO_SPEECH,
                logprob_threshold=_UNSURE,
                **spoken,
            )
        # Between the words and the times lie the tokens that begin, end and steer.
        ends = int(self._tokenizer.eos_token_id)
        return [token for token in found[0].tolist() if not ends <= token < self.first_time]

    def text_of(self, tokens: Sequence[int]) -> str:
        """Return the words of `tokens`."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return " ".join(text.split())

    @property
    def _multilingual(self) -> bool:
        # Networks of English alone know no language tokens, or say that they are of one.
        return bool(self._languages) and bool(getattr(self._settings, "is_multilingual", True))

    def _features(self, window: NDArray[np.int16]) -> torch.Tensor:
        """Return the log-mel spectrogram (1, bands, frames), padded to the window with silence."""
        sound = window.astype(np.float32) / np.float32(_FULL_SCALE)
        features: torch.Tensor = self._extractor(
            sound, sampling_rate=_RATE, return_tensors="pt"
        ).input_features
        return features.to(self._device)

    def _check_promises(self) -> None:
        """What was read from several files must be of one network, and one with times."""
        if getattr(self._settings, "no_timestamps_token_id", None) is None:
            raise EncoderUnavailable(
                self._name, "its generation_config.json does not name no_timestamps_token_id"
            )
        reads = self._model.config.max_source_positions * self.step
        if self._extractor.sampling_rate != _RATE or self.window != reads:
            raise EncoderUnavailable(
                self._name,
                f"its feature extractor gives {self.window} samples at "
                f"{self._extractor.sampling_rate} Hz, the network reads {reads} at {_RATE} Hz",
            )


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep the library from commenting on how its own parts call each other."""
    shown = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(shown)
