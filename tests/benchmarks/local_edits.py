"""One paragraph edited in a long document: how many chunks are new."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.parsing import parse
from include.wiring import Platform
from tests.benchmarks.corpus import Page
from tests.benchmarks.edits import SENTENCE, long_document, prose
from tests.benchmarks.worlds import platform

CHUNKS = 80
EVERY = 5


def paragraph_edits(source: str, *, headings: bool) -> dict[str, Any]:
    """Appends a sentence to every fifth paragraph in turn; counts the texts that are new.

    The sync of one such edit is run for real, to see that the pipeline agrees with the chunker.
    """
    pages = [Page(path.name, path.read_bytes()) for path in sorted(Path(source).glob("*.html"))]
    with tempfile.TemporaryDirectory() as folder:
        inbox = Path(folder) / "source"
        inbox.mkdir()
        made, _ = platform(inbox, Path(folder) / "lake", instant=True)
        paragraphs = _enough(made, prose(pages), headings=headings)
        before = set(_chunks(made, paragraphs, headings))
        new = {
            at: len(set(_chunks(made, _edited(paragraphs, at), headings)) - before)
            for at in range(0, len(paragraphs), EVERY)
        }
        synced = _synced(inbox, Path(folder) / "lake", paragraphs, headings)
    return {
        "chunks": len(before),
        "paragraphs": len(paragraphs),
        "edits": len(new),
        "mean": sum(new.values()) / len(new),
        "most": max(new.values()),
        "counts": dict(sorted(Counter(new.values()).items())),
        "worst_at": max(new, key=lambda at: new[at]),
        "synced": synced,
        "synced_expected": new[_middle(paragraphs)],
    }


def _enough(made: Platform, paragraphs: Sequence[str], *, headings: bool) -> Sequence[str]:
    """As many paragraphs as give 80 chunks."""
    for count in range(CHUNKS, len(paragraphs)):
        if len(_chunks(made, paragraphs[:count], headings)) >= CHUNKS:
            return paragraphs[:count]
    raise SystemExit("The corpus has too few paragraphs for a document of 80 chunks.")


def _chunks(made: Platform, paragraphs: Sequence[str], headings: bool) -> list[str]:
    parsed = parse(_name(headings), long_document(paragraphs, headings=headings).encode())
    chunker = made.chunker.of("text/markdown" if headings else "text/plain")
    spans = chunker.chunk(parsed.text, parsed.blocks)
    return [parsed.text[span.start : span.end] for span in spans]


def _synced(inbox: Path, lake: Path, paragraphs: Sequence[str], headings: bool) -> int:
    from include.commands.ingest import sync

    embedded = 0
    for state in (paragraphs, _edited(paragraphs, _middle(paragraphs))):
        text = long_document(state, headings=headings)
        (inbox / _name(headings)).write_text(text)
        made, meter = platform(inbox, lake, instant=True)
        sync(made)
        embedded = len(meter.hashes)
    return embedded


def _middle(paragraphs: Sequence[str]) -> int:
    return len(paragraphs) // 2 // EVERY * EVERY


def _edited(paragraphs: Sequence[str], at: int) -> list[str]:
    return [*paragraphs[:at], f"{paragraphs[at]} {SENTENCE.format(at)}", *paragraphs[at + 1 :]]


def _name(headings: bool) -> str:
    return "long.md" if headings else "long.txt"
