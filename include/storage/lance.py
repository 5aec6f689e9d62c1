"""LanceDB tables under one URI. lancedb costs seconds to import: it happens on first use."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from include.errors import CommitConflictError
from include.storage.keyed import Commit, KeyedTable
from include.storage.lake_files import LakeFiles, LocalFiles, open_files
from include.storage.lance_errors import is_missing, translated

if TYPE_CHECKING:
    from lancedb.db import DBConnection
    from lancedb.table import Table

    from include.storage.s3_client import S3Access

__all__ = ["Commit", "KeyedTable", "LanceDatabase"]

# As field metadata the key is part of the table's creation. Set afterwards, two processes that
# create the table at once collide, and a merge between the two steps can store a key twice.
_PRIMARY_KEY = {b"lance-schema:unenforced-primary-key:position": b"1"}


def _is_version(path: str) -> bool:
    return path.endswith(".manifest")


class LanceDatabase:
    """The tables under one URI: `file:///absolute/path`, a plain path, or `s3://bucket/prefix`.

    A bucket is opened through `access`; by default with boto3's own chain.
    """

    def __init__(self, uri: str, access: S3Access | None = None) -> None:
        self.uri = uri
        self._access = access
        self._opened: tuple[DBConnection, Mapping[str, str]] | None = None

    @functools.cached_property
    def files(self) -> LakeFiles:
        """The files behind the tables."""
        return open_files(self.uri, self._access)

    def table(self, name: str, schema: pa.Schema, key: str) -> KeyedTable:
        """The table of that name; it is created by its first write and reads as empty before."""
        return KeyedTable(self, name, schema, key)

    def names(self) -> list[str]:
        """The names of all tables, sorted."""
        found: list[str] = []
        with translated(self.uri):
            page = self._connection.list_tables()
            found += page.tables
            while page.page_token:
                page = self._connection.list_tables(page_token=page.page_token)
                found += page.tables
        return sorted(found)

    def open(self, name: str) -> Table | None:
        """The lancedb handle on the newest version of the table; None when there is none."""
        with translated(name):
            try:
                return self._connection.open_table(name)
            except ValueError as error:
                if not is_missing(error):
                    raise
                return self._open_hidden(name)

    def rows(self, name: str) -> int:
        """How many rows the table has; 0 when there is none."""
        table = self.open(name)
        with translated(name):
            return 0 if table is None else int(table.count_rows())

    def create(self, name: str, schema: pa.Schema, key: str) -> Table:
        """The table of that name, made empty if missing; of several creators each succeeds."""
        at = schema.get_field_index(key)
        keyed = schema.set(at, schema.field(at).with_nullable(False).with_metadata(_PRIMARY_KEY))
        if self.open(name) is None:
            self._place(name, keyed)
        made = self.open(name)
        if made is None:  # a bucket may refuse a write beside another one that then fails
            raise CommitConflictError(f"Table {name!r} in {self.uri} was not made. Try again.")
        return made

    def drop(self, name: str) -> None:
        """Deletes the table and its files; does nothing when there is none."""
        with translated(name):
            self._connection.drop_table(name, ignore_missing=True)

    def _place(self, name: str, schema: pa.Schema) -> None:
        """Makes an empty table elsewhere and puts its first version in place by one conditional write.

        Of lancedb's own creators each commits an empty version, over rows that others have
        committed meanwhile: of eight processes that began a table at once rows were lost in 9 of
        150 tries (docs/decisions/0021-a-table-is-made-by-one-conditional-write.md).
        """
        import lancedb

        with tempfile.TemporaryDirectory() as folder, translated(name):
            lancedb.connect(folder).create_table(name, schema=schema)
            made = LocalFiles(Path(folder))
            paths = [each.path for each in made.list()]
            # Transactions first: the version names its own.
            for path in sorted(paths, key=_is_version):
                if _is_version(path) or "/_transactions/" in path:
                    self.files.write_new(path, made.read(path) or b"")

    def _open_hidden(self, name: str) -> Table | None:
        """A table that lancedb has not found; in a bucket, that is asked of somebody else, too.

        lancedb takes a web page for an empty listing, and without its tables a lake would pay for
        everything again. Raises ConfigurationError for an answer that is not S3's.
        """
        if not self.uri.startswith("s3://") or not self.files.list(f"{name}.lance/_versions"):
            return None
        return self._connection.open_table(name)  # made by another process a moment ago

    @property
    def _connection(self) -> DBConnection:
        """Lancedb keeps the keys it was given: keys that were renewed open it anew."""
        options = self._options()
        if self._opened is None or self._opened[1] != options:
            self._opened = self._connect(options), options
        return self._opened[0]

    def _connect(self, options: Mapping[str, str]) -> DBConnection:
        os.environ.setdefault("LANCE_LOG", "error")  # otherwise lance warns once per query
        import lancedb

        parts = urlsplit(self.uri)
        place = unquote(parts.path) if parts.scheme == "file" else self.uri
        with translated(self.uri):
            return lancedb.connect(place, storage_options=dict(options) or None)

    def _options(self) -> Mapping[str, str]:
        if not self.uri.startswith("s3://"):
            return {}
        from include.storage.s3_client import S3Access

        self._access = self._access or S3Access()
        return self._access.native_options(urlsplit(self.uri).netloc)
