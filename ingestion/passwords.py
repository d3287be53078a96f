"""Passwords: never in an address, but where PostgreSQL's own programs look for them.

An address is recorded with its job, named in messages, and shown to whoever may see the job.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl

from ragstone.errors import InvalidArgument

logger = logging.getLogger(__name__)

VARIABLE = "PGPASSWORD"
_FILE_VARIABLE = "PGPASSFILE"
_FILE = "~/.pgpass"
_SCHEME = re.compile(r"(?:sitemap:)?([A-Za-z][A-Za-z0-9+.-]*)://")
_DATABASES = ("postgresql", "postgres")
# HOST:PORT:DATABASE:USER:PASSWORD; a colon or backslash of a field has a backslash before it.
_ENTRY = re.compile(":".join([r"((?:[^:\\]|\\.)*)"] * 4) + ":(.*)")
_OF_OTHERS = 0o077  # permissions


def safe_url(url: str) -> str:
    """Return a URL without user, password and options, whatever they are made of."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "?"
    place = url[scheme.end() :].rpartition("@")[2]
    return f"{scheme[1].partition('+')[0]}://{place.partition('?')[0]}"


def check_address(where: str) -> None:
    """Refuse an address that holds a password, before anything keeps or shows it.

    Raises
    ------
    InvalidArgument
        It does; the message holds nothing of it.
    """
    scheme = _SCHEME.match(where)
    if scheme is None:
        return
    rest = where[scheme.end() :]
    if scheme[1].lower().partition("+")[0] in _DATABASES:
        # What has not been percent-encoded may hold any character.
        held = ":" in rest.rpartition("@")[0] or _has_password_option(rest)
        expected = f"an address without a password (it belongs in {VARIABLE} or {_FILE})"
    else:
        held = "@" in _authority(rest)
        expected = "an address without user name and password"
    if held:
        raise InvalidArgument("source", safe_url(where), expected)


def stored_password(host: str, port: int, database: str, user: str) -> str | None:
    """Return the password for a PostgreSQL server: PGPASSWORD, else the first that fits in a file.

    The file is PGPASSFILE or ~/.pgpass, in the form that PostgreSQL documents; it is left alone
    when others may read it.
    """
    if VARIABLE in os.environ:
        return os.environ[VARIABLE]
    wanted = (host, str(port), database, user)
    for line in _lines(Path(os.environ.get(_FILE_VARIABLE, _FILE)).expanduser()):
        entry = _ENTRY.fullmatch(line)
        if entry is None or line.startswith("#"):
            continue
        *fields, password = entry.groups()
        if all(f == "*" or _bare(f) == value for f, value in zip(fields, wanted, strict=True)):
            return _bare(password)
    return None


def _has_password_option(rest: str) -> bool:
    options = parse_qsl(rest.partition("?")[2], keep_blank_values=True)
    return any("pass" in name.lower() for name, _ in options)


def _authority(rest: str) -> str:
    """Return user, host and port."""
    return re.split("[/?#]", rest, maxsplit=1)[0]


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_mode & _OF_OTHERS:
            logger.warning("%s is not used: others may read it; chmod 600 mends that", file)
            return []
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # most have no such file
        return []


def _bare(field: str) -> str:
    return re.sub(r"\\(.)", r"\1", field)
