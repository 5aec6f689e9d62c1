"""Logged queries that quote a document: whoever pastes a piece of it into a search leaves it there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from include.erasure.snippets import SHORTEST
from include.stages.queries import forget_unlogged
from include.storage.lake import Lake
from include.storage.query_log import TEXT, QueryLog, read_line

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

_PIECE = SHORTEST // 2


class Quotes:
    """Tells texts that share so many characters in a row with a document, on one line of it.

    The document is cut into pieces of half that length: whatever is shared holds one of them whole.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._lines = [line for text in texts for line in text.splitlines()]
        self._pieces = {
            line[at : at + _PIECE]
            for line in self._lines
            for at in range(0, len(line) - _PIECE + 1, _PIECE)
        }

    def __call__(self, text: str) -> bool:
        """Whether it does."""
        near = any(text[at : at + _PIECE] in self._pieces for at in range(len(text) - _PIECE + 1))
        return near and any(
            text[at : at + SHORTEST] in line
            for at in range(len(text) - SHORTEST + 1)
            for line in self._lines
        )


def erase_queries(lake: Lake, database: LanceDatabase, texts: Iterable[str], uri: str) -> int:
    """Takes queries out of the log that quote one of these texts or name the address; how many."""
    quotes, address = Quotes(texts), uri if "://" in uri else None

    def unwanted(line: bytes) -> bool:
        query = read_line(line)
        return query is not None and (
            quotes(query.text) or (address is not None and address in query.text)
        )

    log = QueryLog(lambda: lake.objects, TEXT)
    gone = log.segments.take_out(unwanted)
    if gone:
        forget_unlogged(lake, database, log)
    return len(gone)
