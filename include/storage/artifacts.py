"""Artifacts: the Parquet and JSON that one run's tasks hand each other by URI.

An artifact appears whole or not at all, and a retried task overwrites its own. Names may hold
slashes; the URI is what travels through XCom.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from include.errors import LakeError
from include.storage.lake import RUNS, Lake, path_name
from include.storage.parts import PartWriter

ROWS_PER_PART = 50_000


class Artifacts:
    """The artifacts of one run, in its folder of the lake.

    Airflow's run ids are unique within a Dag only: put the Dag's id in front.
    """

    def __init__(self, lake: Lake, run_id: str) -> None:
        self.run_id = run_id
        self._folder = f"{RUNS}/{path_name(run_id)}"
        self._files = lake.files

    def write(self, name: str, frame: pl.DataFrame) -> str:
        """Writes the frame under this name, replacing what was there; returns its URI."""
        target = self._target(f"{name}.parquet")
        self._files.write_frame(target, frame)
        return self._files.uri(target)

    def parts(
        self, name: str, schema: pl.Schema, *, rows_per_part: int = ROWS_PER_PART
    ) -> PartWriter:
        """A writer that streams rows of this schema into `name-00000.parquet` and so on."""
        return PartWriter(self, name, schema, rows_per_part=rows_per_part)

    def scan(self, uris: str | Sequence[str]) -> pl.LazyFrame:
        """The rows of one or several artifacts, in the order given, read when collected."""
        return self._files.scan(
            [self._existing(uri) for uri in ([uris] if isinstance(uris, str) else uris)]
        )

    def read(self, uris: str | Sequence[str]) -> pl.DataFrame:
        """The rows of one or several artifacts, in the order given."""
        frame: pl.DataFrame = self.scan(uris).collect()
        return frame

    def write_json(self, name: str, value: object) -> str:
        """Writes a value of JSON types under this name, replacing what was there; its URI."""
        text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
        return self._write(f"{name}.json", text.encode("utf-8", "surrogatepass"))

    def write_text(self, name: str, text: str) -> str:
        """Writes a text under this name, extension included; its URI."""
        return self._write(name, text.encode())

    def read_json(self, place: str) -> Any:
        """What `write_json` wrote: under this name in this run, or at this URI."""
        named = "://" not in place
        uri = self._files.uri(self._target(f"{place}.json")) if named else place
        raw = self._files.read(self._files.path(uri))
        if raw is None:
            raise _missing(uri)
        return json.loads(raw)

    def find_json(self, name: str) -> Any | None:
        """What `write_json` wrote under this name in this run; None when it did not yet."""
        raw = self._files.read(self._target(f"{name}.json"))
        return None if raw is None else json.loads(raw)

    def list(self, name: str) -> Sequence[str]:
        """The URIs written under this name: the frame itself, its parts, or all below `name/`."""
        target = self._target(name)
        own = re.compile(re.escape(target) + r"(-\d{5,})?\.parquet")
        return [
            self._files.uri(each.path)
            for each in self._files.list(self._folder)
            if each.path.endswith(".parquet")
            and not each.name.startswith(".")
            and (own.fullmatch(each.path) or each.path.startswith(f"{target}/"))
        ]

    def drop_parts(self, name: str, *, first: int) -> None:
        """Deletes the parts under this name numbered `first` and above."""
        part = re.compile(re.escape(self._target(name)) + r"-(\d{5,})\.parquet")
        found = {each.path: part.fullmatch(each.path) for each in self._files.list(self._folder)}
        self._files.delete([path for path, at in found.items() if at and int(at[1]) >= first])

    def remove(self) -> None:
        """Deletes everything the run wrote; does nothing when there is nothing."""
        self._files.remove(self._folder)

    def _write(self, name: str, data: bytes) -> str:
        target = self._target(name)
        self._files.write(target, data)
        return self._files.uri(target)

    def _target(self, name: str) -> str:
        if any(part == "" or part.startswith(".") for part in name.split("/")):
            raise LakeError(
                f"An artifact's name should be relative, with no part that is empty or starts "
                f"with a dot, is {name!r}."
            )
        return f"{self._folder}/{name}"

    def _existing(self, uri: str) -> str:
        path = self._files.path(uri)
        if not self._files.exists(path):
            raise _missing(uri)
        return path


def _missing(uri: str) -> LakeError:
    return LakeError(
        f"Artifact {uri} is missing: its run did not write it, or was pruned. Run the whole Dag "
        f"again instead of this task."
    )
