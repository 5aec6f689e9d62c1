"""Whether a document still is where it came from: then it would come back with the next sync."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from include.documents import document_id
from include.errors import DocumentError
from include.stages.reading import Reading


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address points: the ids a document there has, and whether one is there now."""

    names: frozenset[str]
    is_there: bool


def place(uri: str, reading: Reading) -> Place:
    """Looks for the address among what the sources list; reads the file when a row is meant.

    Raises SourceError when a source cannot be listed: then nobody can say.
    """
    address, mark, record = uri.partition("#")
    names: set[str] = set()
    for source in reading.sources.values():
        for each in source.list():
            # A file's name may hold the sign itself; in an address it is %23.
            if address in (each.uri, unquote(each.uri)):
                key = f"{each.key}#{unquote(record)}" if mark else each.key
                names.add(document_id(each.source, key))
                there = not mark or _holds_row(reading, each.source, each.key, unquote(record))
                return Place(frozenset(names), there)
        if address.startswith(f"{source.uri}/"):
            key = unquote(address[len(source.uri) + 1 :])
            names.add(document_id(source.uri, f"{key}#{unquote(record)}" if mark else key))
    return Place(frozenset(names), False)


def _holds_row(reading: Reading, source: str, key: str, record: str) -> bool:
    """Whether the file has this row; a file that cannot be read may have it."""
    try:
        raw = reading.sources[source].read(key, reading.max_document_bytes).raw
        with reading.extractor() as extractor:
            found = extractor.extract(source, key, raw)
    except DocumentError as error:
        return error.reason != "vanished"
    return any(row.record == record for row in found)
