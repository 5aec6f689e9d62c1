"""What runs that may still go on name: artifacts are the claim that a run has on the lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from include.errors import LakeError
from include.storage.lake import Lake, RunFiles
from include.storage.lake_files import LakeFiles


def text_hashes(lake: Lake, runs: Iterable[RunFiles]) -> set[str]:
    """The hashes of all texts, of documents and of chunks, that these runs prepared."""
    files = lake.files
    return {name for run in runs for each in run.files for name in _hashes(files, each.path)}


def parquet_columns(files: LakeFiles, path: str) -> dict[str, pl.DataType] | None:
    """The columns of a Parquet file; None for a file that cannot be read as one."""
    try:
        return dict(files.scan([path]).collect_schema())
    except (OSError, pl.exceptions.PolarsError):
        return None


def _hashes(files: LakeFiles, path: str) -> Iterator[str]:
    if path.endswith(".parquet") and "text_hash" in (parquet_columns(files, path) or {}):
        try:
            yield from files.scan([path]).select("text_hash").collect()["text_hash"]
        except FileNotFoundError:
            return
        except (OSError, pl.exceptions.PolarsError) as error:
            raise LakeError(f"Artifact {path!r} cannot be read: {error}.") from error
