"""Documents, chunks and hits, and the identities derived from their content.

Identities are pure functions of content and location, so that two machines, two runs or two
years agree on them. Parts are length-prefixed before hashing: `("ab", "c")` and `("a", "bc")`
never collide.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

BlockKind = Literal["heading", "paragraph", "list", "code", "table", "quote"]
Metadata = Mapping[str, object]


def digest(*parts: str | bytes) -> str:
    """128 bits of SHA-256 over the length-prefixed parts, as 32 hexadecimal characters."""
    return hashlib.sha256(_prefixed(parts)).hexdigest()[:32]


def _prefixed(parts: Iterable[str | bytes]) -> bytes:
    raw = [
        part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts
    ]
    return b"".join([piece for one in raw for piece in (len(one).to_bytes(8, "big"), one)])


def document_id(source: str, key: str) -> str:
    """Names the document at `key` of the source URI; a moved file is another document."""
    return digest("document", source, key)


def text_hash(text: str) -> str:
    """Names an exact text, wherever it occurs: the key of the embedding cache."""
    return digest("text", text)


def chunk_ids(document: str, chunker: str, texts: Iterable[str]) -> list[str]:
    """Names each chunk by its text and its occurrence number among equal texts of the document.

    There is no ordinal in it: a paragraph inserted at the top renames nothing below it.
    """
    seen: Counter[str] = Counter()
    ids = []
    for text in texts:
        ids.append(digest("chunk", document, chunker, text, str(seen[text])))
        seen[text] += 1
    return ids


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object in a listing: where it is and the stamps that tell whether it changed.

    `stamp` is the ETag or version id where the store has one, else size and modification time.
    An empty stamp means "cannot be trusted": the content decides. `sidecar_stamp` is that of
    `<name>.meta.json`, empty without one. `size` is in bytes, `modified` is aware.
    """

    source: str
    key: str
    uri: str
    size: int
    modified: datetime
    stamp: str
    sidecar_stamp: str = ""

    @property
    def id(self) -> str:
        """The id of the document at this place."""
        return document_id(self.source, self.key)


@dataclass(frozen=True, slots=True)
class Block:
    """A structural unit of a document's text: `text[start:end]`, never empty.

    Blocks are ordered and do not overlap; only white space lies between them. `level` is 1-6 for
    a heading, 0 otherwise.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class ParsedText:
    """What a parser makes of a file: plain text, its structure, and what the file says of itself.

    `title` is "" when the content names none. `metadata` holds what the file carries (front
    matter, `<meta>` elements, document information). `pages` are the offsets at which the pages
    (slides, sheets) begin, ascending, the first at or before the first block; empty where a
    format has no pages.
    """

    text: str
    blocks: tuple[Block, ...]
    title: str = ""
    metadata: Metadata = field(default_factory=dict)
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk before it has a name: `text[start:end]`, its token count and its heading path.

    `context` is the larger span around it that an answer should be given, where the chunker
    makes small chunks for search; None where the chunk is its own context.
    """

    start: int
    end: int
    tokens: int
    heading: tuple[str, ...] = ()
    context: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result: a chunk, where it came from, and its score (higher is better).

    `document.text[start:end] == text`. `version` names the exact source object version. `page`
    counts from 1, 0 where the format has none. `context_start` and `context_end` are the span
    around the chunk that an answer should be given; often the chunk's own.
    """

    chunk_id: str
    document_id: str
    uri: str
    version: str
    title: str
    heading: tuple[str, ...]
    text: str
    start: int
    end: int
    score: float
    metadata: Metadata = field(default_factory=dict)
    page: int = 0
    context_start: int = 0
    context_end: int = 0

    def as_json(self) -> dict[str, object]:
        """The hit as JSON values; without a page where the format has none."""
        shown = {**asdict(self), "heading": list(self.heading), "metadata": dict(self.metadata)}
        return shown if self.page else {k: v for k, v in shown.items() if k != "page"}


def heading_path(blocks: Sequence[Block], text: str, at: int) -> tuple[str, ...]:
    """The headings that `at` lies under, outermost first."""
    path: list[tuple[int, str]] = []
    for block in blocks:
        if block.start > at:
            break
        if block.kind == "heading":
            path = [entry for entry in path if entry[0] < block.level]
            path.append((block.level, text[block.start : block.end].strip()))
    return tuple(title for _, title in path)
