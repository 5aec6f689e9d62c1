"""HTML: the main content's blocks, the page's title and its metadata, without the page around it."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from include.documents import ParsedText
from include.parsing.blocks import BlockWriter
from include.parsing.html_blocks import HtmlWalk

_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.I)
_META_NAMES = {
    "description": "description",
    "author": "author",
    "keywords": "keywords",
    "date": "date",
    "article:published_time": "date",
    "dcterms.date": "date",
}
_INVISIBLE = (
    "script, style, noscript, template, svg, iframe, object, canvas, audio, video, dialog, select, "
    "button, textarea, [hidden], [aria-hidden=true], a.headerlink, a.anchor"
)
_BOILERPLATE = (
    "nav, [role=navigation], [role=banner], [role=contentinfo], [role=search], body > footer, "
    "body > div > footer, .sphinxsidebar, .breadcrumb, .breadcrumbs, .skip-link"
)
_CONSENT = "[id*=cookie i], [class*=cookie i], [id*=consent i], [class*=consent i], [class*=gdpr i]"
_LONGEST_CONSENT = 3_000
_UNSEEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


def declared_charset(raw: bytes) -> str | None:
    """The encoding that a page names for itself in its first kilobyte."""
    found = _CHARSET.search(raw[:1024])
    return found[1].decode("ascii") if found else None


def parse_html(text: str) -> ParsedText:
    """Blocks of a page's main content: `<main>` where there is one, else the body."""
    tree = LexborHTMLParser(text)
    title, metadata = _title(tree), _metadata(tree)
    body = tree.body
    if body is None:
        return ParsedText("", (), title, metadata)
    _drop_page_furniture(tree)
    return _read(tree, _main_content(body)).finish(title, metadata)


def read_fragment(html: str) -> BlockWriter:
    """Blocks of a piece of HTML that is content throughout."""
    tree = LexborHTMLParser(html)
    _drop(tree, _INVISIBLE)
    return _read(tree, tree.body) if tree.body else BlockWriter()


def _read(tree: LexborHTMLParser, root: LexborNode) -> BlockWriter:
    walk = HtmlWalk(_layout_tables(tree))
    walk.read(root)
    return walk.writer


def _title(tree: LexborHTMLParser) -> str:
    element = tree.css_first("head > title")
    named = tree.css_first("meta[property='og:title']")
    title = element.text() if element else ""
    return title or (named.attributes.get("content") or "" if named else "")


def _metadata(tree: LexborHTMLParser) -> dict[str, object]:
    metadata: dict[str, object] = {}
    language = tree.root.attributes.get("lang") if tree.root else None
    if language:
        metadata["lang"] = language
    for element in tree.css("meta[content]"):
        attributes = element.attributes
        name = attributes.get("name") or attributes.get("property") or ""
        key = _META_NAMES.get(name.lower())
        content = (attributes.get("content") or "").strip()
        if key and content:
            metadata.setdefault(key, content)
    return metadata


def _drop_page_furniture(tree: LexborHTMLParser) -> None:
    _drop(tree, _INVISIBLE)
    _drop(tree, _BOILERPLATE)
    for element in tree.css("[style]"):
        if _UNSEEN_STYLE.search(element.attributes.get("style") or ""):
            element.decompose()
    for element in tree.css(_CONSENT):
        if element.tag not in ("body", "html", "main", "article") and _is_banner(element):
            element.decompose()
    for element in tree.css("body > header, body > div > header"):
        if not element.css_first("h1"):
            element.decompose()


def _is_banner(element: LexborNode) -> bool:
    return element.css_first("h1, main, article") is None and (
        len(element.text()) <= _LONGEST_CONSENT
    )


def _drop(tree: LexborHTMLParser, selector: str) -> None:
    for element in tree.css(selector):
        element.decompose()


def _main_content(body: LexborNode) -> LexborNode:
    mains = body.css("main, [role=main]")
    if len(mains) == 1 and len(mains[0].text()) * 4 >= len(body.text()):
        return mains[0]
    return body


def _layout_tables(tree: LexborHTMLParser) -> set[int]:
    """Tables that hold headings, code or tables lay a page out; they tabulate nothing."""
    layout: set[int] = set()
    for element in tree.css("table table, table h1, table h2, table h3, table h4, table pre"):
        node = element.parent
        while node is not None and not (node.tag == "table" and node.mem_id in layout):
            if node.tag == "table":
                layout.add(node.mem_id)
            node = node.parent
    return layout
