"""The parts of an e-mail message: its body in the best of the forms sent, and its attachments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message

from include.errors import DocumentError
from include.parsing.decoding import decode
from include.parsing.limits import MOST_ATTACHMENTS, MOST_NESTED_ELEMENTS

_ENVELOPES = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_SIGNATURES = frozenset(
    ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
     "application/ms-tnef")
)  # fmt: skip
_SEVEN_BIT = re.compile(r"iso-2022-.*|utf-?7|hz.*", re.IGNORECASE)
_EXTENSIONS = {"text/plain": ".txt", "text/html": ".html", "message/rfc822": ".eml"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message: its name without folders, and its bytes."""

    name: str
    content: bytes


class Parts:
    """What a message consists of: `plain` texts and HTML `pages` of the body, `attachments`."""

    def __init__(self, message: Message) -> None:
        self.plain: list[str] = []
        self.pages: list[str] = []
        self.attachments: list[Attachment] = []
        self._read(message, 0)

    def _read(self, part: Message, depth: int) -> None:
        kind = part.get_content_type()
        if kind == "multipart/encrypted" or (
            kind in _ENVELOPES and part.get_param("smime-type") != "signed-data"
        ):
            raise DocumentError("encrypted", "The message is encrypted; export it decrypted.")
        if depth > MOST_NESTED_ELEMENTS:
            raise DocumentError("malformed", "Its parts are nested too deeply.")
        if kind.startswith("multipart/") and part.is_multipart():
            for chosen in _chosen(part, kind):
                self._read(chosen, depth + 1)
        elif _is_attached(part, kind):
            self._attach(part, kind)
        elif kind == "text/html":
            self.pages.append(_text(part))
        elif kind.startswith(("text/", "multipart/")):
            self.plain.append(_text(part))

    def _attach(self, part: Message, kind: str) -> None:
        if kind in _SIGNATURES:
            return
        if len(self.attachments) >= MOST_ATTACHMENTS:
            raise DocumentError(
                "too_large", f"It has more attachments than the limit of {MOST_ATTACHMENTS}."
            )
        number = len(self.attachments) + 1
        name = _name(part) or f"attachment-{number}{_EXTENSIONS.get(kind, '.bin')}"
        self.attachments.append(Attachment(name, _content(part, kind)))


def _chosen(part: Message, kind: str) -> list[Message]:
    """All parts; of alternatives the plain text where it has words, else the last, the richest."""
    parts = [entry for entry in part.get_payload() if isinstance(entry, Message)]
    if kind != "multipart/alternative" or not parts:
        return parts
    plain = [entry for entry in parts if entry.get_content_type() == "text/plain"]
    return [entry for entry in plain if _content(entry, "text/plain").strip()][:1] or parts[-1:]


def _is_attached(part: Message, kind: str) -> bool:
    if part.get_content_disposition() == "attachment" or kind == "message/rfc822":
        return True
    is_body = kind in ("text/plain", "text/html") or kind.startswith("multipart/")
    return not is_body or bool(_name(part))


def _name(part: Message) -> str:
    """The file's name as sent, without folders."""
    try:
        name = str(make_header(decode_header(part.get_filename() or "")))
    except (MessageError, ValueError, LookupError, TypeError):
        name = ""
    name = name.encode("utf-8", "replace").decode()
    return " ".join(re.split(r"[/\\]", name)[-1].split())[:200]


def _content(part: Message, kind: str) -> bytes:
    try:
        if kind == "message/rfc822" and part.is_multipart():
            return bytes(part.get_payload(0).as_bytes())  # type: ignore[union-attr]
        content = part.get_payload(decode=True)
    except (MessageError, ValueError, LookupError, TypeError, AttributeError):
        return b""
    return content if isinstance(content, bytes) else b""


def _text(part: Message) -> str:
    raw = _content(part, part.get_content_type())
    charset = part.get_content_charset() or ""
    if not raw.strip():
        return ""
    if _SEVEN_BIT.fullmatch(charset):
        return raw.decode(charset, "replace").replace("\r\n", "\n")
    return decode(raw, charset or None)
