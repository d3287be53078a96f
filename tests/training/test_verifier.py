"""Training a verifier: it learns, it repeats, and what is written is what was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ragstone.encoders.verifiers import CONTRADICTED, NEITHER, SUPPORTED, Verifier
from ragstone.errors import InvalidArgument, ReaderUnavailable
from ragstone.training.calibrating import balanced_accuracy, fit_curve
from ragstone.training.claims import Judged, made_claims
from ragstone.training.pairs import PairRecipe
from ragstone.training.questions import Question
from ragstone.training.verifier import VERIFIER_RECIPE, macro_f1, train_verifier
from ragstone.training.verifier_files import TrainedVerifier

QUICK = replace(VERIFIER_RECIPE, epochs=3, batch=12, rank=8, learning_rate=2e-3, held_out=20)


@pytest.fixture(scope="session")
def claims(questions: list[Question]) -> list[Judged]:
    return made_claims(questions, seed=0)


@pytest.fixture(scope="session")
def trained(claims: list[Judged], tmp_path_factory: pytest.TempPathFactory) -> TrainedVerifier:
    return train_verifier(claims, tmp_path_factory.mktemp("verifier") / "made", QUICK, ["towns"])


@pytest.fixture(scope="session")
def recipe(small_model: Path) -> PairRecipe:
    return PairRecipe(str(small_model), epochs=1, batch=8, rank=4, held_out=20)


def test_it_learns(trained: TrainedVerifier) -> None:
    assert trained.accuracy > 0.7
    assert trained.macro_f1 > 0.6
    assert 0.5 <= trained.threshold <= 1
    card = (Path(trained.folder) / "card.md").read_text()
    assert f"{trained.accuracy:.4f}" in card
    assert "* towns" in card


def test_what_is_written_judges_as_what_was_trained(trained: TrainedVerifier) -> None:
    verifier = Verifier(trained.folder)
    quote = "The houses of Arden are made of granite."
    same, other = verifier.judge([(quote, quote), ("The houses of Borlo are not red.", quote)])
    assert same.supported > other.supported
    assert verifier.threshold == trained.threshold
    assert all(0 <= one.supported + one.contradicted <= 1 + 1e-6 for one in (same, other))


def test_nothing_is_judged_of_nothing(trained: TrainedVerifier) -> None:
    verifier = Verifier(trained.folder)
    assert verifier.judge([]) == []
    assert len(verifier.judge([("", ""), ("x", "")])) == 2


def test_the_same_seed_writes_the_same_file(
    claims: list[Judged], recipe: PairRecipe, tmp_path: Path
) -> None:
    written = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        train_verifier(claims, tmp_path / name, replace(recipe, seed=seed))
        written.append((tmp_path / name / "model.safetensors").read_bytes())
    assert written[0] == written[1]
    assert written[0] != written[2]


def test_all_verdicts_are_needed(claims: list[Judged], recipe: PairRecipe, tmp_path: Path) -> None:
    some = [one for one in claims if one.verdict != NEITHER]
    with pytest.raises(InvalidArgument, match="each verdict"):
        train_verifier(some, tmp_path / "made", recipe)


def test_what_is_no_verifier_is_refused(small_model: Path) -> None:
    with pytest.raises(ReaderUnavailable, match="it is no ragstone-verifier"):
        Verifier(str(small_model))


def test_the_curve_gives_chances() -> None:
    scores = np.linspace(-4, 4, 200)
    right = scores + np.sin(scores * 40) > 0
    curve = fit_curve(scores.tolist(), right.tolist())
    assert curve.slope > 0
    assert abs(curve.offset) < 0.5
    assert fit_curve([1.0, 2.0], [True, True]) == fit_curve([], [])


def test_both_classes_weigh_the_same() -> None:
    assert balanced_accuracy([True] * 10, [True] * 9 + [False]) == 0.5
    assert balanced_accuracy([True], [True]) == 0
    verdicts = np.array([SUPPORTED, CONTRADICTED, NEITHER])
    assert macro_f1(verdicts, verdicts) == 1
    assert macro_f1(np.zeros(3, np.int64), verdicts) == pytest.approx(0.5 / 3)
