"""What is indexed, and how files are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from include.errors import ConfigurationError
from include.metadata import Fields, MetadataRules, PathPattern, parse_labels
from include.settings.places import local, uris
from include.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What is indexed: the URIs, the globs that select keys, and the largest file worth reading."""

    uris: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    max_document_bytes: int

    @classmethod
    def read(cls, read: Reader) -> SourceSettings:
        """Raises ConfigurationError for a URI that is none."""
        return cls(
            uris=uris(
                "RAG_SOURCE_URI", read.text("RAG_SOURCE_URI", local("data/inbox")), many=True
            ),
            include=tuple(read.text("RAG_SOURCE_INCLUDE", "**").split()),
            exclude=tuple(read.text("RAG_SOURCE_EXCLUDE", "").split()),
            max_document_bytes=read.number("RAG_MAX_DOCUMENT_MB", 50, 1, 10_000) * 1024**2,
        )


@dataclass(frozen=True, slots=True)
class ParsingSettings:
    """How files are read: which columns make a document of a row, and what one file may take.

    `records` maps `id`, `title`, `text` and `metadata` to column names.
    """

    records: Mapping[str, tuple[str, ...]]
    seconds: float
    memory_bytes: int

    @classmethod
    def read(cls, read: Reader) -> ParsingSettings:
        """Raises ConfigurationError for columns that cannot be read."""
        return cls(
            records=_columns("RAG_RECORDS", read.text("RAG_RECORDS", "")),
            seconds=read.number("RAG_PARSE_SECONDS", 60, 1, 86_400),
            memory_bytes=read.number("RAG_PARSE_MEMORY_MB", 1024, 64, 1_000_000) * 1024**2,
        )


def read_metadata(read: Reader) -> MetadataRules:
    """Which metadata documents have, and from where."""
    fields = read.text("RAG_METADATA_FIELDS", "year:int date:date tags:list")
    patterns = read.text("RAG_METADATA_PATTERNS", "").split()
    return MetadataRules(
        fields=Fields.parse(fields),
        patterns=tuple(map(PathPattern.parse, patterns)),
        default_acl=parse_labels(read.text("RAG_DEFAULT_ACL", ""), "RAG_DEFAULT_ACL"),
    )


def _columns(name: str, value: str) -> dict[str, tuple[str, ...]]:
    """`id=sku text=body,notes` as a mapping from role to columns."""
    roles: dict[str, tuple[str, ...]] = {"id": (), "title": (), "text": (), "metadata": ()}
    for part in value.split():
        role, _, columns = part.partition("=")
        names = tuple(filter(None, columns.split(",")))
        if role not in roles or not names or (role in ("id", "title") and len(names) > 1):
            raise ConfigurationError(
                f"{name} should be like 'id=sku title=name text=body,notes metadata=price' (one "
                f"column for id and title), has {part!r}."
            )
        roles[role] = names
    return roles
