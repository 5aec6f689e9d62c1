"""The manifest's arithmetic: what a listing says has happened since the last run. Pure.

Stamps decide what must be read; hashes of what was read decide what really changed.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from include.errors import LakeError, SourceError

Change = Literal["added", "changed", "moved", "copied", "metadata", "touched"]

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


def diff(previous: pl.DataFrame, current: pl.DataFrame, quarantined: pl.DataFrame) -> Difference:
    """Compares the listing `current` with the manifest `previous`; order does not matter.

    All three have `id`, `stamp` and `sidecar_stamp`, ids unique. An empty stamp on either side
    cannot be trusted and means touched. Raises SourceError when the listing holds an id twice.
    """
    _refuse_duplicates(previous, current, quarantined)
    known = _stamps_of(previous, "known")
    refused = _stamps_of(quarantined, "refused")
    listed = current.sort("id").join(known, on="id", how="left").join(refused, on="id", how="left")
    listed = listed.with_columns(_class_of_listed().alias("class"))
    classes = listed.partition_by("class", as_dict=True, include_key=False)
    empty = current.clear()
    rows = {name: frame.select(current.columns) for (name,), frame in classes.items()}
    gone = quarantined.join(current, on="id", how="anti").join(previous, on="id", how="anti")
    return Difference(
        added=rows.get("added", empty),
        touched=rows.get("touched", empty),
        removed=previous.join(current, on="id", how="anti").sort("id"),
        held=rows.get("held", empty),
        forgotten=gone["id"].sort(),
        unchanged=rows.get("unchanged", empty).height,
    )


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


def _stamps_of(frame: pl.DataFrame, side: str) -> pl.DataFrame:
    return frame.select(_KEYS).rename({key: f"{side}_{key}" for key in _KEYS[1:]})


def _refuse_duplicates(
    previous: pl.DataFrame, current: pl.DataFrame, quarantined: pl.DataFrame
) -> None:
    if (twice := _twice(current)) is not None:
        raise SourceError(
            f"The listing should name every document once, has id {twice!r} twice; nothing was "
            f"concluded from it."
        )
    for name, frame in (("manifest", previous), ("quarantine", quarantined)):
        if (twice := _twice(frame)) is not None:
            raise LakeError(f"The {name} should hold every document once, has id {twice!r} twice.")


def _twice(frame: pl.DataFrame) -> str | None:
    if frame["id"].n_unique() == frame.height:
        return None
    return str(frame.filter(pl.col("id").is_duplicated())["id"][0])
