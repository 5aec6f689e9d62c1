"""Stage 2: read, parse and chunk what changed. Spends nothing; one bad document harms no other."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import polars as pl

from include.chunking import Chunker
from include.documents import ParsedText, Span, text_hash
from include.errors import DocumentError, PlatformError
from include.extraction import Extracted
from include.observability.log import report, stage, warn
from include.planning import withhold_deletions
from include.stages.changes import Changes
from include.stages.described import Row, described, metadata_of, rejection
from include.stages.known import Known
from include.stages.prepared import Parts, Prepared
from include.stages.reading import FileRead, Reading, read_files
from include.stages.rows import IDS, TOUCHED, chunk_columns
from include.storage.artifacts import Artifacts
from include.storage.tables import Tables

Progress = Callable[[int], None]

UNPLACED = ("malformed_row", "missing_id")
"""Reasons of rows that name no document: they may be new versions of any row that is missing."""


def prepare(
    changes: Changes,
    reading: Reading,
    tables: Tables,
    artifacts: Artifacts,
    *,
    on_progress: Progress | None = None,
) -> Prepared:
    """Turns changed documents into rows; what cannot be read is set aside with a reason.

    Memory is bounded by one part of rows and the largest file. Raises nothing because of a
    document. `on_progress` is called with 1 after each file.
    """
    rows, gone, unsettled, enriched = (
        artifacts.read(uri) if uri else pl.DataFrame(schema=IDS)
        for uri in (
            changes.rows_uri,
            changes.removed_uri,
            changes.unsettled_uri,
            changes.enriched_uri,
        )
    )
    with stage("prepare", run=changes.run_id) as event, ExitStack() as stack:
        known = Known(rows, gone, unsettled, tables, enriched=enriched)
        work = _Preparation(reading, known, Parts(artifacts, stack))
        extractor = stack.enter_context(reading.extractor())
        for file in read_files(rows.iter_rows(named=True), reading, known.content, extractor):
            work.take(file)
            if on_progress:
                on_progress(1)
        event |= work.counts
        return work.finish(changes, artifacts)


class _Preparation:
    """Takes files one by one and writes the rows of their documents."""

    def __init__(self, reading: Reading, known: Known, parts: Parts) -> None:
        self.counts: Counter[str] = Counter()
        self._reading = reading
        self._known = known
        self._parts = parts
        self._dropped: list[str] = []

    def take(self, file: FileRead) -> None:
        """Writes every document of a file, and remembers which ones it no longer holds."""
        if file.documents is None:
            self._touch(described(file, Extracted()))
            return
        seen: set[str] = set()
        accepted = 0
        for found in file.documents:
            document = described(file, found)
            seen.add(str(document["id"]))
            accepted += self._write(document, file, found)
        if accepted:
            self._drop_missing(file, seen)
        elif all(found.record for found in file.documents):
            nothing = f"None of its {len(seen)} rows can be indexed."
            whole = described(file, Extracted())
            self._reject(whole, file, DocumentError("no_rows", nothing))

    def _drop_missing(self, file: FileRead, seen: set[str]) -> None:
        """Takes out the rows that a file of records lost, unless a bad row may hide them."""
        missing = sorted(self._known.documents_of(str(file.row["id"])) - seen)
        if not any(found.reason in UNPLACED for found in file.documents or ()):
            self._dropped += missing
        elif missing:
            for name in missing:
                self._touch(described(file, Extracted()) | {"id": name})
            warn(
                f"{len(missing)} documents are not found in {file.row['uri']}, but some of its "
                f"rows cannot be read: they stay searchable as they were."
            )

    def finish(self, changes: Changes, artifacts: Artifacts) -> Prepared:
        """The run so far as a value, with the deletions that need nobody's leave."""
        parts, dropped = self._parts, self._dropped
        withheld = withhold_deletions(
            changes.removed + len(dropped),
            total=self._known.total,
            max_delete_fraction=changes.max_delete_fraction,
            listed=changes.listed,
        )
        ids = pl.DataFrame({"id": dropped}, schema=IDS)
        return Prepared(
            changes=changes,
            documents=tuple(parts.documents.finish()),
            chunks=tuple(parts.chunks.finish()),
            touched=tuple(parts.touched.finish()),
            rejected=tuple(parts.rejected.finish()),
            counts=dict(self.counts),
            dropped_uri=artifacts.write("dropped", ids) if dropped and not withheld else "",
            withheld=len(dropped) if withheld else 0,
        )

    def _write(self, document: Row, file: FileRead, found: Extracted) -> bool:
        """Writes the rows of one document; False when it was set aside."""
        name, version = str(document["id"]), str(document["version"])
        document["released"] = self._known.is_released(name, version)
        document["content_hash"] = self._reading.content_hash(document["source"], version)
        try:
            if found.parsed is None or (found.reason and not document["released"]):
                raise DocumentError(found.reason, found.detail)
            self._refuse_erased(document)
            known = self._known.content(name) == document["content_hash"]
            if known and not self._reading.rebuild:
                self._touch(document)
            else:
                self._write_document(document, file, found)
        except DocumentError as error:
            self._reject(document, file, error)
            return False
        return True

    def _refuse_erased(self, document: Row) -> None:
        if self._known.is_erased(document) and not document["released"]:
            raise DocumentError(
                "erased", "It was erased from the lake, and is not indexed again unless released."
            )

    def _reject(self, document: Row, file: FileRead, error: DocumentError) -> None:
        self._parts.rejected.append(rejection(document, file, error))
        self.counts["rejected"] += 1

    def _touch(self, document: Row) -> None:
        self._parts.touched.append({name: document[name] for name in TOUCHED})
        self.counts["touched"] += 1

    def _write_document(self, document: Row, file: FileRead, found: Extracted) -> None:
        assert found.parsed is not None
        parsed = found.parsed
        document["text_hash"] = text_hash(parsed.text)
        guessed = self._known.enrichment(str(document["text_hash"]))
        document |= metadata_of(document, file, found=found, reading=self._reading, guessed=guessed)
        prior, change = self._known.document(str(document["id"])), self._known.classify(document)
        chunker = self._reading.chunker.of(str(document["media_type"]))
        spans = chunked(chunker, parsed)
        document |= {
            "change": change,
            "chunks": len(spans),
            "tokens": sum(span.tokens for span in spans),
            "first_ingested": prior["first_ingested"] if prior else None,
            "text": parsed.text,
            "blocks": [(each.kind, each.start, each.end, each.level) for each in parsed.blocks],
            "pages": list(parsed.pages),
        }
        columns = chunk_columns(document, parsed, spans, chunker.id)
        self._parts.chunks.extend(columns)
        self._parts.documents.append(document)
        self.counts[change] += 1


def chunked(chunker: Chunker, parsed: ParsedText) -> Sequence[Span]:
    """The document's spans. Whatever goes wrong in here is about this document alone."""
    try:
        return chunker.chunk(parsed.text, parsed.blocks)
    except PlatformError:
        raise
    except Exception as error:
        report(
            "chunk", failed=type(error).__name__, at=traceback.extract_tb(error.__traceback__)[-1]
        )
        raise DocumentError(
            "chunking_failed", f"Cutting its text into chunks failed with {type(error).__name__}."
        ) from error
