"""Reads and extracts files ahead of whoever uses them, so that nobody waits for anybody.

Extraction is one file ahead, which keeps two processor cores busy. A store that is a network away
answers each request after milliseconds of silence, so objects are fetched several at a time.
"""

from __future__ import annotations

from collections import deque
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

REMOTE_READERS = 8
"""Requests at once to a store that is a network away."""

AHEAD_BYTES = 64 * 1024 * 1024
"""Listed bytes that are held before they are extracted; one larger object goes alone."""

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

    @property
    def readers(self) -> int:
        """How many files are read at once: a disk serves one reader as well as eight."""
        remote = any(uri.startswith("s3://") for uri in self.sources)
        return REMOTE_READERS if remote else 1

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


Fetched = tuple[Row, SourceContent | DocumentError]


def read_files(
    rows: Iterable[Row],
    reading: Reading,
    known_content: Callable[[str], object],
    extractor: Extractor,
) -> Iterator[FileRead]:
    """Every file in order. `known_content(id)` is the hash of the content in the manifest.

    Raises what a source raises when not just one document is at fault; then nothing more is read.
    """

    def fetch(row: Row) -> Fetched:
        source, key = reading.sources[str(row["source"])], str(row["key"])
        # One that came since the listing is noticed by the next; looking costs requests.
        listed = row["sidecar_stamp"] != ""
        try:
            return row, source.read(key, reading.max_document_bytes, sidecar=listed)
        except DocumentError as error:
            return row, error

    def extract(fetched: Fetched) -> FileRead:
        row, content = fetched
        if isinstance(content, DocumentError):
            return FileRead(row, None, [_refused(content)])
        source, key = str(row["source"]), str(row["key"])
        held = reading.content_hash(source, content_version(content))
        if not reading.rebuild and held == known_content(str(row["id"])):
            return FileRead(row, content, None)
        try:
            return FileRead(row, content, extractor.extract(source, key, content.raw))
        except DocumentError as error:
            return FileRead(row, content, [_refused(error)])

    if reading.readers == 1:
        return _one_ahead(lambda row: extract(fetch(row)), rows)
    return _one_ahead(extract, _several_ahead(fetch, rows, reading.readers))


def _refused(error: DocumentError) -> Extracted:
    return Extracted(reason=error.reason, detail=error.detail)


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


def _several_ahead(fetch: Callable[[Row], Out], rows: Iterable[Row], readers: int) -> Iterator[Out]:
    """`map` in so many threads; what waits to be taken has at most AHEAD_BYTES in the listing."""
    waiting: deque[tuple[Future[Out], int]] = deque()
    held = 0
    with ThreadPoolExecutor(readers, thread_name_prefix="fetching") as pool:
        try:
            for row in rows:
                size = int(str(row["size"]))
                while waiting and (len(waiting) == 2 * readers or held + size > AHEAD_BYTES):
                    future, freed = waiting.popleft()
                    held -= freed
                    yield future.result()
                waiting.append((pool.submit(fetch, row), size))
                held += size
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
