"""Stage 6: everything a run prepared becomes searchable in one atomic commit, then is recorded.

The order makes every crash harmless: texts first (content-addressed, never wrong), then the
commit that readers see, then the manifest. A run killed in between finds its documents still to
do, their vectors in the cache and their rows already there, and only completes the record; for
what has changed at the source meanwhile it leaves a mark (`storage/publishing`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from include.observability.log import stage
from include.stages.accepted import Accepted
from include.stages.batch import ToEmbed
from include.stages.commit import publish_chunks
from include.stages.destination import Destination
from include.stages.record import record
from include.stages.signatures import sign_texts
from include.storage.tables import Tables
from include.vectorstore.protocol import Published


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a run did, as the manifest and the index now show it. Counts of documents, then chunks."""

    run_id: str
    index: str
    added: int
    changed: int
    moved: int
    copied: int
    metadata: int
    removed: int
    unchanged: int
    quarantined: int
    withheld: int
    chunks: int
    embedded: int
    reused: int
    published: int
    retracted: int
    finished_at: str


def publish(
    accepted: Accepted,
    to_embed: ToEmbed,
    destination: Destination,
    *,
    now: datetime,
) -> Receipt:
    """Makes the index hold exactly the chunks of this run's documents, and records it.

    Repeating it writes nothing. Raises TransientError when a vector is missing from the cache
    (an embed task was skipped: run it again).
    """
    with stage("publish", run=accepted.changes.run_id, index=destination.index) as event:
        _store_texts(accepted, destination.tables)
        destination.marks.begin(accepted.changes.run_id, destination.index, now)
        done = publish_chunks(accepted, destination, accepted.changes.run_id)
        if destination.registry.live() is None:
            # Once the manifest is written, no later run finds anything to do and says so.
            _register(destination, accepted.changes.run_id, now, switch=True)
        record(accepted, destination.tables, run_id=accepted.changes.run_id, now=now)
        receipt = _receipt(accepted, to_embed, done, destination.index, now)
        _register(destination, receipt.run_id, now, switch=accepted.changes.rebuild)
        destination.marks.end(receipt.run_id)
        destination.marks.settle(destination.index, now)
        accepted.artifacts.write_json("receipt", asdict(receipt))
        event |= {"published": receipt.published, "retracted": receipt.retracted}
    return receipt


def _register(destination: Destination, run_id: str, now: datetime, *, switch: bool) -> None:
    """The index with its counts as they are now; live from now on with `switch`."""
    destination.registry.record_sync(
        destination.index,
        run_id,
        now,
        **destination.facts,
        missing=0,
        switch=switch,
        documents=destination.tables.documents.count(),
        chunks=destination.store.count(destination.index),
    )


def _store_texts(accepted: Accepted, tables: Tables) -> None:
    for part in accepted.document_parts():
        texts = part.select("text_hash", "text", "blocks", "pages").unique("text_hash").collect()
        tables.texts.insert_missing(texts)
        sign_texts(tables, texts)


def _receipt(
    accepted: Accepted, to_embed: ToEmbed, done: Published, index: str, now: datetime
) -> Receipt:
    changes, counts = accepted.changes, accepted.counts()
    return Receipt(
        run_id=changes.run_id,
        index=index,
        **{
            name: counts.get(name, 0)
            for name in ("added", "changed", "moved", "copied", "metadata", "removed")
        },
        unchanged=changes.unchanged + counts["touched"],
        quarantined=counts["rejected"],
        withheld=accepted.withheld,
        chunks=to_embed.chunks,
        embedded=to_embed.texts,
        reused=to_embed.reused,
        published=done.inserted + done.updated,
        retracted=done.deleted,
        finished_at=now.isoformat(),
    )
