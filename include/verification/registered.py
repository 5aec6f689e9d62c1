"""The registry against the tables: what answers, what is known of it, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from include.documents import digest
from include.storage.index_entries import Entries, Index
from include.storage.scans import Scan
from include.verification.embeddings import Cached
from include.verification.marks import mark_documents
from include.verification.premises import CHUNKS, Held, Premises, embedder_of
from include.verification.problems import Finding, Repair


def live_index(premises: Premises, held: Held) -> str | None:
    """The index that the manifest describes: the live one, or what would be if none is registered."""
    live = premises.registry.live()
    if live is not None:
        return live.name if live.name in held.indexes else None
    configured = premises.configured().name if held.indexes else ""
    return configured if configured in held.indexes else None


def registry_findings(
    premises: Premises, held: Held, caches: dict[str, Cached]
) -> Iterator[Finding]:
    """Entries without a table, entries that contradict their name or table, tables without entry."""
    entries = premises.registry.read().indexes
    for name, entry in sorted(entries.items()):
        if name not in held.indexes:
            if entry.state != "building" or _is_old(entry, premises.before):
                yield _dangling(premises, entry)
            continue
        scan = Scan.of(premises.database, CHUNKS + name)
        if scan is not None:
            yield from _mismatches(premises, entry, scan)
            yield from _wrong_dimensions(entry, scan.dimensions, caches.get(held.cache_of(name)))


def unregistered_findings(premises: Premises, held: Held, *, agreed: bool) -> Iterator[Finding]:
    """No index that answers although there are documents, and tables that no entry names.

    `agreed`: manifest and index tell the same.
    """
    entries = premises.registry.read()
    named = ""
    if entries.in_state("live") is None and held.manifest.height:
        named = premises.configured().name
        detail = "No index is live, although the lake holds documents: searches find nothing."
        repair = partial(_register, premises, named, agreed=agreed)
        yield Finding("no_live_index", [(named, detail)], repair, "Run `sync --rebuild`.")
    for name in held.indexes:
        if name not in entries.indexes and name != named:
            detail = "The registry does not know this index: its run was killed, or is running."
            repair = partial(_register, premises, name, agreed=agreed)
            yield Finding("unregistered_index", [(name, detail)], repair)


def _is_old(entry: Index, before: datetime) -> bool:
    return not entry.created_at or datetime.fromisoformat(entry.created_at) < before


def _dangling(premises: Premises, entry: Index) -> Finding:
    detail = f"The registry has it as {entry.state}, but it has no table."
    repair = partial(_refill if entry.state == "live" else _forget, premises, entry)
    return Finding("dangling_index", [(entry.name, detail)], repair)


def _refill(premises: Premises, entry: Index) -> Repair:
    """An empty index in the place of the lost one, and every document to be published again."""
    dimensions = premises.configured().dimensions if not entry.dimensions else entry.dimensions
    premises.store.create(entry.name, dimensions, entry.vectors)
    mark_documents(premises, premises.tables.documents.read(["id"])["id"].to_list())
    return Repair(
        "An empty index took its place: the next sync fills it again, with vectors of the cache.",
        needs_sync=True,
    )


def _forget(premises: Premises, entry: Index) -> Repair:
    def without(entries: Entries) -> Entries:
        now = entries.indexes.get(entry.name)
        if now is None or now.state == "live" or entry.name in premises.store.indexes():
            return entries
        kept = {name: each for name, each in entries.indexes.items() if name != entry.name}
        return replace(entries, indexes=kept)

    premises.registry.change(without)
    return Repair("The entry was removed.")


def _mismatches(premises: Premises, entry: Index, scan: Scan) -> Iterator[Finding]:
    """Facts of an entry that its name or its table contradicts."""
    facts: dict[str, Any] = {}
    if entry.embedder != embedder_of(entry.name):
        facts["embedder"] = embedder_of(entry.name)
    if entry.dimensions != scan.dimensions:
        facts["dimensions"] = scan.dimensions
    if entry.vectors != scan.form:
        facts["vectors"] = scan.form
    if facts:
        yield Finding(
            "registry_mismatch",
            [(entry.name, f"Its entry should have {_named(facts)}, has {_named(facts, entry)}.")],
            partial(_correct, premises, entry.name, facts),
        )
    # An index that a repair entered may be of settings that nobody has here: unknown is not wrong.
    if entry.chunker and not entry.name.endswith("_" + digest("chunker", entry.chunker)[:8]):
        detail = f"Its entry has the chunker {entry.chunker!r}, its name is made of another."
        repair = partial(_correct_chunker, premises, entry.name)
        remedy = "Only under the settings of that index can it be corrected."
        yield Finding("registry_mismatch", [(entry.name, detail)], repair, remedy)


def _named(facts: dict[str, Any], entry: Index | None = None) -> str:
    values = {name: getattr(entry, name) if entry else value for name, value in facts.items()}
    return ", ".join(f"{name} {value!r}" for name, value in values.items())


def _correct(premises: Premises, name: str, facts: dict[str, Any]) -> Repair:
    premises.registry.update(name, **facts)
    return Repair("The entry was corrected from the index itself.")


def _correct_chunker(premises: Premises, name: str) -> Repair | None:
    configured = premises.configured()
    if configured.name != name:
        return None
    return _correct(premises, name, {"chunker": configured.chunker})


def _wrong_dimensions(entry: Index, dimensions: int, cached: Cached | None) -> Iterator[Finding]:
    if cached is None or cached.scan is None:
        return
    fits = cached.dimensions > dimensions if entry.cut_from else cached.dimensions == dimensions
    if not fits:
        detail = (
            f"Its vectors have {dimensions} dimensions, those of its embedder's cache "
            f"{cached.dimensions}."
        )
        remedy = "No sync can write it: drop the one that is wrong and run `sync --rebuild`."
        yield Finding("wrong_dimension", [(entry.name, detail)], remedy=remedy)


def _register(premises: Premises, name: str, *, agreed: bool) -> Repair | None:
    """Enters the index; as live only where none is and it holds what the manifest says."""
    scan = Scan.of(premises.database, CHUNKS + name)
    if scan is None:
        return None
    configured, documents = premises.configured(), premises.tables.documents.count()
    entry = Index(
        name,
        embedder=embedder_of(name),
        chunker=configured.chunker if configured.name == name else "",
        dimensions=scan.dimensions,
        chunks=scan.count(),
        vectors=scan.form,
        cut_from=configured.cut_from if configured.name == name else "",
    )
    complete = configured.name == name and agreed and documents > 0

    def entered(entries: Entries) -> Entries:
        now = entries if name in entries.indexes else entries.put(entry)
        if complete and now.in_state("live") is None:
            return now.put(replace(now.get(name), documents=documents)).switch(name)
        return now

    premises.registry.change(entered)
    if premises.registry.live() is None:
        return Repair("It was registered; the next sync completes it.", needs_sync=True)
    return Repair("It was registered: as live where none was, else as building.")
