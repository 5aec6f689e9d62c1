"""Candidates without a chat model: titles and headings, each with the text below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from include.documents import Block
from include.evaluation.synthetic import Titled, generate, place_of
from include.golden.kept import Candidate, add, questions_of
from include.storage.tables import Tables

_TEXTS_AT_ONCE = 500
_SHOWN = 600


def titled_documents(tables: Tables) -> Iterator[Titled]:
    """Every document of the manifest with its text, some at a time."""
    known = tables.documents.read(["uri", "title", "text_hash"]).sort("uri")
    for part in known.iter_slices(_TEXTS_AT_ONCE):
        yield from _with_texts(tables, part)


def propose(tables: Tables, *, most: int, seed: int) -> int:
    """Lets at most so many questions of titles and headings wait that are new; how many."""
    known = {row["id"] for row in questions_of(tables)}
    places = tables.documents.read(["uri", "id", "title", "text_hash"])
    candidates: list[Candidate] = []
    for question in generate(titled_documents(tables), len(known) + most, seed):
        place = places.filter(places["uri"] == next(iter(question.relevant)))
        if place.is_empty():  # it went a moment ago
            continue
        candidate = Candidate(
            question.question, "", "", place["id"].item(), question.relevant, question.tags
        )
        if candidate.id not in known and len(candidates) < most:
            passage = _below(tables, place, question.question)
            candidates.append(replace(candidate, passage=passage))
    return add(tables, candidates, datetime.now(UTC))


def _below(tables: Tables, place: pl.DataFrame, question: str) -> str:
    """The document from the heading that the question was made of, or from its beginning."""
    for document in _with_texts(tables, place):
        at = place_of(document, question)
        return document.text[at : at + _SHOWN] + (" …" if len(document.text) > at + _SHOWN else "")
    return ""


def _with_texts(tables: Tables, documents: pl.DataFrame) -> Iterator[Titled]:
    texts = tables.texts.lookup(documents["text_hash"].unique().to_list())
    found = documents.join(texts, on="text_hash", maintain_order="left", how="inner")
    for row in found.iter_rows(named=True):
        blocks = [Block(**block) for block in row["blocks"]]
        yield Titled(row["uri"], row["title"], row["text"], blocks)
