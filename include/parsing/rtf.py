"""RTF, read with striprtf (BSD): the text and its paragraphs; rows of tables become tables."""

from __future__ import annotations

import re

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter
from include.parsing.packages import meaningful_title

_PICTURE = re.compile(rb"[0-9A-Fa-f\s]{2000,}")
# striprtf looks for links with an expression that takes hours on a line of many; a blank, which
# RTF allows here, hides them from it. What is lost is the address, not the words of the link.
_LINK = re.compile(r"\\fldinst\{", re.IGNORECASE)
_FIELD = re.compile(r"\{\\(title|author|subject|keywords)\s([^{}\\]{1,500})\}")
_TIME = re.compile(r"\{\\(creatim|revtim)\\yr(\d{4})\\mo(\d{1,2})\\dy(\d{1,2})")
_TIMES = {"creatim": "date", "revtim": "modified"}


def parse_rtf(raw: bytes) -> ParsedText:
    """Paragraphs and tables of a Rich Text file. Raises DocumentError `malformed`."""
    source = _LINK.sub(r"\\fldinst {", _PICTURE.sub(b"", raw).decode("latin-1"))
    writer = BlockWriter()
    rows: list[list[str]] = []
    for line in [*_plain(source).split("\n"), ""]:
        if line.rstrip().endswith("|"):
            rows.append(line.rstrip()[:-1].split("|"))
            continue
        writer.add_table(rows)
        rows = []
        writer.add("paragraph", line.strip())
    return writer.finish(*_described(source))


def _plain(source: str) -> str:
    from striprtf.striprtf import rtf_to_text

    try:
        return str(rtf_to_text(source, errors="replace"))
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise DocumentError("malformed", f"It is no valid RTF: {error}.") from error


def _described(source: str) -> tuple[str, dict[str, object]]:
    fields = {name: value.strip() for name, value in _FIELD.findall(source[:65_536])}
    metadata: dict[str, object] = {
        name: fields[name] for name in ("author", "subject", "keywords") if fields.get(name)
    }
    for name, year, month, day in _TIME.findall(source[:65_536]):
        metadata[_TIMES[name]] = f"{year}-{month:0>2}-{day:0>2}"
    return meaningful_title(fields.get("title", "")), metadata
