"""The rows that stages hand to one another as Parquet."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence

import polars as pl

from include.documents import ParsedText, Span, chunk_ids, digest, text_hash
from include.metadata import labels_of

_MOMENT = pl.Datetime("us", "UTC")

IDS = pl.Schema({"id": pl.String()})

CHUNKS = pl.Schema(
    {
        "id": pl.String(),
        "document_id": pl.String(),
        "uri": pl.String(),
        "version": pl.String(),
        "title": pl.String(),
        "heading": pl.List(pl.String()),
        "text": pl.String(),
        "text_hash": pl.String(),
        "start": pl.Int32(),
        "end": pl.Int32(),
        "tokens": pl.Int32(),
        "page": pl.Int32(),
        "context_start": pl.Int32(),
        "context_end": pl.Int32(),
        "acl": pl.List(pl.String()),
        "language": pl.String(),
        "metadata": pl.String(),
        "row_hash": pl.String(),
    }
)
"""A chunk as it will be published, without run and vector."""

PREPARED = pl.Schema(
    {
        "id": pl.String(),
        "source": pl.String(),
        "key": pl.String(),
        "uri": pl.String(),
        "stamp": pl.String(),
        "sidecar_stamp": pl.String(),
        "content_hash": pl.String(),
        "text_hash": pl.String(),
        "metadata_hash": pl.String(),
        "version": pl.String(),
        "title": pl.String(),
        "media_type": pl.String(),
        "language": pl.String(),
        "metadata": pl.String(),
        "size": pl.Int64(),
        "modified": _MOMENT,
        "chunks": pl.Int32(),
        "tokens": pl.Int64(),
        "first_ingested": _MOMENT,
        "change": pl.String(),
        "text": pl.String(),
        "blocks": pl.List(
            pl.Struct(
                {"kind": pl.String(), "start": pl.Int32(), "end": pl.Int32(), "level": pl.Int8()}
            )
        ),
    }
)
"""A document ready to be published: its manifest row, its class of change, text and blocks.

`first_ingested` is null for a new document.
"""

TOUCHED = pl.Schema({"id": pl.String(), "stamp": pl.String(), "sidecar_stamp": pl.String()})
"""A document whose stamp changed but not its content: only the manifest learns the new stamp."""

REJECTED = pl.Schema(
    {
        "id": pl.String(),
        "uri": pl.String(),
        "source": pl.String(),
        "key": pl.String(),
        "stamp": pl.String(),
        "sidecar_stamp": pl.String(),
        "version": pl.String(),
        "stage": pl.String(),
        "reason": pl.String(),
        "detail": pl.String(),
    }
)
"""A document that cannot be indexed, and why; an empty stamp means it is tried again."""


def chunk_rows(
    document: dict[str, object], parsed: ParsedText, spans: Sequence[Span], chunker_id: str
) -> list[dict[str, object]]:
    """One CHUNKS row per span, in order; `document` is the PREPARED row being built."""
    text = parsed.text
    texts = [text[span.start : span.end] for span in spans]
    ids = chunk_ids(str(document["id"]), chunker_id, texts)
    shared = {name: document[name] for name in ("uri", "version", "title", "language", "metadata")}
    acl = labels_of(str(document["metadata"]))
    common = digest(*(str(value) for value in shared.values()))
    return [
        {
            "id": chunk_id,
            "document_id": document["id"],
            **shared,
            "heading": list(span.heading),
            "text": chunk_text,
            "text_hash": text_hash(chunk_text),
            "start": span.start,
            "end": span.end,
            "tokens": span.tokens,
            "page": bisect_right(parsed.pages, span.start),
            "context_start": span.context[0] if span.context else span.start,
            "context_end": span.context[1] if span.context else span.end,
            "acl": acl,
            "row_hash": digest(
                common, chunk_id, f"{span.start} {span.end}", json.dumps(span.heading), *acl
            ),
        }
        for chunk_id, chunk_text, span in zip(ids, texts, spans, strict=True)
    ]
