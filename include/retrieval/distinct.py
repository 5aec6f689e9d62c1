"""Distinct results: of documents that are near-duplicates of each other, only the best one's hits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from include.documents import Hit
from include.duplicates import METHOD, NEAR, likeness, stacked
from include.storage.tables import Tables

Distinct: TypeAlias = Callable[[Sequence[Hit]], list[Hit]]


def keep_all(hits: Sequence[Hit]) -> list[Hit]:
    """The hits as they are."""
    return list(hits)


@dataclass(frozen=True, slots=True)
class DistinctDocuments:
    """Reads the signatures of the hits' documents from the lake; two look-ups a search."""

    tables: Tables
    threshold: float = NEAR

    def __call__(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits without those of near-duplicates of better documents, in the same order."""
        documents = list(dict.fromkeys(hit.document_id for hit in hits))
        texts = self.tables.documents.lookup(documents, ["id", "text_hash"])
        held = self.tables.signatures.lookup(texts["text_hash"].unique().to_list())
        signed = texts.join(held.filter(method=METHOD), on="text_hash")
        return distinct(hits, dict(signed.select("id", "signature").iter_rows()), self.threshold)


def distinct(
    hits: Sequence[Hit], signatures: Mapping[str, bytes], threshold: float = NEAR
) -> list[Hit]:
    """The hits, best first, of documents that are not nearly the same as a better one. Pure.

    `signatures` are by document id; a document without one counts as like no other.
    """
    kept: dict[str, bytes] = {}
    repeated: set[str] = set()
    for document in dict.fromkeys(hit.document_id for hit in hits):
        own = signatures.get(document)
        if own is None:
            continue
        better = list(kept.values())
        if better and likeness(stacked([own])[0], stacked(better)).max() >= threshold:
            repeated.add(document)
        else:
            kept[document] = own
    return [hit for hit in hits if hit.document_id not in repeated]
