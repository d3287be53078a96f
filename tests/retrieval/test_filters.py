"""Filters on a real workspace: the language, times, nested metadata, and what is no filter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidFilter, UnknownField
from ragstone.retrieval.filter_syntax import Condition, Either, Every, Negation, parse
from ragstone.retrieval.filter_times import stretch
from ragstone.workspace import Workspace

ROWS = [
    {"id": "a", "year": 2020, "lang": "en", "created": "2024-01-15", "label": "Stone and Sand",
     "authors": [{"name": "Ann", "born": 1950}, {"name": "Bob", "born": 1980}]},
    {"id": "b", "year": 2021, "lang": "de", "created": "2024-01-31T23:30:00-02:00", "label": "b",
     "authors": [{"name": "Eve"}], "tags": ["x", "y"]},
    {"id": "c", "year": 2022, "lang": "fr", "created": "2024-02", "tags": [],
     "more": {"note": None}, "label": 'say "hi"', "authors": {"name": "Ann"}},
    {"id": "d", "lang": "a, b", "created": "2025-06-01 10:20:30Z", "label": "war and year=5",
     "deep": [{"parts": [{"of": "tin"}, {"of": ["zinc", "lead"]}]}]},
    {"id": "e", "year": "2020", "more": {"note": 1}, "lang": "not (x)", "created": "long ago"},
]  # fmt: skip


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("shelf")
    table = root / "shelf.jsonl"
    table.write_text("\n".join(json.dumps({"text": f"stone {r['id']}", **r}) for r in ROWS))
    path = root / "workspace"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        opened.ingest([table], "shelf", text=["text"], id="id")
        yield opened


def found(workspace: Workspace, *where: str) -> str:
    hits = workspace.search("stone", "shelf", mode="keyword", where=where).hits
    return "".join(sorted(hit.name for hit in hits))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("year>=2021 or lang=en", "abc"),
        ("year>=2021 and lang=de", "b"),
        ("lang=en or lang=de and year=2020", "a"),
        ("(lang=en or lang=de) and year=2021", "b"),
        ("not lang=en", "bcde"),
        ("not (lang=en or lang=de)", "cde"),
        ("NOT lang=en AND year>2021", "c"),
        ("not not lang=en", "a"),
        ("not year>2020", "ade"),  # also what has no year
        ("year!=2020", "bc"),  # only what has one
        ("lang in (en, fr)", "ac"),
        ('lang in ("a, b",en)', "ad"),
        ("lang not in (en, fr)", "bde"),
        ("year in (2020)", "ae"),
        ("year exists", "abce"),
        ("year missing", "d"),
        ("more.note missing", "abcd"),  # null is nothing
        ("tags exists", "b"),  # and so is an empty list
        ("title missing", "abcde"),
        ("label exists", "abcd"),
        ("name exists and source exists", "abcde"),
        ("tags exists or year missing", "bd"),
        ("(year missing)", "d"),
        ("((year missing) or (((tags=x))))", "bd"),
        ("name in (a,b) and not(tags exists)", "a"),
    ],
)
def test_conditions_are_joined(shelf: Workspace, where: str, expected: str) -> None:
    assert found(shelf, where) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("label=Stone and Sand", "a"),
        ('label="Stone and Sand"', "a"),
        ('label=say "hi"', "c"),
        ("label='say \"hi\"'", "c"),
        ('label="war and year=5"', "d"),
        ("label='war and year=5' or lang=en", "ad"),
        ("lang=not (x)", "e"),
        ("(lang=not (x) or lang=de)", "be"),
        ("label~AND", "ad"),
        ('label=""', ""),
        ("lang=a, b", "d"),
        ("  lang  =  de  ", "b"),
    ],
)
def test_values_may_hold_words_of_the_language(shelf: Workspace, where: str, expected: str) -> None:
    assert found(shelf, where) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("created=2024", "abc"),
        ("created!=2024", "de"),
        # b is of the first of February, in UTC; e is no time, so it is compared as text
        ("created>=2024-02", "bcde"),
        ("created>=2024-02 and created<=2024-02", "bc"),
        ("created=2024-01-15", "a"),
        ("created<2024-01-16", "a"),
        ("created<=2024-01-15", "a"),
        ("created>2024-01-15", "bcde"),
        ("created>2024", "d"),
        ("created<=2024", "abc"),
        ("created=2025-06-01T12:20+02:00", "d"),
        ("created=2025-06-01T10:20:30.000Z", "d"),
        ("created=2025-06-01T10:20:31Z", ""),
        ("created<9999-12-31", "abcd"),
        ("created=2024-02-30", ""),
        ("created=long ago", "e"),
        ("created>2025-07 or created~long", "e"),
        ("year=2020", "ae"),  # a number, and the same in a text
        ("year>=2021", "bc"),
    ],
)
def test_times_are_compared_as_times(shelf: Workspace, where: str, expected: str) -> None:
    assert found(shelf, where) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("authors.name=Ann", "ac"),
        ("authors.name!=Ann", "b"),
        ("authors.name~B", "a"),
        ("authors.born>1960", "a"),
        ("authors.born exists", "a"),
        ("authors.born missing", "bcde"),
        ("authors.name in (Eve, Bob)", "ab"),
        ("not authors.name=Ann", "bde"),
        ("deep.parts.of=tin", "d"),
        ("deep.parts.of=lead", "d"),
        ("deep.parts.of=gold", ""),
        ("authors.born=1950 and authors.name=Bob", "a"),  # of one and of the other
    ],
)
def test_lists_of_objects(shelf: Workspace, where: str, expected: str) -> None:
    assert found(shelf, where) == expected


def test_all_filters_of_a_search_must_hold(shelf: Workspace) -> None:
    assert found(shelf, "lang=en or lang=de", "year=2021 or year=2022") == "b"


def test_facets_know_the_same_language(shelf: Workspace) -> None:
    (names,) = shelf.facets("shelf", ["authors.name"], where=["year exists and not lang=de"])
    assert [(value.value, value.items) for value in names.values] == [("Ann", 2), ("Bob", 1)]
    assert names.missing == 1
    (parts,) = shelf.facets("shelf", ["deep.parts.of"])
    assert {value.value for value in parts.values} == {"tin", "zinc", "lead"}


@pytest.mark.parametrize(
    ("where", "problem", "place"),
    [
        ("(year>2000", "bracket that is not closed", 1),
        ("lang=en or (year>2000 and (lang=de)", "bracket that is not closed", 12),
        ("(lang=en) lang=de", "expected and, or, or the end", 11),
        ("lang in ()", "empty place", 10),
        ("lang in (a,,b)", "empty place", 12),
        ("lang in (a", "without a comma or bracket", 11),
        ("lang in (a) b", "expected and, or, or the end", 13),
        ("(year>)", "has no value", 7),
        ("not", "no operator and value", 4),
        ("year exists now", "no operator and value", 5),
        ("(" * 17 + "a=1", "too many brackets", 18),
        ("not " * 40 + "a=1", "too many brackets", 69),
        (" or ".join(["year=1"] * 201), "too many conditions", 2001),
    ],
)
def test_what_is_no_filter_says_where(
    shelf: Workspace, where: str, problem: str, place: int
) -> None:
    with pytest.raises(InvalidFilter, match=problem) as caught:
        found(shelf, where)
    assert caught.value.place == place
    assert f"(character {place})" in str(caught.value)


def test_a_field_that_nobody_has(shelf: Workspace) -> None:
    for where in ("writer.name=Ann", "lang=en or yaer>3", "not yaer exists"):
        with pytest.raises(UnknownField) as caught:
            found(shelf, where)
        assert "authors" in caught.value.hint


def test_the_most_conditions_there_may_be(shelf: Workspace) -> None:
    assert found(shelf, " or ".join(["lang=en"] * 200)) == "a"
    assert found(shelf, f"name in ({','.join(['a'] * 200)})") == "a"


def test_values_are_parameters(shelf: Workspace) -> None:
    for where in ("lang=x' OR '1'='1", "lang in ('x'')", "it's=1", "a\"b.c'd=1"):
        try:
            assert found(shelf, where) == ""
        except (InvalidFilter, UnknownField):
            continue


def test_trees() -> None:
    a, b, c = (Condition(name, "=", "1") for name in "abc")
    assert parse("a=1 or b=1 and not c=1") == Either((a, Every((b, Negation(c)))))
    assert parse("a = 1 and b") == Condition("a", "=", "1 and b")
    assert parse("not=1") == Condition("not", "=", "1")
    assert parse("in exists") == Condition("in", "exists")
    assert parse("a~x or y z") == Condition("a", "~", "x or y z")
    assert parse("a=x' or '1'='1") == Condition("a", "=", "x' or '1'='1")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970", (0, 365 * 86_400)),
        ("1972", (2 * 365 * 86_400, (2 * 365 + 366) * 86_400)),
        ("1970-02", (31 * 86_400, 59 * 86_400)),
        ("1970-01-02", (86_400, 2 * 86_400)),
        ("1970-01-01T00:01", (60, 120)),
        ("1970-01-01 00:00:01Z", (1, 2)),
        ("1970-01-01T01:00:00+01", (0, 1)),
        ("1970-01-01T00:00:00-0130", (5_400, 5_401)),
    ],
)
def test_stretches_of_time(value: str, seconds: tuple[int, int]) -> None:
    assert stretch(value) == tuple(second * 1_000_000 for second in seconds)


@pytest.mark.parametrize("value", ["", "70", "2024-13", "2024-02-30", "20240101", "2024-1-1", "x"])
def test_what_is_no_time(value: str) -> None:
    assert stretch(value) is None
