"""Breaks the platform on purpose, one promise at a time, and shows which tests notice.

    python -m tests.faults.breakages [NAME …]

Each breakage is an edit of a copy of the repository; the tests named beside it run there. A
breakage that no test notices is a promise that nobody keeps: exit status 1.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KILLS = "tests/faults/test_kills.py"
PROMISES = "tests/stages/test_promises.py"
CONCURRENCY = "tests/faults/test_concurrency.py"
FAULTS = "tests/faults/test_embedder_faults.py"


@dataclass(frozen=True, slots=True)
class Breakage:
    """A text in a file and what takes its place, and the tests that should notice."""

    file: str
    old: str
    new: str
    tests: Sequence[str]


BREAKAGES = {
    "manifest before publish": Breakage(
        "include/stages/publish.py",
        "        _store_texts(accepted, destination.tables)\n",
        "        record(accepted, destination.tables, run_id=accepted.changes.run_id, now=now)\n"
        "        _store_texts(accepted, destination.tables)\n",
        [KILLS],
    ),
    "no primary key": Breakage(
        "include/storage/lance.py", ".with_metadata(_PRIMARY_KEY)", "", [CONCURRENCY]
    ),
    "no mark": Breakage(
        "include/stages/publish.py",
        "        destination.marks.begin(accepted.changes.run_id, destination.index, now)\n",
        "",
        [KILLS, "tests/stages/test_interrupted.py"],
    ),
    "no cache": Breakage(
        "include/embedding/cached.py",
        "        self._cache.put(hashes, vectors)\n",
        "        self._later = [*getattr(self, '_later', []), (hashes, vectors)]\n"
        "        if len(hashes) < self._batch_texts:\n"
        "            for each in self._later: self._cache.put(*each)\n",
        [f"{FAULTS}::test_a_failed_request_ends_the_run_with_a_sentence_and_costs_one_batch"],
    ),
    "unchecked vectors": Breakage(
        "include/embedding/cached.py",
        "not np.isfinite(vectors).all()",
        "False",
        [f"{FAULTS}::test_a_failed_request_ends_the_run_with_a_sentence_and_costs_one_batch"],
    ),
    "delete, then insert": Breakage(
        "include/storage/keyed.py",
        "        return self._merged(merge)\n",
        "        self.delete([*stale, *source[self.key].to_pylist()])\n"
        "        return self._merged(merge)\n",
        [f"{KILLS}::test_killed_at_random_moments_a_run_converges"],
    ),
    "no lease": Breakage(
        "include/storage/lease.py",
        "or holder.is_over:",
        "or True:",
        [f"{CONCURRENCY}::test_three_syncs_at_once_all_succeed_and_give_one_index"],
    ),
    "a bad document empties what was there": Breakage(
        "include/stages/commit.py",
        '[*accepted.documents["id"], *accepted.removed]',
        '[*accepted.documents["id"], *accepted.removed, *accepted.rejected["id"]]',
        [PROMISES],
    ),
    "deletes without asking": Breakage(
        "include/stages/changes.py",
        "if not options.allow_deletions and",
        "if False and",
        [PROMISES],
    ),
    "spans one off": Breakage(
        "include/stages/rows.py",
        '"start": [span.start for',
        '"start": [span.start + 1 for',
        [PROMISES],
    ),
}


def main(names: Sequence[str]) -> int:
    """Breaks everything named, or everything, and prints what noticed."""
    unnoticed = 0
    for name in names or list(BREAKAGES):
        red = _red(BREAKAGES[name])
        unnoticed += not red
        print(f"{name}: {len(red)} tests go red", *red, sep="\n  ", flush=True)
    return 1 if unnoticed else 0


def _red(breakage: Breakage) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        left_out = shutil.ignore_patterns(".*", "data", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=left_out)
        file = copy / breakage.file
        text = file.read_text()
        if breakage.old not in text:
            raise SystemExit(
                f"{breakage.file} no longer holds {breakage.old!r}: update {__file__}."
            )
        file.write_text(text.replace(breakage.old, breakage.new))
        command = [sys.executable, "-m", "pytest", "-q", "-m", "not faults", *breakage.tests]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    return re.findall(r"^(?:FAILED|ERROR) \S+::(.*?)(?: - .*)?$", done.stdout, re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
