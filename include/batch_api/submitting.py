"""A batch on its way to the provider: submitted once, or found there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.batch_api.provider import Provider
from include.batch_api.records import OVER, PLANNED, SENDING, SENT, BatchRecords, Record
from include.batch_api.requests import line_of
from include.embedding.openai import OpenAIEmbedder
from include.errors import BudgetError, CommitConflictError, TransientError
from include.observability.log import report, warn
from include.spending import deferred
from include.spending.account import Account, CallError
from include.spending.entries import EMBED, REFUSED, Entry, Purpose
from include.spending.prices import Tokens

GRACE_SECONDS = 300.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Submitter:
    """Creates batches, each under its name once.

    `texts` reads an artifact of hashes and texts, None when it is gone. After `grace_seconds` a batch
    that its creator did not record, and that the provider does not list, was not created.
    """

    records: BatchRecords
    provider: Provider
    embedder: OpenAIEmbedder
    account: Account
    texts: Callable[[str], dict[str, str] | None]
    clock: Callable[[], datetime] = _now
    grace_seconds: float = GRACE_SECONDS

    def recover(self, record: Record) -> Record:
        """What became of a batch whose creator has not told.

        Before it is submitted anew its file is deleted: a creator that was only stopped has nothing
        left to submit when it goes on.
        """
        found = self.provider.find(record.key, record.attempt, record.since)
        if not found and self.clock() - record.since < timedelta(seconds=self.grace_seconds):
            return record
        if not found:
            self.provider.revoke(record.file_id)
            found = self.provider.find(record.key, record.attempt, record.since)
        if found:
            return self.records.change(record, state=SENT, provider_id=found, since=self.clock())
        warn(f"The batch {record.key} was not created at the provider: it is submitted again.")
        return self.records.change(record, state=PLANNED, since=self.clock())

    def submit(self, record: Record) -> None:
        """Uploads and creates it, unless somebody else does. Raises BudgetError with nothing created."""
        texts = self.texts(record.texts)
        if texts is None:
            warn(f"The texts of batch {record.key} were removed: it is given up.")
            self.give_up(record, "abandoned")
            return
        self._settle_earlier(record)
        file_id = self._uploaded(record, texts)
        try:
            sending = self.records.put(
                record,
                state=SENDING,
                since=self.clock(),
                attempt=record.attempt + 1,
                file_id=file_id,
                entry=self._new_entry(record).as_json(),
            )
        except CommitConflictError:  # somebody else submits it
            self.provider.forget(file_id)
            return
        self._create(sending)

    def give_up(self, record: Record, status: str) -> None:
        """Ends what was not submitted; its texts are free again."""
        self._settle_earlier(record)
        self.records.change(
            record, state=OVER, status=status, requests=(), entry=None, since=self.clock()
        )

    def _settle_earlier(self, record: Record) -> None:
        """An attempt that came to nothing, and that nobody can take for a living one any more."""
        if record.entry is not None:
            deferred.settle(self.account, _entry(record), REFUSED, Tokens(), "not created")

    def _uploaded(self, record: Record, texts: dict[str, str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "requests.jsonl"
            with file.open("wb") as opened:
                for request in record.requests:
                    opened.write(line_of(request, texts, self.embedder))
            return self.provider.upload(file, record.key)

    def _create(self, sending: Record) -> None:
        try:
            deferred.reserve(self.account, _entry(sending))
        except BudgetError:
            self.records.change(sending, state=PLANNED, entry=None)
            self.provider.forget(sending.file_id)
            raise
        if self.clock() - sending.since > timedelta(seconds=self.grace_seconds / 2):
            raise TransientError(
                f"Submitting the batch {sending.key} took too long to be safe: it is looked for at "
                f"the provider before it is tried again."
            )
        try:
            made = self.provider.create(sending.file_id, sending.key, sending.attempt)
        except CallError as failure:
            self._not_created(sending, failure)
            return
        report("batch", key=sending.key, submitted=made, tokens=sending.tokens)
        sent = self.records.change(sending, state=SENT, provider_id=made, since=self.clock())
        if sent.provider_id != made:
            # Whoever took it over did not find this one: it must not be there twice.
            self.provider.cancel(made)

    def _not_created(self, sending: Record, failure: CallError) -> None:
        """Goes back when it was surely not created; else the provider is asked later."""
        refused = 400 <= failure.status < 500 and failure.status not in (408, 409)
        if not refused and (failure.sent or failure.status):
            warn(f"{failure.error} The batch {sending.key} is looked for at the provider.")
            return
        try:
            self.records.put(sending, state=PLANNED, since=self.clock())
        except CommitConflictError:  # somebody took it over, and has deleted the file
            return
        deferred.settle(self.account, _entry(sending), REFUSED, Tokens(), failure.kind)
        self.provider.forget(sending.file_id)
        raise failure.error from None

    def _new_entry(self, record: Record) -> Entry:
        endpoint = self.provider.remote.endpoint
        purpose = Purpose(
            operation=EMBED,
            provider=endpoint.provider,
            model=self.embedder.identity.model,
            endpoint=endpoint.name,
            content=record.key,
        )
        return deferred.entry(self.account, purpose, record.tokens, len(record.requests))


def _entry(record: Record) -> Entry:
    assert record.entry is not None
    return Entry.from_json(record.entry)
