"""Assembles plain text block by block, keeping each block's exact character span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from include.documents import Block, BlockKind, Metadata, ParsedText

LONGEST_TITLE = 300


class BlockWriter:
    """Collects blocks in reading order; one blank line goes between them, nothing else."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._list_depth = 0
        self._marker: str | None = None
        self._in_list = False
        self._pages: list[int] = []
        self._page_is_fresh = False

    def start_page(self) -> None:
        """A page (slide, sheet) begins; what follows starts a block of its own."""
        self._pages.append(self._length + 2 if self._blocks else 0)
        self._page_is_fresh = True

    def open_list(self) -> None:
        """What follows, up to `close_list`, belongs to a list; lists nest."""
        self._in_list = self._in_list and self._list_depth > 0
        self._list_depth += 1

    def start_item(self, marker: str | None) -> None:
        """The next paragraph opens an item; its marker ("- ", "2. ") goes before it."""
        self._marker = marker

    def close_list(self) -> None:
        """Ends the innermost list."""
        self._list_depth -= 1
        self._marker = None

    def add_paragraph(self, text: str, kind: BlockKind = "paragraph") -> None:
        """Appends running text; inside a list it is a line, indented, of the list's block."""
        if not self._list_depth or not text.strip():
            self.add(kind, text)
            return
        marker = "  " if self._marker is None else self._marker
        before = "  " * (self._list_depth - 1) + marker
        text = before + text.replace("\n", "\n" + " " * len(before))
        if self.add("list", text, joined=self._in_list):
            self._marker = None
            self._in_list = True

    def add(self, kind: BlockKind, text: str, level: int = 0, *, joined: bool = False) -> bool:
        """Appends a block and says whether there was one: blank text adds nothing.

        `joined` continues the block before, on a new line, when that is of the same kind.
        """
        text = text.strip("\n").rstrip()
        if not text.strip():
            return False
        last = self._blocks[-1] if self._blocks else None
        joined = joined and not self._page_is_fresh and last is not None and last.kind == kind
        if last is not None:
            self._append("\n" if joined else "\n\n")
        start = self._length
        self._append(text)
        if joined and last is not None:
            self._blocks[-1] = Block(kind, last.start, self._length, last.level)
        else:
            self._blocks.append(Block(kind, start, self._length, level))
        self._in_list = self._page_is_fresh = False
        return True

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)

    def add_item(self, text: str, marker: str = "- ", depth: int = 0) -> bool:
        """Appends an item of a list, on a line of the list's block before it if there is one."""
        before = "  " * depth + marker
        lines = text.replace("\n", "\n" + " " * len(before))
        return bool(text.strip()) and self.add("list", before + lines, joined=True)

    def add_table(self, rows: Iterable[Sequence[str]]) -> None:
        """Appends a table: a row a line, its cells parted by bars; empty rows are left out."""
        lines = [_table_line(row) for row in rows]
        self.add("table", "\n".join(line for line in lines if line))

    def add_parsed(self, parsed: ParsedText, *, deeper: int = 0) -> None:
        """Appends the blocks of a text parsed elsewhere, its headings `deeper` levels below."""
        for block in parsed.blocks:
            level = min(block.level + deeper, 6) if block.level else 0
            self.add(block.kind, parsed.text[block.start : block.end], level)

    def is_at_the_top(self) -> bool:
        """Whether nothing but a title has been written."""
        return all(block.kind == "heading" for block in self._blocks) and len(self._blocks) < 2

    def finish(self, title: str = "", metadata: Metadata | None = None) -> ParsedText:
        """The parsed text; without a title of its own it takes that of `_title_heading`."""
        text = "".join(self._parts)
        heading = self._title_heading()
        if heading and not title.strip():
            title = text[heading.start : heading.end]
        pages = tuple(min(page, len(text)) for page in self._pages)
        return ParsedText(text, tuple(self._blocks), one_line(title), metadata or {}, pages)

    def _title_heading(self) -> Block | None:
        """The first heading of the first level, or any heading that opens the text."""
        headings = [block for block in self._blocks if block.kind == "heading"]
        candidates = [block for block in headings if block.level == 1] or [
            block for block in headings if block.start == 0
        ]
        return candidates[0] if candidates else None


def one_line(title: str) -> str:
    """A title without line breaks, of at most 300 characters."""
    return " ".join(title.split())[:LONGEST_TITLE].rstrip()


def _table_line(cells: Sequence[str]) -> str:
    """A row's cells up to its last that has text."""
    texts = [" ".join(cell.split()) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " | ".join(texts).strip()
