"""A process that searches all the time, and writes down whatever it should not have seen."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from include.errors import PlatformError
from include.wiring import Platform
from tests.faults.roles import Child

Chunks = frozenset[tuple[str, str]]
"""Chunk ids with the hashes of their rows."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What a reader may see of each document: exactly its old chunks, or exactly its new ones.

    A document that is new has no old chunks, a removed one no new ones. `words` are those that
    only one document has.
    """

    old: Mapping[str, Chunks]
    new: Mapping[str, Chunks]
    words: Mapping[str, str]

    def of(self, document: str) -> tuple[Chunks, Chunks]:
        """The old and the new chunks of a document."""
        return self.old.get(document, frozenset()), self.new.get(document, frozenset())


def read(child: Child, versions: Versions, stop: Path) -> None:
    """Reads all rows and searches for single documents until `stop` exists; then reports."""
    platform = child.begin()
    findings: list[str] = []
    reads = searches = 0
    documents = cycle(sorted(versions.words))
    while not stop.exists():
        live = platform.registry.live()
        if live is None:
            time.sleep(0.01)
            continue
        try:
            findings += _wrong_rows(platform, live.name, versions)
            reads += 1
            for _ in range(4):
                findings += _wrong_hits(platform, live.name, versions, next(documents))
                searches += 1
        except PlatformError as error:
            findings.append(f"error: {error}")
        time.sleep(0.01)
    child.output.with_suffix(".json").write_text(
        json.dumps({"reads": reads, "searches": searches, "wrong": findings[:100]})
    )


def _wrong_rows(platform: Platform, index: str, versions: Versions) -> Iterator[str]:
    rows = platform.store.rows(index)
    if rows["id"].n_unique() != rows.height:
        yield f"{rows.height - rows['id'].n_unique()} chunk ids occur twice"
    seen: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for document, chunk, row_hash in rows.select("document_id", "id", "row_hash").iter_rows():
        seen[document].add((chunk, row_hash))
    for document in {*seen, *versions.old, *versions.new}:
        if frozenset(seen[document]) not in versions.of(document):
            yield f"{document} has {len(seen[document])} chunks, neither its old nor its new ones"


def _wrong_hits(platform: Platform, index: str, versions: Versions, document: str) -> Iterator[str]:
    found = platform.store.search_text(index, versions.words[document], 100)
    hits = frozenset(hit.chunk_id for hit in found)
    allowed = [frozenset(chunk for chunk, _ in one) for one in versions.of(document)]
    if hits not in allowed:
        yield f"a search finds {len(hits)} chunks of {document}, neither its old nor its new ones"
