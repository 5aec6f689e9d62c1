"""What people searched for, if it is to be kept: `queries/<day>/<writer>-<n>.jsonl` in the lake.

Off by default, for queries can be personal data. `hashed` keeps a hash of each query, `text` its
words. Beside it: when, which index, mode and k, how many hits, the best score, and the seconds it
took; never who asked, nor what was found. See docs/operations.md.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

from include.documents import digest
from include.errors import PlatformError
from include.observability.log import warn
from include.storage.objects import ObjectStore
from include.storage.segments import Segments

FOLDER = "queries"
OFF, HASHED, TEXT = "off", "hashed", "text"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a query went. `kind` is what was asked for, `search` or `ask`; `scores` are best first."""

    kind: str
    index: str
    mode: str
    k: int
    scores: Sequence[float]
    seconds: float


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """One line of the log. `text` is "" where only hashes are kept, `top_score` None without hits."""

    id: str
    at: datetime
    kind: str
    index: str
    mode: str
    k: int
    hits: int
    top_score: float | None
    seconds: float
    hash: str
    text: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


class QueryLog:
    """Appends queries and reads them back; safe between threads, processes and machines.

    `keeps` is what is written of a query: nothing (`off`), its hash, or its text.
    """

    name = FOLDER

    def __init__(
        self, objects: Callable[[], ObjectStore], keeps: str, clock: Callable[[], datetime] = _now
    ) -> None:
        self._open = objects
        self._keeps = keeps
        self._clock = clock
        self._segments: Segments | None = None

    @property
    def segments(self) -> Segments:
        """Where the lines are; the lake is opened when it is first needed."""
        if self._segments is None:
            self._segments = Segments(self._open(), FOLDER)
        return self._segments

    def note(self, text: str, outcome: Outcome) -> None:
        """Writes the query down, if any is; a log that cannot be written disturbs no search."""
        if self._keeps == OFF:
            return
        at, top = self._clock(), next(iter(outcome.scores), None)
        query = LoggedQuery(
            id=secrets.token_hex(8),
            at=at,
            kind=outcome.kind,
            index=outcome.index,
            mode=outcome.mode,
            k=outcome.k,
            hits=len(outcome.scores),
            top_score=None if top is None else round(float(top), 6),
            seconds=round(outcome.seconds, 4),
            hash=query_hash(text),
            text=text if self._keeps == TEXT else "",
        )
        try:
            self.segments.append(at.astimezone(UTC).date(), _line(query))
        except (PlatformError, OSError) as error:
            warn(f"A query was not logged ({type(error).__name__}); it was answered all the same.")

    def queries(self, since: date, until: date | None = None) -> Iterator[LoggedQuery]:
        """The queries of these days (UTC, both included), each once; a damaged line is passed over."""
        seen: set[str] = set()
        last = until or self._clock().astimezone(UTC).date()
        for day in self.segments.days():
            for _, lines in self.segments.of_day(day) if since <= day <= last else ():
                for query in filter(None, map(read_line, lines)):
                    if query.id not in seen:
                        seen.add(query.id)
                        yield query

    def optimize(self, older_than: timedelta) -> None:
        """Merges the segments of days that nobody writes to any more."""
        today = self._clock().astimezone(UTC).date()
        self.segments.merge(today - max(older_than, timedelta(days=2)))


def query_hash(text: str) -> str:
    """Names a query whatever its capitals and white space.

    It hides the words from a reader, not from somebody who tries out what they may have been.
    """
    return digest("query", " ".join(text.casefold().split()))


def read_line(raw: bytes) -> LoggedQuery | None:
    """The query of a line; None for one that is none."""
    try:
        held = json.loads(raw)
        return LoggedQuery(**{**held, "at": datetime.fromisoformat(held["at"])})
    except (ValueError, TypeError, KeyError):
        return None


def _line(query: LoggedQuery) -> bytes:
    held = asdict(query) | {"at": query.at.isoformat()}
    text = json.dumps(held, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"
