"""The rows of a run that passed the gate, read from its artifacts as they are needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from include.stages.prepared import Prepared
from include.stages.rows import CHUNKS, IDS, PREPARED, REJECTED, TOUCHED
from include.storage.artifacts import Artifacts


@dataclass(frozen=True, slots=True)
class Checked:
    """A run that passed: its rows, the documents that the gate took out, and the gate's report.

    `bad_uri` and `report_uri` are "" when there was nothing to check.
    """

    prepared: Prepared
    bad_uri: str
    report_uri: str


class Accepted:
    """A view of a run: what was prepared, without the documents that the gate rejected."""

    def __init__(self, checked: Checked, artifacts: Artifacts) -> None:
        self.checked = checked
        self.changes = checked.prepared.changes
        self.artifacts = artifacts

    def scan_chunks(self) -> pl.LazyFrame:
        """CHUNKS rows of all accepted documents."""
        chunks = self._scan(self.checked.prepared.chunks, CHUNKS)
        return chunks.filter(~pl.col("document_id").is_in(self._bad_ids))

    def document_parts(self) -> Iterator[pl.LazyFrame]:
        """PREPARED rows of all accepted documents, part by part."""
        for part in self.checked.prepared.documents:
            yield self._scan((part,), PREPARED).filter(~pl.col("id").is_in(self._bad_ids))

    @cached_property
    def documents(self) -> pl.DataFrame:
        """`id, change` of every accepted document."""
        parts = [part.select("id", "change").collect() for part in self.document_parts()]
        return pl.concat([pl.DataFrame(schema={"id": pl.String, "change": pl.String}), *parts])

    @cached_property
    def touched(self) -> pl.DataFrame:
        """TOUCHED rows: documents of which only the stamp changed."""
        return self._scan(self.checked.prepared.touched, TOUCHED).collect()

    @cached_property
    def rejected(self) -> pl.DataFrame:
        """REJECTED rows: of reading, of parsing, and of the gate."""
        return self._scan(self.checked.prepared.rejected, REJECTED).collect().vstack(self._bad)

    @cached_property
    def files(self) -> pl.Series:
        """Ids of all files that this run was to read."""
        uri = self.changes.rows_uri
        return self._scan((uri,) if uri else (), IDS).select("id").collect()["id"]

    @property
    def removed(self) -> list[str]:
        """Ids of documents gone from the source, or from their file of records.

        What a dead run published is among them, unless this run has read it again.
        """
        dropped = self._ids(self.checked.prepared.dropped_uri)
        stays = frozenset(self.documents["id"])
        return [
            name for name in (*self._ids(self.changes.removed_uri), *dropped) if name not in stays
        ]

    @property
    def withheld(self) -> int:
        """How many deletions wait until a person allows them."""
        return self.changes.withheld + self.checked.prepared.withheld

    @property
    def forgotten(self) -> list[str]:
        """Ids of quarantined documents gone from the source."""
        return self._ids(self.changes.forgotten_uri)

    def counts(self) -> dict[str, int]:
        """Documents by class of change, with `touched` and `rejected`.

        A move is one document gone and one come; `removed` counts only those that went for good.
        """
        counts = Counter(self.documents["change"].to_list())
        return {
            **counts,
            "removed": max(0, len(self.removed) - counts["moved"]),
            "touched": self.touched.height,
            "rejected": self.rejected.height,
        }

    @cached_property
    def _bad(self) -> pl.DataFrame:
        uri = self.checked.bad_uri
        return self._scan((uri,) if uri else (), REJECTED).collect()

    @property
    def _bad_ids(self) -> pl.Series:
        return self._bad["id"].implode()

    def _scan(self, uris: tuple[str, ...], schema: pl.Schema) -> pl.LazyFrame:
        return self.artifacts.scan(uris) if uris else pl.LazyFrame(schema=schema)

    def _ids(self, uri: str) -> list[str]:
        return self._scan((uri,) if uri else (), IDS).collect()["id"].to_list()
