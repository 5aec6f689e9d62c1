"""Who is to be erased: every id, version and text that the lake ever had of one document."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from include.documents import Block
from include.storage.history import rows, versions

if TYPE_CHECKING:
    from lancedb.expr import Expr
    from lancedb.table import Table

    from include.storage.lance import LanceDatabase

CHUNKS, CACHE = "chunks_", "embeddings_"
_LISTS = ("documents", "quarantine")
_FACTS = ["id", "file_id", "uri", "version"]


@dataclass(slots=True)
class Subject:
    """A document (a file of records is all its rows) as the lake's tables know it.

    `texts` are its extracted texts, of every version of the document that a version of a table
    still holds; `text_hashes` and `chunk_hashes` name them and the texts of its chunks, `own_texts`
    and `own_chunks` those of them that no other document has.
    """

    uri: str
    ids: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    text_hashes: set[str] = field(default_factory=set)
    chunk_hashes: set[str] = field(default_factory=set)
    own_texts: set[str] = field(default_factory=set)
    own_chunks: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    documents: int = 0

    @property
    def is_known(self) -> bool:
        """Whether any version of any table names it."""
        return bool(self.documents or self.chunk_hashes)

    def holds_uri(self, uri: str) -> bool:
        """Whether the address is the document's or that of one of its rows."""
        return uri == self.uri or uri.startswith(f"{self.uri}#")


Derived = Callable[[str, Sequence[Block]], set[str]]
"""The hashes of further texts that were embedded because of a text: sentences of it."""


def nothing_derived(_text: str, _blocks: Sequence[Block]) -> set[str]:
    """Only chunks were embedded."""
    return set()


def find_subject(
    uri: str, database: LanceDatabase, names: Set[str], derived: Derived = nothing_derived
) -> Subject:
    """Collects the document at this address from the newest and every earlier table version.

    `uri` may be written as people read it, without percent signs. `names` are ids that it is known
    to have had: of a place that the manifest has forgotten.
    """
    subject = Subject(_stored_uri(uri, database), ids=set(names))
    _find_documents(subject, database, names)
    _find_chunks(subject, database, names)
    _find_texts(subject, database, derived)
    chunks = [name for name in database.names() if name.startswith(CHUNKS)]
    subject.own_texts = subject.text_hashes - _of_others(database, ["documents"], "id", subject)
    subject.own_chunks = subject.chunk_hashes - _of_others(database, chunks, "document_id", subject)
    return subject


def _find_documents(subject: Subject, database: LanceDatabase, names: Set[str]) -> None:
    for name in _LISTS:
        for handle in versions(database, name):
            columns = [c for c in (*_FACTS, "text_hash") if c in handle.schema.names]
            _learn(
                subject, _of_subject(rows(handle, columns, _listed(subject, "id", names)), subject)
            )


def _find_chunks(subject: Subject, database: LanceDatabase, names: Set[str]) -> None:
    columns = ["document_id", "uri", "text_hash", "text"]
    for name in database.names():
        for handle in versions(database, name) if name.startswith(CHUNKS) else ():
            found = rows(handle, columns, _listed(subject, "document_id", names))
            found = _of_subject(found, subject)
            subject.ids.update(found["document_id"])
            subject.chunk_hashes.update(found["text_hash"])
            subject.texts.update(found["text"])


def _find_texts(subject: Subject, database: LanceDatabase, derived: Derived) -> None:
    for handle in versions(database, "texts") if subject.text_hashes else ():
        found = rows(handle, ["text", "blocks"], _among("text_hash", subject.text_hashes))
        for text, blocks in found.iter_rows():
            if text not in subject.texts:
                subject.chunk_hashes |= derived(text, [Block(**block) for block in blocks])
        subject.texts.update(found["text"])


def _of_subject(found: pl.DataFrame, subject: Subject) -> pl.DataFrame:
    return found.filter(
        pl.Series([subject.holds_uri(uri) for uri in found["uri"]], dtype=pl.Boolean)
    )


def _learn(subject: Subject, found: pl.DataFrame) -> None:
    subject.documents = max(subject.documents, found["id"].n_unique())
    subject.ids.update(found["id"])
    # The id of the file itself, unless only one of its rows is meant.
    if "#" not in subject.uri:
        subject.ids.update(found["file_id"])
    subject.versions.update(version for version in found["version"] if version)
    if "text_hash" in found.columns:
        subject.text_hashes.update(found["text_hash"])


def _stored_uri(uri: str, database: LanceDatabase) -> str:
    """The address as the tables write it: as given, or the one that reads the same."""
    for name in _LISTS:
        handle = database.open(name)
        if handle is None:
            continue
        known = _scanned(handle, ["uri"])
        exact = known.filter((pl.col("uri") == uri) | pl.col("uri").str.starts_with(f"{uri}#"))
        if exact.height:
            return uri
        for each in known["uri"]:
            if unquote(each) == uri:
                return str(each)
    return uri


def _listed(subject: Subject, column: str, names: Set[str]) -> Expr:
    from lancedb.expr import col, lit

    place = (col("uri") == lit(subject.uri)) | (col("uri").contains(lit(f"{subject.uri}#")))
    return place | _among(column, names) if names else place


def _among(column: str, values: Set[str]) -> Expr:
    from lancedb.expr import col

    return col(column).isin(sorted(values))


def _of_others(
    database: LanceDatabase, names: Sequence[str], owner: str, subject: Subject
) -> set[str]:
    """The hashes of the subject's texts that rows of another document name, too."""
    wanted = sorted(subject.text_hashes | subject.chunk_hashes)
    found: set[str] = set()
    for name in names:
        if (handle := database.open(name)) is not None:
            rows = _scanned(handle, [owner, "text_hash"]).filter(
                pl.col("text_hash").is_in(wanted) & ~pl.col(owner).is_in(sorted(subject.ids))
            )
            found.update(rows["text_hash"])
    return found


def _scanned(handle: Table, columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(handle.search().select(columns).limit(None).to_arrow()))
