"""Every error in one shape: a kind for programs, a sentence for people, the fitting status.

The shape is the one that OpenAI's clients read: `{"error": {"type", "message"}}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from include.errors import (
    BudgetError,
    ConfigurationError,
    DocumentError,
    ModelError,
    PlatformError,
    QueryError,
    TransientError,
)
from include.observability.log import warn

AGAIN_SECONDS = 30
_BUSY = "Something that is needed for it does not answer at this moment: try again."
_NO_ANSWER = "The model gave no answer that can be used: try again, or ask otherwise."


class Refusal(HTTPException):
    """A request that gets no answer, and why; `retry_after` in seconds."""

    def __init__(
        self, status: int, kind: str, message: str, *, retry_after: float | None = None
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)))}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(status, message, headers or None)
        self.kind = kind

    def as_json(self) -> dict[str, object]:
        """The body."""
        return {"error": {"type": self.kind, "message": self.detail}}

    def response(self) -> JSONResponse:
        """The whole response."""
        return JSONResponse(self.as_json(), self.status_code, self.headers)


UNEXPECTED = Refusal(500, "internal", "Something went wrong here: the log says what.")
"""For what nobody foresaw; X-Request-Id of the response names the request in the log."""


@contextmanager
def usage() -> Iterator[None]:
    """What is wrong with the request's own values is the caller's to put right: status 400."""
    try:
        yield
    except DocumentError as error:
        raise Refusal(400, "invalid_request", f"{error.detail}.") from error
    except ConfigurationError as error:
        raise Refusal(400, "invalid_request", str(error)) from error


def refusal_of(error: PlatformError) -> Refusal:
    """The refusal for an error of the platform's.

    What only an operator can put right, or understand, is told to the log: its sentence names
    places, accounts and settings that are not the caller's business.
    """
    if isinstance(error, QueryError):
        return Refusal(400, "invalid_request", str(error))
    if isinstance(error, BudgetError):
        return Refusal(429, "budget", str(error), retry_after=_until_tomorrow())
    warn(f"{type(error).__name__}: {error}")
    if isinstance(error, TransientError):
        return Refusal(503, "unavailable", _BUSY, retry_after=AGAIN_SECONDS)
    if isinstance(error, ModelError):
        return Refusal(503, "model", _NO_ANSWER, retry_after=AGAIN_SECONDS)
    return Refusal(
        503, "unavailable", "The service cannot answer as it is set up: its log says what is wrong."
    )


def _until_tomorrow() -> float:
    """Seconds until the day of budgets, which is UTC's, is over."""
    now = datetime.now(UTC)
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return (tomorrow - now).total_seconds()
