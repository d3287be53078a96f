"""Databases as sources: a SQLite file, and a real PostgreSQL where its programs are."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.config import LimitSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, MalformedInput, RagstoneError, UnknownSource
from ragstone.ingestion.databases import DatabaseUnavailable, sqlite_path
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.pages import LISTING
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.sources import absolute_place, open_source
from ragstone.ingestion.sql_sources import SqlSource
from ragstone.schemas.api import ItemCounts
from ragstone.schemas.records import Raw, RowColumns

BODY = RowColumns(("body",))
PASSWORD = "s3cr3t/w@rd"  # noqa: S105  # of a server that lives as long as the tests


def source(where: str, *, columns: RowColumns = BODY, key: str = "id", **options: Any) -> SqlSource:
    opened = open_source(where, SourceOptions(columns=columns, key=key, **options))
    assert isinstance(opened, SqlSource)
    return opened


def raws(where: str, **options: Any) -> list[Raw]:
    return list(source(where, **options).raws())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my notes.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            'CREATE TABLE notes (id INTEGER, body TEXT, stars REAL, at TEXT, pic BLOB, "odd\'""n")'
        )
        rows = [
            (3, "third", 1.5, "2020-01-03", None, None),
            (1, "first", 2.0, "2020-01-01", b"\x00\x01", 1),
            (2, "second", None, "2020-01-02", None, "x"),
        ]
        connection.executemany("INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?)", rows)
    return path


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


def test_rows_of_a_table_in_the_order_of_the_key(url: str, file: Path) -> None:
    found = raws(url, table="notes")
    assert [raw.source for raw in found] == [f"sqlite:///{file}?table=notes#{n}" for n in (1, 2, 3)]
    assert [raw.name for raw in found] == ["1", "2", "3"]
    assert found[0].columns == RowColumns(("body",), "id")
    one = parse(found[0], found[0].content or b"", LimitSettings())
    assert one.text == "first"
    blob = one.metadata.pop("pic")
    assert (blob["bytes"], len(blob["blake3"])) == (2, 64)
    assert one.metadata == {"stars": 2.0, "at": "2020-01-01", "odd'\"n": 1}
    # What has no value is left out.
    assert json.loads(found[2].content or b"").keys() == {"id", "body", "stars", "at"}
    assert source(url, table="notes").total is None


def test_rows_of_a_query_with_a_template(url: str, file: Path) -> None:
    query = "SELECT id AS n, upper(body) AS b, stars FROM notes WHERE body <> ':x%' -- all;"
    columns = RowColumns(("{b}! ({stars})",), "b")
    found = raws(url, columns=columns, key="n", query=query)
    assert (found[0].source, found[0].name) == (f"sqlite:///{file}#1", "FIRST")
    texts = [parse(raw, raw.content or b"", LimitSettings()).text for raw in found]
    assert texts == ["FIRST! (2.0)", "SECOND! ()", "THIRD! (1.5)"]
    limited = "WITH s AS (SELECT * FROM notes ORDER BY id DESC LIMIT 2) SELECT * FROM s;"
    assert [raw.name for raw in raws(url, query=limited)] == ["2", "3"]


def test_only_what_is_new_since_the_cursor(url: str, file: Path) -> None:
    first = source(url, table="notes", cursor="at")
    assert first.last_cursor is None
    assert [raw.name for raw in first.raws()] == ["1", "2", "3"]
    assert first.last_cursor == "2020-01-03"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO notes (id, body, at) VALUES (0, 'it''s', '2020-01-04')")
        connection.execute("INSERT INTO notes (id, body, at) VALUES (9, 'never', NULL)")
    second = source(url, table="notes", cursor="at", after=first.last_cursor)
    assert [raw.name for raw in second.raws()] == ["0"]
    assert second.last_cursor == "2020-01-04"
    third = source(url, table="notes", cursor="at", after=second.last_cursor)
    assert list(third.raws()) == []
    assert third.last_cursor == "2020-01-04"
    assert [raw.name for raw in raws(url, table="notes", cursor="id", after=2)] == ["3", "9"]
    hostile = "' OR 1=1 --"
    assert raws(url, table="notes", cursor="body", after="zz" + hostile) == []


def test_keys_that_repeat_or_miss(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id, body)")
        rows = [("a", "1"), ("a", "2"), (None, "3")]
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    found = raws(f"sqlite:///{path}", table="t")
    assert [raw.source.partition("#")[2] for raw in found] == ["NULL", "a", "a~2"]
    assert isinstance(found[0].problem, MalformedInput)
    assert "NULL" in str(found[0].problem)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "a table or a query"),
        ({"table": "notes", "query": "SELECT 1"}, "a table or a query"),
        ({"table": "nowhere"}, "no such table"),
        ({"query": "SELEKT 1"}, "syntax error"),
        ({"query": "DROP TABLE notes"}, "syntax error"),
        ({"query": "SELECT 1 AS id; DROP TABLE notes"}, "a single SELECT"),
        ({"table": "notes", "key": "who"}, "key is 'who'.*id, body, stars"),
        ({"table": "notes", "cursor": "when"}, "cursor is 'when'.*id, body"),
        ({"table": "notes", "columns": RowColumns(("{body} {x}",))}, "columns of the table: id"),
        ({"table": 'notes" --'}, "no such table"),
    ],
)
def test_what_does_not_fit_is_said(url: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidArgument, match=match):
        source(url, **options)


def test_key_and_text_have_to_be_named(url: str) -> None:
    with pytest.raises(InvalidArgument, match="names each row"):
        open_source(url, SourceOptions(columns=BODY, table="notes"))
    with pytest.raises(InvalidArgument, match="the text of a row"):
        open_source(url, SourceOptions(table="notes", key="id"))


def test_a_query_cannot_write_attach_or_change_settings(url: str, file: Path) -> None:
    before = file.read_bytes()
    new = f"{file.parent}/new.db"
    for query in (
        f"SELECT 1 AS id, 'b' AS body) AS q; ATTACH '{new}' AS n; --",
        "SELECT load_extension('x') AS id, 'b' AS body",
        "SELECT 1 AS id, 'b' AS body FROM pragma_database_list",
        "SELECT 1 AS id, 'b' AS body FROM pragma_query_only(0)",
    ):
        try:
            found = raws(url, query=query)
        except InvalidArgument:
            continue
        assert [type(raw.problem) for raw in found] == [MalformedInput], query
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("query", "single"),
    [
        ("SELECT 1 AS id, ';' AS body", True),
        ("SELECT 1 AS id, 'it''s; ' AS body;", True),
        ('SELECT 1 AS id, body AS "b;c", body FROM notes', True),
        ("SELECT 1 AS id, 'b' AS body -- ; and so on", True),
        ("SELECT 1 AS id, 'b' AS body /* ; */", True),
        ("SELECT 1 AS id, 'b' AS body; SELECT 2", False),
        ("SELECT 1 AS id, E'\\'' AS body; DROP TABLE notes; --'", False),
        ("SELECT 1 AS a$x$; DROP TABLE notes; SELECT 1 AS b$x$", False),
        ("SELECT 1 /* /* */ ; */ AS id, 'b' AS body", False),
    ],
)
def test_a_query_is_one_statement(url: str, query: str, single: bool) -> None:  # noqa: FBT001
    if single:
        assert raws(url, query=query)
    else:
        with pytest.raises(InvalidArgument, match="a single SELECT"):
            raws(url, query=query)


def test_files_that_are_no_database(tmp_path: Path) -> None:
    with pytest.raises(UnknownSource, match=r"gone\.db"):
        source(f"sqlite:///{tmp_path}/gone.db", table="t")
    (tmp_path / "text.db").write_text("This is no database, however long it is. " * 50)
    with pytest.raises(InvalidArgument, match="not a database"):
        source(f"sqlite:///{tmp_path}/text.db", table="t")


def test_a_database_that_breaks_off_says_so_at_the_end(url: str, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        many = [(n, "b" * 500) for n in range(10, 3_000)]
        connection.executemany("INSERT INTO notes (id, body) VALUES (?, ?)", many)
        connection.execute("CREATE INDEX i ON notes (id)")
    content = bytearray(file.read_bytes())
    at = content.find(b"b" * 400, len(content) // 3) // 4096 * 4096
    content[at : at + 4096 * 60] = b"\xff" * 4096 * 60
    file.write_bytes(content)
    found = raws(url, table="notes")
    assert isinstance(found[-1].problem, MalformedInput)
    assert "malformed" in str(found[-1].problem)
    assert found[-1].metadata == {LISTING: True}
    assert all(raw.problem is None for raw in found[:-1])


def test_places_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_path("sqlite:my notes.db") == tmp_path / "my notes.db"
    assert sqlite_path("sqlite:///my notes.db") == tmp_path / "my notes.db"
    assert sqlite_path(f"sqlite:///{tmp_path}/my notes.db") == tmp_path / "my notes.db"
    assert absolute_place("sqlite:my notes.db") == url
    assert absolute_place(url) == url
    assert absolute_place("docs") == str(tmp_path / "docs")
    assert absolute_place("notes: a.txt") == str(tmp_path / "notes: a.txt")
    for address in ("dataset:a@1", "https://x.org/a", "postgresql://h/d", "s3://b/k"):
        assert absolute_place(address) == address


def test_values_of_a_cursor_that_sql_cannot_be_asked_with(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER, body TEXT, at)")
        rows = [(1, "a", 7), (2, "b", float("inf")), (3, "c", b"\x00")]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    first = source(f"sqlite:///{path}", table="t", cursor="at")
    assert len(list(first.raws())) == 3
    assert first.last_cursor == 7
    again = raws(f"sqlite:///{path}", table="t", cursor="at", after=first.last_cursor)
    assert [raw.name for raw in again] == ["2", "3"]  # read twice rather than never


# ---------------------------------------------------------------- a real PostgreSQL


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server with a table of 2,500 rows, user and password left out."""
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("pg8000")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not folders:
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    bin_folder, port = folders[-1].parent, _free_port()
    with tempfile.TemporaryDirectory(prefix="ragstone-pg-") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            if user:
                shutil.chown(path, user)
        base = folder / "base"

        def run(program: str, *arguments: str) -> None:
            words = [str(bin_folder / program), "-D", str(base), *arguments]
            subprocess.run(words, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)

        run(
            "initdb", "-A", "scram-sha-256", "-U", "rag", "--no-sync", f"--pwfile={folder}/password"
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            _fill(port)
            yield f"127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _fill(port: int) -> None:
    import pg8000.dbapi

    connection = pg8000.dbapi.connect("rag", "127.0.0.1", "postgres", port, PASSWORD)
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute(
            "CREATE TABLE notes (id int PRIMARY KEY, body text, at timestamptz, price numeric, "
            "tags text[], more jsonb, pic bytea, u uuid, ok boolean, day date)"
        )
        cursor.execute(
            "INSERT INTO notes SELECT n, 'row ' || n, timestamptz '2020-01-01 00:00+00' + "
            "n * interval '1 minute', 1.50, '{a,b}', '{\"k\": [1]}', '\\x00ff', "
            "'00000000-0000-0000-0000-000000000001', n % 2 = 0, '2020-01-31' "
            "FROM generate_series(1, 2500) AS n"
        )
        cursor.execute("CREATE SEQUENCE numbers")
        connection.commit()


@pytest.fixture
def postgres(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return f"postgresql://rag@{server}"


def test_postgresql_rows_keep_their_types(postgres: str, server: str) -> None:
    found = raws(postgres, table="public.notes")
    assert len(found) == 2_500
    assert found[0].source == f"postgresql://{server}?table=public.notes#1"
    assert [raw.name for raw in found] == [str(n) for n in range(1, 2_501)]
    values = json.loads(found[0].content or b"")
    assert values.pop("pic")["bytes"] == 2
    assert values == {
        "id": 1,
        "body": "row 1",
        "at": "2020-01-01T00:01:00+00:00",
        "price": 1.5,
        "tags": ["a", "b"],
        "more": {"k": [1]},
        "u": "00000000-0000-0000-0000-000000000001",
        "ok": False,
        "day": "2020-01-31",
    }


def test_postgresql_goes_on_from_a_cursor(postgres: str) -> None:
    query = "SELECT id, body, at FROM notes WHERE id % 2 = 0 AND body <> ':x 50%' AND id::int > 0"
    first = source(postgres, query=query, cursor="at")
    assert len(list(first.raws())) == 1_250
    assert first.last_cursor == "2020-01-02T17:40:00+00:00"
    after = "2020-01-02T17:36:00+00:00"
    assert [raw.name for raw in raws(postgres, query=query, cursor="at", after=after)] == [
        "2498",
        "2500",
    ]
    assert [r.name for r in raws(postgres, table="notes", cursor="id", after=2_499)] == ["2500"]


def test_postgresql_says_what_does_not_fit_and_is_never_written(postgres: str) -> None:
    with pytest.raises(InvalidArgument, match=r"relation .* does not exist"):
        source(postgres, table="nowhere")
    with pytest.raises(InvalidArgument, match="one of the columns: id, body"):
        source(postgres, table="notes", key="who")
    with pytest.raises(InvalidArgument):
        source(postgres, query="DELETE FROM notes RETURNING id, body")
    with pytest.raises(InvalidArgument, match="a single SELECT"):
        source(postgres, query="SELECT 1 AS id, 'b' AS body) AS q; COMMIT; DELETE FROM notes; --")
    (refused,) = raws(postgres, query="SELECT nextval('numbers') AS id, 'b' AS body")
    assert "read-only" in str(refused.problem)
    quoted = "SELECT 1 AS id, $x$;$x$ || E'\\';' || ';' AS body"
    assert json.loads(raws(postgres, query=quoted)[0].content or b"")["body"] == ";';;"
    assert len(raws(postgres, table="notes")) == 2_500


def test_postgresql_takes_the_password_from_its_file(
    server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    host, _, rest = server.partition(":")
    entry = PASSWORD.replace(":", "\\:")
    file = tmp_path / ".pgpass"
    file.write_text(f"{host}:{rest.partition('/')[0]}:*:rag:{entry}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert len(raws(f"postgresql://rag@{server}", table="notes")) == 2_500


def test_no_password_is_at_rest_and_sync_connects_again(
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    encoder: TextEncoder,
) -> None:
    def opened() -> ragstone.Workspace:
        given = {"encoder": encoder, "ingestion": {"workers": 0}}
        return ragstone.open(tmp_path / "ws", create=True, **given)

    address = f"postgresql://rag@{server}"
    asked: dict[str, Any] = {
        "text": ["body"],
        "options": {"query": "SELECT id, body FROM notes WHERE id < 4", "key": "id"},
    }
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with opened() as ws:
        for reckless in (address.replace("@", f":{PASSWORD}@"), f"{address}?password={PASSWORD}"):
            for take_in in (ws.ingest, ws.submit):
                with pytest.raises(InvalidArgument, match="an address without a password"):
                    take_in(reckless, "notes", **asked)
        assert ws.jobs() == []
        assert ws.ingest(address, "notes", **asked).items == ItemCounts(added=3)
    with opened() as ws:  # as after a restart
        assert ws.sync("notes").items == ItemCounts(unchanged=3)
        assert all(job.sources == [address] for job in ws.jobs())
    kept = [path for path in (tmp_path / "ws").rglob("*") if path.is_file()]
    assert len(kept) > 10
    assert not any(PASSWORD.encode() in path.read_bytes() for path in kept)


def test_no_error_holds_the_password(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "very-s3cret"  # noqa: S105
    monkeypatch.setenv("PGPASSWORD", secret)
    port = _free_port()
    for address in (
        f"postgresql://rag@{server}",
        f"postgresql://rag@127.0.0.1:{port}/postgres",
        f"postgresql://rag@{server}?wrong_option={secret}",
        "postgresql://rag@127.0.0.1:port/postgres",
        f"postgresql+nodriver://rag@{server}",
    ):
        with pytest.raises(RagstoneError) as caught:
            source(address, table="notes")
        seen = f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"
        assert secret not in seen
        assert isinstance(caught.value, DatabaseUnavailable | UnknownSource)
