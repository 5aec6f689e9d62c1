"""A file of questions: JSON Lines, CSV, or one question a line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from include.documents import digest
from include.errors import ConfigurationError, DocumentError, QueryError
from include.retrieval.search import require_query
from include.wiring import Platform

MOST_QUESTIONS = 100_000
_LONGEST = 10_000
_TEXT_KEYS = ("question", "text", "query")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question under its own id, unique in its file."""

    id: str
    question: str


def parse_questions(text: str, name: str) -> list[Asked]:
    """The questions of a file, in order; its name's ending says how it is written.

    `.jsonl`: objects with `question` and, if they like, `id`; `.csv`: a header with these columns;
    anything else: one question a line. Without an id a question is named by its text; one that is
    asked twice under the same id is kept once. Raises ConfigurationError, naming the line.
    """
    suffix = name.rpartition(".")[2].lower()
    read = {"jsonl": _json_lines, "ndjson": _json_lines, "csv": _csv}.get(suffix, _plain)
    found: dict[str, Asked] = {}
    try:
        for line, asked in read(text.removeprefix("\ufeff")):
            before = found.setdefault(asked.id, asked)
            if before.question != asked.question:
                raise ConfigurationError(f"{name}, line {line}: the id {asked.id!r} is used twice.")
            if len(found) > MOST_QUESTIONS:
                raise ConfigurationError(
                    f"{name} should have at most {MOST_QUESTIONS:,} questions: split the file."
                )
    except csv.Error as error:
        raise ConfigurationError(f"{name} cannot be read as CSV: {error}.") from error
    if not found:
        raise ConfigurationError(f"{name} holds no question.")
    return list(found.values())


def read_uri(platform: Platform, uri: str) -> str:
    """The text of a file in the lake or in one of the sources; nothing else is read.

    Raises ConfigurationError for another place, a missing file, and one that is no UTF-8.
    """
    lake = platform.lake
    if ".." in unquote(uri).split("/"):
        raise ConfigurationError(f"The URI of a file of questions should have no .., is {uri!r}.")
    for root, source in platform.sources.items():
        if uri.startswith(f"{root}/"):
            try:
                limit = platform.settings.source.max_document_bytes
                raw = source.read(unquote(uri[len(root) + 1 :]), limit).raw
            except DocumentError as error:
                raise ConfigurationError(
                    f"The questions in {uri} cannot be read: {error}"
                ) from error
            return _decoded(raw, uri)
    if not uri.startswith(f"{lake.uri}/"):
        raise ConfigurationError(
            f"The file of questions should be in the lake ({lake.uri}/…) or in a source "
            f"({', '.join(platform.sources)}), is {uri!r}."
        )
    stored = lake.files.read(lake.files.path(uri))
    if stored is None:
        raise ConfigurationError(f"There is no file of questions at {uri}.")
    return _decoded(stored, uri)


def _decoded(raw: bytes, uri: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"The questions in {uri} should be UTF-8: {error}.") from error


def _json_lines(text: str) -> Iterator[tuple[int, Asked]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"Line {number} is not JSON: {error}.") from error
        if isinstance(row, str):
            row = {"question": row}
        if not isinstance(row, dict):
            raise ConfigurationError(f"Line {number} should be a JSON object, is {line!r:.80}.")
        yield number, _asked(row, number)


def _csv(text: str) -> Iterator[tuple[int, Asked]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if not set(rows.fieldnames or ()) & set(_TEXT_KEYS):
        raise ConfigurationError(
            f"The first line should name the columns, one of them {' or '.join(_TEXT_KEYS)}; it "
            f"is {','.join(rows.fieldnames or ())!r:.120}."
        )
    for row in rows:
        yield rows.line_num, _asked(row, rows.line_num)


def _plain(text: str) -> Iterator[tuple[int, Asked]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, _asked({"question": line}, number)


def _asked(row: dict[str, object], line: int) -> Asked:
    question = next((row[key] for key in _TEXT_KEYS if row.get(key)), None)
    if not isinstance(question, str) or not question.strip() or len(question) > _LONGEST:
        raise ConfigurationError(
            f"Line {line} should have a question of at most {_LONGEST:,} characters, has "
            f"{question!r:.80}."
        )
    try:
        require_query(question)
    except QueryError as error:
        raise ConfigurationError(f"Line {line}: {error}") from error
    given = row.get("id")
    name = "" if given is None else str(given).strip()
    return Asked(name or digest("question", question.strip())[:16], question.strip())
