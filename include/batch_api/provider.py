"""The provider's side: files and batches. Nothing here costs anything but `create`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.batch_api.requests import URL
from include.errors import ConfigurationError, PlatformError
from include.remote.attempts import Remote
from include.spending.entries import new_call_id

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

KEY, ATTEMPT = "rag_batch", "rag_attempt"
"""Under which names the metadata of a batch hold whose it is."""
_NO_SUCH_THING = (404, 405, 501)
_CLOCKS_DIFFER = timedelta(hours=6)
_ENDED = ("cancelling", "cancelled")
_RUNNING = ("validating", "in_progress", "finalizing")


@dataclass(frozen=True, slots=True)
class Provider:
    """The batch API of one endpoint."""

    remote: Remote

    def require(self) -> None:
        """Raises ConfigurationError when the endpoint has no batch API."""
        found = self.remote.ask(
            lambda client, headers: client.batches.list(limit=1, extra_headers=headers),
            none_for=_NO_SUCH_THING,
        )
        if not isinstance(getattr(found, "data", None), list):
            raise ConfigurationError(
                f"The API at {self.remote.endpoint.name} has no batches: nothing was sent. Run "
                f"without batch_api (--batch-api), which embeds by single calls."
            )

    def upload(self, file: Path, name: str) -> str:
        """The id of the uploaded file."""

        def send(client: openai.OpenAI, headers: dict[str, str]) -> str:
            with file.open("rb") as opened:
                made = client.files.create(
                    file=(f"{name}.jsonl", opened), purpose="batch", extra_headers=headers
                )
            return str(made.id)

        return str(self.remote.ask(send))

    def create(self, file_id: str, key: str, attempt: int) -> str:
        """Submits, once: the id of the batch. Raises CallError, see there whether it was made."""
        made = self.remote.client.send(
            new_call_id(self.remote.account.clock()),
            lambda client, headers: client.batches.create(
                input_file_id=file_id,
                endpoint=URL,
                completion_window="24h",
                metadata={KEY: key, ATTEMPT: str(attempt)},
                extra_headers=headers,
            ),
        )
        return str(made.id)

    def find(self, key: str, attempt: int, since: datetime) -> str:
        """The batch that was created under this key, "" when there is none.

        Should there be several, all but the first are cancelled.
        """
        found = self.remote.ask(lambda client, headers: self._listed(client, headers, key, since))
        ours = [
            each
            for each in sorted(found or (), key=lambda each: (each.created_at, each.id))
            if each.status not in _ENDED or (each.metadata or {}).get(ATTEMPT) == str(attempt)
        ]
        for other in ours[1:]:
            if other.status in _RUNNING:
                self.cancel(other.id)
        return str(ours[0].id) if ours else ""

    def retrieve(self, batch_id: str) -> Batch | None:
        """The batch as it stands; None when the provider does not know it."""
        return self.remote.ask(
            lambda client, headers: client.batches.retrieve(batch_id, extra_headers=headers),
            none_for=(404,),
        )

    def cancel(self, batch_id: str) -> None:
        """Cancels it, where that is still possible."""
        with suppress(PlatformError):
            self.remote.ask(
                lambda client, headers: client.batches.cancel(batch_id, extra_headers=headers)
            )

    def download(self, file_id: str, target: Path) -> bool:
        """Brings the file here, piece by piece; False when the provider does not have it."""

        def send(client: openai.OpenAI, headers: dict[str, str]) -> bool:
            streamed = client.files.with_streaming_response.content(file_id, extra_headers=headers)
            with streamed as answer, target.open("wb") as opened:
                for piece in answer.iter_bytes(1 << 20):
                    opened.write(piece)
            return True

        return bool(self.remote.ask(send, none_for=(404,)))

    def forget(self, *file_ids: str | None) -> None:
        """Deletes files that hold texts or vectors; one that cannot be deleted expires there."""
        for file_id in filter(None, file_ids):
            with suppress(PlatformError):
                self.revoke(file_id)

    def revoke(self, file_id: str) -> None:
        """Deletes an uploaded file, so that nobody can submit it any more; it is gone when this returns."""
        self.remote.ask(
            lambda client, headers: client.files.delete(file_id, extra_headers=headers),
            none_for=_NO_SUCH_THING,
        )

    def _listed(
        self, client: openai.OpenAI, headers: dict[str, str], key: str, since: datetime
    ) -> list[Any]:
        oldest = (since - _CLOCKS_DIFFER).timestamp()
        found = []
        for each in client.batches.list(limit=100, extra_headers=headers):
            if (each.metadata or {}).get(KEY) == key:
                found.append(each)
            if each.created_at < oldest:  # the newest come first
                break
        return found


def lines(file: Path) -> Iterator[bytes]:
    """The lines of a downloaded file that are not empty, one at a time."""
    with file.open("rb") as opened:
        yield from (line for line in opened if line.strip())
