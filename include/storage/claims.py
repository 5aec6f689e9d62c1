"""What runs that may still go on name: artifacts are the claim that a run has on the lake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from include.errors import LakeError
from include.storage.files import local_path
from include.storage.lake import Lake

_RECEIPT = "receipt.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's artifacts: when it last wrote, and whether it wrote its receipt."""

    path: Path
    last_write: float
    has_receipt: bool

    @property
    def files(self) -> list[Path]:
        """Every file, hidden ones of interrupted writes included."""
        return [path for path in self.path.rglob("*") if path.is_file()]

    def is_finished(self, idle_since: datetime) -> bool:
        """Whether nothing will read it again: published, or without a write since then."""
        return self.has_receipt or self.last_write < idle_since.timestamp()


def run_folders(lake: Lake) -> list[RunFolder]:
    """Every run that still has artifacts, by name."""
    runs = local_path(lake.uri) / "runs"
    folders = sorted(runs.iterdir()) if runs.is_dir() else []
    return [
        RunFolder(folder, _last_write(folder), (folder / _RECEIPT).exists())
        for folder in folders
        if folder.is_dir()
    ]


def text_hashes(folders: list[RunFolder]) -> set[str]:
    """The hashes of all texts, of documents and of chunks, that these runs prepared."""
    return {name for folder in folders for path in folder.files for name in _hashes(path)}


def parquet_columns(path: Path) -> dict[str, pl.DataType] | None:
    """The columns of a Parquet file; None for a file that cannot be read as one."""
    try:
        return dict(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError):
        return None


def _hashes(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet" and "text_hash" in (parquet_columns(path) or {}):
        try:
            yield from pl.read_parquet(path, columns=["text_hash"], glob=False)["text_hash"]
        except FileNotFoundError:
            return
        except (OSError, pl.exceptions.PolarsError) as error:
            raise LakeError(f"Artifact {str(path)!r} cannot be read: {error}.") from error


def _last_write(folder: Path) -> float:
    def written(path: Path) -> float:
        try:
            return path.lstat().st_mtime
        except FileNotFoundError:
            return 0.0

    return max(map(written, (folder, *folder.rglob("*"))))
