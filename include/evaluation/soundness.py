"""What is measured of an index beside its answers: coverage, vectors, the vector index itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.embedding.protocol import Embedder
from include.evaluation.gate import Soundness
from include.evaluation.health import Drift, drift, examine
from include.evaluation.sampled import nearest, sample
from include.evaluation.timing import index_recall
from include.storage.tables import Tables
from include.vectorstore.protocol import VectorStore

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

_QUERIES = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """The index that is measured: its name, the model that filled it, and what it is held against.

    `against` is another index, or None; `same_model` says whether one model filled both.
    """

    index: str
    embedder: Embedder
    against: str | None = None
    same_model: bool = True


def measure(
    tables: Tables, store: VectorStore, subject: Subject, questions: Sequence[str]
) -> Soundness:
    """Reads the manifest, a sample of vectors of both indexes, and searches with 20 questions."""
    database: LanceDatabase = tables.database
    documents, missing = _covered(tables, store, subject.index)
    ours = sample(database, subject.index)
    health, drifted = examine(ours.vectors, ours.texts), Drift(None, None)
    if subject.against is not None:
        theirs = sample(database, subject.against)
        both = (health, examine(theirs.vectors, theirs.texts))
        # The mean of signs is not where the mean of vectors was.
        same = subject.same_model and (ours.form == "binary") == (theirs.form == "binary")
        drifted = drift(ours.vectors, theirs.vectors, both, same_model=same)
    vectors = [subject.embedder.embed_query(each) for each in questions[:_QUERIES]]
    searched = nearest(database, store, subject.index, vectors)
    return Soundness(
        documents,
        missing,
        health,
        drifted,
        index_recall=index_recall(searched.found, searched.exact),
    )


def _covered(tables: Tables, store: VectorStore, index: str) -> tuple[int, int]:
    """How many documents there are, and how many are not in the index in their present version."""
    known = tables.documents.read(["id", "version"]).rename({"id": "document_id"})
    held = store.rows(index).select("document_id", "version").unique()
    return known.height, known.join(held, on=["document_id", "version"], how="anti").height


def as_json(found: Soundness) -> dict[str, object]:
    """The soundness as JSON values."""
    return {
        "coverage": found.coverage,
        "documents": found.documents,
        "missing": found.missing,
        "vectors": found.health.as_json(),
        "drift": {"centroid": found.drift.centroid, "nearest": found.drift.nearest},
        "index_recall": found.index_recall,
    }
