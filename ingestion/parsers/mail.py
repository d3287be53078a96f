"""E-mail (.eml): the subject as title, the body as text, the head as metadata."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from email.utils import parsedate_to_datetime
from typing import Any

from ragstone.config import LimitSettings
from ragstone.errors import EncryptedInput
from ragstone.ingestion.parsers.base import TextWriter, malformed, without_empty
from ragstone.ingestion.parsers.decode import decode
from ragstone.ingestion.parsers.plain import paragraphs
from ragstone.ingestion.parsers.visible import write_visible
from ragstone.ingestion.parsers.web import body_of, load_html
from ragstone.schemas.records import BlockKind, Document

MEDIA_TYPE = "message/rfc822"
_HEADERS = ("from", "to", "cc")


def parse_mail(content: bytes, limits: LimitSettings) -> Document:
    """Read a message; attachments are named in the metadata, not read.

    The plain body is taken, else the HTML body. Forwarded messages inside follow in order. A
    message whose head holds nothing at all is refused.
    """
    message = _load(content)
    writer = TextWriter(MEDIA_TYPE, limits)
    with malformed("e-mail", MessageError, LookupError, ValueError, TypeError, AttributeError):
        title, metadata = _describe(message)
        _write_body(message, writer)
    return writer.document(title, metadata)


def _load(content: bytes) -> EmailMessage:
    # A message saved as UTF-16 must become bytes that the header parser understands.
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = decode(content)[0].encode()
    with malformed("e-mail", MessageError, ValueError, TypeError, IndexError):
        message = message_from_bytes(content.lstrip(b"\xef\xbb\xbf"), policy=policy.default)
    if message.get_content_type() in ("application/pkcs7-mime", "multipart/encrypted"):
        raise EncryptedInput
    return message


def _describe(message: EmailMessage) -> tuple[str, dict[str, Any]]:
    metadata: dict[str, Any] = {name: str(message.get(name, "")) for name in _HEADERS}
    metadata["created"] = _date(str(message.get("date", "")))
    metadata["attachments"] = [
        part.get_filename() or part.get_content_type() for part in message.iter_attachments()
    ] if message.is_multipart() else []  # fmt: skip
    return str(message.get("subject", "")), without_empty(metadata)


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
    for part in message.walk():
        if part is not message and part.get_content_type() == "message/rfc822":
            for inner in part.get_payload():
                if isinstance(inner, EmailMessage):
                    writer.add(str(inner.get("subject", "")), BlockKind.HEADING, 2)
                    _write_body(inner, writer)


def _text(part: MIMEPart, payload: bytes) -> str:
    return decode(payload, part.get_content_charset() or "")[0] if payload else ""


def _write_plain(text: str, writer: TextWriter) -> None:
    for block in paragraphs(text, 0, len(text), BlockKind.PARAGRAPH):
        writer.add(text[block.start : block.end].replace("\r\n", "\n"))
