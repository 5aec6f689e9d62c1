"""Cleaning: what makes equal texts unequal, or carries no meaning, goes; spans stay exact.

Each transformation is a function from text to text. Text is brought to Unicode's NFC, which
changes no character's meaning; NFKC would turn "x²" into "x2", so only typographic ligatures,
which PDF files are full of, are spelt out. Code keeps its inner spacing.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import replace

from include.documents import Block, ParsedText

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_INNER_RUNS = re.compile(r"(?<=[^ \t\n])[ \t]{2,}|(?<=[^ \t\n])\t")
_MANY_LINES = re.compile(r"\n{3,}")
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st",
              0xFB06: "st"}  # fmt: skip
_LIGATURE = re.compile("[\ufb00-\ufb06]")


def normalise_lines(text: str) -> str:
    """Every line ends in a line feed."""
    return _LINE_ENDS.sub("\n", text)


def remove_controls(text: str) -> str:
    """No control characters but tab and line feed, no lone surrogates, no non-characters."""
    return _CONTROLS.sub("", text)


def remove_invisible(text: str) -> str:
    """No soft hyphens, zero-width spaces and direction marks; joiners, which spell, stay."""
    return _INVISIBLE.sub("", text)


def compose(text: str) -> str:
    """Unicode's NFC: one code for each accented letter."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def expand_ligatures(text: str) -> str:
    """The letters of typographic ligatures."""
    return text if text.isascii() else text.translate(_LIGATURES)


def normalise_blanks(text: str) -> str:
    """Unicode's many blanks become the common one; lines have none at their end."""
    return _TRAILING.sub("", _BLANKS.sub(" ", text))


def collapse_runs(text: str) -> str:
    """One blank between words and at most one blank line; indentation stays."""
    return _MANY_LINES.sub("\n\n", _INNER_RUNS.sub(" ", text))


def clean_text(text: str, *, code: bool = False) -> str:
    """Every transformation, in order; cleaning a clean text changes nothing."""
    if _is_clean(text, code=code):
        return text
    text = remove_invisible(remove_controls(normalise_lines(text)))
    text = normalise_blanks(compose(expand_ligatures(text)))
    return text if code else collapse_runs(text)


def _is_clean(text: str, *, code: bool) -> bool:
    """Whether nothing would change; most blocks are clean, and this costs a tenth of cleaning."""
    if not text.replace("\n", "").isprintable() or " \n" in text or text.endswith(" "):
        return False
    if not code and (("  " in text and _has_inner_run(text)) or "\n\n\n" in text):
        return False
    return text.isascii() or (unicodedata.is_normalized("NFC", text) and not _LIGATURE.search(text))


def _has_inner_run(text: str) -> bool:
    """Whether several blanks stand between words; the text has no tabs."""
    return any("  " in line.lstrip(" ") for line in text.split("\n"))


def clean(parsed: ParsedText) -> ParsedText:
    """The parsed text with clean blocks, one blank line apart; blank blocks are gone.

    Blocks that stand right below each other, as those of source code do, stay so. A page begins
    where its first block does; one without text begins where the next one does.
    """
    title = " ".join(clean_text(parsed.title).split())
    blocks: list[Block] = []
    parts: list[str] = []
    came_from: list[int] = []
    at = ended = 0
    for block in parsed.blocks:
        text = clean_text(parsed.text[block.start : block.end], code=block.kind == "code")
        text = text.strip("\n").rstrip()
        if not text.strip():
            continue
        if parts:
            parts.append("\n" if parsed.text[ended : block.start] == "\n" else "\n\n")
            at += len(parts[-1])
        blocks.append(Block(block.kind, at, at + len(text), block.level))
        parts.append(text)
        came_from.append(block.start)
        at += len(text)
        ended = block.end
    starts = [*(block.start for block in blocks), at + 2]
    pages = tuple(starts[bisect_left(came_from, page)] for page in parsed.pages)
    text = "".join(parts)
    return replace(parsed, text=text, blocks=tuple(blocks), title=title, pages=pages)
