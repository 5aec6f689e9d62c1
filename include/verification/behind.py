"""The lake against a fresh listing of its source: what the next sync would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from include.stages.changes import Changes
from include.storage.artifacts import Artifacts
from include.verification.problems import Finding


@dataclass(frozen=True, slots=True)
class Listing:
    """How the source is compared: `detect` lists it, and leaves its rows in `artifacts`."""

    detect: Callable[[], Changes]
    artifacts: Artifacts


def source_findings(listing: Listing) -> Iterator[Finding]:
    """Files that the manifest lacks or has in another version, and documents that are gone."""
    changes = listing.detect()
    try:
        rows = _read(listing, changes.rows_uri)
        new = rows.head(changes.added)["uri"]
        subjects = [(uri, "It is at the source, but not in the manifest.") for uri in new.sort()]
        touched = rows.tail(changes.touched)["uri"]
        subjects += [(uri, "It changed since it was last read.") for uri in touched.sort()]
        gone = _read(listing, changes.removed_uri)["uri"]
        subjects += [(uri, "It is indexed, but gone from the source.") for uri in gone.sort()]
    finally:
        listing.artifacts.remove()
    if subjects:
        yield Finding("behind_source", subjects, remedy="Run `python -m include sync`.")


def _read(listing: Listing, uri: str) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"uri": pl.String})
    return listing.artifacts.read(uri).select("uri") if uri else empty
