"""Lakes to break, children to kill, and what must be true afterwards."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import polars as pl

from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.wiring import Platform
from tests.faults import roles
from tests.faults.corpus import Corpus
from tests.faults.paying import paid, vectors_of
from tests.faults.reader import Versions, read
from tests.faults.roles import Child

BATCH_TEXTS = 64
_OF_THE_RUN = ("run_id", "ingested", "first_ingested")

# Children start from a process that has imported everything and opened nothing: 0.1 s, not 4 s.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.preload"])


@dataclass
class Scene:
    """A source after its edits, the lake from before them, and the lake that a sync should give."""

    root: Path
    corpus: Corpus
    cold: bool = False
    request_seconds: float = 0.0
    _lakes: int = field(default=0, init=False)

    def build(self) -> Scene:
        """Makes the two lakes by undisturbed runs. A cold scene starts from an empty lake."""
        self.corpus.write()
        if not self.cold:
            assert self.run(roles.sync, self.lake("before")) == 0
            self.corpus.edit()
        assert self.run(roles.sync, self.lake("fresh")) == 0
        began = time.monotonic()
        assert self.run(roles.sync, self.clone(), times=self.root / "times") == 0
        with (self.root / "times").open("a") as file:
            print("run", time.monotonic() - began, sep="\t", file=file)
        return self

    def lake(self, name: str) -> Path:
        """The folder of the lake of this name."""
        return self.root / name

    @property
    def deployment(self) -> Mapping[str, str]:
        """Connections of the children."""
        return {}

    def uri(self, lake: Path) -> str:
        """Where the lake of this folder really is."""
        return lake.as_uri()

    def clone(self) -> Path:
        """A lake of its own in the state before the edits."""
        self._lakes += 1
        lake = self.lake(f"lake-{self._lakes}")
        if not self.cold:
            self.copy(self.lake("before"), lake)
        return lake

    def copy(self, lake: Path, to: Path) -> None:
        """Copies a lake."""
        shutil.copytree(lake, to)

    def child(self, lake: Path, **chosen: Any) -> Child:
        """A child on this lake."""
        environment = {
            "RAG_SOURCE_URI": self.corpus.folder.as_uri(),
            "RAG_LAKE_URI": self.uri(lake),
            "RAG_EMBEDDER": "fake:32",
            "RAG_CHUNK_TOKENS": "20",
            "RAG_CHUNK_OVERLAP_TOKENS": "0",
            "RAG_EMBED_BATCH_TEXTS": str(BATCH_TEXTS),
            **self.deployment,
        }
        register, output = self.beside(lake, ".paid"), self.beside(lake, ".log")
        chosen = {"request_seconds": self.request_seconds} | chosen
        return Child(environment, register, output, **chosen)

    def beside(self, lake: Path, suffix: str) -> Path:
        """A file of this lake's own, outside of it."""
        return self.root / ("-".join(lake.relative_to(self.root).parts) + suffix)

    def start(
        self, role: Callable[..., None], lake: Path, *arguments: Any, **chosen: Any
    ) -> ForkServerProcess:
        """A running child."""
        child = self.child(lake, **chosen)
        process = _processes.Process(target=role, args=(child, *arguments))
        process.start()
        return process

    def run(self, role: Callable[..., None], lake: Path, **chosen: Any) -> int:
        """The exit status of a child that may take two minutes; -9 when it was killed."""
        process = self.start(role, lake, **chosen)
        return ended(process)

    def platform(self, lake: Path) -> Platform:
        """The lake, for looking at it in this process."""
        environment = self.child(lake).environment
        return Platform(Settings.from_environment(environment), EnvironmentDeployment(environment))

    def output(self, lake: Path) -> str:
        """What the children on this lake printed."""
        file = self.child(lake).output
        return file.read_text() if file.exists() else ""

    @cached_property
    def seconds(self) -> Mapping[str, list[float]]:
        """How long each call of each place takes in an undisturbed run."""
        found: dict[str, list[float]] = {}
        for line in (self.root / "times").read_text().splitlines():
            place, seconds = line.split("\t")
            found.setdefault(place, []).append(float(seconds))
        return found

    @property
    def wall_seconds(self) -> float:
        """How long an undisturbed run takes, from its start."""
        return self.seconds["run"][0]

    @cached_property
    def new_texts(self) -> set[str]:
        """The hashes that a sync has to pay for."""
        before = set() if self.cold else set(paid(self.child(self.lake("before")).register))
        return set(chunks(self.platform(self.lake("fresh")))["text_hash"]) - before

    @cached_property
    def versions(self) -> Versions:
        """What a reader may see."""
        old = {} if self.cold else versions(self.platform(self.lake("before")))
        new = versions(self.platform(self.lake("fresh")))
        words = {}
        for lake in ("fresh",) if self.cold else ("before", "fresh"):
            documents = self.platform(self.lake(lake)).tables.documents.read(["id", "key"])
            words |= {name: key.removesuffix(".txt") for name, key in documents.iter_rows()}
        return Versions(old, new, words)

    @contextmanager
    def watched(self, lake: Path) -> Iterator[dict[str, Any]]:
        """A reader at work during the block; afterwards what it has to say."""
        name = self.beside(lake, "-reader.x")
        stop, report = name.with_suffix(".stop"), {"reads": 0}
        child = replace(self.child(lake), output=name.with_suffix(".log"))
        reader = _processes.Process(target=read, args=(child, self.versions, stop))
        reader.start()
        try:
            yield report
        finally:
            stop.touch()
            ended(reader)
            report |= json.loads(name.with_suffix(".json").read_text())

    def differences(self, lake: Path) -> list[str]:
        """What is not as in the fresh lake; nothing, once a sync has succeeded."""
        mine, fresh = self.platform(lake), self.platform(self.lake("fresh"))
        found = []
        for name, one, other in (
            ("chunks", chunks(mine), chunks(fresh)),
            ("manifest", manifest(mine), manifest(fresh)),
        ):
            if one["id"].n_unique() != one.height:
                found.append(f"{one.height - one['id'].n_unique()} {name} rows are there twice")
            if lost := set(other["id"]) - set(one["id"]):
                found.append(f"{len(lost)} {name} rows are lost")
            if orphans := set(one["id"]) - set(other["id"]):
                found.append(f"{len(orphans)} {name} rows are orphans")
            if not found and not one.equals(other):
                found.append(f"{name} rows differ")
        return found + _wrong_vectors(mine) + _wrong_record(mine)

    def overpaid(self, lake: Path) -> int:
        """How many texts were paid more than once, or were in the cache before."""
        counts: Counter[str] = paid(self.child(lake).register)
        return sum(count - (name in self.new_texts) for name, count in counts.items())


def ended(process: ForkServerProcess, seconds: float = 120.0) -> int:
    """The exit status; a process that takes longer is killed and fails the test."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"A child still ran after {seconds} s.")
    return process.exitcode


def kill(process: ForkServerProcess, seconds: float) -> bool:
    """SIGKILL after so many seconds; False when the process had ended before."""
    process.join(seconds)
    running = process.exitcode is None
    process.kill()
    process.join()
    return running


def _live(platform: Platform) -> str:
    live = platform.registry.live()
    assert live is not None, "no index is live"
    return live.name


def chunks(platform: Platform) -> pl.DataFrame:
    """Every row of the live index, whichever run wrote it."""
    table = platform.database.open(f"chunks_{_live(platform)}")
    assert table is not None
    rows = pl.from_arrow(table.to_arrow())
    assert isinstance(rows, pl.DataFrame)
    return rows.drop("run_id").select(sorted(set(rows.columns) - {"run_id"})).sort("id")


def manifest(platform: Platform) -> pl.DataFrame:
    """The manifest, whichever run wrote it and when."""
    return platform.tables.documents.read().drop(_OF_THE_RUN).sort("id")


def versions(platform: Platform) -> dict[str, frozenset[tuple[str, str]]]:
    """The chunks of every document, as a reader knows them."""
    rows = platform.store.rows(_live(platform))
    found: dict[str, set[tuple[str, str]]] = {}
    for document, chunk, row_hash in rows.select("document_id", "id", "row_hash").iter_rows():
        found.setdefault(document, set()).add((chunk, row_hash))
    return {document: frozenset(chunks) for document, chunks in found.items()}


def _wrong_vectors(platform: Platform) -> list[str]:
    rows = chunks(platform)
    expected = vectors_of(rows["text"].to_list(), 32)
    wrong = int((rows["vector"].to_numpy() != expected).any(axis=1).sum())
    cached = platform.cache.missing(rows["text_hash"].to_list())
    return [f"{wrong} vectors belong to other texts"] * bool(wrong) + [
        f"{len(cached)} chunks are not in the cache"
    ] * bool(cached)


def _wrong_record(platform: Platform) -> list[str]:
    live, manifest = platform.registry.live(), platform.tables.documents.read(["text_hash"])
    assert live is not None
    said, there = (live.documents, live.chunks), (manifest.height, chunks(platform).height)
    absent = set(manifest["text_hash"]) - set(
        platform.tables.texts.read(["text_hash"])["text_hash"]
    )
    return [f"the registry says {said}, there are {there}"] * (said != there) + [
        f"{len(absent)} documents have lost their text"
    ] * bool(absent)
