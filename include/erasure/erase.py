"""`erase`: removes one document from the lake, then proves it. Safe to repeat at any point.

The order makes every kill harmless. First the marker, if there is to be one; then files; then rows,
the manifest's last; then the bytes behind them. Until the bytes are gone, earlier table versions
still tell the next attempt what the document was.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from include.documents import digest
from include.erasure import files, probe, snippets
from include.erasure.golden import erase_golden
from include.erasure.queries import erase_queries
from include.erasure.receipt import Receipt
from include.erasure.rows import erase_rows
from include.erasure.subject import CHUNKS, Derived, Subject, find_subject, nothing_derived
from include.observability.log import stage
from include.stages.forget import unused_vectors
from include.storage.claims import text_hashes
from include.storage.conflicts import persistently
from include.storage.history import Purged, prune, rewrite
from include.storage.lake import Lake
from include.storage.tables import Tables
from include.vectorstore import lance_indexes
from include.vectorstore.protocol import VectorStore

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

RUN_IDLE = timedelta(days=1)
"""A run without a receipt that wrote nothing for so long is dead: its artifacts may go."""


@dataclass(frozen=True, slots=True)
class Erasing:
    """The lake to erase from, and how.

    With `mark`, the document may not come back while it is at the source. `unfinished_too` also
    takes the artifacts of runs in flight, which then fail and have to be run again. `settle` waits
    until reads that began on an old table version are over.
    """

    lake: Lake
    database: LanceDatabase
    store: VectorStore
    by: str
    mark: bool = False
    unfinished_too: bool = False
    settle: Callable[[], None] = lambda: None
    forget_answers: Callable[[], int] = lambda: 0
    forget_questions: Callable[[], int] = lambda: 0

    @property
    def tables(self) -> Tables:
        """The lake's own tables."""
        return Tables(self.database)


def erase(
    uri: str,
    within: Erasing,
    *,
    now: datetime,
    names: frozenset[str] = frozenset(),
    derived: Derived = nothing_derived,
) -> Receipt:
    """Removes the document at this address, all rows of it if it is a file of records.

    An unknown address is searched for all the same. `names` are ids it is known to have; `derived`
    gives the hashes of further texts that were embedded because of a text. The receipt is also
    written to `erasures/` in the lake. Whoever asks makes sure that it is not at the source.
    """
    began = time.monotonic()
    within.lake.files.keeps_versions()  # who may not ask that could not prove anything
    name = f"erasure-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    with stage("erase", erasure=name) as event:
        subject = find_subject(uri, within.database, names, derived)
        pieces = snippets.candidates(subject.texts, seed=secrets.randbits(32))
        pieces = snippets.distinctive(pieces, probe.other_texts(within.database, subject))
        vectors = probe.own_vectors(within.database, subject)
        marked = _mark(subject, within, now) if within.mark else 0
        removed, kept = _remove(subject, within, now)
        purged = _purge(within, now)
        for kind, count in _forget(subject, within).items():  # what was on its way meanwhile
            removed[kind] += count
        event["object_versions"] = within.lake.files.forget_versions()
        receipt = Receipt(
            erasure_id=name,
            uri_hash=digest("uri", subject.uri),
            at=now.isoformat(),
            by=within.by,
            known=subject.is_known,
            documents=subject.documents,
            marked=marked,
            removed=removed,
            purged=purged,
            kept_runs=kept,
            unused_vectors=unused_vectors(within.database, within.lake),
            shared_texts=len(subject.text_hashes - subject.own_texts),
            snippet_hashes=tuple(digest("snippet", piece) for piece in pieces),
            searches=tuple(probe.searched(within.store, subject, pieces, vectors)),
            scan=probe.scanned(within.lake, within.database, pieces),
            seconds=round(time.monotonic() - began, 2),
        )
        event |= {"documents": receipt.documents, "clean": receipt.is_clean}
    within.lake.objects.write(f"erasures/{name}.json", json.dumps(receipt.as_json()).encode())
    return receipt


def _mark(subject: Subject, within: Erasing, now: datetime) -> int:
    """Remembers what may not come back: by place, and by content that no other document has."""
    others = within.tables.documents.read(["id", "version"])
    others = others.filter(~pl.col("id").is_in(sorted(subject.ids)))
    own = sorted(subject.versions - set(others["version"]))
    places = sorted(subject.ids)
    rows = [{"id": each, "version": ""} for each in places]
    rows += [{"id": digest("erased", each), "version": each} for each in own]
    if rows:
        frame = pl.DataFrame(rows).with_columns(
            uri_hash=pl.lit(digest("uri", subject.uri)),
            by=pl.lit(within.by),
            at=pl.lit(now).dt.cast_time_unit("us"),
        )
        within.tables.erasures.upsert(frame)
    return len(rows)


def _remove(
    subject: Subject, within: Erasing, now: datetime
) -> tuple[dict[str, int], tuple[str, ...]]:
    removed = _forget(subject, within)
    removed["queries/"] = erase_queries(within.lake, within.database, subject.texts, subject.uri)
    runs = files.erase_runs(
        within.lake, subject, idle_since=now - RUN_IDLE, unfinished_too=within.unfinished_too
    )
    unfinished = [each for each in within.lake.runs() if not each.is_finished(now - RUN_IDLE)]
    needed = text_hashes(within.lake, unfinished)
    named = erase_golden(within.database, subject)
    removed |= {"runs/": runs.removed, **dict(erase_rows(within.database, subject, needed))}
    removed["golden"] = removed.get("golden", 0) + named
    return removed, runs.kept


def _forget(subject: Subject, within: Erasing) -> dict[str, int]:
    """Removes what was said about the document; how much of each kind."""
    removed = {f"{name}/": count for name, count in files.erase_reports(within.lake, subject)}
    # They hold no names: all of them go, for they only save money.
    removed["responses/"] = within.forget_answers()
    return removed | {"similar/": within.forget_questions()}


def _purge(within: Erasing, now: datetime) -> dict[str, Purged]:
    """Rewrites what rows were deleted from, then removes every older version of every table."""
    names = within.database.names()
    rewritten = {name: rewrite(within.database, name) for name in names}
    for name in names:
        if rewritten[name] and name.startswith(CHUNKS):
            persistently(lambda name=name: _reindex(within.database, name))  # type: ignore[misc]
    within.settle()
    return {
        name: replace(prune(within.database, name, now), rewritten=rewritten[name])
        for name in names
    }


def _reindex(database: LanceDatabase, name: str) -> None:
    handle = database.open(name)
    if handle is not None:
        lance_indexes.rebuild(handle)
