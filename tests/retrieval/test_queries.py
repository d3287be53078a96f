"""The query language: what is read as operators, and what stays words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.retrieval.queries import (
    Either,
    Every,
    Node,
    Phrase,
    Series,
    Without,
    Word,
    parse,
)

LIME, MORTAR, CLAY = Word("lime"), Word("mortar"), Word("clay")


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ('"lime mortar"', [Phrase("lime mortar")]),
        ("“lime mortar” clay", [Phrase("lime mortar"), CLAY]),
        ("lime -clay", [LIME, Without(CLAY)]),
        ("lime NOT clay", [LIME, Without(CLAY)]),
        ('lime -"wet clay"', [LIME, Without(Phrase("wet clay"))]),
        ("lime AND mortar", [Every((LIME, MORTAR))]),
        ("lime OR mortar AND clay", [Either((LIME, Every((MORTAR, CLAY))))]),
        ("(lime OR mortar) AND clay", [Every((Series((Either((LIME, MORTAR)),)), CLAY))]),
        ("lime AND NOT clay", [Every((LIME, Without(CLAY)))]),
        ("clay title:lime", [CLAY, Word("lime", title=True)]),
        ('title:"lime mortar"', [Phrase("lime mortar", title=True)]),
        ("title:lim*", [Word("lim", title=True, prefix=True)]),
        ("mort* clay", [Word("mort", prefix=True), CLAY]),
        ("mortar~", [Word("mortar", letters=1)]),
        ("mortar~2 lime", [Word("mortar", letters=2), LIME]),
        ("lime -title:clay", [LIME, Without(Word("clay", title=True))]),
    ],
)
def test_operators(query: str, parts: list[Node]) -> None:
    asked = parse(query)
    assert asked.reading == "query"
    assert asked.root == Series(tuple(parts))


@pytest.mark.parametrize(
    "query",
    [
        "lime mortar",
        "state-of-the-art mortar",
        "what is (lime) mortar",
        'Who wrote "The Stones"?',
        'who wrote "The Stones"',
        'the east was portrayed as "the others?"',
        'in which year is the "frost" of the century NOT hard',
        'He said "no". Then he left',
        "minus -5 degrees",
        "ls -l",
        "git --amend",
        "2 * 3",
        "f(x) AND g(x)",
        'a 5" pipe',
        '"unbalanced',
        "lime AND",
        "OR lime",
        "lime AND OR mortar",
        "(lime OR mortar",
        "lime) OR mortar",
        "-lime",
        "NOT lime",
        "NOT (lime OR mortar)",
        "title: lime",
        "http://example.org/title:x",
        "STAND AND DELIVER",
        "lime and mortar or clay",
        "lime^2 +clay",
        "**",
        "mortar~3",
        "a*",
        "(" * 5_000 + "lime" + ")" * 5_000 + " AND x",
        "NOT " * 30 + "lime",
        '"lime" ' + "word " * 40,
        '""',
    ],
)
def test_what_is_no_query_is_words(query: str) -> None:
    asked = parse(query)
    assert asked.reading == "words"
    assert asked.root == Series((Word(query),))
    assert asked.plain == query


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ('"lime mortar" -clay', "lime mortar"),
        ("(lime OR mort*) AND NOT (clay OR sand)", "lime mort"),
        ("title:granite stone~2", "granite stone"),
    ],
)
def test_plain_words_are_what_is_looked_for(query: str, plain: str) -> None:
    assert parse(query).plain == plain


def test_spelled_words_leave_out_those_with_an_open_spelling() -> None:
    assert parse("lime mort* clya~").spelled == "lime"


PIECES = st.sampled_from(
    [
        "lime",
        "AND",
        "OR",
        "NOT",
        "(",
        ")",
        '"',
        " ",
        "-",
        "title:",
        "*",
        "~2",
        "?",
        "\\",
        "石灰",
        "^",
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_no_text_is_an_error(query: str) -> None:
    asked = parse(query)
    assert asked.text == query
    assert asked.reading == "query" or asked.plain == query


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True), min_size=1, max_size=20))
def test_words_without_marks_stay_words(words: list[str]) -> None:
    assert parse(" ".join(words)).reading == "words"
