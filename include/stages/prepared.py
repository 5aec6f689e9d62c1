"""What preparing leaves to the later stages: rows of documents and chunks, in parts of Parquet."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import polars as pl

from include.stages.changes import Changes
from include.stages.rows import CHUNKS, PREPARED, REJECTED, TOUCHED
from include.storage.artifacts import Artifacts
from include.storage.parts import PartWriter

DOCUMENTS_PER_PART = 500
CHUNKS_PER_PART = 5_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """The URIs of this run's rows, and how many documents fell into which class.

    `dropped_uri` ("" when none) lists documents that are no longer in their file of records;
    `withheld` counts those that stay because a person has to allow so large a deletion.
    """

    changes: Changes
    documents: tuple[str, ...]
    chunks: tuple[str, ...]
    touched: tuple[str, ...]
    rejected: tuple[str, ...]
    counts: dict[str, int]
    dropped_uri: str = ""
    withheld: int = 0


class Parts:
    """The run's Parquet parts, one writer per kind of row, until the stack is left."""

    def __init__(self, artifacts: Artifacts, stack: ExitStack) -> None:
        def writer(name: str, schema: pl.Schema, rows: int = CHUNKS_PER_PART) -> PartWriter:
            return stack.enter_context(artifacts.parts(name, schema, rows_per_part=rows))

        self.documents = writer("documents", PREPARED, DOCUMENTS_PER_PART)
        self.chunks = writer("chunks", CHUNKS)
        self.touched = writer("touched", TOUCHED)
        self.rejected = writer("rejected", REJECTED)
