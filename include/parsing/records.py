"""Files of records: every row of a CSV, JSON Lines or Parquet file is a document of its own.

A row is known by its id column; without one by its content, so that a row inserted at the top
renames nothing below it. Bad rows are told by line number, and the good ones go on. A CSV file
without a usable header, or with mostly bad rows, is one document: a table.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from include.documents import ParsedText, digest
from include.errors import DocumentError
from include.parsing.decoding import decode
from include.parsing.delimited import read_delimited, read_table
from include.parsing.text import parse_text

_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
}
_IDS = ("id", "_id", "uuid", "key", "url")
_TEXTS = ("text", "content", "body", "description")
_TITLES = ("title", "name", "subject", "headline")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordRules:
    """Which columns make a document; empty means the usual names, then every column.

    `id` and `title` name one column each. `text` columns are joined by blank lines. `metadata`
    columns are kept as fields; by default all that are neither id, title nor text.
    """

    id: str = ""
    title: str = ""
    text: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its id and exact content, and its document or the reason why there is none."""

    id: str
    content: str
    parsed: ParsedText | None = None
    reason: str = ""
    detail: str = ""


def record_media_type(name: str) -> str | None:
    """The media type of a file of records; None for every other file."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower())


def read_records(name: str, raw: bytes, rules: RecordRules) -> Iterator[Record]:
    """Every row in the file's order; ids are unique.

    Raises DocumentError when the file as a whole cannot be read: `empty`, `malformed`,
    `missing_column`, `encoding`.
    """
    if not raw.strip():
        raise DocumentError("empty", f"{name!r} holds no bytes but white space.")
    seen: Counter[str] = Counter()
    for line, row in _rows(name, raw, rules):
        record = row if isinstance(row, Record) else _record(line, row, rules)
        seen[record.id] += 1
        yield record if seen[record.id] == 1 else _repeated(record, line, seen[record.id], rules)


def _rows(name: str, raw: bytes, rules: RecordRules) -> Iterator[tuple[int, Row | Record]]:
    kind = record_media_type(name)
    if kind == "application/x-ndjson":
        return _json_lines(decode(raw))
    if kind == "application/vnd.apache.parquet":
        return _parquet(raw, rules)
    return _delimited(decode(raw), rules)


def _json_lines(text: str) -> Iterator[tuple[int, Row | Record]]:
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        try:
            row = json.loads(written)
        except (ValueError, RecursionError) as error:
            yield line, _bad(line, written, "malformed_row", f"is not JSON: {error}")
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            yield line, _bad(line, written, "malformed_row", "should be a JSON object")


def _delimited(text: str, rules: RecordRules) -> Iterator[tuple[int, Row | Record]]:
    """Rows of a file with a header; a file that only looks like a table is one document."""
    try:
        header, rows = read_delimited(text)
    except DocumentError:
        if rules != RecordRules():
            raise
        yield 0, Record("", "", read_table(text))
        return
    _require(rules, header)
    records = list(_rows_of(header, rows))
    broken = sum(isinstance(record, Record) for _, record in records)
    if rules == RecordRules() and broken * 2 > len(records):
        yield 0, Record("", "", read_table(text))
    else:
        yield from records


def _rows_of(
    header: Sequence[str], rows: Iterable[tuple[int, list[str] | str]]
) -> Iterator[tuple[int, Row | Record]]:
    for line, cells in rows:
        if isinstance(cells, str):
            yield line, _bad(line, f"{line} {cells}", "malformed_row", cells)
        elif len(cells) == len(header):
            yield line, dict(zip(header, cells, strict=True))
        else:
            count = f"has {len(cells)} cells, the header {len(header)}"
            yield line, _bad(line, "\x1f".join(cells), "malformed_row", count)


def _parquet(raw: bytes, rules: RecordRules) -> Iterator[tuple[int, Row | Record]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(raw))
        _require(rules, file.schema_arrow.names)
        line = 0
        for batch in file.iter_batches(batch_size=1_000):
            for row in batch.to_pylist():
                line += 1
                yield line, row
    except (pa.ArrowException, OSError) as error:
        raise DocumentError("malformed", f"is no readable Parquet file: {error}") from error


def _require(rules: RecordRules, columns: Sequence[str]) -> None:
    for column in (rules.id, rules.title, *rules.text, *rules.metadata):
        if column and column not in columns:
            raise DocumentError(
                "missing_column",
                f"has no column {column!r}, which RAG_RECORDS names; it has {', '.join(columns)}.",
            )


def _record(line: int, row: Row, rules: RecordRules) -> Record:
    content = json.dumps(row, ensure_ascii=False, sort_keys=True, default=str)
    named = rules.id or _first(_IDS, row)
    given = row.get(named) if named else None
    if rules.id and given in (None, ""):
        return _bad(line, content, "missing_id", f"has no value in the column {rules.id!r}")
    record = str(given) if given not in (None, "") else digest("record", content)[:16]
    parsed = _parsed(row, rules, named)
    if not parsed.blocks:
        return Record(record, content, None, "no_text", f"Line {line} has no text.")
    return Record(record, content, parsed)


def _parsed(row: Row, rules: RecordRules, named: str) -> ParsedText:
    title = rules.title or _first(_TITLES, row)
    texts = rules.text or tuple(filter(None, [_first(_TEXTS, row)]))
    if not texts:
        plain = _plain({k: v for k, v in row.items() if k != named})
        body = "\n".join(f"{name}: {value}" for name, value in plain if value)
    else:
        body = "\n\n".join(str(row[name]) for name in texts if row.get(name) not in (None, ""))
    used = {named, title, *texts}
    kept = rules.metadata or tuple(name for name in row if texts and name not in used)
    parsed = parse_text(body)
    metadata = {name: row[name] for name in kept if row.get(name) not in (None, "")}
    return replace(parsed, title=str(row.get(title) or "") if title else "", metadata=metadata)


def _plain(row: Row) -> Iterable[tuple[str, str]]:
    for name, value in row.items():
        nested = isinstance(value, (dict, list))
        yield name, json.dumps(value, ensure_ascii=False) if nested else str(value or "").strip()


def _first(names: Sequence[str], row: Row) -> str:
    by_lower = {str(name).lower(): name for name in reversed(list(row))}
    return next((by_lower[name] for name in names if name in by_lower), "")


def _repeated(record: Record, line: int, times: int, rules: RecordRules) -> Record:
    """A row whose id is taken: told when a person chose the ids, numbered when content did."""
    if record.parsed is None or not _chosen(record, rules):
        return replace(record, id=f"{record.id}~{times}")
    detail = f"Line {line} has the id {record.id!r} of an earlier row; the first one counts."
    return Record(f"{record.id}~{times}", record.content, None, "duplicate_row_id", detail)


def _chosen(record: Record, rules: RecordRules) -> bool:
    return bool(rules.id) or record.id != digest("record", record.content)[:16]


def _bad(line: int, content: str, reason: str, what: str) -> Record:
    return Record(
        f"line-{digest('row', content)[:16]}", content, None, reason, f"Line {line} {what}."
    )
