"""Candidates without a chat model: titles and headings, each with the text below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from include.documents import Block
from include.evaluation.synthetic import Titled, generate
from include.golden.kept import Candidate, add, questions_of
from include.storage.tables import Tables

_TEXTS_AT_ONCE = 500
_SHOWN = 600


def titled_documents(tables: Tables) -> Iterator[Titled]:
    """Every document of the manifest with its text, some at a time."""
    known = tables.documents.read(["uri", "title", "text_hash"]).sort("uri")
    for part in known.iter_slices(_TEXTS_AT_ONCE):
        texts = tables.texts.lookup(part["text_hash"].unique().to_list())
        for row in part.join(texts, on="text_hash", maintain_order="left", how="inner").iter_rows(
            named=True
        ):
            blocks = [Block(**block) for block in row["blocks"]]
            yield Titled(row["uri"], row["title"], row["text"], blocks)


def propose(tables: Tables, *, most: int, seed: int) -> int:
    """Lets at most so many questions of titles and headings wait that are new; how many."""
    known = {row["id"] for row in questions_of(tables)}
    uris = tables.documents.read(["uri", "id", "text_hash"])
    places = {row["uri"]: row for row in uris.iter_rows(named=True)}
    candidates: list[Candidate] = []
    for question in generate(titled_documents(tables), len(known) + most, seed):
        place = places.get(next(iter(question.relevant)))
        if place is None:  # it went a moment ago
            continue
        candidate = Candidate(
            question.question, "", "", place["id"], question.relevant, question.tags
        )
        if candidate.id not in known and len(candidates) < most:
            passage = _below(tables, place["text_hash"], question.question)
            candidates.append(replace(candidate, passage=passage))
    return add(tables, candidates, datetime.now(UTC))


def _below(tables: Tables, text_hash: str, question: str) -> str:
    """The document from the heading that the question ends with, or from its beginning."""
    rows = tables.texts.lookup([text_hash], ["text"])["text"]
    text = str(rows[0]) if len(rows) else ""
    at = max(0, text.find(question.rpartition(": ")[2]))
    return text[at : at + _SHOWN] + (" …" if len(text) > at + _SHOWN else "")
