"""Masking: findings give way to their kind, and every block and page keeps its place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from include.documents import Block, ParsedText
from include.screening.findings import Finding


def mask(parsed: ParsedText, findings: Sequence[Finding]) -> ParsedText:
    """The parsed text with `[kind]` in place of each finding; nothing else changes.

    `findings` are those of `parsed.text`, as `screen` gives them. A finding that runs over
    several blocks goes to the first of them; a block that was nothing else is gone.
    """
    if not findings:
        return parsed
    moved = _Moved(findings)
    text = masked(parsed.text, findings)
    blocks = (
        Block(block.kind, moved.to(block.start), moved.to(block.end), block.level)
        for block in parsed.blocks
    )
    kept = tuple(block for block in blocks if text[block.start : block.end].strip())
    pages = tuple(moved.to(page) for page in parsed.pages)
    return replace(parsed, text=text, blocks=kept, pages=pages)


def masked(text: str, findings: Sequence[Finding]) -> str:
    """The text with `[kind]` in place of each finding."""
    parts, at = [], 0
    for finding in findings:
        parts += [text[at : finding.start], f"[{finding.kind}]"]
        at = finding.end
    return "".join([*parts, text[at:]])


class _Moved:
    """Where a position of the text is after masking; inside a finding, it is behind the mask."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._starts = [finding.start for finding in findings]
        self._ends = [finding.end for finding in findings]
        self._shifts = [0]
        for finding in findings:
            grown = len(finding.kind) + 2 - (finding.end - finding.start)
            self._shifts.append(self._shifts[-1] + grown)

    def to(self, position: int) -> int:
        before = bisect_right(self._ends, position)
        if before < len(self._starts) and self._starts[before] < position:
            return self._ends[before] + self._shifts[before + 1]
        return position + self._shifts[before]
