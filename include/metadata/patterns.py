"""Path patterns: fields that a document's key gives away, as in `{department}/{year}/*`.

`{name}` is a field; `*` is anything within one folder or file name; `**`, as the last part, is any
folders and names below. A pattern covers the whole key. Matching never tries a place twice, so no
key, however odd, takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from include.errors import ConfigurationError
from include.metadata.fields import plain_name

_HOLE = re.compile(r"(\{[^{}/]*\}|\*)")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A parsed pattern: for each part of the path, its texts and holes in turn."""

    source: str
    parts: tuple[tuple[str, ...], ...]
    deep: bool

    @classmethod
    def parse(cls, source: str, setting: str = "RAG_METADATA_PATTERNS") -> PathPattern:
        """Raises ConfigurationError for a pattern whose meaning is not plain."""
        segments = source.split("/")
        deep = segments[-1] == "**"
        parts = tuple(tuple(_HOLE.split(each)) for each in (segments[:-1] if deep else segments))
        names = [_name(hole) for part in parts for hole in part[1::2] if hole != "*"]
        problem = _problem(parts, names)
        if problem:
            raise ConfigurationError(
                f"{setting} should hold patterns as {{department}}/{{year}}/*: {source!r} {problem}."
            )
        return cls(source, parts, deep)

    def match(self, key: str) -> dict[str, str] | None:
        """The fields that the key gives, or None when the pattern does not cover it."""
        segments = key.split("/")
        count = len(self.parts)
        if len(segments) < count + self.deep or (len(segments) > count and not self.deep):
            return None
        fields: dict[str, str] = {}
        for part, segment in zip(self.parts, segments, strict=False):
            found = _match(part, segment)
            if found is None:
                return None
            fields |= found
        return fields


def fields_from_path(key: str, patterns: Iterable[PathPattern]) -> dict[str, str]:
    """The fields of every pattern that covers the key; of equal names the first pattern's."""
    fields: dict[str, str] = {}
    for pattern in patterns:
        fields = (pattern.match(key) or {}) | fields
    return fields


def _match(part: Sequence[str], segment: str) -> dict[str, str] | None:
    """Each hole takes as little as possible, the last one all that is left."""
    texts, holes = part[0::2], part[1::2]
    if not holes:
        return {} if segment == texts[0] else None
    if not segment.startswith(texts[0]):
        return None
    at, fields = len(texts[0]), {}
    for number, (hole, text) in enumerate(zip(holes, texts[1:], strict=True), start=1):
        least = at + (hole != "*")
        last = number == len(holes)
        end = len(segment) - len(text) if last else segment.find(text, least)
        if end < least or not segment.startswith(text, end):
            return None
        fields[hole] = segment[at:end]
        at = end + len(text)
    return {_name(hole): value for hole, value in fields.items() if hole != "*"}


def _name(hole: str) -> str:
    return plain_name(hole.strip("{}"))


def _problem(parts: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    for name in names:
        if not _NAME.fullmatch(name):
            return f"names a field {name!r}, which is not made of a-z, 0-9 and _"
        if names.count(name) > 1:
            return f"names {name!r} twice"
    for part in parts:
        if any(brace in text for text in part[0::2] for brace in "{}"):
            return "has a brace without its pair"
        if "" in part[2:-1:2]:
            return "has two fields with nothing between them"
        if len(part) == 1 and not part[0]:
            return "has an empty part"
    return "" if names else "names no field"
