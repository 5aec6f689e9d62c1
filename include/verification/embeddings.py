"""The embedding caches: every vector against its checksum, and vectors that only an index has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from include.embedding.cache import cache_rows, cache_schema, checksums
from include.embedding.protocol import FloatArray
from include.embedding.shortened import shortened
from include.storage.keyed import KeyedTable
from include.storage.lance import LanceDatabase
from include.storage.scans import ROW, Scan, owned
from include.storage.vector_forms import VECTOR, decoded
from include.verification.chunks import Examined
from include.verification.premises import EMBEDDINGS
from include.verification.problems import Finding, Repair
from include.verification.vectors import alike, soundness

_ROWS = 16_384
_ROWS_PER_COMMIT = 50_000
_LOST = "Indexes have it cut or rounded only: it is embedded again when a document needs it."


@dataclass(frozen=True, slots=True)
class Cached:
    """A cache after one look at all of it: `text_hash, checksum, sound, _rowid` of every row.

    `dimensions` are those of the vectors that it gives: the first ones, where there are more.
    """

    embedder: str
    dimensions: int
    rows: pl.DataFrame
    scan: Scan | None

    @property
    def sound(self) -> pl.DataFrame:
        """The rows that can be trusted, one for each text: the one that readers are given."""
        return self.rows.filter("sound").unique("text_hash", keep="first", maintain_order=True)

    @property
    def bad(self) -> pl.DataFrame:
        """Texts of which the cache has no vector that can be trusted, but a row."""
        damaged = self.rows.filter(~pl.col("sound")).select("text_hash").unique()
        return damaged.join(self.sound, on="text_hash", how="anti").sort("text_hash")

    def vectors(self, rows: Sequence[int]) -> tuple[pl.Series, FloatArray]:
        """The text hashes and vectors of these rows, in the same order as each other."""
        assert self.scan is not None
        found = self.scan.take(rows, ["text_hash", "vector"])
        vectors = shortened(decoded(found[VECTOR]), self.dimensions)
        return cast(pl.Series, pl.from_arrow(found["text_hash"])), vectors


def examine_cache(database: LanceDatabase, embedder: str) -> Cached:
    """Reads a whole cache once; memory holds one batch of vectors and a short row for each text."""
    scan = Scan.of(database, EMBEDDINGS + embedder)
    schema = {"text_hash": pl.String, "checksum": pl.UInt32, ROW: pl.UInt64, "sound": pl.Boolean}
    parts = [pl.DataFrame(schema=schema)]
    if scan is None:
        return Cached(embedder, 0, parts[0], None)
    for batch in scan.batches(["text_hash", "checksum", "vector"], _ROWS):
        vectors = decoded(batch[VECTOR])
        kept = owned(batch, ["text_hash", "checksum", ROW])
        fits = checksums(vectors) == kept["checksum"].to_numpy()
        kept = kept.with_columns(sound=pl.Series(fits & soundness(vectors)))
        parts.append(kept.select(list(schema)))
    return Cached(embedder, scan.dimensions, pl.concat(parts), scan)


def cache_findings(
    database: LanceDatabase, cached: Cached, examined: Sequence[Examined], known: pl.DataFrame
) -> Iterator[Finding]:
    """Rows that cannot be trusted, and texts in an index of this embedder without a row.

    `known` has the `text_hash` of texts with a vector elsewhere. Only an index that holds whole
    vectors as they are can give one back.
    """
    using = [each for each in examined if each.cache == cached.embedder]
    own = [each for each in using if each.exact]
    subjects = [
        (name, f"The cache of {cached.embedder} has no sound vector for this text.")
        for name in cached.bad["text_hash"]
    ]
    if subjects:
        yield Finding("bad_embedding", subjects, partial(_mend, database, cached, own))
    held = _sound_chunks(using).join(known, on="text_hash", how="anti")
    absent = held.join(cached.rows, on="text_hash", how="anti").sort("text_hash")
    given = absent.join(_sound_chunks(own), on="text_hash", how="semi", maintain_order="left")
    lost = absent.join(given, on="text_hash", how="anti", maintain_order="left")
    detail = f"It is in an index, but not in the cache of {cached.embedder}."
    if given.height:
        subjects = [(name, detail) for name in given["text_hash"]]
        yield Finding("uncached_text", subjects, partial(_restore, database, cached, own, given))
    if lost.height:
        subjects = [(name, detail) for name in lost["text_hash"]]
        yield Finding("uncached_text", subjects, remedy=_LOST)


def different(cached: Cached, examined: Examined) -> pl.DataFrame:
    """`_rowid` of sound chunks whose vector is not that of the cache for their text."""
    sound = cached.sound.select("text_hash", "checksum", cached=pl.col(ROW))
    suspects = examined.keys.filter("sound").join(sound, on="text_hash")
    if examined.exact:
        suspects = suspects.filter(pl.col("crc") != pl.col("checksum"))
    wrong = [pl.DataFrame(schema={ROW: pl.UInt64})]
    for part in suspects.iter_slices(_ROWS):
        names, theirs = cached.vectors(part["cached"].unique().to_list())
        place = dict(zip(names, range(len(names)), strict=True))
        rows, ours = examined.vectors(part[ROW].to_list())
        texts = rows.join(part, on="id", how="left", maintain_order="left")["text_hash"]
        given = theirs[[place[text] for text in texts]]
        same = alike(ours, given, examined.scan.form)
        wrong.append(rows.filter(pl.Series(~same)).join(part, on="id").select(ROW))
    return pl.concat(wrong)


def _sound_chunks(examined: Sequence[Examined]) -> pl.DataFrame:
    """`text_hash` of every text that some index has a sound vector for."""
    parts = [each.trusted.select("text_hash") for each in examined]
    return pl.concat([pl.DataFrame(schema={"text_hash": pl.String}), *parts]).unique()


def _mend(database: LanceDatabase, cached: Cached, examined: Sequence[Examined]) -> Repair:
    """Replaces vectors by those of an index; then deletes the rows that are still unsound."""
    wanted = examine_cache(database, cached.embedder).bad
    restored = _written(database, cached, examined, wanted)
    unsound = examine_cache(database, cached.embedder).bad["text_hash"].to_list()
    _table(database, cached.embedder, cached.dimensions).delete(unsound)
    return Repair(
        f"{restored} of these vectors were restored from an index for free, {len(unsound)} were "
        f"deleted: those texts are embedded again when a document needs them."
    )


def _restore(
    database: LanceDatabase, cached: Cached, examined: Sequence[Examined], absent: pl.DataFrame
) -> Repair:
    restored = _written(database, cached, examined, absent)
    return Repair(f"{restored} vectors were restored from an index for free.")


def _written(
    database: LanceDatabase, cached: Cached, examined: Sequence[Examined], wanted: pl.DataFrame
) -> int:
    """Writes the vectors that indexes have for these texts into the cache; how many."""
    done = 0
    for each in examined:
        found = each.trusted.join(wanted, on="text_hash", how="semi").unique("text_hash")
        table = _table(database, cached.embedder, each.dimensions)
        for part in found.iter_slices(_ROWS_PER_COMMIT):
            rows, vectors = each.vectors(part[ROW].to_list())
            texts = rows.join(part, on="id", how="left", maintain_order="left")["text_hash"]
            table.upsert(_sound_rows(texts, vectors))
            done += len(texts)
        wanted = wanted.join(found, on="text_hash", how="anti")
    return done


def _sound_rows(texts: pl.Series, vectors: FloatArray) -> pa.Table:
    return cache_rows(texts.to_list(), np.asarray(vectors), datetime.now(UTC))


def _table(database: LanceDatabase, embedder: str, dimensions: int) -> KeyedTable:
    return database.table(EMBEDDINGS + embedder, cache_schema(dimensions), "text_hash")
