"""The keyword arm on a small index: languages, fields, operators, synonyms, suggestions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tantivy
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.errors import InvalidConfig
from ragstone.retrieval.highlight import Matches
from ragstone.retrieval.keyword_arm import KeywordQuery
from ragstone.retrieval.queries import parse
from ragstone.retrieval.suggestions import suggestions
from ragstone.retrieval.synonyms import Synonyms
from ragstone.schemas.api import Suggestion
from ragstone.storage.analysis import IN_ENGLISH, analysis_of
from ragstone.storage.keyword_index import KeywordIndex, edit_distance
from ragstone.storage.keyword_segments import KeywordDocument, Layout, Workbench, schema

ROWS = [
    ("Lime mortar", "en", "Lime mortar is a soft building material of lime and sand."),
    ("Cement", "en", "Portland cement mortar is hard. Mortar of cement sets in a day."),
    ("Kalkmörtel", "de", "Der Mörtel ist ein Baustoff aus Kalk; die Häuser wurden damit gebaut."),
    ("石灰", "ja", "石灰モルタルは京都の寺にもある。"),
    ("Quarries", "en", "Granite and limestone are stones. Old limestones die hard."),
    ("", "en", "A university teaches masons the lime trade."),
]
LIME, CEMENT, GERMAN, JAPANESE, STONES, SCHOOL = range(len(ROWS))
Found = Callable[[str], list[int]]


def build(folder: Path, layout: Layout = Layout.FIELDS) -> KeywordIndex:
    bench = Workbench(folder, layout)
    bench.add(
        KeywordDocument(
            key,
            {
                "title": title,
                "heading": title,
                "text": text,
                "metadata": json.dumps({"language": language, "language_confidence": 1.0}),
            },
        )
        for key, (title, language, text) in enumerate(ROWS)
    )
    assert bench.close() == len(ROWS)
    return KeywordIndex.at(folder)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> KeywordIndex:
    return build(tmp_path_factory.mktemp("index"))


@pytest.fixture
def found(index: KeywordIndex) -> Found:
    return lambda query: ask(index, query)


def ask(index: KeywordIndex, query: str, synonyms: Synonyms | None = None) -> list[int]:
    asked = KeywordQuery.of(parse(query), index, synonyms or Synonyms())
    return asked.search(10, None).keys.tolist()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"lime mortar"', {LIME}),
        ('"mortar lime"', set()),  # not from the end of a title into the text
        ('"material of lime"', {LIME}),  # over a stop word, which keeps its place
        ('"material lime"', set()),
        ("mortar -cement", {LIME}),
        ("mortar NOT (cement OR sand)", set()),
        ("lime AND sand", {LIME}),
        ("lime AND cement", set()),
        ("the AND lime", {LIME, SCHOOL}),
        ("granite OR cement", {STONES, CEMENT}),
        ("(granite OR cement) AND day", {CEMENT}),
        ("granite OR (lime -sand)", {STONES, SCHOOL}),
        ("title:lime", {LIME}),
        ('title:"lime mortar"', {LIME}),
        ("title:sand", set()),
        ("mort*", {LIME, CEMENT, GERMAN}),
        ("limestone*", {STONES}),
        ("universit*", {SCHOOL}),
        ("mortra~", {LIME, CEMENT}),
        ("grenitte~", set()),
        ("grenitte~2", {STONES}),
        ("zzz*", set()),
        ('"the of"', set()),
    ],
)
def test_operators(found: Found, query: str, expected: set[int]) -> None:
    assert set(found(query)) == expected


@pytest.mark.parametrize(
    ("query", "demanded"),
    [
        ("lime mortar", None),
        ("lime OR mortar", None),
        ("mort*", None),
        ('sand "lime mortar"', {LIME}),
        ("mortar -cement", {LIME, GERMAN, JAPANESE, STONES, SCHOOL}),
        ("NOT a AND mortar -cement", {LIME}),
        ("lime AND sand", {LIME}),
        ("hard title:cement", {CEMENT}),
    ],
)
def test_what_is_demanded_of_every_arm(
    index: KeywordIndex, query: str, demanded: set[int] | None
) -> None:
    narrowed = KeywordQuery.of(parse(query), index, Synonyms()).narrowed(None)
    assert (narrowed if narrowed is None else set(narrowed)) == demanded


def test_title_words_count_for_more(found: Found) -> None:
    assert found("lime")[0] == LIME
    assert found("cement mortar")[0] == CEMENT


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Haus", [GERMAN]),  # the stem of Häuser
        ("wurde gebaut", [GERMAN]),
        ("die", [STONES]),  # a word in English, grammar in German
        ("Mörtel aus der Stadt", [GERMAN]),
        ("石灰", [JAPANESE]),
        ("モルタル", [JAPANESE]),
        ("京", [JAPANESE]),
        ("寺に", [JAPANESE]),
        ("都寺", []),
        ('"京都の寺"', [JAPANESE]),
        ('"寺の京都"', []),
        ("京都*", [JAPANESE]),
    ],
)
def test_languages(found: Found, query: str, expected: list[int]) -> None:
    assert found(query) == expected


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ('{"language": "de", "language_confidence": 0.95}', "de"),
        ('{"language": "de-AT"}', "de"),
        ('{"language": "de", "language_confidence": 0.6}', "en"),
        ('{"language": "de", "language_confidence": "sure"}', "en"),
        ('{"language": "tlh"}', "en"),
        ('{"language": "fil"}', "en"),
        ('{"language": null}', "en"),
        ('{"note": "language"}', "en"),
        ('{"note": {"language": "de"}}', "en"),
        ("{}", "en"),
    ],
)
def test_language_of_a_chunk(metadata: str, language: str) -> None:
    assert analysis_of({"metadata": metadata}).language == language


def marked(index: KeywordIndex, query: str, key: int) -> list[str]:
    terms = KeywordQuery.of(parse(query), index, Synonyms()).terms
    row = index.fetch([key])[key]
    (places,) = Matches(terms).places([row["text"]], index.analysis_of(row))
    return [row["text"][place.start : place.end] for place in places]


def test_marked_words(index: KeywordIndex) -> None:
    assert marked(index, "lime -sand", LIME) == ["Lime", "lime"]
    assert marked(index, "limeston*", STONES) == ["limestone", "limestones"]
    assert marked(index, "mortra~", CEMENT) == ["mortar", "Mortar"]
    assert marked(index, "Haus", GERMAN) == ["Häuser"]
    assert marked(index, "京都の寺", JAPANESE) == ["京都の寺"]


# ---------------------------------------------------------------- the old layout


def test_an_old_index_is_searched_as_before(tmp_path: Path) -> None:
    index = build(tmp_path, Layout.BODY)
    for query in ("lime mortar", "hard stones", "Häuser", "石灰モルタルは京都の寺にもある"):
        terms = dict.fromkeys(IN_ENGLISH.terms(query) if query.isascii() else [query.lower()])
        wanted = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema(Layout.BODY), "body", term))
            for term in terms
        ]
        hits = index.searcher.search(tantivy.Query.boolean_query(wanted), 10).hits
        asked = KeywordQuery.of(parse(query), index, Synonyms()).search(10, None)
        assert asked.scores.tolist() == pytest.approx([score for score, _ in hits], abs=1e-6)
        assert len(asked) == len(hits) > 0
    assert ask(index, "京") == []
    assert set(ask(index, "title:granite")) == {STONES}  # title and text are one field there


def test_an_old_index_keeps_its_layout(tmp_path: Path) -> None:
    build(tmp_path, Layout.BODY)
    bench = Workbench(tmp_path)
    row = {"title": "New", "heading": "New", "text": "A slate roof.", "metadata": "{}"}
    bench.add([KeywordDocument(99, row)])
    bench.close()
    index = KeywordIndex.at(tmp_path)
    assert index.layout is Layout.BODY
    assert ask(index, "slate") == [99]


# ---------------------------------------------------------------- synonyms


def synonyms(folder: Path, text: str) -> Synonyms:
    path = folder / "synonyms.txt"
    path.write_text(text, encoding="utf-8")
    return Synonyms.read(path)


def test_synonyms(index: KeywordIndex, tmp_path: Path) -> None:
    known = synonyms(
        tmp_path,
        "# stones\nplaster, mortar\nkalk => lime mortar  # two words\n\nburnt stone => lime",
    )
    assert set(ask(index, "plaster", known)) == {LIME, CEMENT}
    assert set(ask(index, "kalk", known)) == {GERMAN, LIME}
    assert set(ask(index, "burnt stone", known)) == {STONES, LIME, SCHOOL}
    assert set(ask(index, "stone burnt", known)) == {STONES}
    assert set(ask(index, '"plaster"', known)) == set()
    assert set(ask(index, "granite -plaster", known)) == {STONES}


def test_a_synonym_counts_for_less_than_the_word(index: KeywordIndex, tmp_path: Path) -> None:
    known = synonyms(tmp_path, "granite, cement")
    assert ask(index, "granite", known) == [STONES, CEMENT]
    assert ask(index, "cement", known) == [CEMENT, STONES]


@pytest.mark.parametrize("line", ["alone", "a =>", "=> b", ",", "a, b\nc"])
def test_a_line_that_says_nothing_is_named(tmp_path: Path, line: str) -> None:
    number = len(line.splitlines())
    with pytest.raises(InvalidConfig, match=f"line {number}"):
        synonyms(tmp_path, line)


def test_a_file_of_synonyms_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"none\.txt"):
        Synonyms.read(tmp_path / "none.txt")


# ---------------------------------------------------------------- did you mean


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limstone", [Suggestion("limstone", ["limestone"])]),
        ("Mortra of cemnet", [Suggestion("Mortra", ["mortar"]), Suggestion("cemnet", ["cement"])]),
        ("grannitte", [Suggestion("grannitte", ["granite"])]),
        ("lime mortar", []),
        ("lim zzzzzzzz x2000", []),
        ('"limstone" -cemnet', [Suggestion("limstone", ["limestone"])]),
        ("limstone~ cemn*", []),
        ("石炭灰土", []),
    ],
)
def test_suggestions(index: KeywordIndex, query: str, expected: list[Suggestion]) -> None:
    assert suggestions(parse(query), index) == expected


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("a", "", 1), ("lime", "lime", 0), ("lime", "lmie", 1), ("lime", "mile", 2),
     ("granit", "granat", 1), ("abc", "xyz", 3)],
)  # fmt: skip
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == distance


# ---------------------------------------------------------------- whatever is typed


PIECES = st.sampled_from(
    [
        "lime",
        "cemnt",
        "AND ",
        " OR ",
        " NOT ",
        "(",
        ")",
        '"',
        " ",
        " -",
        "title:",
        "* ",
        "~2 ",
        "石灰",
    ]
)


@settings(deadline=None)
@given(query=st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_no_query_fails(index: KeywordIndex, query: str) -> None:
    asked = KeywordQuery.of(parse(query), index, Synonyms([("lime", "cement mortar")]))
    asked.search(10, None)
    asked.narrowed(None)
    suggestions(asked.asked, index)


@settings(deadline=None)
@given(words=st.lists(st.sampled_from(["lime", "mortar", "the", "hard", "zzz"]), min_size=1))
def test_plain_words_mean_any_of_them(index: KeywordIndex, words: list[str]) -> None:
    query = " ".join(words)
    terms = dict.fromkeys(IN_ENGLISH.terms(query), 1.0)
    meant = index.search(index.any_of(terms), 10, None).pairs() if terms else []
    assert KeywordQuery.of(parse(query), index, Synonyms()).search(10, None).pairs() == meant
