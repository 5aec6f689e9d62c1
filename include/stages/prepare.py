"""Stage 2: read, parse and chunk what changed. Spends nothing; one bad document harms no other."""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import quote

import polars as pl

from include.chunking import Chunker
from include.documents import ParsedText, Span, digest, document_id, text_hash
from include.errors import DocumentError, PlatformError
from include.extraction import Extracted, media_type
from include.metadata import ENRICHMENT, SOURCE_VERSION, document_metadata
from include.observability.log import report, stage, warn
from include.parsing import require_language
from include.planning import withhold_deletions
from include.screening import apply_policy
from include.stages.changes import Changes
from include.stages.known import Known
from include.stages.reading import FileRead, Reading, content_version, read_files
from include.stages.rows import CHUNKS, IDS, PREPARED, REJECTED, TOUCHED, chunk_columns
from include.storage.artifacts import Artifacts
from include.storage.parts import PartWriter
from include.storage.source import PASSING_REASONS, SourceContent
from include.storage.tables import Tables

Row = dict[str, object]
Progress = Callable[[int], None]

DOCUMENTS_PER_PART = 500
CHUNKS_PER_PART = 5_000

UNPLACED = ("malformed_row", "missing_id")
"""Reasons of rows that name no document: they may be new versions of any row that is missing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The URIs of this run's rows, and how many documents fell into which class.

    `dropped_uri` ("" when none) lists documents that are no longer in their file of records;
    `withheld` counts those that stay because a person has to allow so large a deletion.
    """

    changes: Changes
    documents: tuple[str, ...]
    chunks: tuple[str, ...]
    touched: tuple[str, ...]
    rejected: tuple[str, ...]
    counts: dict[str, int]
    dropped_uri: str = ""
    withheld: int = 0


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
        work = _Preparation(reading, known, _Writers(artifacts, stack))
        extractor = stack.enter_context(reading.extractor())
        for file in read_files(rows.iter_rows(named=True), reading, known.content, extractor):
            work.take(file)
            if on_progress:
                on_progress(1)
        event |= work.counts
        return work.finish(changes, artifacts)


class _Writers:
    """The run's Parquet parts, one writer per kind of row."""

    def __init__(self, artifacts: Artifacts, stack: ExitStack) -> None:
        def writer(name: str, schema: pl.Schema, rows: int = CHUNKS_PER_PART) -> PartWriter:
            return stack.enter_context(artifacts.parts(name, schema, rows_per_part=rows))

        self.documents = writer("documents", PREPARED, DOCUMENTS_PER_PART)
        self.chunks = writer("chunks", CHUNKS)
        self.touched = writer("touched", TOUCHED)
        self.rejected = writer("rejected", REJECTED)


class _Preparation:
    """Takes files one by one and writes the rows of their documents."""

    def __init__(self, reading: Reading, known: Known, writers: _Writers) -> None:
        self.counts: Counter[str] = Counter()
        self._reading = reading
        self._known = known
        self._writers = writers
        self._dropped: list[str] = []

    def take(self, file: FileRead) -> None:
        """Writes every document of a file, and remembers which ones it no longer holds."""
        if file.documents is None:
            self._touch(_described(file, Extracted()))
            return
        seen: set[str] = set()
        accepted = 0
        for found in file.documents:
            document = _described(file, found)
            seen.add(str(document["id"]))
            accepted += self._write(document, file, found)
        if accepted:
            self._drop_missing(file, seen)
        elif all(found.record for found in file.documents):
            nothing = f"None of its {len(seen)} rows can be indexed."
            whole = _described(file, Extracted())
            self._reject(whole, file, DocumentError("no_rows", nothing))

    def _drop_missing(self, file: FileRead, seen: set[str]) -> None:
        """Takes out the rows that a file of records lost, unless a bad row may hide them."""
        missing = sorted(self._known.documents_of(str(file.row["id"])) - seen)
        if not any(found.reason in UNPLACED for found in file.documents or ()):
            self._dropped += missing
        elif missing:
            for name in missing:
                self._touch(_described(file, Extracted()) | {"id": name})
            warn(
                f"{len(missing)} documents are not found in {file.row['uri']}, but some of its "
                f"rows cannot be read: they stay searchable as they were."
            )

    def finish(self, changes: Changes, artifacts: Artifacts) -> Prepared:
        """The run so far as a value, with the deletions that need nobody's leave."""
        writers, dropped = self._writers, self._dropped
        withheld = withhold_deletions(
            changes.removed + len(dropped),
            total=self._known.total,
            max_delete_fraction=changes.max_delete_fraction,
            listed=changes.listed,
        )
        ids = pl.DataFrame({"id": dropped}, schema=IDS)
        return Prepared(
            changes=changes,
            documents=tuple(writers.documents.finish()),
            chunks=tuple(writers.chunks.finish()),
            touched=tuple(writers.touched.finish()),
            rejected=tuple(writers.rejected.finish()),
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
        self._writers.rejected.append(_rejection(document, file, error))
        self.counts["rejected"] += 1

    def _touch(self, document: Row) -> None:
        self._writers.touched.append({name: document[name] for name in TOUCHED})
        self.counts["touched"] += 1

    def _write_document(self, document: Row, file: FileRead, found: Extracted) -> None:
        assert found.parsed is not None
        parsed = found.parsed
        document["text_hash"] = text_hash(parsed.text)
        self._add_metadata(document, found, file.content)
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
        self._writers.chunks.extend(columns)
        self._writers.documents.append(document)
        self.counts[change] += 1

    def _add_metadata(self, document: Row, found: Extracted, content: SourceContent | None) -> None:
        """Sidecar fields win over what the file says, both over what a model filled in.

        The file name is the last resort.
        """
        assert found.parsed is not None
        key, policy = str(document["key"]), self._reading.rules.policy(str(document["source"]))
        if document["released"]:
            policy = policy.released()
        sidecar = _sidecar_fields(content.sidecar if content else None)
        beside = apply_policy(ParsedText("", (), "", sidecar), policy).metadata
        guessed = dict(self._known.enrichment(str(document["text_hash"])))
        named = guessed.pop(ENRICHMENT, None)
        said = {name: str(guessed.pop(name, "")) for name in ("title", "language")}
        metadata = self._merged(key, found.parsed.metadata, beside, guessed)
        for name in (SOURCE_VERSION, ENRICHMENT):
            metadata.pop(name, None)
        if named:
            metadata[ENRICHMENT] = named
        if content and content.version:
            metadata[SOURCE_VERSION] = content.version
        own = metadata.get("title") or found.parsed.title or said["title"]
        title = str(own or key.rsplit("/", 1)[-1])
        language = str(metadata.get("language") or found.language)
        require_language(language, policy.languages)
        language = language or said["language"]
        plain = json.dumps(metadata, ensure_ascii=False, sort_keys=True, default=str)
        document |= {
            "title": title,
            "language": language,
            "metadata": plain,
            "metadata_hash": digest("metadata", title, language, plain),
        }

    def _merged(self, key: str, *layers: Mapping[str, object]) -> dict[str, object]:
        """All layers; without what a model filled in where that makes them too large."""
        file, sidecar, guessed = layers
        try:
            return document_metadata(key, file, sidecar, self._reading.metadata, guessed=guessed)
        except DocumentError:
            return document_metadata(key, file, sidecar, self._reading.metadata)


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


def _described(file: FileRead, found: Extracted) -> Row:
    """What is known of a document before its text is looked at."""
    row, content = file.row, file.content
    key, uri = str(row["key"]), str(row["uri"])
    if found.record:
        key, uri = f"{key}#{found.record}", f"{uri}#{quote(found.record, safe='')}"
    version = content_version(content, found.content) if content else ""
    return {
        "id": document_id(str(row["source"]), key),
        "file_id": row["id"],
        "source": row["source"],
        "key": key,
        "uri": uri,
        "size": len(found.content.encode("utf-8", "replace")) if found.record else row["size"],
        "modified": row["modified"],
        "stamp": content.stamp if content else row["stamp"],
        "sidecar_stamp": content.sidecar_stamp if content else row["sidecar_stamp"],
        "version": version,
        "media_type": media_type(str(row["key"])) or "text/plain",
    }


def _sidecar_fields(sidecar: bytes | None) -> dict[str, object]:
    if sidecar is None:
        return {}
    try:
        fields = json.loads(sidecar)
    except (ValueError, RecursionError) as error:
        raise DocumentError("bad_sidecar", f"its .meta.json is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise DocumentError("bad_sidecar", "its .meta.json should hold one JSON object")
    return fields


def _rejection(document: Row, file: FileRead, error: DocumentError) -> Row:
    names = ("id", "file_id", "uri", "source", "key", "sidecar_stamp", "version")
    return {
        **{name: document[name] for name in names},
        "stamp": "" if error.reason in PASSING_REASONS else document["stamp"],
        "stage": "prepare" if file.content else "read",
        "reason": error.reason,
        "detail": error.detail,
    }
