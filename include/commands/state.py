"""`status`, `indexes`, `quarantine list`: what the lake holds. Imports no model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from include.stages.signatures import near_duplicates
from include.wiring import Platform

Json = dict[str, Any]


def status(platform: Platform) -> Json:
    """Counts of documents, chunks, cached embeddings and quarantined documents; the live index."""
    live = platform.registry.live()
    database = platform.database
    embeddings = [name for name in database.names() if name.startswith("embeddings_")]
    return {
        "documents": platform.tables.documents.count(),
        "chunks": platform.store.count(live.name) if live else 0,
        "embeddings": sum(database.rows(name) for name in embeddings),
        "near_duplicates": near_duplicates(platform.tables),
        "quarantined": platform.tables.quarantine.count(),
        "live_index": live.name if live else None,
        "indexes": [asdict(entry) for entry in platform.registry.indexes()],
        "last_sync": platform.registry.last_sync(),
        "spend_today_usd": "0",
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


def quarantined(platform: Platform) -> Json:
    """Documents set aside, the latest first."""
    columns = ("id", "uri", "version", "reason", "detail", "first_seen", "last_seen", "tries")
    rows = platform.tables.quarantine.read(columns).sort("last_seen", descending=True)
    items = [
        {**row, "since": row["first_seen"].isoformat(), "last_seen": row["last_seen"].isoformat()}
        for row in rows.iter_rows(named=True)
    ]
    for item in items:
        del item["first_seen"]
    return {"items": items}
