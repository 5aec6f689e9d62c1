"""The switches of the trigger forms."""

from __future__ import annotations

from airflow.sdk import Param

REREAD = Param(
    False,
    type="boolean",
    title="Re-read every file",
    description="Compare contents, not only size and modification time.",
)
ALLOW_DELETIONS = Param(
    False,
    type="boolean",
    title="Allow large deletions",
    description="Remove documents even if more than max_delete_fraction of them are gone.",
)
LOOK_ONLY = Param(
    False,
    type="boolean",
    title="Look only",
    description="Report what changed; start no ingestion.",
)
REBUILD = Param(
    False,
    type="boolean",
    title="Rebuild for changed settings",
    description="Fill a new index for the configured embedder and chunker, then make it live.",
)
KEEP_DAYS = Param(
    7,
    type="integer",
    minimum=1,
    maximum=365,
    title="Keep for days",
    description="Table versions and run artifacts younger than this are kept.",
)
REPAIR = Param(
    False,
    type="boolean",
    title="Repair",
    description="Put right what verification finds; sync_source completes it.",
)
