"""Language and quality of texts, and the score that chooses among duplicates."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.ingestion.signals import count_words, detect_language, quality_score, text_signals

ENGLISH = (
    "Granite is a hard stone that cools slowly below the ground, over thousands of years. It is "
    "made of quartz, feldspar and mica, and takes a fine polish.\nMasons have cut it since the "
    "time of the pharaohs.\n"
)
OTHERS = {
    "de": "Granit ist ein hartes Gestein, das tief unter der Erde langsam erkaltet.",
    "fr": "Le granite est une roche dure qui refroidit lentement dans les profondeurs.",
    "es": "El granito es una roca dura que se enfría lentamente bajo la superficie.",
    "ja": "花崗岩は地下でゆっくり冷えて固まった硬い岩石です。",
    "ru": "Гранит — твёрдая горная порода, которая медленно остывает под землёй.",
    "zh": "花岗岩是一种坚硬的岩石、在地下缓慢冷却。",
}


def quality(text: str) -> dict[str, float]:
    found: dict[str, float] = text_signals(text)["quality"]
    return found


def test_languages() -> None:
    assert text_signals(ENGLISH)["language"] == "en"
    for language, text in OTHERS.items():
        assert detect_language(text)[0] == language
        assert detect_language(text)[1] > 0.5


@pytest.mark.parametrize("text", ["", " \n", "ok", "12 345.6 | 78 | 9\n" * 40, "#### ---- ====="])
def test_what_is_in_no_language_or_too_short_is_undetermined(text: str) -> None:
    assert text_signals(text)["language"] == "und"


def test_declared_language_counts_when_the_text_does_not_tell() -> None:
    assert text_signals("ok", "de-AT")["language"] == "de"
    assert text_signals("ok", "en_US.UTF-8")["language"] == "en"
    assert text_signals("ok", "klingon")["language"] == "und"
    assert text_signals(OTHERS["de"], "en")["language"] == "de"


def test_most_of_a_long_text_decides_not_its_beginning() -> None:
    assert detect_language(ENGLISH + OTHERS["de"] * 60)[0] == "de"


def test_sentences_of_real_translations(data: Path) -> None:
    import gzip

    folder = data / "multi30k_en_de"
    if not folder.is_dir():
        pytest.skip("no multi30k_en_de in RAGSTONE_DATA")
    for language in ("en", "de"):
        with gzip.open(folder / f"test_2016_flickr.{language}.gz", "rt", encoding="utf-8") as file:
            found = [detect_language(line)[0] for line in list(file)[:300]]
        assert found.count(language) >= 0.97 * len(found)
        assert sum(name not in (language, "und") for name in found) <= 0.01 * len(found)


def test_quality_of_plain_prose() -> None:
    found = quality(ENGLISH)
    assert found["words"] == len(ENGLISH.split())
    assert 4 < found["mean_word_length"] < 6
    assert found["symbols"] == found["digits"] == found["duplicate_lines"] == 0
    assert 0.01 < found["upper"] < 0.05
    assert found["top_ngram"] == 0
    assert found["score"] == round(found["words"] / (found["words"] + 100), 4)


def test_each_signal_tells_its_fault() -> None:
    assert quality("## -> {a} [b] $c$ <d> || ~~ ^^")["symbols"] > 0.5
    assert quality("call 555 1234 or 555 9876")["digits"] > 0.5
    assert quality("STONES FOR SALE, cheap")["upper"] == pytest.approx(13 / 18, abs=1e-4)
    assert quality("one\ntwo\none\n\none\n")["duplicate_lines"] == 0.5
    assert quality("buy now " * 50)["top_ngram"] > 0.9
    assert quality("the red stone. " + ENGLISH + "the red stone.")["top_ngram"] < 0.2
    assert quality("花岗岩是一种坚硬的岩石")["words"] == 11


def test_the_longer_and_the_cleaner_text_is_the_better() -> None:
    def score(text: str) -> float:
        return quality_score(text_signals(text))

    assert score(ENGLISH + OTHERS["de"]) > score(ENGLISH) > score(ENGLISH[:100])
    assert score(ENGLISH) > score(ENGLISH.replace("e", "@"))
    assert score(ENGLISH) > score(ENGLISH + ENGLISH)


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_signals_of_any_text_are_numbers_that_json_takes(text: str) -> None:
    found = text_signals(text)
    assert found == text_signals(text)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    shares = {name: v for name, v in found["quality"].items() if "word" not in name}
    assert all(0 <= value <= 1 for value in shares.values()), shares
    assert found["quality"]["words"] == count_words(text)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_001])
def test_words_are_counted_across_the_borders_of_slices(size: int) -> None:
    rng = random.Random(size)  # noqa: S311
    text = "".join(rng.choices("ab  \n", k=size))
    assert count_words(text) == len(text.split())


def test_images_and_recordings_are_scored_by_what_they_have() -> None:
    image = {"width": 800, "height": 600, "quality": {"blur": 90.0, "contrast": 0.2}}
    assert 0 < quality_score(image) < 1
    assert quality_score(image | {"width": 1600}) > quality_score(image)
    assert quality_score(image) > quality_score(image | {"quality": {"blur": 5.0}})
    sound = {"duration": 10.0, "sample_rate": 16_000, "quality": {"clipping": 0.0, "silence": 0.1}}
    assert 0 < quality_score(sound) < 1
    assert quality_score(sound | {"duration": 20.0}) > quality_score(sound)
    assert quality_score(sound | {"sample_rate": 44_100}) > quality_score(sound)
    assert quality_score(sound) > quality_score(sound | {"quality": {"clipping": 0.3}})


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"quality": None},
        {"quality": {}},
        {"quality": "good"},
        {"quality": {"score": "high"}},
        {"width": 0, "height": 0},
        {"width": "wide", "height": float("nan")},
        {"duration": float("inf"), "quality": {"clipping": -1}},
    ],
)
def test_what_is_missing_or_odd_counts_as_nothing(metadata: dict[str, object]) -> None:
    assert quality_score(metadata) == 0
