"""What a PDF says of itself: title, author and dates, and its outline."""

from __future__ import annotations

import re
from typing import Any

from include.parsing.blocks import one_line
from include.parsing.packages import meaningful_title
from include.parsing.pdf_headings import Entry

_DATE = re.compile(
    r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(\d\d)?'?)?.*"
)
_METADATA = {"Author": "author", "Subject": "subject", "Keywords": "keywords"}
_DATES = {"CreationDate": "date", "ModDate": "modified"}


def information(document: Any) -> tuple[str, dict[str, object]]:
    """The title, and the metadata with dates in ISO 8601; empty entries are left out."""
    metadata: dict[str, object] = {key: _entry(document, name) for name, key in _METADATA.items()}
    metadata |= {key: iso_date(_entry(document, name)) for name, key in _DATES.items()}
    title = meaningful_title(_entry(document, "Title"))
    return title, {key: value for key, value in metadata.items() if value}


def _entry(document: Any, name: str) -> str:
    try:
        return one_line(document.get_metadata_value(name))
    except UnicodeDecodeError:
        return ""  # no text, whatever it is


def outline(document: Any) -> list[Entry]:
    """The entries of the outline that lead to a page and have a title, in order."""
    entries = []
    for bookmark in document.get_toc():
        destination = bookmark.get_dest()
        page = destination.get_index() if destination else None
        try:
            title = one_line(bookmark.get_title())
        except UnicodeDecodeError:
            continue
        if title and page is not None and page >= 0:
            entries.append(Entry(title, min(bookmark.level + 1, 6), page))
    return entries


def iso_date(stamp: str) -> str:
    """A PDF date (`D:20240131235959+01'00'`) in ISO 8601; "" for anything else."""
    found = _DATE.fullmatch(stamp.strip())
    if not found:
        return ""
    year, month, day, hour, minute, second, utc, sign, hours, minutes = found.groups()
    date = "-".join(part for part in (year, month, day) if part)
    if not (month and day and hour and minute):
        return date
    zone = "+00:00" if utc else f"{sign}{hours}:{minutes or '00'}" if sign else ""
    return f"{date}T{hour}:{minute}:{second or '00'}{zone}"
