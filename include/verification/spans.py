"""The texts of documents: whether they are what their hash names, and whether chunks slice from them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from include.documents import text_hash
from include.storage.lance import LanceDatabase
from include.storage.scans import ROW, Scan

# Texts in memory at once, by the size of their source files.
_BYTES = 64_000_000
_TEXTS = 256


class Texts:
    """The table of texts: read once for its keys, then by document."""

    def __init__(self, database: LanceDatabase) -> None:
        self._scan = Scan.of(database, "texts")
        empty = pl.DataFrame(schema={"text_hash": pl.String, ROW: pl.UInt64})
        self.keys = empty if self._scan is None else self._scan.frame(["text_hash"])
        self._place = self.keys.unique("text_hash", keep="last").rename({ROW: "place"})
        self._kept: dict[str, str] = {}

    def damaged(self) -> pl.DataFrame:
        """`text_hash` of the rows whose text is another than their hash names."""
        bad: list[str] = []
        for batch in self._scan.batches(["text_hash", "text"], _TEXTS) if self._scan else ():
            names, texts = batch["text_hash"].to_pylist(), batch["text"].to_pylist()
            bad += [
                name for name, text in zip(names, texts, strict=True) if text_hash(text) != name
            ]
        return pl.DataFrame({"text_hash": bad}, schema={"text_hash": pl.String}).unique()

    def fitting(self, chunks: pl.DataFrame) -> pl.Series:
        """For each row (`document_text, size, text, start, end`): whether the text's slice is it.

        True where there is no such document's text: that is another problem.
        """
        held = chunks.with_row_index("at").join(
            self._place, left_on="document_text", right_on="text_hash"
        )
        fits = [True] * chunks.height
        for part in _bounded(held):
            texts = self._read(part)
            # Python slices in constant time; Polars walks each text from its beginning.
            columns = (part[name].to_list() for name in ("document_text", "start", "end", "text"))
            for at, (document, start, end, text) in zip(
                part["at"], zip(*columns, strict=True), strict=True
            ):
                fits[at] = 0 <= start <= end and texts[document][start:end] == text
        return pl.Series(fits, dtype=pl.Boolean)

    def _read(self, part: pl.DataFrame) -> dict[str, str]:
        """The texts of these documents; those of the last call are not read again."""
        wanted = part.select("document_text", "place").unique()
        absent = wanted.filter(~pl.col("document_text").is_in([*self._kept]))
        kept = {name: self._kept[name] for name in wanted["document_text"] if name in self._kept}
        if absent.height:
            assert self._scan is not None
            found = self._scan.take(absent["place"].to_list(), ["text_hash", "text"])
            kept |= zip(found["text_hash"].to_pylist(), found["text"].to_pylist(), strict=True)
        self._kept = kept
        return kept


def _bounded(held: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows in parts whose documents fit into memory together."""
    sizes = held.select("document_text", "size").unique("document_text", maintain_order=True)
    groups = sizes.select("document_text", part=pl.col("size").cum_sum() // _BYTES)
    parted = held.join(groups, on="document_text", maintain_order="left")
    yield from parted.partition_by("part", maintain_order=True)
