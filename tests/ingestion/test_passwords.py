"""Passwords: kept out of addresses, and found where PostgreSQL's own programs find them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ragstone.errors import InvalidArgument
from ragstone.ingestion.passwords import check_address, safe_url, stored_password
from ragstone.ingestion.sources import open_source

WITH_PASSWORD = [
    "postgresql://ann:s3cr3t@host:5432/db",
    "postgresql://ann:s3cr3t@host:5432/db?sslmode=require&password=s3cr3t",
    "postgresql+pg8000://ann:s3cr3t@host:5432/db",
    "postgresql://ann:s3cr3t/s3cr3t?s3cr3t#s3cr3t@host:5432/db",
    "postgresql://ann:s3cr3t@s3cr3t@host:5432/db",
    "postgresql://host:5432/db?user=ann&p%61ssword=s3cr3t",
    "postgresql://host:5432/db?sslpassword=s3cr3t",
    "PostgreSQL://:s3cr3t@host:5432/db",
]


@pytest.mark.parametrize("address", WITH_PASSWORD)
def test_no_place_holds_a_password(address: str) -> None:
    assert safe_url(address).lower() == "postgresql://host:5432/db"


@pytest.mark.parametrize(
    "address",
    [
        *WITH_PASSWORD,
        "https://ann:s3cr3t@host/a.pdf",
        "https://s3cr3t@host/a.pdf",
        "sitemap:https://ann:s3cr3t@host/",
        "s3://key:s3cr3t@bucket/x",
        "mysql://ann:s3cr3t@host/db",
    ],
)
def test_an_address_with_a_password_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(InvalidArgument, match="an address without") as caught:
        open_source(address)
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint} {caught.value.value}"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ann@host:5432/db?sslmode=require",
        "https://medium.test:8443/@ann/post:1?to=ann:b@c.test",
        "sitemap:https://host/",
        "s3://bucket/a@b:c",
        "notes: a:b@c.txt",
        "sqlite:///a:b@c.db",
    ],
)
def test_other_addresses_are_not(address: str) -> None:
    check_address(address)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.delenv("PGPASSFILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".pgpass"
    path.write_text(
        "# host:5432:db:ann:a comment\n\nhost:5432:db\n"
        "host:5432:db:ann:first\n"
        "host:5432:db:ann:second\n"
        "*:5433:*:ann:any\\:where:\\\\\n"
        "h\\:1:*:*:*:colon\n"
    )
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("wanted", "password"),
    [
        (("host", 5432, "db", "ann"), "first"),
        (("other", 5433, "x", "ann"), "any:where:\\"),
        (("h:1", 1, "x", "bob"), "colon"),
        (("host", 5432, "db", "bob"), None),
        (("host", 5432, "*", "ann"), None),
    ],
)
def test_the_first_entry_that_fits(
    file: Path, wanted: tuple[str, int, str, str], password: str | None
) -> None:
    assert file.exists()
    assert stored_password(*wanted) == password


def test_the_variables_come_first(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = file.rename(file.parent / "other")
    assert stored_password("host", 5432, "db", "ann") is None
    monkeypatch.setenv("PGPASSFILE", str(other))
    assert stored_password("host", 5432, "db", "ann") == "first"
    monkeypatch.setenv("PGPASSWORD", "of the environment")
    assert stored_password("host", 5432, "db", "ann") == "of the environment"


def test_a_file_that_others_may_read_is_left_alone(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.chmod(0o640)
    with caplog.at_level(logging.WARNING):
        assert stored_password("host", 5432, "db", "ann") is None
    assert "chmod 600" in caplog.text
    assert "first" not in caplog.text
