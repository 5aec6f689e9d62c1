"""Artifacts: the Parquet and JSON that one run's tasks hand each other by URI.

An artifact appears whole or not at all, and a retried task overwrites its own. Names may hold
slashes; the URI is what travels through XCom.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from include.errors import LakeError
from include.storage.files import atomic_path, file_uri, lake_errors, local_path
from include.storage.lake import Lake
from include.storage.parts import PartWriter

ROWS_PER_PART = 50_000


class Artifacts:
    """The artifacts of one run, in its folder of the lake."""

    def __init__(self, lake: Lake, run_id: str) -> None:
        self.run_id = run_id
        self._folder = local_path(lake.run_folder(run_id))

    def write(self, name: str, frame: pl.DataFrame) -> str:
        """Writes the frame under this name, replacing what was there; returns its URI."""
        target = self._target(f"{name}.parquet")
        with atomic_path(target) as temporary:
            frame.write_parquet(temporary, compression="zstd", compression_level=1)
        return file_uri(target)

    def parts(
        self, name: str, schema: pl.Schema, *, rows_per_part: int = ROWS_PER_PART
    ) -> PartWriter:
        """A writer that streams rows of this schema into `name-00000.parquet` and so on."""
        return PartWriter(self, name, schema, rows_per_part=rows_per_part)

    def scan(self, uris: str | Sequence[str]) -> pl.LazyFrame:
        """The rows of one or several artifacts, in the order given, read when collected."""
        paths = [self._existing(uri) for uri in ([uris] if isinstance(uris, str) else uris)]
        return pl.scan_parquet(paths, glob=False)

    def read(self, uris: str | Sequence[str]) -> pl.DataFrame:
        """The rows of one or several artifacts, in the order given."""
        frame: pl.DataFrame = self.scan(uris).collect()
        return frame

    def read_parts(self, uris: Sequence[str]) -> Iterator[pl.DataFrame]:
        """One frame per artifact, one at a time: memory is bounded by the largest part."""
        for uri in uris:
            yield pl.read_parquet(self._existing(uri), glob=False)

    def write_json(self, name: str, value: object) -> str:
        """Writes a value of JSON types under this name, replacing what was there; its URI."""
        target = self._target(f"{name}.json")
        text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
        with atomic_path(target) as temporary:
            temporary.write_bytes(text.encode("utf-8", "surrogatepass"))
        return file_uri(target)

    def write_text(self, name: str, text: str) -> str:
        """Writes a text under this name, extension included; its URI."""
        target = self._target(name)
        with atomic_path(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return file_uri(target)

    def read_json(self, place: str) -> Any:
        """What `write_json` wrote: under this name in this run, or at this URI."""
        named = "://" not in place
        path = self._existing(file_uri(self._target(f"{place}.json")) if named else place)
        with lake_errors(path):
            return json.loads(path.read_bytes())

    def list(self, name: str) -> Sequence[str]:
        """The URIs written under this name: the frame itself, its parts, or all below `name/`."""
        target = self._target(name)
        with lake_errors(target):
            beside = [*target.parent.glob("*.parquet"), *target.rglob("*.parquet")]
        own = re.compile(re.escape(target.name) + r"(-\d{5,})?\.parquet")
        found = {path for path in beside if own.fullmatch(path.name) or target in path.parents}
        return [file_uri(path) for path in sorted(found) if not path.name.startswith(".")]

    def drop_parts(self, name: str, *, first: int) -> None:
        """Deletes the parts under this name numbered `first` and above."""
        target = self._target(name)
        part = re.compile(re.escape(target.name) + r"-(\d{5,})\.parquet")
        with lake_errors(target):
            for path in target.parent.glob("*.parquet"):
                found = part.fullmatch(path.name)
                if found and int(found[1]) >= first:
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Deletes everything the run wrote; does nothing when there is nothing."""
        with lake_errors(self._folder), suppress(FileNotFoundError):
            shutil.rmtree(self._folder)

    def _target(self, name: str) -> Path:
        parts = name.split("/")
        if any(part == "" or part.startswith(".") for part in parts):
            raise LakeError(
                f"An artifact's name should be relative, with no part that is empty or starts "
                f"with a dot, is {name!r}."
            )
        return self._folder.joinpath(*parts)

    def _existing(self, uri: str) -> Path:
        path = local_path(uri)
        if not path.is_file():
            raise LakeError(
                f"Artifact {uri} is missing: its run did not write it, or was pruned. Run the "
                f"whole Dag again instead of this task."
            )
        return path
