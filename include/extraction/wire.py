"""How parent and child talk: messages with a length before them, documents as plain tuples.

A document has hundreds of blocks; as objects they would take longer to pickle than to parse.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import BinaryIO

from include.documents import Block, ParsedText
from include.extraction.extract import Extracted

NO_MEMORY = 12
"""The exit status of a child that ran out of memory."""


def send(pipe: BinaryIO, message: bytes) -> None:
    """Writes one message."""
    pipe.write(len(message).to_bytes(8, "big"))
    pipe.write(message)
    pipe.flush()


def receive(pipe: BinaryIO) -> bytes | None:
    """Reads one message; None when the other side has ended."""
    length = pipe.read(8)
    if len(length) < 8:
        return None
    message = pipe.read(int.from_bytes(length, "big"))
    return message if len(message) == int.from_bytes(length, "big") else None


def pack(found: Sequence[Extracted]) -> bytes:
    """Documents as bytes."""
    return pickle.dumps([_row(each) for each in found], protocol=pickle.HIGHEST_PROTOCOL)


def unpack(message: bytes) -> list[Extracted]:
    """What `pack` wrote."""
    rows = pickle.loads(message)  # noqa: S301 - the other side is our own process
    return [_extracted(*row) for row in rows]


def _row(found: Extracted) -> tuple[object, ...]:
    parsed = found.parsed
    return (
        None
        if parsed is None
        else (
            parsed.text,
            [block.kind for block in parsed.blocks],
            [(block.start, block.end, block.level) for block in parsed.blocks],
            parsed.title,
            dict(parsed.metadata),
            parsed.pages,
        ),
        (found.record, found.content, found.language, found.reason, found.detail),
    )


def _extracted(parsed: tuple | None, rest: tuple[str, str, str, str, str]) -> Extracted:  # type: ignore[type-arg]
    record, content, language, reason, detail = rest
    if parsed is None:
        return Extracted(record, content, None, language, reason, detail)
    text, kinds, places, title, metadata, pages = parsed
    blocks = tuple(Block(kind, *place) for kind, place in zip(kinds, places, strict=True))
    document = ParsedText(text, blocks, title, metadata, pages)
    return Extracted(record, content, document, language, reason, detail)
