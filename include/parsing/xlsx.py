"""XLSX as one readable document: a page per visible sheet, its islands of cells as tables.

Cells are streamed, so that one cell at the far end of a sheet costs no more than any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter
from include.parsing.limits import MOST_CELLS
from include.parsing.packages import Package
from include.parsing.xlsx_values import Values
from include.parsing.xml_trees import (
    Element,
    attribute,
    child,
    children,
    descendants,
    local,
    stream,
)

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
Row = dict[int, str]


def parse_xlsx(raw: bytes) -> ParsedText:
    """The visible sheets of a workbook under their names; values as its cells show them.

    Raises DocumentError `no_pages`, `too_large`, `malformed` and those of archives.
    """
    package = Package(raw)
    title, metadata = package.properties()
    part = package.main_part("xl/workbook.xml")
    sheets = list(_sheets(package, part))
    if not sheets:
        raise DocumentError("no_pages", "The workbook has no visible sheet.")
    writer, values, left = BlockWriter(), Values(package, part), MOST_CELLS
    for name, sheet in sheets:
        writer.start_page()
        rows = list(_rows(package, sheet, values, left))
        left -= sum(map(len, rows))
        comments = list(_comments(package, sheet))
        if any(rows) or comments:
            writer.add("heading", name, 1)
            _write_islands(rows, writer)
            for comment in comments:
                writer.add_item(comment)
    return replace(writer.finish(title, metadata), title=title)


def _sheets(package: Package, part: str) -> Iterator[tuple[str, str]]:
    """The names of the visible worksheets and of their parts; charts have no cells."""
    root = package.xml(part)
    relations = package.relations(part)
    for sheet in children(child(root, "sheets"), "sheet"):
        identity = next((value for key, value in sheet.items() if key.endswith("}id")), "")
        kind, target = relations.get(identity, ("", ""))
        if kind == "worksheet" and attribute(sheet, "state") in ("", "visible"):
            yield attribute(sheet, "name"), target


def _rows(package: Package, sheet: str, values: Values, most: int) -> Iterator[Row]:
    """Each row's shown values by column, an empty row for every gap between rows."""
    above, cells = 0, 0
    for row in stream(package.content(sheet), sheet, "row"):
        at = _integer(attribute(row, "r"), above + 1)
        found = dict(_cells(row, values))
        if not found:
            continue
        if at > above + 1:
            yield {}
        above, cells = at, cells + len(found)
        if cells > most:
            raise DocumentError(
                "too_large",
                f"Its sheets have more cells than the limit of {MOST_CELLS:,}: "
                "export it as CSV or Parquet.",
            )
        yield found


def _cells(row: Element, values: Values) -> Iterator[tuple[int, str]]:
    at = -1
    for cell in children(row, "c"):
        reference = _REFERENCE.fullmatch(attribute(cell, "r"))
        at = _column(reference[1]) if reference else at + 1
        text = values.shown(cell)
        if text.strip():
            yield at, text


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _integer(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else default


def _write_islands(rows: Iterable[Row], writer: BlockWriter) -> None:
    """A table for each run of rows; one cell alone is a sentence, not a table."""
    island: list[Row] = []
    for row in [*rows, {}]:
        if row:
            island.append(row)
            continue
        columns = sorted({column for found in island for column in found})
        if len(columns) == 1:
            for found in island:
                writer.add("paragraph", " ".join(found.values()))
        elif island:
            writer.add_table([found.get(column, "") for column in columns] for found in island)
        island = []


def _comments(package: Package, sheet: str) -> Iterator[str]:
    for part in package.related(sheet, "comments"):
        root = package.xml(part)
        for comment in descendants(root, "comment") if root is not None else ():
            text = "".join(run.text or "" for run in comment.iter() if local(run) == "t")
            yield f"{attribute(comment, 'ref')}: {' '.join(text.split())}"
