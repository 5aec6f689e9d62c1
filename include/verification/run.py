"""Verification as a whole: every check, and repairs in the safest order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import polars as pl

from include.errors import CommitConflictError, LakeError, PlatformError
from include.observability.log import stage
from include.vectorstore.lance import lagging
from include.verification.agreement import agreement_findings
from include.verification.behind import Listing, source_findings
from include.verification.chunks import Examined, examine
from include.verification.embeddings import Cached, cache_findings, examine_cache
from include.verification.keys import cache_key_findings, chunk_key_findings, table_key_findings
from include.verification.leftovers import (
    quarantine_findings,
    run_findings,
    text_findings,
    unreferenced_findings,
)
from include.verification.premises import (
    CHUNKS,
    EMBEDDINGS,
    NEVER,
    Held,
    Premises,
    embedder_of,
    hold,
)
from include.verification.problems import KINDS, Finding, Repair, Report
from include.verification.registered import (
    live_index,
    registry_findings,
    unregistered_findings,
)
from include.verification.rows import row_findings
from include.verification.spans import Texts

# A repair looks again each time, so losing to another writer costs only another look.
_TRIES = 3
_BACKUP = "Restore the lake from a backup, or the index by a rebuild into another lake."
Found = TypeVar("Found")


def verify(premises: Premises, *, repair: bool = False, listing: Listing | None = None) -> Report:
    """Compares everything in the lake with everything else; with `repair`, puts it right.

    Writes nothing without `repair`. With `listing`, compares with the source as well. Memory
    grows with the number of chunks and documents, about 300 bytes each, not with their texts and
    vectors. Other runs may go on: what they are changing is looked at again before it is reported
    or written.
    """
    with stage("verify", repair=repair) as event:
        report = Report()
        findings = list(_findings(premises, report))
        if listing is not None:
            findings += source_findings(listing)
        for finding in sorted(findings, key=lambda each: KINDS.index(each.kind)):
            done, failure = _repaired(finding) if repair else (None, "")
            report.add(finding, done, failure)
        event |= {**report.checked, **report.counts, "unrepaired": report.unrepaired.total()}
        return report


def _findings(premises: Premises, report: Report) -> Iterator[Finding]:
    """Every check, the cheapest first; tables that cannot be read are findings themselves."""
    yield from table_key_findings(premises.tables)
    held, texts = hold(premises), Texts(premises.database)
    look = _Look(premises, held, texts)
    yield from look.unreadable
    caches, examined = look.caches, look.indexes
    report.checked = {
        "documents": held.manifest.height,
        "texts": texts.keys.height,
        "embeddings": sum(each.rows.height for each in caches.values()),
        "indexes": len(held.indexes),
        "chunks": sum(each.keys.height for each in examined),
    }
    yield from chunk_key_findings(premises.database, held, examined)
    yield from cache_key_findings(premises.database, list(caches.values()))
    live = live_index(premises, held)
    agreed = True
    for each in examined:
        cached = _fitting(caches[each.cache], each)
        yield from row_findings(premises, each, cached, live=each.index == live)
        if each.index == live:
            for finding in agreement_findings(premises, held, each):
                agreed = False
                yield finding
        yield from _lag_findings(premises, each)
    for cached in caches.values():
        own = [each for each in examined if not cached.dimensions or _fits(cached, each)]
        yield from cache_findings(premises.database, cached, own, _elsewhere(caches, own))
    yield from registry_findings(premises, held, caches)
    yield from unregistered_findings(premises, held, agreed=agreed)
    yield from text_findings(premises, held, texts)
    yield from quarantine_findings(premises)
    yield from unreferenced_findings(premises)
    yield from run_findings(premises)


class _Look:
    """Every index and every cache, read once; `unreadable` are those that cannot be."""

    def __init__(self, premises: Premises, held: Held, texts: Texts) -> None:
        self.unreadable: list[Finding] = []
        self.indexes: list[Examined] = []
        self.caches: dict[str, Cached] = {}
        database = premises.database
        for index in held.indexes:
            read = partial(examine, database, index, held, texts)
            if (seen := self._try(CHUNKS + index, read)) is not None:
                self.indexes.append(seen)
        for name in sorted({*held.embedders, *map(held.cache_of, held.indexes)}):
            cached = self._try(EMBEDDINGS + name, partial(examine_cache, database, name))
            if cached is not None:
                self.caches[name] = cached
        self.indexes = [each for each in self.indexes if each.cache in self.caches]

    def _try(self, table: str, read: Callable[[], Found]) -> Found | None:
        try:
            return read()
        except LakeError as error:
            finding = Finding("unreadable_table", [(table, str(error))], remedy=_BACKUP)
            self.unreadable.append(finding)
            return None


def _fits(cached: Cached, examined: Examined) -> bool:
    if examined.cache != embedder_of(examined.index):
        return cached.dimensions > examined.dimensions
    return cached.dimensions == examined.dimensions


def _fitting(cached: Cached, examined: Examined) -> Cached:
    """The cache, cut as the index is; nothing of it where its vectors cannot be those of the index."""
    if _fits(cached, examined):
        return replace(cached, dimensions=examined.dimensions)
    return replace(cached, rows=pl.DataFrame(schema=cached.rows.schema))


def _elsewhere(caches: Mapping[str, Cached], examined: Sequence[Examined]) -> pl.DataFrame:
    """`text_hash` of what an API cut itself, before whole vectors were asked for."""
    names = {embedder_of(each.index) for each in examined if each.cache != embedder_of(each.index)}
    parts = [caches[name].sound.select("text_hash") for name in sorted(names & caches.keys())]
    return pl.concat([pl.DataFrame(schema={"text_hash": pl.String}), *parts]).unique()


def _lag_findings(premises: Premises, examined: Examined) -> Iterator[Finding]:
    behind = lagging(examined.scan.handle)
    if behind:
        detail = "; ".join(f"{rows} rows of {name}" for name, rows in sorted(behind.items()))
        subjects = [(examined.index, f"Not in its search index: {detail}.")]
        yield Finding("unindexed_rows", subjects, partial(_optimize, premises, examined))


def _optimize(premises: Premises, examined: Examined) -> Repair:
    premises.store.create(examined.index, examined.dimensions)
    premises.store.optimize(examined.index, NEVER)
    return Repair("The search indexes were brought up to date.")


def _repaired(finding: Finding) -> tuple[Repair | None, str]:
    """What the repair did; or why it did nothing. One that fails keeps no other from its work."""
    for attempt in range(1, _TRIES + 1) if finding.repair else ():
        assert finding.repair is not None
        try:
            return finding.repair(), ""
        except CommitConflictError as conflict:
            if attempt == _TRIES:
                return None, f"Not repaired, try again later: {conflict}"
        except PlatformError as error:
            return None, f"Not repaired: {error}"
    return None, ""
