"""Removing a document's rows from every table, whatever table it is."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING

from include.erasure.subject import CACHE, Subject
from include.storage.history import delete_among

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

MARKERS = "erasures"
_OWNERS = ("document_id", "file_id", "id")
# The manifest last: after a kill it still names what is to be erased.
_LAST = "documents"


def erase_rows(
    database: LanceDatabase, subject: Subject, needed: Set[str]
) -> Iterator[tuple[str, int]]:
    """Deletes the document from each table; yields every table's name and how many rows left it.

    A table that names documents loses the rows of this one, any other that is keyed by texts those
    of texts that no other document has. `needed` are hashes of texts that stay in any case.
    """
    for name in sorted(database.names(), key=lambda name: (name == _LAST, name)):
        if name != MARKERS:
            own = subject.own_chunks if name.startswith(CACHE) else subject.own_texts
            yield name, _erase_from(database, name, subject, own - needed)


def _erase_from(database: LanceDatabase, name: str, subject: Subject, hashes: Set[str]) -> int:
    handle = database.open(name)
    columns = handle.schema.names if handle is not None else []
    owners = [column for column in _OWNERS if column in columns]
    if owners:
        return sum(delete_among(database, name, each, sorted(subject.ids)) for each in owners)
    if "text_hash" in columns:
        return delete_among(database, name, "text_hash", sorted(hashes))
    return 0
