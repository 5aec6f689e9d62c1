"""The rows that stages hand to one another as Parquet."""

from __future__ import annotations

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
        "file_id": pl.String(),
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
        "released": pl.Boolean(),
        "text": pl.String(),
        "blocks": pl.List(
            pl.Struct(
                {"kind": pl.String(), "start": pl.Int32(), "end": pl.Int32(), "level": pl.Int8()}
            )
        ),
        "pages": pl.List(pl.Int32()),
    }
)
"""A document ready to be published: its manifest row, its class of change, text, blocks and pages.

`file_id` is the id of the listed file: the document's own, unless the file holds records.
`first_ingested` is null for a new document. `released` says that a person let this version in.
"""

TOUCHED = pl.Schema({"id": pl.String(), "stamp": pl.String(), "sidecar_stamp": pl.String()})
"""A document whose stamp changed but not its content: only the manifest learns the new stamp."""

REJECTED = pl.Schema(
    {
        "id": pl.String(),
        "file_id": pl.String(),
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


def chunk_columns(
    document: dict[str, object], parsed: ParsedText, spans: Sequence[Span], chunker_id: str
) -> dict[str, Sequence[object]]:
    """CHUNKS columns, one row per span, in order; `document` is the PREPARED row being built."""
    texts = [parsed.text[span.start : span.end] for span in spans]
    ids = chunk_ids(str(document["id"]), chunker_id, texts)
    contexts = [span.context or (span.start, span.end) for span in spans]
    pages = [bisect_right(parsed.pages, span.start) for span in spans]
    shared = {name: document[name] for name in ("uri", "version", "title", "language", "metadata")}
    acl = labels_of(str(document["metadata"]))
    common = digest(*map(str, shared.values()), repr(acl))
    return {
        "id": ids,
        "document_id": [document["id"]] * len(spans),
        **{name: [value] * len(spans) for name, value in shared.items()},
        "heading": [span.heading for span in spans],
        "text": texts,
        "text_hash": [text_hash(text) for text in texts],
        "start": [span.start for span in spans],
        "end": [span.end for span in spans],
        "tokens": [span.tokens for span in spans],
        "page": pages,
        "context_start": [start for start, _ in contexts],
        "context_end": [end for _, end in contexts],
        "acl": [acl] * len(spans),
        "row_hash": [
            digest(common, chunk_id, repr((span.start, span.end, span.heading, context, page)))
            for chunk_id, span, context, page in zip(ids, spans, contexts, pages, strict=True)
        ],
    }
