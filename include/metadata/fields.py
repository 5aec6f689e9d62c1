"""Fields: what a search can filter on. Some are columns of every chunk, others are declared.

A declared field takes the metadata entry of its name, whatever its case and with `_` for blanks
and dashes: `Last-Modified` fills `last_modified`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from include.errors import ConfigurationError
from include.metadata.values import KINDS, Kind, Value, typed

RESERVED = frozenset(
    {"acl", "_invalid", "and", "or", "not", "in", "contains", "is", "null", "true", "false"}
)
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_UNPLAIN = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Field:
    """Something to filter on; `column` is the chunk column that holds it, "" for metadata."""

    name: str
    kind: Kind
    column: str = ""


_COLUMNS = {
    "language": Field("language", "text", "language"),
    "lang": Field("language", "text", "language"),
    "title": Field("title", "text", "title"),
    "uri": Field("uri", "text", "uri"),
    "version": Field("version", "text", "version"),
    "page": Field("page", "int", "page"),
}


@dataclass(frozen=True, slots=True)
class Fields:
    """The declared metadata fields; the chunk's own columns come with them."""

    declared: tuple[Field, ...] = ()

    @classmethod
    def parse(cls, text: str, setting: str = "RAG_METADATA_FIELDS") -> Fields:
        """Fields from `year:int department:text`. Raises ConfigurationError, naming the entry."""
        found: dict[str, Field] = {}
        for entry in text.split():
            name, _, kind = entry.partition(":")
            chosen = next((each for each in KINDS if each == kind), None)
            if not _NAME.fullmatch(name) or chosen is None:
                raise ConfigurationError(
                    f"{setting} should hold entries as year:int, a name of a-z, 0-9 and _ and "
                    f"one of {', '.join(KINDS)}; it holds {entry!r}."
                )
            if name in _COLUMNS or name in RESERVED or name in found:
                raise ConfigurationError(
                    f"{setting} declares {name!r}, which is taken: every chunk has "
                    f"{', '.join(_COLUMNS)} and acl already, and, or, not, in, contains, is, null, "
                    f"true and false are words of a filter, and a name is declared once."
                )
            found[name] = Field(name, chosen)
        return cls(tuple(found.values()))

    def find(self, name: str) -> Field | None:
        """The field of that name, in any case."""
        plain = name.lower()
        mine = next((field for field in self.declared if field.name == plain), None)
        return mine or _COLUMNS.get(plain)

    @property
    def names(self) -> list[str]:
        """Every name a filter may use."""
        return sorted({*_COLUMNS, *(field.name for field in self.declared)})

    @property
    def id(self) -> str:
        """Names this set of declarations, whatever their order."""
        return " ".join(sorted(f"{field.name}:{field.kind}" for field in self.declared))

    def values(self, metadata: Mapping[str, object]) -> dict[str, Value | None]:
        """Each declared field's value; None where there is none, or none of its kind."""
        entries = named(metadata)
        return {field.name: value_of(field, entries) for field in self.declared}

    def invalid(self, metadata: Mapping[str, object]) -> list[str]:
        """The declared fields whose value is there but not of their kind, sorted."""
        entries, values = named(metadata), self.values(metadata)
        present = (name for name in values if entries.get(name) is not None)
        return sorted(name for name in present if values[name] is None)


NO_FIELDS = Fields()


def plain_name(key: str) -> str:
    """The name under which a metadata key is a field."""
    return _UNPLAIN.sub("_", key.strip().lower())


def named(metadata: Mapping[str, object]) -> dict[str, object]:
    """The entries by field name; of keys that come to the same name the first by alphabet."""
    entries: dict[str, object] = {}
    for key in sorted(metadata):
        entries.setdefault(plain_name(key), metadata[key])
    return entries


def value_of(field: Field, entries: Mapping[str, object]) -> Value | None:
    """The declared field's value among `named` entries; None where it is absent or unfit."""
    raw = entries.get(field.name)
    if raw is None:
        return None
    try:
        return typed(field.kind, raw)
    except ValueError:
        return None
