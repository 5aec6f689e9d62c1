"""The proof: searches that find nothing of an erased document, and a scan of every byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from include.embedding.protocol import FloatArray
from include.erasure.subject import CHUNKS, Subject
from include.storage.history import few_vectors, versions
from include.storage.lake import Lake
from include.storage.lake_files import LakeFiles
from include.vectorstore.protocol import VectorStore

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

_MOST_VECTORS = 8
_MOST_IDS = 500
_HITS = 20
Vectors = dict[str, list[FloatArray]]


@dataclass(frozen=True, slots=True)
class Searched:
    """Searches in one index: by snippets as text, by its own vectors; hits of the document."""

    index: str
    texts: int
    vectors: int
    found: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """What was read to the last byte, and in how many places a snippet was found.

    `places` names the files and tables with a find. `unreadable` are files that should be Parquet
    and are not.
    """

    files: int
    bytes: int
    table_versions: int
    artifacts: int
    unreadable: int
    found: int
    places: tuple[str, ...]


def own_vectors(database: LanceDatabase, subject: Subject) -> Vectors:
    """A few of the document's vectors by index, to search with once its rows are gone."""
    from lancedb.expr import col

    found: Vectors = {}
    mine = col("document_id").isin(sorted(subject.ids)[:_MOST_IDS])
    for name in database.names():
        if name.startswith(CHUNKS) and subject.ids:
            for handle in versions(database, name):
                held = few_vectors(handle, mine, _MOST_VECTORS)
                if len(held):
                    found[name.removeprefix(CHUNKS)] = list(held)
                    break
    return found


def searched(
    store: VectorStore, subject: Subject, snippets: Sequence[str], vectors: Vectors
) -> Iterator[Searched]:
    """Searches every index for the document."""
    for index in store.indexes():
        own = vectors.get(index, [])
        hits = [hit for each in own for hit in store.search_vector(index, each, _HITS)]
        hits += [hit for text in snippets for hit in store.search_text(index, text, _HITS)]
        found = sum(
            hit.document_id in subject.ids or any(each in hit.text for each in snippets)
            for hit in hits
        )
        yield Searched(index, len(snippets), len(own), found)


def scanned(lake: Lake, database: LanceDatabase, snippets: Sequence[str]) -> Scanned:
    """Reads every version of every table, every artifact, and every file as it lies on disk.

    Tables and artifacts are compressed: their rows are decoded, too.
    """
    held = lake.files
    files = [each.path for each in held.list()]
    artifacts = [path for path in files if path.endswith(".parquet")]
    places: list[str] = []
    versions_read = unreadable = total = 0
    for name in database.names():
        for handle in versions(database, name):
            versions_read += 1
            batches = handle.search().select(_texts(handle.schema)).limit(None).to_batches()
            if any(_holds(pl.DataFrame(pl.from_arrow(batch)), snippets) for batch in batches):
                places.append(f"{name}@{handle.version}")
    for path in artifacts:
        try:
            frames = held.scan([path]).collect_batches()
            if any(_holds(frame, snippets) for frame in frames):
                places.append(path)
        except FileNotFoundError:
            continue
        except pl.exceptions.PolarsError:
            unreadable += 1
    for path in files:
        size, holds = _raw(held, path, [snippet.encode() for snippet in snippets])
        total += size
        if holds:
            places.append(path)
    found = tuple(dict.fromkeys(places))
    return Scanned(len(files), total, versions_read, len(artifacts), unreadable, len(found), found)


def other_texts(database: LanceDatabase, subject: Subject) -> Iterator[str]:
    """The texts of all other documents, one at a time."""
    handle = database.open("texts")
    if handle is None:
        return
    for batch in handle.search().select(["text_hash", "text"]).limit(None).to_batches():
        for name, text in zip(batch["text_hash"], batch["text"], strict=True):
            if name.as_py() not in subject.own_texts:
                yield text.as_py()


def _texts(schema: pa.Schema) -> list[str]:
    return [
        field.name
        for field in schema
        if pa.types.is_string(field.type)
        or pa.types.is_large_string(field.type)
        or (pa.types.is_list(field.type) and pa.types.is_string(field.type.value_type))
    ]


def _holds(frame: pl.DataFrame, snippets: Sequence[str]) -> bool:
    if not snippets or not frame.height:
        return False
    for series in frame.iter_columns():
        flat = series.explode() if series.dtype == pl.List(pl.String) else series
        if flat.dtype == pl.String and flat.str.contains_any(list(snippets)).any():
            return True
    return False


def _raw(files: LakeFiles, path: str, needles: Sequence[bytes]) -> tuple[int, bool]:
    """The file's size, and whether it holds one of these; 0 for a file that just went."""
    longest = max(map(len, needles), default=1)
    size, tail, found = 0, b"", False
    for block in files.blocks(path):
        size += len(block)
        held = tail + block
        found = found or any(needle in held for needle in needles)
        tail = held[-longest:]
    return size, found
