"""Reads and extracts files one ahead of whoever uses them, so that two processor cores are busy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from include.chunking import ChunkerByMediaType
from include.documents import digest
from include.errors import DocumentError
from include.extraction import Extracted, Rules
from include.metadata import NO_RULES, MetadataRules
from include.storage.source import Source, SourceContent

Row = dict[str, object]
In = TypeVar("In")
Out = TypeVar("Out")


class Extractor(Protocol):
    """Turns a file into its documents; see `include.extraction`."""

    def extract(self, source: str, name: str, raw: bytes) -> list[Extracted]:
        """Every document of the file. Raises DocumentError when it takes too much."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading needs: the sources by URI, the chunkers, the largest file worth reading.

    `extractor` opens an Extractor for one run. With `rebuild`, documents whose content is
    unchanged are chunked all the same.
    """

    sources: Mapping[str, Source]
    chunker: ChunkerByMediaType
    extractor: Callable[[], AbstractContextManager[Extractor]]
    rules: Rules
    max_document_bytes: int
    metadata: MetadataRules = NO_RULES
    rebuild: bool = False

    def content_hash(self, source: object, version: str) -> str:
        """Names what is indexed of a version: the same bytes under another policy are new."""
        policy = self.rules.policy(str(source)).id
        return digest("policy", version, policy) if policy else version


@dataclass(frozen=True, slots=True)
class FileRead:
    """A listed file after reading: `documents` is None when its content is that of the manifest.

    `content` is None when not even its bytes could be read.
    """

    row: Row
    content: SourceContent | None
    documents: list[Extracted] | None


def read_files(
    rows: Iterable[Row],
    reading: Reading,
    known_content: Callable[[str], object],
    extractor: Extractor,
) -> Iterator[FileRead]:
    """Every file in order. `known_content(id)` is the hash of the content in the manifest."""

    def read(row: Row) -> FileRead:
        source, key = str(row["source"]), str(row["key"])
        content: SourceContent | None = None
        try:
            content = reading.sources[source].read(key, reading.max_document_bytes)
            held = reading.content_hash(source, content_version(content))
            if not reading.rebuild and held == known_content(str(row["id"])):
                return FileRead(row, content, None)
            return FileRead(row, content, extractor.extract(source, key, content.raw))
        except DocumentError as error:
            found = Extracted(reason=error.reason, detail=error.detail)
            return FileRead(row, content, [found])

    return _one_ahead(read, rows)


def content_version(content: SourceContent, record: str = "") -> str:
    """Names the exact bytes of a file and its sidecar, or of one record of it and the sidecar."""
    return digest("content", record or content.raw, content.sidecar or b"")


def _one_ahead(function: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """`map` in another thread, one result ahead of the consumer."""
    with ThreadPoolExecutor(1, thread_name_prefix="reading") as pool:
        waiting: Future[Out] | None = None
        for item in items:
            following = pool.submit(function, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
