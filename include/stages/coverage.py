"""What an index lacks of the manifest, and what it has too much: how far it has been filled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from include.errors import ConfigurationError
from include.storage.tables import Tables
from include.vectorstore.protocol import VectorStore


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time, from `begin` up to but not including `end`."""

    begin: datetime
    end: datetime


def days(first: str, last: str) -> Interval | None:
    """From the first day, as 2026-11-21, to the end of the last one, in UTC; None when both are "".

    Raises ConfigurationError for a day that cannot be read, or a last one before the first.
    """
    if not first and not last:
        return None
    begin = _day(first) if first else datetime(1970, 1, 1, tzinfo=UTC)
    end = _day(last) + timedelta(days=1) if last else datetime(9999, 1, 1, tzinfo=UTC)
    if end <= begin:
        raise ConfigurationError(f"The last day {last!r} lies before the first day {first!r}.")
    return Interval(begin, end)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ConfigurationError(f"A day should be like 2026-11-21, is {text!r}.") from None


@dataclass(frozen=True, slots=True)
class Coverage:
    """The manifest's documents that have text, against an index.

    `missing` are ids of documents that it lacks or has in another version, `surplus` ids of
    documents that the manifest does not know. `documents` counts what it should hold. `missing_days`
    are the first and the last day on which what is missing was first ingested, if anything is.
    """

    documents: int
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    missing_days: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the index holds exactly the documents of the manifest."""
        return not (self.missing or self.surplus)


def coverage(
    tables: Tables,
    store: VectorStore,
    index: str,
    *,
    within: Interval | None = None,
    only: Collection[str] | None = None,
) -> Coverage:
    """Compares an index with the manifest; reads ids and versions, no text.

    `within` narrows it to documents first ingested then, `only` to these documents; what is
    surplus is told in any case, but with `only` of these documents alone.
    """
    # The index first: a run publishes before it records, so what is newer is not taken for surplus.
    held = store.versions(index).rename({"document_id": "id"})
    manifest = tables.documents.read(["id", "version", "chunks", "first_ingested"])
    surplus = held.join(manifest, on="id", how="anti")
    wanted = manifest
    if only is not None:
        chosen = pl.Series("id", sorted(only), dtype=pl.String())
        wanted = wanted.filter(pl.col("id").is_in(chosen.implode()))
        surplus = surplus.filter(pl.col("id").is_in(chosen.implode()))
    if within is not None:
        first = pl.col("first_ingested")
        wanted = wanted.filter((first >= within.begin) & (first < within.end))
    absent = wanted.filter(pl.col("chunks") > 0).join(held, on=["id", "version"], how="anti")
    other = held.join(wanted, on=["id", "version"], how="anti").join(wanted, on="id", how="semi")
    missing = pl.concat([absent["id"], other["id"]]).unique().sort()
    since = wanted.filter(pl.col("id").is_in(missing.implode()))["first_ingested"].dt.date()
    return Coverage(
        documents=wanted.filter(pl.col("chunks") > 0).height,
        missing=tuple(missing),
        surplus=tuple(surplus["id"].unique().sort()),
        missing_days=(str(since.min()), str(since.max())) if since.len() else (),
    )


def told(days: Sequence[str]) -> str:
    """The days of what is missing, for people: " (first ingested 2026-11-20 to 2026-11-21)"."""
    return f" (first ingested {' to '.join(dict.fromkeys(days))})" if days else ""
