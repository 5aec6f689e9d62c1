"""Signatures of texts, made once for each text, and the near-duplicates that they reveal."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from include.duplicates import METHOD, NEAR, likeness, near_groups, signature, stacked
from include.storage.tables import Tables

_TEXTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class NearGroup:
    """Documents alike: ids and URIs by URI, and how alike the one is that is least like the first."""

    documents: tuple[tuple[str, str], ...]
    likeness: float


def sign_texts(tables: Tables, texts: pl.DataFrame) -> int:
    """Stores the signatures that are missing of these texts (`text_hash`, `text`); how many."""
    known = tables.signatures.lookup(texts["text_hash"].to_list(), ["text_hash", "method"])
    new = texts.unique("text_hash", keep="first").join(
        known.filter(method=METHOD), on="text_hash", how="anti"
    )
    signed = new.select(
        "text_hash",
        method=pl.lit(METHOD),
        signature=pl.Series([signature(text) for text in new["text"]], dtype=pl.Binary),
    )
    tables.signatures.upsert(signed)
    return signed.height


def sign_missing(tables: Tables) -> int:
    """Signs the text of every document that has no signature yet; how many.

    For lakes older than signatures: a run signs the texts of its own documents.
    """
    texts = tables.documents.read(["text_hash"]).unique().sort("text_hash")
    known = tables.signatures.read(["text_hash", "method"]).filter(method=METHOD)
    missing = texts.join(known, on="text_hash", how="anti")["text_hash"]
    signed = 0
    for part in missing.to_frame().iter_slices(_TEXTS_AT_ONCE):
        texts = tables.texts.lookup(part["text_hash"].to_list(), ["text_hash", "text"])
        signed += sign_texts(tables, texts)
    return signed


def near_documents(tables: Tables, threshold: float = NEAR) -> list[NearGroup]:
    """The documents of the manifest that are alike, exact copies included, largest group first."""
    documents = tables.documents.read(["id", "uri", "text_hash"]).sort("uri")
    held = tables.signatures.read().filter(method=METHOD)
    held = held.join(documents, on="text_hash", how="semi")
    signatures: dict[str, bytes] = dict(held.select("text_hash", "signature").iter_rows())
    group_of = {
        text: number
        for number, group in enumerate(near_groups(signatures, threshold))
        for text in group
    }
    members: dict[object, list[tuple[str, str, str]]] = {}
    for name, uri, text in documents.iter_rows():
        members.setdefault(group_of.get(text, text), []).append((name, uri, text))
    groups = [_group(each, signatures) for each in members.values() if len(each) > 1]
    return sorted(groups, key=lambda group: (-len(group.documents), group.documents[0][1]))


def near_duplicates(tables: Tables) -> int:
    """How many documents are a near-duplicate of another that comes before them."""
    return sum(len(group.documents) - 1 for group in near_documents(tables))


def _group(members: list[tuple[str, str, str]], signatures: dict[str, bytes]) -> NearGroup:
    texts = sorted({text for _, _, text in members})
    least = 1.0
    if len(texts) > 1:
        matrix = stacked([signatures[text] for text in texts])
        least = float(likeness(matrix[0], matrix[1:]).min())
    return NearGroup(tuple((name, uri) for name, uri, _ in members), round(least, 4))
