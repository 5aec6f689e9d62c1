"""The text around a hit, from the lake's extracted texts."""

from __future__ import annotations

from functools import lru_cache

from include.documents import Hit
from include.storage.tables import Tables

DOCUMENTS_KEPT = 16


class SectionTexts:
    """Reads the section that a hit names; keeps the texts of the last few documents."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._text = lru_cache(maxsize=DOCUMENTS_KEPT)(self._read)

    def __call__(self, hit: Hit) -> str:
        """The document's `[context_start:context_end]`.

        Empty when the manifest no longer holds the version that the hit was made from.
        """
        return self._text(hit.document_id, hit.version)[hit.context_start : hit.context_end]

    def _read(self, document_id: str, version: str) -> str:
        known = self._tables.documents.lookup([document_id], ["version", "text_hash"])
        hashes = [row["text_hash"] for row in known.to_dicts() if row["version"] == version]
        texts = self._tables.texts.lookup(hashes, ["text"])["text"].to_list() if hashes else []
        return str(texts[0]) if texts else ""
