"""The documents that a comparison chunks: the lake's stored texts, or the source before a sync."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from include.documents import ParsedText
from include.stages.detect import detect
from include.stages.prepare import prepare
from include.stages.stored import stored_text
from include.wiring import Platform, new_run_id

Document = dict[str, Any]

DOCUMENTS_AT_ONCE = 200
_COLUMNS = ["id", "uri", "version", "title", "media_type", "language", "metadata"]


def documents(platform: Platform) -> Iterator[list[Document]]:
    """Documents with their `text` and `blocks`, some at a time; changes nothing.

    Those of the manifest. As long as it is empty, those of the source, read and parsed anew at
    each call; what cannot be read is left out.
    """
    manifest = platform.tables.documents.read([*_COLUMNS, "text_hash"]).sort("uri")
    if manifest.is_empty():
        yield from _from_source(platform)
    for part in manifest.iter_slices(DOCUMENTS_AT_ONCE):
        texts = platform.tables.texts.lookup(part["text_hash"].unique().to_list())
        yield part.join(texts, on="text_hash", maintain_order="left").to_dicts()


def parsed(document: Mapping[str, Any]) -> ParsedText:
    """The document's text and structure."""
    return stored_text(document)


def _from_source(platform: Platform) -> Iterator[list[Document]]:
    run_id = f"compare-{new_run_id()}"
    artifacts = platform.artifacts(run_id)
    try:
        options = platform.detect_options(run_id)
        changes = detect(list(platform.sources.values()), platform.tables, artifacts, options)
        reading = platform.reading(may_embed=False)
        for uri in prepare(changes, reading, platform.tables, artifacts).documents:
            rows: pl.DataFrame = artifacts.read(uri)
            for part in rows.sort("uri").iter_slices(DOCUMENTS_AT_ONCE):
                yield part.select(*_COLUMNS, "text", "blocks", "pages").to_dicts()
    finally:
        artifacts.remove()
