"""E-mail (.eml): the subject as title, the body as text, the head as metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from email.policy import EmailPolicy
from email.utils import parsedate_to_datetime
from typing import Any

from ragstone.config import LimitSettings
from ragstone.errors import EncryptedInput, LimitExceeded, MalformedInput
from ragstone.ingestion.parsers.base import TextWriter, collapse, malformed, without_empty
from ragstone.ingestion.parsers.decode import decode
from ragstone.ingestion.parsers.plain import paragraphs
from ragstone.ingestion.parsers.visible import write_visible
from ragstone.ingestion.parsers.web import body_of, load_html
from ragstone.schemas.records import BlockKind, Document

MEDIA_TYPE = "message/rfc822"
_HEADERS = ("from", "to", "cc")
# What the grammar of headers and bodies raises besides its own errors.
_ODD = (LookupError, ValueError, TypeError, AttributeError)
_MAX_DEPTH = 30  # parts in parts: what walks them calls itself
_MAX_PARTS = 10_000
_MAX_HEADER = 5_000  # characters; reading one by its grammar may cost the square of its length


class _Policy(EmailPolicy):
    """Refuses to read a very long header by its grammar, as the parts' structure asks for."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        if len(value) > _MAX_HEADER:
            raise LimitExceeded("The length of a header", len(value), _MAX_HEADER, "(fixed)")
        return super().header_fetch_parse(name, value)


_POLICY = _Policy()


def parse_mail(content: bytes, limits: LimitSettings) -> Document:
    """Read a message; attachments are named in the metadata, not read.

    The plain body is taken, else the HTML body. Forwarded messages inside follow in order. A
    message whose head holds nothing at all is refused.
    """
    message = _load(content)
    writer = TextWriter(MEDIA_TYPE, limits)
    with malformed("e-mail", MessageError, RecursionError, *_ODD):
        title, metadata = _describe(message)
        _write_body(message, writer)
    return writer.document(title, metadata)


def _load(content: bytes) -> EmailMessage:
    # A message saved as UTF-16 must become bytes that the header parser understands.
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = decode(content)[0].encode()
    try:
        with malformed("e-mail", MessageError, ValueError, TypeError, IndexError):
            message: EmailMessage = message_from_bytes(
                content.lstrip(b"\xef\xbb\xbf"),
                policy=_POLICY,  # type: ignore[arg-type]  # it makes e-mail messages
            )
    except RecursionError as error:
        raise MalformedInput("e-mail", "its parts are nested too deeply") from error
    _check(message)
    if message.get_content_type() in ("application/pkcs7-mime", "multipart/encrypted"):
        raise EncryptedInput
    return message


def _check(message: EmailMessage) -> None:
    """Raise `LimitExceeded` before anything walks too many parts, or parts nested too deeply."""
    waiting: list[tuple[Any, int]] = [(message, 1)]
    parts = 0
    while waiting:
        part, depth = waiting.pop()
        parts += 1
        if depth > _MAX_DEPTH:
            raise LimitExceeded("The depth of parts in parts", depth, _MAX_DEPTH, "(fixed)")
        if part.is_multipart():
            waiting.extend((inner, depth + 1) for inner in part.get_payload())
    if parts > _MAX_PARTS:
        raise LimitExceeded("The number of parts", parts, _MAX_PARTS, "(fixed)")


def _describe(message: EmailMessage) -> tuple[str, dict[str, Any]]:
    metadata: dict[str, Any] = {name: _header(message, name) for name in _HEADERS}
    metadata["created"] = _date(str(message.get("date", "")))
    metadata["attachments"] = [
        part.get_filename() or part.get_content_type() for part in message.iter_attachments()
    ] if message.is_multipart() else []  # fmt: skip
    return _header(message, "subject"), without_empty(metadata)


def _header(message: EmailMessage, name: str) -> str:
    """Return a header for people: decoded, or as it stands when it is too long or too odd."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name), "")
    if len(raw) <= _MAX_HEADER:
        with contextlib.suppress(RecursionError, *_ODD):
            return str(message.get(name, ""))
    return collapse(raw)


def _date(value: str) -> str:
    try:
        return parsedate_to_datetime(value).isoformat()
    except (ValueError, TypeError, IndexError):
        return value


def _write_body(message: EmailMessage, writer: TextWriter) -> None:
    body = message.get_body(preferencelist=("plain", "html"))
    if body is not None:
        payload = body.get_payload(decode=True)
        text = _text(body, payload if isinstance(payload, bytes) else b"")
        if body.get_content_type() == "text/html":
            tree = load_html(text)
            if tree is not None:
                write_visible(body_of(tree), writer)
        else:
            _write_plain(text, writer)
    for inner in _forwarded(message):
        writer.add(_header(inner, "subject"), BlockKind.HEADING, 2)
        _write_body(inner, writer)


def _forwarded(message: EmailMessage) -> Iterator[EmailMessage]:
    """Yield the messages inside, but not those inside of them."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        parts: Any = part.get_payload() if part.is_multipart() else []
        if part is not message and part.get_content_type() == "message/rfc822":
            yield from (inner for inner in parts if isinstance(inner, EmailMessage))
        else:
            waiting.extend(reversed(parts))


def _text(part: MIMEPart, payload: bytes) -> str:
    return decode(payload, part.get_content_charset() or "")[0] if payload else ""


def _write_plain(text: str, writer: TextWriter) -> None:
    for block in paragraphs(text, 0, len(text), BlockKind.PARAGRAPH):
        writer.add(text[block.start : block.end].replace("\r\n", "\n"))
