"""Parts: rows that arrive one by one, or column by column, stream into Parquet files of one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import polars as pl
import pyarrow as pa

from include.errors import LakeError

if TYPE_CHECKING:
    from include.storage.artifacts import Artifacts


class PartWriter:
    """Streams rows into numbered parts of bounded size; memory holds one part and one extension.

    Use it as a context manager: leaving it normally finishes, leaving it by an error writes
    nothing more. A retry overwrites the parts of the try before it and removes its surplus.
    """

    def __init__(
        self, artifacts: Artifacts, name: str, schema: pl.Schema, *, rows_per_part: int
    ) -> None:
        self._artifacts = artifacts
        self._name = name
        self._schema = schema
        oldest = pl.CompatLevel.oldest()
        self._arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=oldest).schema
        self._rows_per_part = rows_per_part
        self._columns: dict[str, list[object]] = {column: [] for column in schema}
        self._height = 0
        self._uris: list[str] = []
        self._finished = False

    def append(self, row: Mapping[str, object]) -> None:
        """Appends one row, a mapping from exactly the schema's columns; structs are tuples."""
        self.extend({name: (value,) for name, value in row.items()})

    def extend(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Appends rows given as exactly the schema's columns, all of one length."""
        lengths = set(map(len, columns.values()))
        if columns.keys() != self._schema.keys() or len(lengths) > 1:
            raise LakeError(
                f"Rows of artifact {self._name!r} should have the columns {dict(self._schema)}, "
                f"all of one length, have { ({n: len(v) for n, v in columns.items()}) }."
            )
        for name, values in columns.items():
            self._columns[name].extend(values)
        self._height += lengths.pop()
        while self._height >= self._rows_per_part:
            self._flush()

    def finish(self) -> Sequence[str]:
        """Writes what is left and returns the URIs of all parts, in order; at least one.

        No rows make one empty part, which carries the schema. Calling it again returns the same.
        """
        if not self._finished:
            if self._height or not self._uris:
                self._flush()
            self._artifacts.drop_parts(self._name, first=len(self._uris))
            self._finished = True
        return self._uris

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()

    def _flush(self) -> None:
        count = min(self._height, self._rows_per_part)
        arrays = [
            pa.array(self._columns[field.name][:count], type=field.type) for field in self._arrow
        ]
        part = cast(pl.DataFrame, pl.from_arrow(pa.Table.from_arrays(arrays, schema=self._arrow)))
        name = f"{self._name}-{len(self._uris):05d}"
        self._uris.append(self._artifacts.write(name, part.cast(self._schema)))
        for values in self._columns.values():
            del values[:count]
        self._height -= count
