"""The lake: one root under which all state lives, and the version of its layout.

lake.json      the format of everything below
registry.json  which index is live
leases/        who is embedding
publishing/    which runs have begun to publish
batches/       which texts a provider has in its batches
tables/        LanceDB tables
runs/<run>/    artifacts of one run
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.documents import digest
from include.errors import CommitConflictError, ConfigurationError, LakeError
from include.storage.files import local_path
from include.storage.lake_files import LakeFile, LakeFiles, open_files
from include.storage.objects import LocalObjects, ObjectStore

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase
    from include.storage.s3_client import S3Access
    from include.storage.s3_place import S3Place

FORMAT = 1
RUNS = "runs"
_LAYOUT = "lake.json"
_RECEIPT = "receipt.json"
_PROOF = "conditional_writes"
_PLAIN_S3 = re.compile(r"s3://[a-z0-9.-]+(/[A-Za-z0-9._=-]+)*")
_LONGEST_RUN_NAME = 100


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One run's artifacts, hidden files of interrupted writes included; seconds since the epoch."""

    name: str
    files: Sequence[LakeFile]
    last_write: float

    def is_finished(self, idle_since: datetime) -> bool:
        """Whether nothing will read it again: published, or without a write since then."""
        published = any(each.path == f"{RUNS}/{self.name}/{_RECEIPT}" for each in self.files)
        return published or self.last_write < idle_since.timestamp()


@dataclass(frozen=True, slots=True)
class Lake:
    """A lake at a URI, in a bucket opened through `access`. Nothing happens before `open`."""

    uri: str
    access: S3Access | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if urlsplit(self.uri).scheme not in ("file", "s3"):
            raise ConfigurationError(
                f"RAG_LAKE_URI should be file:///absolute/path or s3://bucket/prefix, is "
                f"{self.uri!r}."
            )
        if self.is_remote and not _PLAIN_S3.fullmatch(self.uri):
            raise ConfigurationError(
                f"RAG_LAKE_URI should have a bucket and a prefix of letters, digits, . _ - = and "
                f"/, is {self.uri!r}."
            )

    def open(self) -> Lake:
        """Checks the layout's format, creating an empty lake where there is none.

        Opening an existing lake writes nothing, but for the proof that a bucket's store keeps the
        conditions of writes, once in seven days. Raises LakeError when the lake was written by a
        newer version, is damaged, or cannot be created, ConfigurationError for an unfit store.
        """
        if self.objects.read(_LAYOUT) is None:
            self._create()
        stored = self.objects.read(_LAYOUT)
        layout = _layout(stored.data if stored else b"", self.uri)
        if layout["format"] != FORMAT:
            raise LakeError(
                f"The lake {self.uri} has format {layout['format']!r}; this version reads format "
                f"{FORMAT}. A newer version of the platform wrote it: use that version, or point "
                f"RAG_LAKE_URI at another lake."
            )
        if self.is_remote and stored:
            self._prove_again(layout, stored.etag)
        return self

    @property
    def is_remote(self) -> bool:
        """Whether the lake is in a bucket."""
        return self.uri.startswith("s3://")

    @property
    def objects(self) -> ObjectStore:
        """The lake's small objects, named from its root."""
        if self.is_remote:
            from include.storage.s3_objects import S3Objects

            return S3Objects(self._place, self._access)
        return LocalObjects(local_path(self.uri))

    @property
    def files(self) -> LakeFiles:
        """The lake's large files, named from its root."""
        return open_files(self.uri, self._access if self.is_remote else None)

    @property
    def database(self) -> LanceDatabase:
        """The lake's tables."""
        from include.storage.lance import LanceDatabase

        # A plain path, for lancedb decodes no URI.
        tables = f"{self.uri}/tables" if self.is_remote else local_path(self.uri) / "tables"
        return LanceDatabase(str(tables), self._access if self.is_remote else None)

    def remove_runs(self, before: datetime) -> Sequence[str]:
        """Deletes the artifacts of runs that wrote nothing since `before`; their folder names."""
        old = self.runs_before(before)
        for name in old:
            self.files.remove(f"{RUNS}/{name}")
        return old

    def runs_before(self, before: datetime) -> Sequence[str]:
        """The folder names of runs that wrote nothing since `before`, sorted."""
        return [each.name for each in self.runs() if each.last_write < before.timestamp()]

    def runs(self) -> Sequence[RunFiles]:
        """Every run that has left anything, by name."""
        folders = self.files.folders(RUNS)
        files: dict[str, list[LakeFile]] = {name: [] for name in folders}
        for each in self.files.list(RUNS):
            name, slash, _ = each.path.removeprefix(f"{RUNS}/").partition("/")
            if slash:
                files.setdefault(name, []).append(each)
        return [
            RunFiles(name, some, max((folders.get(name, 0.0), *(each.modified for each in some))))
            for name, some in sorted(files.items())
        ]

    def run_artifacts(self, pattern: str) -> Sequence[str]:
        """The paths of the artifacts of all runs whose file names match, sorted."""
        files = (each for run in self.runs() for each in run.files)
        return sorted(each.path for each in files if fnmatchcase(each.name, pattern))

    def _create(self) -> None:
        layout = {"format": FORMAT, **(self._proof() if self.is_remote else {})}
        with suppress(CommitConflictError):  # another process created it a moment ago
            self.objects.write_if(_LAYOUT, json.dumps(layout).encode(), None)

    def _prove_again(self, layout: Mapping[str, object], etag: str) -> None:
        from include.storage.s3_probe import is_proven

        if not is_proven(layout.get(_PROOF), self._access, datetime.now(UTC)):
            renewed = {**layout, **self._proof()}
            with suppress(CommitConflictError):  # another process proved it a moment ago
                self.objects.write_if(_LAYOUT, json.dumps(renewed).encode(), etag)

    def _proof(self) -> dict[str, object]:
        from include.storage.s3_probe import proof

        return {_PROOF: proof(self._place, self._access, datetime.now(UTC))}

    @property
    def _place(self) -> S3Place:
        from include.storage.s3_place import S3Place

        return S3Place.of(self.uri)

    @property
    def _access(self) -> S3Access:
        if self.access is None:
            from include.storage.s3_client import S3Access

            return S3Access()
        return self.access


def path_name(run_id: str) -> str:
    """A run id as one portable path component: readable, and different for different ids."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", run_id)[:_LONGEST_RUN_NAME]
    # A dot occurs in no plain name, so the two forms cannot meet.
    return plain if plain and plain == run_id else f"{plain or 'run'}.{digest('run', run_id)[:8]}"


def _layout(raw: bytes, uri: str) -> dict[str, object]:
    try:
        layout: dict[str, object] = json.loads(raw)
        return {**layout, "format": layout["format"]}
    except (ValueError, TypeError, KeyError):
        raise LakeError(
            f"{_LAYOUT} of the lake {uri} should be a JSON object with a format, is {raw[:80]!r}: "
            f'restore it from a backup, or write {{"format": {FORMAT}}} into it.'
        ) from None
