"""Numbers, sizes and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.ui import wording


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (1_499, "1.5 kB"),
        (9_940, "9.9 kB"), (9_951, "10 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"),
        (12_345_678, "12 MB"), (10**12, "1.0 TB"), (10**16, "10,000 TB"),
    ],
)  # fmt: skip
def test_sizes(number: int, text: str) -> None:
    assert wording.size(number) == text


@given(st.integers(0, 10**15))
def test_a_size_never_has_four_digits(number: int) -> None:
    assert len(wording.size(number).split()[0].replace(".", "")) <= 3 or number >= 999.5e12


def test_counts_have_separators_and_a_plural() -> None:
    assert wording.count(1, "item") == "1 item"
    assert wording.count(12_345, "item") == "12,345 items"
    assert wording.count(0, "entry", "entries") == "0 entries"


def test_places() -> None:
    assert wording.span(1_200, 1_450) == "characters 1,200 to 1,450"
    assert wording.page(3) == "page 3"
    assert wording.page(None) == ""


def test_a_time_without_a_browser_says_its_zone() -> None:
    assert wording.moment(datetime(2026, 1, 31, 14, 5, tzinfo=UTC)) == "2026-01-31 14:05 UTC"
