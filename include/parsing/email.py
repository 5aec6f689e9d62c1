"""E-mail, read with the standard library: subject, sender and date, the body, what is attached.

The older of its two policies is used on purpose: the newer one raises on headers in the wild.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter, one_line
from include.parsing.decoding import decode
from include.parsing.email_parts import Attachment, Parts

_HEADERS = {"From": "from", "To": "to", "Cc": "cc", "Keywords": "keywords"}
_LONGEST_HEADER = 20_000  # decoding encoded words takes time quadratic in their number
_WIDE = re.compile(rb"\xff\xfe|\xfe\xff|[^\x00]\x00|\x00[^\x00]")

Inner = Callable[[str, bytes], ParsedText]


def parse_email(raw: bytes, inner: Inner) -> ParsedText:
    """A message under its subject, then every attachment that `inner` can read, under its name.

    The others are listed in the metadata with the reason. Raises DocumentError `encrypted`.
    """
    message = _parsed(raw)
    parts = Parts(message)
    writer = BlockWriter()
    subject = one_line(header(message, "Subject"))
    writer.add("heading", subject, 1)
    for text in parts.plain:
        _write_plain(text, writer)
    for page in parts.pages:
        _write_page(page, writer)
    metadata = _metadata(message)
    unread = [
        refusal for refusal in (_write(a, inner, writer) for a in parts.attachments) if refusal
    ]
    if parts.attachments:
        metadata["attachments"] = [attachment.name for attachment in parts.attachments]
    if unread:
        metadata["attachments_unread"] = unread
    return writer.finish(subject, metadata)


def _parsed(raw: bytes) -> Message:
    if _WIDE.match(raw):
        raw = decode(raw).encode()
    try:
        return message_from_bytes(raw.lstrip(b"\xef\xbb\xbf\r\n"))
    except (MessageError, ValueError, LookupError, RecursionError) as error:
        raise DocumentError("malformed", f"It is no e-mail message: {error}.") from error


def header(message: Message, name: str) -> str:
    """A header's text, its encoded words decoded where that can be done; "" without one."""
    value = str(message.get(name) or "")[:_LONGEST_HEADER]
    with suppress(MessageError, ValueError, LookupError):  # else shown as it was sent
        value = str(make_header(decode_header(value)))
    return " ".join(value.encode("utf-8", "replace").decode().split())


def _metadata(message: Message) -> dict[str, object]:
    found = {key: header(message, name) for name, key in _HEADERS.items()}
    metadata: dict[str, object] = {key: value for key, value in found.items() if value}
    if found["from"]:
        metadata["author"] = found["from"]
    with suppress(
        ValueError, TypeError, IndexError, OverflowError
    ):  # no date, or an impossible one
        metadata["date"] = parsedate_to_datetime(header(message, "Date")).isoformat()
    return metadata


def _write_plain(text: str, writer: BlockWriter) -> None:
    """Paragraphs between blank lines; what is quoted from an earlier message is a quote."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = paragraph.strip("\n").split("\n")
        quoted = all(line.startswith(">") for line in lines)
        writer.add("quote" if quoted else "paragraph", "\n".join(line.rstrip() for line in lines))


def _write_page(html: str, writer: BlockWriter) -> None:
    from include.parsing.html import parse_html

    writer.add_parsed(parse_html(html), deeper=1)


def _write(attachment: Attachment, inner: Inner, writer: BlockWriter) -> str:
    """Writes what is attached; returns its name and the reason where it cannot be read."""
    try:
        parsed = inner(attachment.name, attachment.content)
    except DocumentError as error:
        return f"{attachment.name}: {error.reason}"
    writer.add("heading", one_line(f"Attachment: {attachment.name}"), 2)
    writer.add_parsed(parsed, deeper=2)
    return ""
