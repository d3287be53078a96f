"""Rows of tables: templates, typed metadata, and what cannot be read."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, InvalidArgument
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.parsers.templates import read_template, text_fields
from ragstone.ingestion.sources import open_source
from ragstone.ingestion.values import row_json, typed
from ragstone.schemas.records import Document, Raw, RowColumns


def document(row: dict[str, object], *text: str, name: str | None = None) -> Document:
    columns = RowColumns(text, name)
    return parse(Raw("s", "n", None, row_json(row), columns), row_json(row), LimitSettings())


def test_a_template_is_filled() -> None:
    found = document({"title": "Tuff", "body": "Light.", "year": 1990}, "{title} ({year}): {body}")
    assert found.text == "Tuff (1990): Light."
    assert found.title == ""
    assert found.metadata == {"year": 1990}  # a number is both


def test_columns_and_templates_together() -> None:
    row: dict[str, object] = {"title": "Tuff", "a": "x", "b": ["y", "z"], "ok": True}
    found = document(row, "title", "{{{a}}} and {b}, {ok}")
    assert (found.title, found.text) == ("Tuff", "Tuff\n\n{x} and y\nz, true")
    assert found.metadata == {"ok": True}


def test_missing_columns_of_a_template_are_empty() -> None:
    assert document({"title": "T"}, "{title}: {body}").text == "T:"
    assert document({"title": "T", "body": None}, "{title}: {body}").text == "T:"
    with pytest.raises(EmptyInput, match="holds no text"):
        document({"title": "", "body": None}, "{title}: {body}")
    with pytest.raises(EmptyInput, match="no column title, body; its columns: other"):
        document({"other": 1}, "{title}: {body}")


@pytest.mark.parametrize(
    "text",
    ["{a.b}", "{a[0]}", "{}", "{a!r}", "{a:>9}", "{a:{b}}", "{a", "a}", "{{a}}", "{a.__class__}"],
)
def test_nothing_but_columns_goes_into_a_template(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidArgument, match="name of a column"):
        open_source(tmp_path / "t.csv", RowColumns((text,)))


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_no_template_does_more_than_put_in_values(text: str, row: dict[str, str]) -> None:
    try:
        template = read_template(text)
    except InvalidArgument:
        return
    longest = len(text) + sum(
        len(row.get(name) or "") for _, name in template.pieces if name is not None
    )
    assert len(template.fill(row)) <= longest
    assert set(text_fields([text])) == set(template.fields)


def test_an_unknown_column_of_a_template_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("title,body\nT,B\n")
    with pytest.raises(InvalidArgument, match=r"'{title}: {text}'.*title, body"):
        open_source(tmp_path / "t.csv", RowColumns(("{title}: {text}",)))
    lines = [json.dumps({"title": f"T{n}"}) for n in range(200)] + ['{"title": "U", "text": "X"}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    source = open_source(tmp_path / "t.jsonl", RowColumns(("{title}: {text}",)))
    assert len(list(source.raws())) == 201  # the last row has the column


def test_cells_of_text_tables_become_what_they_say(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,text,n,f,ok,zip,day,none\n07,12,7,-0.5,true,01234,2020-01-31,\n")
    (raw,) = open_source(table, RowColumns(("text",), "id")).raws()
    assert raw.name == "07"
    assert json.loads(raw.content or b"") == {
        "id": "07",
        "text": "12",
        "n": 7,
        "f": -0.5,
        "ok": True,
        "zip": "01234",
        "day": "2020-01-31",
        "none": "",
    }


UNTYPED = "007 +7 1.50 1e5 1,000 1_000 True NaN nan inf Infinity null -0 ٣ 0x10 .5 5. 1.0e3 - 1/2"


@pytest.mark.parametrize(
    "cell", [*UNTYPED.split(), "", " 7", "9" * 19, "1" * 5_000, "0." + "1" * 30]
)
def test_what_could_not_be_written_back_stays_text(cell: str) -> None:
    assert typed(cell) is cell


@given(st.one_of(st.integers(-(10**17), 10**17), st.floats(allow_nan=False), st.booleans()))
def test_typed_cells_write_back_exactly(value: float) -> None:
    cell = json.dumps(value)
    again = typed(cell)
    assert str(json.dumps(again)) == cell or again == cell
    if type(again) is not str:
        assert type(again) is type(value)


@given(st.text(alphabet="0123456789.-+eE_ truefalsn", max_size=26))
def test_every_cell_reads_as_the_text_it_was(cell: str) -> None:
    value = typed(cell)
    assert (value if isinstance(value, str) else json.dumps(value)) == cell


def test_a_row_is_the_same_item_in_any_file(tmp_path: Path) -> None:
    whole, one, two = (tmp_path / f"{name}.csv" for name in ("whole", "one", "two"))
    rows = ["a,7", "b,x", "c,1.5"]
    for path, part in ((whole, rows), (one, rows[:1]), (two, rows[1:])):
        path.write_text("\n".join(["text,n", *part]) + "\n")

    def contents(path: Path) -> list[bytes | None]:
        return [raw.content for raw in open_source(path, RowColumns(("text",))).raws()]

    assert contents(whole) == contents(one) + contents(two)


def test_values_that_json_does_not_know() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    row = {
        "day": datetime.date(2020, 1, 31),
        "at": datetime.datetime(2020, 1, 31, 12, 30, tzinfo=zone),
        "whole": Decimal("12.00"),
        "exact": Decimal("0.1"),
        "long": Decimal("0.1234567890123456789"),
        "blob": b"\x00\xff",
        "set": {"b", "a"},
    }
    values = json.loads(row_json(row))
    assert values.pop("blob")["bytes"] == 2
    assert values == {
        "day": "2020-01-31",
        "at": "2020-01-31T12:30:00+02:00",
        "whole": 12,
        "exact": 0.1,
        "long": "0.1234567890123456789",
        "set": ["a", "b"],
    }
    assert row_json({"b": b"one"}) != row_json({"b": b"two"})


def test_options_go_through_json_and_back() -> None:
    options = SourceOptions(
        columns=RowColumns(("{a}: {b}", "c"), "id"),
        include=("*.md",),
        exclude=("drafts/",),
        follow=True,
        captions="/t.csv",
        table="t",
        key="id",
        cursor="at",
        after="2020-01-31T12:30:00",
    )
    assert SourceOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    assert SourceOptions().to_dict() == {}
    assert SourceOptions.from_dict({}) == SourceOptions()
