"""Stage 2: read, parse and chunk what changed. Spends nothing; one bad document harms no other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import polars as pl

from include.chunking import ChunkerByMediaType
from include.cleaning import clean
from include.documents import ParsedText, digest, text_hash
from include.errors import DocumentError
from include.manifest import classify
from include.observability.log import stage
from include.parsing import detect_language, media_type, parse
from include.stages.detect import Changes
from include.stages.rows import CHUNKS, IDS, PREPARED, REJECTED, TOUCHED, chunk_rows
from include.storage.artifacts import Artifacts, PartWriter
from include.storage.source import PASSING_REASONS, Source, SourceContent
from include.storage.tables import Tables

Row = dict[str, object]
Progress = Callable[[int], None]

DOCUMENTS_PER_PART = 500
CHUNKS_PER_PART = 5_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """The URIs of this run's rows, and how many documents fell into which class."""

    changes: Changes
    documents: tuple[str, ...]
    chunks: tuple[str, ...]
    touched: tuple[str, ...]
    rejected: tuple[str, ...]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading needs: the sources by URI, the chunkers, and the largest file worth reading.

    With `rebuild`, documents whose content is unchanged are chunked all the same.
    """

    sources: Mapping[str, Source]
    chunker: ChunkerByMediaType
    max_document_bytes: int
    rebuild: bool = False


class _Writers:
    """The run's Parquet parts, one writer per kind of row."""

    def __init__(self, artifacts: Artifacts, stack: ExitStack) -> None:
        def writer(name: str, schema: pl.Schema, rows: int = CHUNKS_PER_PART) -> PartWriter:
            return stack.enter_context(artifacts.parts(name, schema, rows_per_part=rows))

        self.documents = writer("documents", PREPARED, DOCUMENTS_PER_PART)
        self.chunks = writer("chunks", CHUNKS)
        self.touched = writer("touched", TOUCHED)
        self.rejected = writer("rejected", REJECTED)


class _Known:
    """What the manifest says about the documents of this run, and about the contents around them."""

    def __init__(self, rows: pl.DataFrame, gone: pl.DataFrame, tables: Tables) -> None:
        columns = ("id", "content_hash", "text_hash", "metadata_hash", "stamp", "first_ingested")
        manifest = tables.documents.read(columns)
        here = manifest.join(rows.select("id"), on="id", how="semi")
        self.rows: dict[str, Row] = {str(row["id"]): row for row in here.iter_rows(named=True)}
        removed = manifest.filter(pl.col("id").is_in(gone["id"].implode()))
        self._removed = Counter(removed["content_hash"])
        self._remaining = frozenset(manifest.join(removed, on="id", how="anti")["content_hash"])

    def classify(self, document: Row) -> str:
        """The document's class of change; each removed document is moved once."""
        prior = self.rows.get(str(document["id"]))
        change = classify(prior, document, removed=self._removed, remaining=self._remaining)
        if change == "moved":
            content = str(document["content_hash"])
            self._removed[content] -= 1
            if not self._removed[content]:
                del self._removed[content]
        return change


def prepare(
    changes: Changes,
    reading: Reading,
    tables: Tables,
    artifacts: Artifacts,
    *,
    on_progress: Progress | None = None,
) -> Prepared:
    """Turns changed documents into rows; what cannot be read is set aside with a reason.

    Memory is bounded by one part of rows. Raises nothing because of a document. `on_progress`
    is called with 1 after each document.
    """
    counts: Counter[str] = Counter()
    rows, gone = (
        artifacts.read(uri) if uri else pl.DataFrame(schema=IDS)
        for uri in (changes.rows_uri, changes.removed_uri)
    )
    with stage("prepare", run=changes.run_id) as event, ExitStack() as stack:
        writers = _Writers(artifacts, stack)
        known = _Known(rows, gone, tables)
        for row in rows.iter_rows(named=True):
            counts[_prepare_one(row, reading, known, writers)] += 1
            if on_progress:
                on_progress(1)
        event |= counts
        return Prepared(
            changes=changes,
            documents=tuple(writers.documents.finish()),
            chunks=tuple(writers.chunks.finish()),
            touched=tuple(writers.touched.finish()),
            rejected=tuple(writers.rejected.finish()),
            counts=dict(counts),
        )


def _prepare_one(row: Row, reading: Reading, known: _Known, writers: _Writers) -> str:
    """Writes the rows of one listed object; returns its class of change, or "rejected"."""
    content: SourceContent | None = None
    try:
        source = reading.sources[str(row["source"])]
        content = source.read(str(row["key"]), reading.max_document_bytes)
        return _write_document(row, content, reading, known, writers)
    except DocumentError as error:
        writers.rejected.append(_rejection(row, content, error))
        return "rejected"


def _write_document(
    row: Row, content: SourceContent, reading: Reading, known: _Known, writers: _Writers
) -> str:
    document = _described(row, content)
    prior = known.rows.get(str(row["id"]))
    if prior and prior["content_hash"] == document["content_hash"] and not reading.rebuild:
        writers.touched.append({name: document[name] for name in TOUCHED})
        return "touched"
    parsed = clean(parse(str(row["key"]), content.raw))
    _add_metadata(document, parsed, content.sidecar)
    document["text_hash"] = text_hash(parsed.text)
    change = known.classify(document)
    chunker = reading.chunker.of(str(document["media_type"]))
    spans = chunker.chunk(parsed.text, parsed.blocks)
    document |= {
        "change": change,
        "chunks": len(spans),
        "tokens": sum(span.tokens for span in spans),
        "first_ingested": prior["first_ingested"] if prior else None,
        "text": parsed.text,
        "blocks": [
            {"kind": b.kind, "start": b.start, "end": b.end, "level": b.level}
            for b in parsed.blocks
        ],
    }
    writers.chunks.extend(chunk_rows(document, parsed, spans, chunker.id))
    writers.documents.append(document)
    return change


def _described(row: Row, content: SourceContent) -> Row:
    content_hash = _content_hash(content)
    return {
        **{name: row[name] for name in ("id", "source", "key", "uri", "size", "modified")},
        "stamp": content.stamp,
        "sidecar_stamp": content.sidecar_stamp,
        "content_hash": content_hash,
        "version": content_hash,
        "media_type": media_type(str(row["key"])) or "text/plain",
    }


def _content_hash(content: SourceContent) -> str:
    return digest("content", content.raw, content.sidecar or b"")


def _add_metadata(document: Row, parsed: ParsedText, sidecar: bytes | None) -> None:
    """Sidecar fields win over what the file says of itself; the file name is the last resort."""
    metadata = {**parsed.metadata, **_sidecar_fields(sidecar)}
    title = str(metadata.get("title") or parsed.title or str(document["key"]).rsplit("/", 1)[-1])
    language = str(metadata.get("language") or detect_language(parsed.text))
    plain = json.dumps(metadata, ensure_ascii=False, sort_keys=True, default=str)
    document |= {
        "title": title,
        "language": language,
        "metadata": plain,
        "metadata_hash": digest("metadata", title, language, plain),
    }


def _sidecar_fields(sidecar: bytes | None) -> dict[str, object]:
    if sidecar is None:
        return {}
    try:
        fields = json.loads(sidecar)
    except ValueError as error:
        raise DocumentError("bad_sidecar", f"its .meta.json is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise DocumentError("bad_sidecar", "its .meta.json should hold one JSON object")
    return fields


def _rejection(row: Row, content: SourceContent | None, error: DocumentError) -> Row:
    tried_again = error.reason in PASSING_REASONS
    return {
        **{name: row[name] for name in ("id", "uri", "source", "key")},
        "stamp": "" if tried_again else content.stamp if content else row["stamp"],
        "sidecar_stamp": content.sidecar_stamp if content else row["sidecar_stamp"],
        "version": _content_hash(content) if content else "",
        "stage": "prepare" if content else "read",
        "reason": error.reason,
        "detail": error.detail,
    }
