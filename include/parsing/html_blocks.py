"""Walks an HTML tree and writes blocks: no recursion, so that nesting depth does not matter."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborNode

from include.parsing.badges import is_badge
from include.parsing.blocks import BlockWriter

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(_HEADINGS) | frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body caption center dd details div dl dt fieldset "
        "figcaption figure footer form header hgroup hr html legend li main menu ol optgroup p pre "
        "section summary table tbody td tfoot th thead tr ul",
    )
)
_LISTS = frozenset(("ul", "ol", "dl", "menu"))
_BREAK = "\x1e"  # decoding removes control characters, so a text cannot contain it


class HtmlWalk:
    """Reads a tree once, in document order, into `writer`."""

    def __init__(self, layout_tables: set[int]) -> None:
        self.writer = BlockWriter()
        self._layout = layout_tables
        self._inline: list[str] = []
        self._verbatim: list[str] | None = None
        self._rows: list[list[str]] | None = None
        self._tables = 0
        self._lists: list[int | None] = []
        self._quotes = 0

    def read(self, root: LexborNode) -> None:
        """Writes every block under `root`."""
        stack: list[LexborNode | str] = [root]
        while stack:
            node = stack.pop()
            if isinstance(node, str):
                self._close(node)
                continue
            tag = node.tag or ""
            if tag == "-text":
                self._text(node.text_content or "")
            elif not tag.startswith(("-", "!")):
                self._open(tag, node)
                stack.append(tag)
                children: list[LexborNode | str] = list(node.iter(include_text=True))
                children.reverse()
                stack.extend(children)
        self._flush()

    def _text(self, text: str) -> None:
        (self._inline if self._verbatim is None else self._verbatim).append(text)

    def _open(self, tag: str, node: LexborNode) -> None:
        if tag not in _BLOCKS:
            self._open_inline(tag, node)
        elif self._verbatim is not None:
            self._verbatim.append("\n" if tag in ("div", "p", "li") else "")
        elif self._rows is not None:
            self._open_in_table(tag)
        else:
            self._flush()
            self._open_block(tag, node)

    def _open_block(self, tag: str, node: LexborNode) -> None:
        if tag in _LISTS:
            self.writer.open_list()
            self._lists.append(_first_number(node) if tag == "ol" else None)
        elif tag in ("li", "dt", "dd"):
            self.writer.start_item(self._next_marker(tag))
        elif tag == "pre":
            self._verbatim = []
        elif tag == "table" and node.mem_id not in self._layout:
            self._rows = []
        elif tag == "blockquote":
            self._quotes += 1

    def _open_inline(self, tag: str, node: LexborNode) -> None:
        if tag == "br":
            self._text("\n" if self._verbatim is not None else _BREAK)
        elif tag == "img":
            attributes = node.attributes
            if not is_badge(attributes.get("src") or ""):
                self._text(f" {attributes.get('alt') or ''} ")
        elif tag == "input" and self._lists and node.attributes.get("type") == "checkbox":
            self._text("[x] " if "checked" in node.attributes else "[ ] ")

    def _open_in_table(self, tag: str) -> None:
        assert self._rows is not None
        if tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th", "caption"):
            self._inline.clear()
        else:
            self._inline.append(" ")

    def _close(self, tag: str) -> None:
        if tag not in _BLOCKS:
            return
        if self._verbatim is not None:
            if tag == "pre":
                self._write_code()
        elif self._rows is not None:
            self._close_in_table(tag)
        elif tag in _HEADINGS:
            self._write_heading(_HEADINGS[tag])
        else:
            self._flush()
            self._close_block(tag)

    def _close_block(self, tag: str) -> None:
        if tag in _LISTS:
            self.writer.close_list()
            self._lists.pop()
        elif tag in ("li", "dt", "dd"):
            self.writer.start_item(None)
        elif tag == "blockquote":
            self._quotes -= 1

    def _close_in_table(self, tag: str) -> None:
        assert self._rows is not None
        if tag in ("td", "th"):
            if not self._rows:
                self._rows.append([])
            self._rows[-1].append(_one_line("".join(self._inline)))
            self._inline.clear()
        elif tag == "caption":
            self._rows.append([_one_line("".join(self._inline))])
            self._inline.clear()
        elif tag == "table":
            rows = [" | ".join(cells).strip() for cells in self._rows if any(cells)]
            self._rows = None
            self._inline.clear()
            self.writer.add("table", "\n".join(rows))
        else:
            self._inline.append(" ")

    def _next_marker(self, tag: str) -> str:
        if tag == "dt" or not self._lists:
            return ""
        if tag == "dd":
            return "  "
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _write_heading(self, level: int) -> None:
        text = _one_line("".join(self._inline))
        self._inline.clear()
        self.writer.add("heading", text, level)

    def _write_code(self) -> None:
        lines = "".join(self._verbatim or ()).split("\n")
        self._verbatim = None
        self.writer.add("code", "\n".join(line.rstrip() for line in lines))

    def _flush(self) -> None:
        """Writes the running text as a block of the kind that its surroundings say."""
        if not self._inline:
            return
        text = "".join(self._inline)
        self._inline.clear()
        if _BREAK in text:
            lines = [" ".join(line.split()) for line in text.split(_BREAK)]
            text = "\n".join(line for line in lines if line)
        else:
            text = " ".join(text.split())
        if text:
            self.writer.add_paragraph(text, "quote" if self._quotes else "paragraph")


def _first_number(node: LexborNode) -> int:
    start = node.attributes.get("start") or "1"
    return int(start) if start.isascii() and start.isdigit() and len(start) < 10 else 1


def _one_line(text: str) -> str:
    return " ".join(text.replace(_BREAK, " ").split())
