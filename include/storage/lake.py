"""The lake: one root under which all state lives, and the version of its layout.

lake.json      the format of everything below
registry.json  which index is live
leases/        who is embedding
publishing/    which runs have begun to publish
tables/        LanceDB tables
runs/<run>/    artifacts of one run
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from include.documents import digest
from include.errors import CommitConflictError, ConfigurationError, LakeError
from include.storage.files import file_uri, lake_errors, local_path
from include.storage.objects import LocalObjects, ObjectStore

FORMAT = 1
_LAYOUT = "lake.json"
_LONGEST_RUN_NAME = 100


@dataclass(frozen=True, slots=True)
class Lake:
    """A lake at a URI. Nothing is read or written before `open`."""

    uri: str

    def __post_init__(self) -> None:
        if urlsplit(self.uri).scheme != "file":
            raise ConfigurationError(
                f"RAG_LAKE_URI should be file:///absolute/path, is {self.uri!r}: lakes on S3 are "
                f"not supported yet."
            )

    def open(self) -> Lake:
        """Checks the layout's format, creating an empty lake where there is none.

        Opening an existing lake writes nothing. Raises LakeError when the lake was written by a
        newer version, is damaged, or cannot be created.
        """
        if self.objects.read(_LAYOUT) is None:
            self._create()
        stored = self.objects.read(_LAYOUT)
        layout = _layout(stored.data if stored else b"", self.uri)
        if layout != FORMAT:
            raise LakeError(
                f"The lake {self.uri} has format {layout!r}; this version reads format {FORMAT}. "
                f"A newer version of the platform wrote it: use that version, or point "
                f"RAG_LAKE_URI at another lake."
            )
        return self

    @property
    def objects(self) -> ObjectStore:
        """The lake's small objects, named from its root."""
        return LocalObjects(local_path(self.uri))

    @property
    def tables_uri(self) -> str:
        """Where `lancedb.connect` finds the tables: a plain path, for it decodes no URI."""
        return str(local_path(self.uri) / "tables")

    def run_folder(self, run_id: str) -> str:
        """The URI of one run's artifacts; different run ids never share a folder.

        Airflow's run ids are unique within a Dag only: put the Dag's id in front.
        """
        return file_uri(local_path(self.uri) / "runs" / path_name(run_id))

    def remove_runs(self, before: datetime) -> Sequence[str]:
        """Deletes the artifacts of runs that wrote nothing since `before`; their folder names."""
        runs = local_path(self.uri) / "runs"
        old = self.runs_before(before)
        with lake_errors(runs):
            for name in old:
                shutil.rmtree(runs / name)
        return old

    def runs_before(self, before: datetime) -> Sequence[str]:
        """The folder names of runs that wrote nothing since `before`, sorted."""
        runs = local_path(self.uri) / "runs"
        with lake_errors(runs):
            folders = sorted(runs.iterdir()) if runs.is_dir() else []
            return [each.name for each in folders if _last_write(each) < before.timestamp()]

    def run_artifacts(self, pattern: str) -> Sequence[str]:
        """The URIs of the artifacts of all runs whose file names match, sorted."""
        runs = local_path(self.uri) / "runs"
        with lake_errors(runs):
            return [file_uri(path) for path in sorted(runs.glob(f"*/{pattern}"))]

    def free_bytes(self) -> int:
        """How much the lake's disk still takes."""
        return shutil.disk_usage(_nearest_folder(local_path(self.uri))).free

    def require_free(self, needed_bytes: int) -> None:
        """Raises LakeError when the lake's disk has less room than this."""
        free = self.free_bytes()
        if free < needed_bytes:
            raise LakeError(
                f"The lake {self.uri} needs about {needed_bytes / 1e6:.0f} MB, its disk has "
                f"{free / 1e6:.0f} MB free. Free space or point RAG_LAKE_URI elsewhere, then run "
                f"again; nothing was started."
            )

    def _create(self) -> None:
        with suppress(CommitConflictError):  # another process created it a moment ago
            self.objects.write_if(_LAYOUT, json.dumps({"format": FORMAT}).encode(), None)


def path_name(run_id: str) -> str:
    """A run id as one portable path component: readable, and different for different ids."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", run_id)[:_LONGEST_RUN_NAME]
    # A dot occurs in no plain name, so the two forms cannot meet.
    return plain if plain and plain == run_id else f"{plain or 'run'}.{digest('run', run_id)[:8]}"


def _layout(raw: bytes, uri: str) -> object:
    try:
        layout = json.loads(raw)
        return layout["format"]
    except (ValueError, TypeError, KeyError):
        raise LakeError(
            f"{_LAYOUT} of the lake {uri} should be a JSON object with a format, is {raw[:80]!r}: "
            f'restore it from a backup, or write {{"format": {FORMAT}}} into it.'
        ) from None


def _last_write(folder: Path) -> float:
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


def _nearest_folder(path: Path) -> Path:
    with lake_errors(path):
        while not path.is_dir():
            path = path.parent
    return path
