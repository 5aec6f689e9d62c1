"""Stage 2 of a re-embedding: chunks of documents from their stored texts; no source is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import polars as pl

from include.chunking import ChunkerByMediaType
from include.documents import Block, ParsedText
from include.errors import LakeError
from include.observability.log import stage
from include.stages.changes import Changes
from include.stages.prepare import chunked
from include.stages.prepared import CHUNKS_PER_PART, DOCUMENTS_PER_PART, Prepared
from include.stages.rows import CHUNKS, PREPARED, chunk_columns
from include.storage.artifacts import Artifacts
from include.storage.tables import Tables

DOCUMENTS_AT_ONCE = 200


def stored_text(row: Mapping[str, Any]) -> ParsedText:
    """A row of `texts` as its parser gave it, without title and metadata."""
    blocks = tuple(Block(**block) for block in row["blocks"])
    return ParsedText(row["text"], blocks, pages=tuple(row["pages"]))


def prepare_stored(
    changes: Changes,
    documents: Sequence[str],
    chunker: ChunkerByMediaType,
    tables: Tables,
    artifacts: Artifacts,
) -> Prepared:
    """Chunks these documents of the manifest anew; those that it no longer knows are left out.

    Memory is bounded by some texts. Raises LakeError when a text is missing.
    """
    with stage("prepare_stored", run=changes.run_id) as event, ExitStack() as stack:
        of = {"documents": (PREPARED, DOCUMENTS_PER_PART), "chunks": (CHUNKS, CHUNKS_PER_PART)}
        written, chunks = (
            stack.enter_context(artifacts.parts(name, schema, rows_per_part=rows))
            for name, (schema, rows) in of.items()
        )
        count = 0
        for start in range(0, len(documents), DOCUMENTS_AT_ONCE):
            for row in _rows(documents[start : start + DOCUMENTS_AT_ONCE], tables):
                parsed = stored_text(row)
                own = chunker.of(row["media_type"])
                spans = chunked(own, parsed)
                chunks.extend(chunk_columns(row, parsed, spans, own.id))
                new = {
                    "change": "changed",
                    "released": False,
                    "chunks": len(spans),
                    "tokens": sum(span.tokens for span in spans),
                    "blocks": [tuple(block.values()) for block in row["blocks"]],
                }
                written.append({name: (row | new)[name] for name in PREPARED})
                count += 1
        event |= {"documents": count}
        return Prepared(
            changes=changes,
            documents=tuple(written.finish()),
            chunks=tuple(chunks.finish()),
            touched=(),
            rejected=(),
            counts={"changed": count},
        )


def _rows(names: Sequence[str], tables: Tables) -> list[dict[str, Any]]:
    manifest = tables.documents.lookup(names).sort("id")
    texts = tables.texts.lookup(manifest["text_hash"].unique().to_list())
    lost = manifest.join(texts, on="text_hash", how="anti")
    if lost.height:
        raise LakeError(
            f"The lake has no text of {lost['uri'][0]} (and {lost.height - 1} more): run "
            f"`python -m include verify --repair`, then sync, then this again."
        )
    rows: pl.DataFrame = manifest.join(texts, on="text_hash", maintain_order="left")
    return rows.to_dicts()
