"""The columns that a LanceDB index has for filtering, and how an index gets the ones it lacks.

lancedb's expressions know comparisons and `contains` on texts, but neither lists nor JSON. So each
declared field is a column of its own type, and a list is one text with marks around every entry.
The columns follow from `metadata` and `acl` alone: they can be made again at any time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from include.metadata import Field, Fields, Kind

if TYPE_CHECKING:
    from lancedb.table import Table

ACL = "acl_labels"
MADE_FOR = "fields_id"
"""Names the declarations for which a row's columns were made; another value: make them again."""

_PREFIX = "field_"
_VERSION = "1"
_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "list": pa.string(),
}
_OPEN, _CLOSE, _ESCAPE = "\x1e", "\x1f", "\x1b"
_ESCAPED = {ord(mark): f"{_ESCAPE}{n}" for n, mark in enumerate((_ESCAPE, _OPEN, _CLOSE))}
_ROWS_AT_ONCE = 20_000


def column(field: Field) -> str:
    """The column of a field; that of a declared one tells its kind, so that kinds never mix."""
    return field.column or f"{_PREFIX}{field.kind}_{field.name}"


def marked(entry: str) -> str:
    """An entry as it stands in a list's text; no entry occurs inside another."""
    return f"{_OPEN}{entry.translate(_ESCAPED)}{_CLOSE}"


def listed(entries: Sequence[str]) -> str:
    """A list as one text that `contains` each of its `marked` entries."""
    return "".join(map(marked, entries))


def schema(fields: Fields) -> list[pa.Field]:
    """The columns for these declarations."""
    own = [pa.field(column(field), _TYPES[field.kind]) for field in fields.declared]
    return [*own, pa.field(ACL, pa.string()), pa.field(MADE_FOR, pa.string())]


def made_for(fields: Fields) -> str:
    """What MADE_FOR holds in rows whose columns are up to date."""
    return f"{_VERSION} {fields.id}"


def complete(rows: pa.Table, fields: Fields) -> pa.Table:
    """The rows with the columns that follow from their `metadata` and `acl`."""
    texts = rows["metadata"].to_pylist()
    # Every chunk of a document carries the same metadata.
    known = {text: fields.values(json.loads(text)) for text in set(texts)}
    for field in fields.declared:
        values = [known[text][field.name] for text in texts]
        if field.kind == "list":
            values = [listed(value) if isinstance(value, tuple) else None for value in values]
        rows = rows.append_column(
            pa.field(column(field), _TYPES[field.kind]), pa.array(values, _TYPES[field.kind])
        )
    labels = pa.array(map(listed, rows["acl"].to_pylist()), pa.string())
    rows = rows.append_column(pa.field(ACL, pa.string()), labels)
    stamp = pa.array([made_for(fields)] * rows.num_rows, pa.string())
    return rows.append_column(pa.field(MADE_FOR, pa.string()), stamp)


def adapt(table: Table, fields: Fields) -> int:
    """Gives the table exactly these columns, filled; how many rows were made anew.

    Does nothing when they are there. Killed half-way, it goes on where it was; until then a row
    without its columns is in no filtered result.
    """
    wanted = {field.name: field for field in schema(fields)}
    present = set(table.schema.names)
    gone = [name for name in present - wanted.keys() if name.startswith(_PREFIX)]
    missing = [wanted[name] for name in wanted if name not in present and name != MADE_FOR]
    if missing:
        table.add_columns(missing)
    if MADE_FOR not in present:
        table.add_columns({MADE_FOR: "''"})
    if gone:
        table.drop_columns(gone)
    return _fill(table, fields)


def _fill(table: Table, fields: Fields) -> int:
    from lancedb.expr import col, lit

    outdated = table.search().where(col(MADE_FOR) != lit(made_for(fields)))
    rows = outdated.select(["id", "metadata", "acl"]).limit(None).to_arrow()
    order = ["id", *(field.name for field in schema(fields))]
    for at in range(0, rows.num_rows, _ROWS_AT_ONCE):
        part = complete(rows.slice(at, _ROWS_AT_ONCE), fields).select(order)
        # The merge needs the key's column as strict as it is in the table.
        part = part.cast(part.schema.set(0, pa.field("id", pa.string(), nullable=False)))
        table.merge_insert("id").when_matched_update_all().execute(part)
    return int(rows.num_rows)
