"""Transcripts by a small Whisper network that the tests make and teach three words."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration

from ragstone.config import EncoderSettings
from ragstone.encoders.loaded_whisper import LoadedWhisper
from ragstone.encoders.segments import Cut, cut
from ragstone.encoders.speech import Segment, WhisperTranscriber, joined, open_transcriber
from ragstone.encoders.weights import find_network
from ragstone.errors import EncoderUnavailable, InvalidArgument
from ragstone.schemas.records import Modality, Payload
from tests.encoders.small_whisper import FIRST_TIME, RATE, STEPS, WORDS, extractor, save, tones

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("networks") / "whisper-pebble")


@pytest.fixture(scope="module")
def transcriber(folder: Path) -> WhisperTranscriber:
    return WhisperTranscriber(find_network(str(folder)), device="cpu")


def changed(folder: Path, tmp_path: Path, file: str, **changes: Any) -> WhisperTranscriber:
    """The network with a JSON `file` that says `changes`; None removes an entry."""
    other = tmp_path / folder.name
    shutil.copytree(folder, other)
    values = json.loads((other / file).read_text()) | changes
    kept = {key: value for key, value in values.items() if value is not None}
    (other / file).write_text(json.dumps(kept))
    return WhisperTranscriber(find_network(str(other)), device="cpu")


# ---------------------------------------------------------------- what is said


def test_a_long_recording_is_written_once_with_its_times(transcriber: WhisperTranscriber) -> None:
    said = ["stone", "house", "house", "water", "stone", "water", "water"]
    told: list[int] = []
    assert transcriber.transcribe(tones(*said), told.append) == [
        Segment(1_500 * place, 1_500 * (place + 1), word) for place, word in enumerate(said)
    ]
    # Each window began where the last segment ended, though the network hears two seconds.
    assert told == [1_500 * (place + 1) for place in range(len(said))]


def test_the_same_recording_gives_the_same_text(folder: Path) -> None:
    noise = (np.random.default_rng(0).normal(size=3 * RATE) * 3_000).astype(np.int16)
    first, second = (
        WhisperTranscriber(find_network(str(folder)), device="cpu", language="en").transcribe(noise)
        for _ in range(2)
    )
    assert first == second
    for before, after in itertools.pairwise(first):
        assert before.start <= before.end <= after.start <= after.end <= 3_000


def test_silence_says_nothing_and_loads_nothing(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"")
    broken = WhisperTranscriber(find_network(str(tmp_path / "broken")), device="cpu")
    for length in (0, 100, 5 * RATE):
        assert broken.transcribe(np.zeros(length, np.int16)) == []
    with pytest.raises(EncoderUnavailable):
        broken.transcribe(tones("stone"))


def test_silence_between_words_is_skipped(transcriber: WhisperTranscriber) -> None:
    quiet = np.zeros(4 * RATE, np.int16)
    quiet[::7] = 20  # the hiss of an idle microphone
    found = transcriber.transcribe(np.concatenate([quiet, tones("water"), quiet]))
    assert found == [Segment(4_000, 5_500, "water")]


def test_windows_are_joined_to_the_recording_they_were_cut_from() -> None:
    whole = tones("stone", "house", "water")
    windows = [
        Payload(Modality.AUDIO, whole[begin * 16 : end * 16], (begin, end))
        for begin, end in ((0, 2_000), (1_500, 3_500), (3_000, 4_500))
    ]
    np.testing.assert_array_equal(joined(windows), whole)
    assert joined([]).shape == (0,)


# ---------------------------------------------------------------- languages


def test_the_language_is_recognised_or_named(folder: Path) -> None:
    model = LoadedWhisper(find_network(str(folder)), "cpu")
    assert model.language_of(tones("stone")) == "en"  # all it was taught
    named = open_transcriber(str(folder), EncoderSettings(device="cpu"), language="en")
    assert named.transcribe(tones("house")) == [Segment(0, 1_500, "house")]


def test_an_unknown_language_is_refused_with_the_known_ones(folder: Path) -> None:
    other = open_transcriber(str(folder), EncoderSettings(device="cpu"), language="tlh")
    with pytest.raises(InvalidArgument, match="'tlh', expected one of de, en, or empty"):
        other.transcribe(tones("stone"))


def test_a_network_of_english_alone_takes_no_other_language(folder: Path, tmp_path: Path) -> None:
    alone = changed(folder, tmp_path, "generation_config.json", is_multilingual=False)
    alone.transcribe(tones("stone"))
    german = open_transcriber(
        str(tmp_path / folder.name), EncoderSettings(device="cpu"), language="de"
    )
    with pytest.raises(InvalidArgument, match="expected one of en, or empty"):
        german.transcribe(tones("stone"))


def test_the_fingerprint_names_network_and_language(folder: Path) -> None:
    files = find_network(str(folder))
    prints = {
        WhisperTranscriber(files, language=language).fingerprint for language in ("", "en", "de")
    }
    assert f"whisper-pebble-{files.digest[:16]}-auto" in prints
    assert len(prints) == 3


# ---------------------------------------------------------------- cutting


@pytest.mark.parametrize("seed", range(4))
def test_segments_are_those_of_the_library(folder: Path, seed: int) -> None:
    model = LoadedWhisper(find_network(str(folder)), "cpu")
    random = np.random.default_rng(seed)
    mixed = sum(tones(*random.choice(list(WORDS), 2)) * random.random() for _ in range(3))
    window = (np.asarray(mixed)[: 2 * RATE]).astype(np.int16)
    bare = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    features = extractor()(window / np.float32(32_768), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        theirs = bare.generate(
            features.input_features,
            language="en",
            task="transcribe",
            return_timestamps=True,
            return_segments=True,
            force_unique_generate_call=True,
        )["segments"][0]
    cuts, _ = cut(model.decode(window, "en"), FIRST_TIME, STEPS)
    expected = [(round(float(s["start"]) * 50), round(float(s["end"]) * 50)) for s in theirs]
    assert [(part.start, part.end) for part in cuts] == expected


def times(*steps: int) -> list[int]:
    return [100 + step for step in steps]


@pytest.mark.parametrize(
    ("tokens", "cuts", "read"),
    [
        ([], [], 500),
        ([*times(0), 7, 8, *times(90)], [Cut(0, 90, (7, 8))], 500),  # and then nothing
        ([*times(0), 7, *times(90, 90)], [Cut(0, 90, (7,))], 90),  # another one began
        ([*times(0), 7, *times(90, 95), 8], [Cut(0, 90, (7,))], 90),  # cut off: read again
        ([*times(0), 7, *times(90, 95), 8, *times(99)], [Cut(0, 90, (7,)), Cut(95, 99, (8,))], 500),
        ([*times(20), 7, 8], [Cut(20, 500, (7, 8))], 500),  # nothing finished: taken as it is
        ([*times(0), 7, *times(3, 3), 8], [Cut(0, 3, (7,)), Cut(3, 500, (8,))], 500),
        ([*times(0), 7, *times(3, 3)], [Cut(0, 3, (7,))], 500),  # no step of 60 ms
        ([7, *times(90), 8, *times(80)], [Cut(0, 90, (7,)), Cut(90, 90, (8,))], 500),
        ([*times(400), 7, *times(700)], [Cut(400, 500, (7,))], 500),  # beyond the sound
        ([*times(600), 7, *times(700)], [], 500),
        ([*times(600), 7], [], 500),
        (times(0, 90), [], 500),  # times without a word
    ],
)
def test_tokens_are_cut_at_times(tokens: list[int], cuts: list[Cut], read: int) -> None:
    assert cut(tokens, 100, 500) == (cuts, read)


# ---------------------------------------------------------------- refused


def test_opening_one_imports_no_torch(folder: Path) -> None:
    code = f"""if True:
        import sys
        from ragstone.config import EncoderSettings
        from ragstone.encoders.speech import open_transcriber
        print(open_transcriber({str(folder)!r}, EncoderSettings()).fingerprint)
        print([m for m in ("torch", "transformers") if m in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


def test_another_architecture_is_refused(bare: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="'bert', and transcripts are made by whisper"):
        open_transcriber(str(bare), EncoderSettings())


@pytest.mark.parametrize("samples", [np.zeros(99, np.float32), np.zeros((2, 99), np.int16)])
def test_samples_of_another_shape_are_refused(
    transcriber: WhisperTranscriber, samples: Any
) -> None:
    with pytest.raises(InvalidArgument, match=r"expected int16 \(samples,\)"):
        transcriber.transcribe(samples)


def test_a_network_without_times_is_unavailable(folder: Path, tmp_path: Path) -> None:
    other = changed(folder, tmp_path, "generation_config.json", no_timestamps_token_id=None)
    with pytest.raises(EncoderUnavailable, match="does not name no_timestamps_token_id"):
        other.transcribe(tones("stone"))


def test_a_feature_extractor_of_another_network_is_unavailable(
    folder: Path, tmp_path: Path
) -> None:
    other = changed(folder, tmp_path, "preprocessor_config.json", chunk_length=3, n_samples=48_000)
    with pytest.raises(EncoderUnavailable, match=r"gives 48000 samples .* reads 32000"):
        other.transcribe(tones("stone"))
