"""What a sync costs beside embedding: cold, unchanged, changed, moved, edited, listed."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from tests.benchmarks.children import run
from tests.benchmarks.corpus import corpus
from tests.benchmarks.edits import apply, edited_corpus, prepare_folder
from tests.benchmarks.figures import Figure, exact, limited, split
from tests.benchmarks.worlds import environment

Json = dict[str, Any]
HEAVY = (
    "torch", "sentence_transformers", "transformers", "openvino", "onnxruntime",
    "great_expectations",
)  # fmt: skip
WIDE = ("cpu", "listing_cpu", "manifest_cpu", "diff_cpu")


class Bench:
    """A work folder with a corpus, and the measurements on it, in the order of the methods.

    Of several rounds the least CPU time counts: other work on the machine only ever adds to it.
    """

    def __init__(self, folder: Path, documents: int, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        pages = corpus(documents + round(documents / 100))
        self.pages, self.held_out = pages[:documents], pages[documents:]
        self.source = folder / "corpus"
        self.lake = folder / "lake"
        prepare_folder(self.source, self.pages)

    def cold(self) -> list[Figure]:
        """Everything but embedding, from nothing."""
        tries = []
        for _ in range(self.rounds):
            shutil.rmtree(self.lake, ignore_errors=True)
            tries.append(self._sync(self.source, self.lake))
        done = min(tries, key=_beside)
        thousands = done["rows"] / 1_000
        note = (
            f"{len(self.pages)} documents, {done['rows']} chunks, {done['embedded']} texts, "
            f"{done['receipt']['quarantined']} set aside; peak {done['peak_mb']:.0f} MB; "
            f"{split(done['stages'], thousands)}; {_rounds(tries, thousands)}"
        )
        name = "cold, beside embedding, per 1,000 chunks"
        return [limited(name, _beside(done) / thousands, 0.7, "CPU s", note)]

    def unchanged(self) -> list[Figure]:
        """`python -m include sync` again, against a process that only imports the same modules."""
        self._sync(self.source, self.lake)
        before, report = self._versions(), self._file("report")
        variables = environment(self.source, self.lake)
        whole, imports = [], []
        for _ in range(self.rounds + 2):
            done = run("command_line", variables, corpus=str(self.source), report=report)
            whole.append(done["process_cpu"])
            imports.append(run("imports", variables, report=report)["process_cpu"])
        seen, after = json.loads(Path(report).read_text()), self._versions()
        loaded = [name for name in HEAVY if name in seen["modules"]]
        beyond = statistics.median(whole) - statistics.median(imports)
        note = (
            f"median of {len(whole)}: whole process {statistics.median(whole):.2f}, imports alone "
            f"{statistics.median(imports):.2f}; least: {min(whole):.2f}, {min(imports):.2f}"
        )
        committed = [n for n, v in after["tables"].items() if v != before["tables"].get(n)]
        return [
            limited("unchanged, beyond start-up", beyond, 0.2, "CPU s", note),
            exact("unchanged, files opened", seen["opened"], 0),
            exact("unchanged, tables committed", len(committed), 0),
            exact("unchanged, run folders written", len(after["runs"]) - len(before["runs"]), 0),
            exact("unchanged, heavy libraries imported", ", ".join(loaded) or "none", "none"),
        ]

    def changed(self) -> list[Figure]:
        """1 % edited, 1 % removed, 1 % added, against a fresh ingest of the same state."""
        after, edits = edited_corpus(self.pages, self.held_out)
        edited, base = self.folder / "edited", self.folder / "lake-base"
        for path in (edited, base):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.source, edited)
        self._sync(edited, base, hashes_to=self._file("before"))
        apply(edited, after, edits)
        tries = []
        for number in range(self.rounds):
            lake = self.folder / f"lake-edited-{number}"
            shutil.rmtree(lake, ignore_errors=True)
            shutil.copytree(base, lake)
            tries.append(self._sync(edited, lake, hashes_to=self._file("changed")))
        done = min(tries, key=_beside)
        shutil.rmtree(self.folder / "lake-fresh", ignore_errors=True)
        fresh = self._sync(edited, self.folder / "lake-fresh", hashes_to=self._file("fresh"))
        new = self._hashes("changed") ^ (self._hashes("fresh") - self._hashes("before"))
        receipt = done["receipt"]
        classes = {name: receipt[name] for name in ("changed", "removed", "added", "quarantined")}
        equal = done["fingerprint"] == fresh["fingerprint"]
        opened = len(edits.edited) + len(edits.added)
        note = f"{split(done['stages'])}; {_rounds(tries)}"
        return [
            limited("1 % changed, beside embedding", _beside(done), 1.0, "CPU s", note),
            exact("1 % changed, texts embedded too many or too few", len(new), 0,
                  f"{done['embedded']} embedded of {receipt['chunks']} chunks; {classes}"),
            exact("1 % changed, files opened", done["opened"], opened),
            exact("1 % changed, index equals a fresh ingest", equal, True),
        ]  # fmt: skip

    def moved(self) -> list[Figure]:
        """One document renamed and another copied."""
        names = sorted(page.name for page in self.pages)[::3]
        (self.source / names[0]).rename(self.source / f"renamed-{names[0]}")
        shutil.copy(self.source / names[1], self.source / f"copied-{names[1]}")
        receipt = self._sync(self.source, self.lake)
        prepare_folder(self.source, self.pages)
        classes = {name: receipt["receipt"][name] for name in ("moved", "copied", "removed")}
        embedded = receipt["embedded"]
        return [exact("one renamed, one copied, texts embedded", embedded, 0, str(classes))]

    def paragraphs(self) -> list[Figure]:
        """One paragraph edited in a document of 80 chunks."""
        figures = []
        for headings in (True, False):
            found = run("paragraph_edits", source=str(self.source), headings=headings)
            kind = "with headings" if headings else "without headings"
            name = f"one paragraph of {found['chunks']} chunks edited, {kind}: most chunks embedded"
            note = (
                f"{found['edits']} edits, mean {found['mean']:.2f}, chunks: edits "
                f"{found['counts']}; a whole sync of one embedded {found['synced']}, expected "
                f"{found['synced_expected']}"
            )
            figures.append(limited(name, found["most"], 3, "", note))
        return figures

    def wide(self, documents: int = 200_000) -> list[Figure]:
        """The detect stage on a manifest and a listing of 200,000."""
        folder = self.folder / "wide"
        shutil.rmtree(folder, ignore_errors=True)
        run("write_wide", folder=str(folder), documents=documents)
        tries = [
            run("detect_wide", folder=str(folder), documents=documents) for _ in range(self.rounds)
        ]
        least = {name: min(one[name] for one in tries) for name in WIDE}
        note = (
            f"reading the manifest {least['manifest_cpu']:.2f}, comparing {least['diff_cpu']:.2f}; "
            f"added, touched, removed, unchanged: {tries[0]['found']}"
        )
        stage = (
            f"of it making the listing {least['listing_cpu']:.2f}; rounds "
            f"{[round(one['cpu'], 2) for one in tries]}"
        )
        peak = max(one["peak_mb"] for one in tries)
        diff = least["manifest_cpu"] + least["diff_cpu"]
        name = f"diff of {documents:,} documents"
        return [
            limited(name, diff, 2.0, "CPU s", note),
            limited(f"{name}, listing and whole stage included", least["cpu"], 2.0, "CPU s", stage),
            limited(f"{name}, peak memory of the process", peak, 500, "MB",
                    f"before it {tries[0]['base_mb']:.0f}"),
        ]  # fmt: skip

    def _sync(self, source: Path, lake: Path, **values: Any) -> Json:
        return run("sync_once", source=str(source), lake=str(lake), **values)

    def _versions(self) -> Json:
        return run("versions", source=str(self.source), lake=str(self.lake))

    def _file(self, name: str) -> str:
        return str(self.folder / f"{name}.json")

    def _hashes(self, name: str) -> set[str]:
        return set(json.loads(Path(self._file(name)).read_text()))


def _beside(done: Json) -> float:
    return float(done["cpu"] - done["embedding_cpu"])


def _rounds(tries: list[Json], per: float = 1.0) -> str:
    """Every round beside the yardstick at its time, so that a busy machine is visible."""
    rounds = (f"{_beside(one) / per:.2f} ({one['yardstick']:.2f})" for one in tries)
    return f"rounds (yardstick): {', '.join(rounds)}"
