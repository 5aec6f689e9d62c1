"""Removing a document from the files beside the tables: artifacts of runs, traces, evaluations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from include.erasure.subject import Subject
from include.storage.claims import parquet_columns
from include.storage.lake import RUNS, Lake
from include.storage.lake_files import LakeFiles

REPORTS = ("traces", "evaluations")
"""Folders of JSON files about answers and questions: one that names the document is deleted."""

_OWNERS = ("document_id", "file_id", "id")
_HASHES = "text_hash"
_MOST_IDS = 200
_ENDS_HERE = rb"(?![\w./~%-])"


@dataclass(frozen=True, slots=True)
class RunsErased:
    """How many runs' artifacts were deleted, and the folders that a running run still needs."""

    removed: int
    kept: tuple[str, ...]


def erase_runs(
    lake: Lake, subject: Subject, *, idle_since: datetime, unfinished_too: bool
) -> RunsErased:
    """Deletes the artifacts of every run that prepared, listed or reported the document.

    A run that has not published and wrote something since `idle_since` is left alone, unless
    `unfinished_too`.
    """
    removed, kept, files = 0, [], lake.files
    for run in lake.runs():
        paths = [each.path for each in run.files]
        if not any(_names(files, path, subject) for path in paths):
            continue
        if unfinished_too or run.is_finished(idle_since):
            # The receipt last: a kill in between leaves a finished run, not one that seems to go on.
            files.delete([path for path in paths if not path.endswith("/receipt.json")])
            files.remove(f"{RUNS}/{run.name}")
            removed += 1
        else:
            kept.append(run.name)
    return RunsErased(removed, tuple(kept))


def erase_reports(lake: Lake, subject: Subject) -> Iterator[tuple[str, int]]:
    """Deletes traces and stored evaluations that name the document; each folder and how many.

    The whole file: an answer quotes what it cites, and so may the question.
    """
    for name in REPORTS:
        paths = [each.path for each in lake.files.list(name)]
        found = [path for path in paths if _reports(lake.files, path, subject)]
        lake.files.delete(found)
        yield name, len(found)


def _names(files: LakeFiles, path: str, subject: Subject) -> bool:
    if ".parquet" in path.rpartition("/")[2]:  # or the hidden file of an interrupted write
        columns = parquet_columns(files, path)
        return columns is None or _rows_of(files, path, columns, subject)
    return _mentions(files.read(path), subject)


def _rows_of(
    files: LakeFiles, path: str, columns: dict[str, pl.DataType], subject: Subject
) -> bool:
    hashes = sorted(subject.own_texts | subject.own_chunks)
    tests = [pl.col(name).is_in(sorted(subject.ids)) for name in _OWNERS if name in columns]
    tests += [pl.col(_HASHES).is_in(hashes)] if _HASHES in columns else []
    tests += [pl.col("uri") == subject.uri] if "uri" in columns else []
    if not tests:
        return False
    try:
        found = files.scan([path]).select(pl.any_horizontal(tests).any()).collect()
    except FileNotFoundError:  # its run was a plan, or has been pruned a moment ago
        return False
    return bool(found.item())


def _mentions(raw: bytes | None, subject: Subject) -> bool:
    """Whether a file of text holds the address, or one of the ids if they are few."""
    if raw is None:
        return False
    ids = sorted(subject.ids) if len(subject.ids) <= _MOST_IDS else []
    if any(each.encode() in raw for each in ids):
        return True
    # Whole addresses only: one that begins alike is another document's, and `#` is no address.
    address = re.escape(subject.uri.encode()) + _ENDS_HERE
    return "://" in subject.uri and re.search(address, raw) is not None


def _reports(files: LakeFiles, path: str, subject: Subject) -> bool:
    """Whether a report names the document as a value; one that is no JSON, anywhere."""
    raw = files.read(path)
    if raw is None:
        return False
    try:
        values = set(_strings(json.loads(raw)))
    except (ValueError, RecursionError):
        return _mentions(raw, subject)
    return bool(values & subject.ids) or any(map(subject.holds_uri, values))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (name for each in value.items() for part in each for name in _strings(part))
    elif isinstance(value, Sequence):
        yield from (name for part in value for name in _strings(part))
