"""`status`, `indexes`, `quarantine list`: what the lake holds. Imports no model."""

from __future__ import annotations

import getpass
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from include.errors import ConfigurationError
from include.spending.alerts import alerts
from include.spending.ledger import today_utc, total
from include.stages.retire import drop
from include.stages.review import Decision, Held, decide, held
from include.stages.signatures import near_duplicates
from include.wiring import Platform

Json = dict[str, Any]


def status(platform: Platform) -> Json:
    """Counts of documents, chunks, cached embeddings and quarantined documents; the live index."""
    live = platform.registry.live()
    database = platform.database
    aside = held(platform.tables)
    called = list(platform.spending.ledger.entries(today_utc()))
    embeddings = [name for name in database.names() if name.startswith("embeddings_")]
    return {
        "documents": platform.tables.documents.count(),
        "chunks": platform.store.count(live.name) if live else 0,
        "embeddings": sum(database.rows(name) for name in embeddings),
        "near_duplicates": near_duplicates(platform.tables),
        "quarantined": len(aside),
        "undecided": sum(not each.decision for each in aside),
        "outdated": sum(each.has_old_version for each in aside),
        "live_index": live.name if live else None,
        "indexes": [asdict(entry) for entry in platform.registry.indexes()],
        "last_sync": platform.registry.last_sync(),
        "spend_today_usd": f"{total(called):f}",
        "alerts": [each.as_json() for each in alerts(called, platform.settings.budgets)],
        "source": list(platform.settings.source.uris),
        "lake": platform.settings.lake_uri,
    }


def indexes(platform: Platform) -> Json:
    """All indexes with their states, the live and the previous one."""
    entries = platform.registry.indexes()
    by_state = {entry.state: entry.name for entry in entries}
    return {
        "live": by_state.get("live"),
        "previous": by_state.get("previous"),
        "indexes": [asdict(entry) for entry in entries],
    }


def drop_index(platform: Platform, name: str) -> None:
    """Deletes an index that is a candidate, retired, or was never finished.

    Raises ConfigurationError for one that is live or previous.
    """
    drop(platform.registry, platform.store, name)


def quarantined(platform: Platform) -> Json:
    """Documents set aside, the latest first."""
    return {"items": [_item(each) for each in held(platform.tables)]}


def named(platform: Platform, reason: str | None) -> list[str]:
    """The ids of everything in quarantine, or of what is there for this reason."""
    return [each.id for each in held(platform.tables) if reason in (None, each.reason)]


def review(platform: Platform, decision: Decision, documents: list[str]) -> Json:
    """Records the decision about these documents, by id or uri; the next sync carries it out."""
    if not documents:
        raise ConfigurationError(
            f"Nothing to {decision}: name documents by id or uri, or give --all or --reason CODE."
        )
    now, by = datetime.now(UTC), getpass.getuser()
    decided = decide(platform.tables, documents, decision, by=by, now=now)
    return {"decision": decision, "items": [_item(replace(d, decision=decision)) for d in decided]}


def _item(document: Held) -> Json:
    return {
        **{
            name: value for name, value in asdict(document).items() if name not in ("source", "key")
        },
        "since": document.since.isoformat(),
        "last_seen": document.last_seen.isoformat(),
    }
