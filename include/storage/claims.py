"""What runs that may still go on name: artifacts are the claim that a run has on the lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import polars as pl

from include.errors import LakeError, TransientError
from include.storage.lake import Lake, RunFiles
from include.storage.lake_files import LakeFiles


def text_hashes(lake: Lake, runs: Iterable[RunFiles]) -> set[str]:
    """The hashes of all texts, of documents and of chunks, that these runs prepared.

    Raises TransientError when an artifact could not be read: then nobody knows what it claims.
    """
    files = lake.files
    return {name for run in runs for each in run.files for name in _hashes(files, each.path)}


def parquet_columns(files: LakeFiles, path: str) -> dict[str, pl.DataType] | None:
    """The columns of a Parquet file; None for a file that is gone, or is none.

    Raises TransientError when the store did not give it: that is no answer.
    """
    try:
        with _given(path):
            return dict(files.scan([path]).collect_schema())
    except (FileNotFoundError, pl.exceptions.PolarsError):
        return None


def _hashes(files: LakeFiles, path: str) -> Iterator[str]:
    if path.endswith(".parquet") and "text_hash" in (parquet_columns(files, path) or {}):
        try:
            with _given(path):
                yield from files.scan([path]).select("text_hash").collect()["text_hash"]
        except FileNotFoundError:
            return
        except pl.exceptions.PolarsError as error:
            raise LakeError(f"Artifact {path!r} cannot be read: {error}.") from error


@contextmanager
def _given(path: str) -> Iterator[None]:
    """Tells a store that did not answer, or refused, from a file that is gone."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        said = str(error).partition("\n")[0][:300]
        raise TransientError(
            f"Artifact {path!r} could not be read, and nothing was concluded from it; try again "
            f"later: {said}"
        ) from error
