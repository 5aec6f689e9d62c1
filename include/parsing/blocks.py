"""Assembles plain text block by block, keeping each block's exact character span."""

from __future__ import annotations

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
        joined = joined and last is not None and last.kind == kind
        if last is not None:
            self._append("\n" if joined else "\n\n")
        start = self._length
        self._append(text)
        if joined and last is not None:
            self._blocks[-1] = Block(kind, last.start, self._length, last.level)
        else:
            self._blocks.append(Block(kind, start, self._length, level))
        self._in_list = False
        return True

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)

    def is_at_the_top(self) -> bool:
        """Whether nothing but a title has been written."""
        return all(block.kind == "heading" for block in self._blocks) and len(self._blocks) < 2

    def finish(self, title: str = "", metadata: Metadata | None = None) -> ParsedText:
        """The parsed text; without a title of its own it takes that of `_title_heading`."""
        text = "".join(self._parts)
        heading = self._title_heading()
        if heading and not title.strip():
            title = text[heading.start : heading.end]
        return ParsedText(text, tuple(self._blocks), one_line(title), metadata or {})

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
