"""Markdown (CommonMark, GitHub's tables, footnotes, task lists) with front matter.

pulldown-cmark renders it to HTML in 10 ms per MB; the HTML walker reads that, so that the HTML
which READMEs embed needs no second set of rules.
"""

from __future__ import annotations

import pyromark

from include.documents import ParsedText
from include.parsing.front_matter import split_front_matter
from include.parsing.html import read_fragment

_EXTENSIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
)


def parse_markdown(text: str) -> ParsedText:
    """Blocks of a Markdown text; front matter becomes metadata, its `title` the title."""
    metadata, body = split_front_matter(text)
    writer = read_fragment(pyromark.html(body, options=_EXTENSIONS))
    title = metadata.get("title")
    return writer.finish(title if isinstance(title, str) else "", metadata)
