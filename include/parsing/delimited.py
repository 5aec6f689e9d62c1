"""Comma-separated values, as spreadsheets really write them: any usual delimiter, any line end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 16 * 1024**2  # the csv module's own limit is 128 KiB
_SAMPLED_LINES = 20
_MOST_RESTARTS = 1_000


def read_delimited(text: str) -> tuple[list[str], Iterator[tuple[int, list[str] | str]]]:
    """The header, and every further row with the number of the line on which it starts.

    A row that breaks the rules of quoting is a sentence instead of its cells; reading goes on at
    the line after its first, so that a lost quotation mark takes no other row with it. Blank
    lines are no rows. Raises DocumentError `malformed` for a header with an empty or repeated
    name, and for a file in which nearly every line is broken.
    """
    csv.field_size_limit(_LONGEST_CELL)
    rows = _numbered(text.splitlines(keepends=True), _delimiter(text))
    _, header = next(rows, (0, "is empty"))
    names = [name.strip() for name in header] if isinstance(header, list) else []
    if not all(names) or len(set(names)) < len(names) or not names:
        raise DocumentError(
            "malformed",
            f"has the header {header!r}: every column needs a name of its own in the first row.",
        )
    return names, rows


def read_table(text: str) -> ParsedText:
    """The whole file as one table, for files whose rows are no records."""
    writer = BlockWriter()
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    writer.add_table(row for row in rows if any(cell.strip() for cell in row))
    return writer.finish()


def _numbered(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    at = 0
    for _ in range(_MOST_RESTARTS):
        reader = csv.reader(islice(lines, at, None), delimiter=delimiter, strict=True)
        start = at
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield start + 1, row
                start = at + reader.line_num
            return
        except csv.Error as error:
            yield start + 1, f"breaks the rules of quoting: {error}"
            at = start + 1
    raise DocumentError("malformed", f"has more than {_MOST_RESTARTS} lines with broken quoting.")


def _delimiter(text: str) -> str:
    """The one that gives the first lines the most cells, all of them equally many."""
    sample = "\n".join(text[:65_536].splitlines()[:_SAMPLED_LINES])

    def score(delimiter: str) -> tuple[int, int]:
        rows = [row for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) if width > 1 else 0, width)

    return max(_DELIMITERS, key=score)
