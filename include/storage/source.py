"""Sources: where documents come from, listed completely or not at all.

A listing decides what is deleted, so a source either yields every object it holds or raises
SourceError. Reading one object never fails its neighbours: it raises DocumentError with one of
the reasons below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import polars as pl

from include.documents import SourceObject

SIDECAR = ".meta.json"

# Reasons that lie outside the document: the next run may well read the very same version, so a
# quarantine must not remember a stamp for them.
PASSING_REASONS = frozenset({"vanished", "unreadable", "changed_while_read"})

LISTING = pl.Schema(
    {
        "id": pl.String(),
        "source": pl.String(),
        "key": pl.String(),
        "uri": pl.String(),
        "size": pl.Int64(),
        "modified": pl.Datetime("us", "UTC"),
        "stamp": pl.String(),
        "sidecar_stamp": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class SourceContent:
    """One object as it was read, with the stamps of exactly these bytes.

    The stamps follow the rules of SourceObject, so a manifest that keeps them recognises the
    same version in the next listing. `sidecar` is None and `sidecar_stamp` "" without a sidecar.
    `version` is the store's own name of the document's version; "" where it keeps none.
    """

    raw: bytes
    stamp: str
    sidecar: bytes | None = None
    sidecar_stamp: str = ""
    version: str = ""


class Source(Protocol):
    """A place that holds documents: a folder, a bucket."""

    @property
    def uri(self) -> str:
        """Where it is, without a trailing slash; half of every document's identity."""
        ...

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many entries the last finished listing left out on purpose, by reason."""
        ...

    def list(self) -> Iterator[SourceObject]:
        """Every object, in no particular order, as a stream; keys are unique.

        Raises SourceError, possibly half-way, when the listing cannot be completed, or
        ConfigurationError or TransientError where that is known to be why: whoever consumes it
        concludes nothing from what came before.
        """
        ...

    def read(self, key: str, limit_bytes: int, *, sidecar: bool = True) -> SourceContent:
        """The object's bytes and its sidecar's; with `sidecar=False` none is looked for.

        Raises DocumentError: `vanished`, `unreadable`, `too_large`, `not_a_file` or
        `changed_while_read`.
        """
        ...


def listing_batches(objects: Iterable[SourceObject], rows: int = 20_000) -> Iterator[pl.DataFrame]:
    """The objects as frames of at most `rows` rows with schema LISTING, one at a time.

    Memory is bounded by one batch; no objects give no batches.
    """
    stream = iter(objects)
    while batch := list(islice(stream, rows)):
        yield _frame(batch)


def listing_frame(objects: Iterable[SourceObject]) -> pl.DataFrame:
    """All objects in one frame with schema LISTING."""
    return pl.concat([pl.DataFrame(schema=LISTING), *listing_batches(objects)])


def _frame(batch: list[SourceObject]) -> pl.DataFrame:
    columns = {
        "id": [each.id for each in batch],
        "source": [each.source for each in batch],
        "key": [each.key for each in batch],
        "uri": [each.uri for each in batch],
        "size": [each.size for each in batch],
        "modified": [round(each.modified.timestamp() * 1e6) for each in batch],
        "stamp": [each.stamp for each in batch],
        "sidecar_stamp": [each.sidecar_stamp for each in batch],
    }
    # Integers become times in one go; a list of datetimes is converted one by one, at 2 us each.
    whole = pl.DataFrame(columns, schema={**LISTING, "modified": pl.Int64()})
    return whole.with_columns(pl.col("modified").cast(LISTING["modified"]))
