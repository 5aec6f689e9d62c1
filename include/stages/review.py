"""What people decide about documents in quarantine: try again, keep the old version, or drop it.

A decision holds for one version. A document that changes is judged anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from include.errors import ConfigurationError, DocumentError
from include.observability.log import report
from include.stages.reading import Reading
from include.storage.tables import Tables

Decision = Literal["release", "keep", "drop"]

EXCERPT_CHARACTERS = 600
_PRIVATE = frozenset({"sensitive_content"})


@dataclass(frozen=True, slots=True)
class Held:
    """One document in quarantine, as a reviewer needs to see it.

    `has_old_version` says that an earlier version of it is still searchable. `decision` is "" as
    long as nobody decided about this version.
    """

    id: str
    uri: str
    source: str
    key: str
    version: str
    stage: str
    reason: str
    detail: str
    since: datetime
    last_seen: datetime
    tries: int
    has_old_version: bool
    decision: str


def held(tables: Tables) -> list[Held]:
    """Everything in quarantine, the latest first."""
    rows = tables.quarantine.read()
    indexed = tables.documents.lookup(rows["id"].to_list(), ["id"])["id"]
    decided = tables.reviews.read(("id", "version", "decision"))
    rows = (
        rows.join(decided, on=["id", "version"], how="left", maintain_order="left")
        .with_columns(
            pl.col("decision").fill_null(""), has_old_version=pl.col("id").is_in(indexed.implode())
        )
        .sort("last_seen", "uri", descending=[True, False])
    )
    names = [name for name in Held.__dataclass_fields__ if name != "since"]
    return [
        Held(since=row["first_seen"], **{name: row[name] for name in names})
        for row in rows.iter_rows(named=True)
    ]


def undecided(tables: Tables, limit: int) -> list[Held]:
    """At most `limit` documents that wait for a decision, those that wait longest first."""
    waiting = [each for each in held(tables) if not each.decision]
    return sorted(waiting, key=lambda each: (each.since, each.uri))[:limit]


def decide(
    tables: Tables, names: list[str], decision: Decision, *, by: str, now: datetime
) -> list[Held]:
    """Records one decision about each of these documents, named by id or uri; returns them.

    Released documents are tried by the next run, whatever their stamp; dropped ones leave the
    index with it. Deciding again replaces the decision. Raises ConfigurationError, before
    anything is written, for a name that is not in quarantine.
    """
    found = held(tables)
    chosen = [each for each in found if {each.id, each.uri} & set(names)]
    unknown = set(names) - {name for each in chosen for name in (each.id, each.uri)}
    if unknown:
        raise ConfigurationError(
            f"{min(unknown)!r} is not in quarantine: give an id or uri that "
            f"`python -m include quarantine list` shows ({len(found)} are there)."
        )
    rows = [{"id": c.id, "version": c.version, "decision": decision, "by": by} for c in chosen]
    if rows:
        tables.reviews.upsert(
            pl.DataFrame(rows).with_columns(at=pl.lit(now).dt.cast_time_unit("us"))
        )
    if decision == "release" and rows:
        again = tables.quarantine.lookup([each.id for each in chosen])
        tables.quarantine.upsert(again.with_columns(stamp=pl.lit("")))
    report("review", decision=decision, documents=len(chosen))
    return chosen


def excerpt(document: Held, reading: Reading) -> str:
    """The beginning of a document in quarantine, as far as it can be shown; a sentence if not."""
    if document.reason in _PRIVATE:
        return "(Not shown: the document was set aside because of what it contains.)"
    file, _, record = document.key.partition("#")
    try:
        raw = reading.sources[document.source].read(file, reading.max_document_bytes).raw
        if not record:
            return _beginning(raw)
        with reading.extractor() as extractor:
            rows = extractor.extract(document.source, file, raw)
    except (DocumentError, KeyError) as error:
        return f"(It cannot be read now: {error})"
    found = [row.content for row in rows if row.record == record]
    return _beginning(found[0].encode()) if found else "(The row is no longer in its file.)"


def _beginning(raw: bytes) -> str:
    if b"\0" in raw[:4096]:
        return f"({len(raw):,} bytes that are no text.)"
    text = raw[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace")
    return text[:EXCERPT_CHARACTERS] + (" …" if len(text) > EXCERPT_CHARACTERS else "")
