"""The manifest's arithmetic: what a listing says has happened since the last run. Pure.

Stamps decide what must be read; hashes of what was read decide what really changed.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import polars as pl

from include.errors import LakeError, SourceError

Change = Literal["added", "changed", "moved", "copied", "metadata", "touched"]

_KEPT = ("added", "touched", "held")
_KEYS = ["id", "stamp", "sidecar_stamp"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A listing against the manifest; every id of either, or of the quarantine, is in one class.

    `added`, `touched` and `held` are rows of the listing, `removed` of the manifest. `added` and
    `touched` must be read. `held` is in quarantine in this very version and not tried again.
    `forgotten` are ids only the quarantine still knows. All are sorted by id.
    """

    added: pl.DataFrame
    touched: pl.DataFrame
    removed: pl.DataFrame
    held: pl.DataFrame
    forgotten: pl.Series
    unchanged: int


class Differ:
    """Compares a listing, as it arrives, with the manifest `previous`.

    Everything has `id`, `stamp` and `sidecar_stamp`, ids unique. An empty stamp on either side
    cannot be trusted and means touched. Of what is unchanged nothing is kept but a mark, so memory
    grows with the manifest and with what differs.
    """

    def __init__(self, previous: pl.DataFrame, quarantined: pl.DataFrame) -> None:
        for name, frame in (("manifest", previous), ("quarantine", quarantined)):
            if (twice := _twice(frame["id"])) is not None:
                raise LakeError(
                    f"The {name} should hold every document once, has id {twice!r} twice."
                )
        self._previous = previous
        self._quarantined = quarantined
        self._known = _Side("known", previous)
        self._refused = _Side("refused", quarantined)
        self._rows: dict[str, list[pl.DataFrame]] = {name: [] for name in _KEPT}
        self._unchanged = 0

    def take(self, batch: pl.DataFrame) -> None:
        """Takes a part of the listing; the parts come in any order.

        Raises SourceError when it holds an id that came before.
        """
        listed = self._refused.beside(self._known.beside(batch))
        listed = listed.with_columns(_class_of_listed().alias("class"))
        kept = 0
        for name, parts in self._rows.items():
            rows = listed.filter(pl.col("class") == name).select(batch.columns)
            parts.append(_compact(rows))
            kept += rows.height
        self._unchanged += batch.height - kept

    def difference(self) -> Difference:
        """What the whole listing says. Raises SourceError when it holds an id twice."""
        rows = {name: pl.concat(parts).sort("id") for name, parts in self._rows.items() if parts}
        empty = self._previous.clear()
        added = rows.get("added", empty)
        if (twice := _twice(added["id"])) is not None:
            raise _listed_twice(twice)
        gone = self._quarantined.filter(~self._refused.seen)
        here = self._previous.join(gone, on="id", how="semi")  # which builds its table of the few
        return Difference(
            added=added,
            touched=rows.get("touched", empty),
            removed=self._previous.filter(~self._known.seen).sort("id"),
            held=rows.get("held", empty),
            forgotten=gone.join(here, on="id", how="anti")["id"].sort(),
            unchanged=self._unchanged,
        )


class _Side:
    """The stamps of one table beside those of a listing, and marks on its rows that were listed."""

    def __init__(self, name: str, frame: pl.DataFrame) -> None:
        self._stamps = frame.select(
            "id", *(pl.col(key).alias(f"{name}_{key}") for key in _KEYS[1:])
        )
        # Ids are found by 8 bytes and then compared: a join by texts takes ten times the memory.
        self._hashes = pl.DataFrame({"hash": frame["id"].hash()}).with_row_index("at")
        self._seen = np.zeros(frame.height, dtype=bool)

    @property
    def seen(self) -> pl.Series:
        """Which rows were listed."""
        return pl.Series(self._seen, dtype=pl.Boolean())

    def beside(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The batch with the stamps of this side, null for ids that it does not have."""
        found = self._found(batch["id"])
        at = found["at"].to_numpy()
        again = self._seen[at] | found["at"].is_duplicated().to_numpy()
        if again.any():
            raise _listed_twice(str(found.filter(pl.Series(again))["id"][0]))
        self._seen[at] = True
        numbered = batch.with_row_index("row")
        beside = numbered.join(found.drop("id", "at"), on="row", how="left", maintain_order="left")
        return beside.drop("row")

    def _found(self, ids: pl.Series) -> pl.DataFrame:
        """`row` of the ids and `at` of the same ids here, with what is here."""
        numbered = pl.DataFrame({"hash": ids.hash()}).with_row_index("row")
        pairs = self._hashes.join(numbered, on="hash", how="inner").select("row", "at")
        here = self._stamps[pairs["at"]].hstack(pairs)
        return here.filter(here["id"] == ids.gather(pairs["row"]))


def diff(previous: pl.DataFrame, current: pl.DataFrame, quarantined: pl.DataFrame) -> Difference:
    """Compares a whole listing with the manifest; order does not matter. See Differ."""
    differ = Differ(previous, quarantined)
    differ.take(current)
    return differ.difference()


def classify(
    prior: Mapping[str, object] | None,
    read: Mapping[str, object],
    *,
    removed: Container[str],
    remaining: Container[str],
) -> Change:
    """What happened to a document that was read; only added and changed ones need embedding.

    `prior` (its manifest row) and `read` have `content_hash`, `text_hash` and `metadata_hash`.
    `removed` and `remaining` hold content hashes: of documents no longer listed, from which no
    other document of this run was moved, and of all others known. `metadata` covers whatever
    else differs while the text is the same.
    """
    if prior is None:
        if read["content_hash"] in removed:
            return "moved"
        return "copied" if read["content_hash"] in remaining else "added"
    if prior["text_hash"] != read["text_hash"]:
        return "changed"
    same = all(prior[name] == read[name] for name in ("content_hash", "metadata_hash"))
    return "touched" if same else "metadata"


def _class_of_listed() -> pl.Expr:
    trusted = (pl.col("stamp") != "") & pl.col("sidecar_stamp").is_not_null()
    as_refused = trusted & _same("refused")
    as_known = trusted & _same("known")
    return (
        pl.when(as_refused)
        .then(pl.lit("held"))
        .when(pl.col("known_stamp").is_null())
        .then(pl.lit("added"))
        .when(as_known & pl.col("refused_stamp").is_null())
        .then(pl.lit("unchanged"))
        .otherwise(pl.lit("touched"))
    )


def _same(side: str) -> pl.Expr:
    same = (pl.col("stamp") == pl.col(f"{side}_stamp")) & (
        pl.col("sidecar_stamp") == pl.col(f"{side}_sidecar_stamp")
    )
    return same.fill_null(False)


def _compact(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own: a filtered frame keeps all texts it was taken from."""
    own = pl.from_arrow(rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return cast(pl.DataFrame, own).cast(rows.schema)


def _listed_twice(twice: str) -> SourceError:
    return SourceError(
        f"The listing should name every document once, has id {twice!r} twice; nothing was "
        f"concluded from it."
    )


def _twice(ids: pl.Series) -> str | None:
    if ids.hash().n_unique() == len(ids) or ids.n_unique() == len(ids):
        return None
    return str(ids.filter(ids.is_duplicated())[0])
