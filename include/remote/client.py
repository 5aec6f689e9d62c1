"""The official client for one endpoint: connections reused, timeouts always, no retries of its own.

Retries are ours (`include.remote.attempts`), so that each attempt is in the ledger. What the client raises becomes
a CallError here, without the key and without the foreign error behind it, which may quote it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from include.errors import ConfigurationError, ModelError, PlatformError, TransientError
from include.remote.endpoint import CONNECTION, Endpoint
from include.spending.account import CallError

if TYPE_CHECKING:
    import openai

T = TypeVar("T")
Request = Callable[["openai.OpenAI", dict[str, str]], T]
"""Gets the client, and headers that name the call."""
_CONNECT_SECONDS = 10.0
_AGAIN = frozenset({408, 409, 425, 429})
_PERHAPS_CHARGED = frozenset({408, 502, 504, 520, 522, 524})
"""A gateway gave up waiting for whoever reads the request, and charges what it reads: as a timeout here."""
_LONGEST_WAIT = 120.0


class Client:
    """Sends one request at a time for whoever asks; safe between threads and after a fork."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._made: openai.OpenAI | None = None
        self._process = 0

    def send(self, call_id: str, request: Request[T]) -> T:
        """What the request returns.

        Raises CallError for anything that is no answer.
        """
        import httpx2
        import openai

        client = self._client()
        try:
            return request(client, {"X-Client-Request-Id": call_id})
        except openai.APIStatusError as error:
            raise self._status(error) from None
        except openai.APITimeoutError as error:
            raise self._no_answer(
                error, "timeout", f"did not answer within {self._patience}"
            ) from None
        except openai.APIConnectionError as error:
            raise self._no_answer(error, "connection", "broke the connection") from None
        except httpx2.HTTPError as error:  # in the middle of a file
            raise self._no_answer(error, "connection", "broke the connection") from None
        except (openai.APIError, ValueError) as error:
            # JSON that is none, or not what the API promises: paid, and useless.
            raise self._transient(
                "malformed", f"sent no valid answer ({type(error).__name__})", sent=True
            ) from None

    def close(self) -> None:
        """Closes the connections; the next request opens new ones."""
        with self._lock:
            if self._made is not None and self._process == os.getpid():
                self._made.close()
            self._made = None

    @property
    def _patience(self) -> str:
        return f"{self.endpoint.timeout:g} s"

    def _client(self) -> openai.OpenAI:
        import httpx2
        import openai

        with self._lock:
            if self._made is None or self._process != os.getpid():
                self._process = os.getpid()
                # A line a call would bury what the task says; the ledger has every call.
                logging.getLogger("httpx2").setLevel(logging.WARNING)
                connect = min(_CONNECT_SECONDS, self.endpoint.timeout)
                self._made = openai.OpenAI(
                    api_key=self.endpoint.key,
                    base_url=self.endpoint.base_url,
                    organization=self.endpoint.options.get("organization"),
                    project=self.endpoint.options.get("project"),
                    default_query=_query(self.endpoint),
                    max_retries=0,
                    timeout=httpx2.Timeout(self.endpoint.timeout, connect=connect),
                )
            return self._made

    def _status(self, error: openai.APIStatusError) -> CallError:
        status = error.status_code
        said = self.endpoint.scrub(str(error.message))[:300]
        where = f"The API at {self.endpoint.name}"
        if status in (401, 403):
            failure: PlatformError = ConfigurationError(
                f"{where} does not accept the key of connection {CONNECTION} (status {status}): "
                f"check its password."
            )
        elif status == 404:
            failure = ConfigurationError(
                f"{where} answers 404: {said} Check the model's name and the host of connection "
                f"{CONNECTION}."
            )
        elif status == 429 and error.code == "insufficient_quota":
            failure = ConfigurationError(
                f"{where} says that the account's quota is used up: add credit, or raise its limit."
            )
        elif status in _AGAIN or status >= 500:
            failure = TransientError(f"{where} answers {status}: {said}")
        else:
            failure = ModelError(f"{where} refuses the request with status {status}: {said}")
        wait = _retry_after(error.response.headers)
        # Azure charges a request that its filter withholds, although it answers 400.
        sent = status in _PERHAPS_CHARGED or error.code == "content_filter"
        return CallError(failure, f"status {status}", sent=sent, retry_after=wait, status=status)

    def _no_answer(self, error: Exception, kind: str, what: str) -> CallError:
        import httpx2

        # Whatever fails before the request is out costs nothing; afterwards nobody knows.
        unsent = (
            httpx2.ConnectError,
            httpx2.ConnectTimeout,
            httpx2.PoolTimeout,
            httpx2.UnsupportedProtocol,
            httpx2.LocalProtocolError,
        )
        sent = not isinstance(error.__cause__, unsent)
        if not sent:
            kind, what = "unreachable", "cannot be reached"
        return self._transient(kind, what, sent=sent)

    def _transient(self, kind: str, what: str, *, sent: bool) -> CallError:
        paid = " It may have been charged all the same." if sent else ""
        message = f"The API at {self.endpoint.name} {what}.{paid}"
        return CallError(TransientError(message), kind, sent=sent)


def _query(endpoint: Endpoint) -> dict[str, object] | None:
    version = endpoint.options.get("api_version")
    return {"api-version": version} if version else None


def _retry_after(headers: Any) -> float | None:
    """Seconds to wait, from `Retry-After` as a number or as a date; at most two minutes."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)
