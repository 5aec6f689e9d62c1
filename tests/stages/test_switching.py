"""Readers while an index is filled, promoted and rolled back; and what may be promoted."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.commands.ingest import sync
from include.commands.reembed import reembed
from include.embedding.fake import FakeEmbedder
from include.errors import ConfigurationError, GateError, PlatformError
from include.evaluation.questions import Question
from include.indexes import of_values, searcher
from include.judging import Asked, judge
from include.stages.coverage import coverage
from include.stages.promotion import Request, promote, require_passed, rollback
from include.storage.index_entries import Index
from include.storage.objects import ObjectStore, Stored
from include.storage.registry import Registry
from include.wiring import Platform
from tests.conftest import World

WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heron", "iris", "jade",
         "kelp", "larch")  # fmt: skip
OTHER = {"RAG_EMBEDDER": "fake:48"}


def write(inbox: Path, word: str) -> None:
    (inbox / f"{word}.txt").write_text(f"The {word} is here. " * 4 + f"More of {word}.")


@pytest.fixture
def corpus(inbox: Path) -> Path:
    for word in WORDS:
        write(inbox, word)
    return inbox


def make_live(platform: Platform, name: str, overrule: str = "not judged here") -> None:
    promote(
        Request(name, "a test", overrule),
        platform.registry,
        platform.tables,
        platform.store,
        now=datetime.now(UTC),
    )


@dataclass
class Load:
    """Questions asked one after the other by somebody else, each like a request of its own."""

    world: World
    indexes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        while not self.over.is_set():
            word = WORDS[len(self.indexes) % len(WORDS)]
            try:
                asked = searcher(self.world())
                (hit, *_) = asked.search(f"The {word} is here.", 1, mode="vector")
            except (PlatformError, ValueError, RuntimeError) as error:
                self.wrong.append(f"{word}: {error!r}")
                continue
            of = self.world().registry.get(asked.index).embedder
            if of != asked.embedder.identity.id:
                self.wrong.append(f"{asked.index} was asked with {asked.embedder.identity.id}")
            if not hit.uri.endswith(f"{word}.txt"):
                self.wrong.append(f"{word}: {hit.uri} from {asked.index}")
            self.indexes.append(asked.index)


@contextmanager
def asking(world: World) -> Iterator[Load]:
    load = Load(world)
    thread = threading.Thread(target=load.ask)
    thread.start()
    try:
        yield load
    finally:
        load.over.set()
        thread.join(60)


def answered_from(load: Load, index: str) -> None:
    """Waits until the next question is answered from this index."""
    deadline = time.monotonic() + 60
    while load.indexes[-1:] != [index]:
        assert time.monotonic() < deadline, load
        time.sleep(0.01)


def test_every_question_is_answered_from_one_model_through_fill_switch_and_rollback(
    world: World, corpus: Path
):
    sync(platform := world())
    before = platform.index_name
    with asking(world) as load:
        answered_from(load, before)
        other = of_values(world(), OTHER)
        reembed(other)
        assert set(load.indexes) == {before}
        make_live(platform, other.index_name)
        answered_from(load, other.index_name)
        platform.registry.rollback()
        answered_from(load, before)
    assert load.wrong == []
    assert set(load.indexes) == {before, other.index_name}


class Counting:
    """An ObjectStore that counts what is written to it."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.writes: list[str] = []

    def read(self, path: str) -> Stored | None:
        return self._inner.read(path)

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        self.writes.append(path)
        return self._inner.write_if(path, data, etag)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


def test_a_switch_and_a_rollback_are_one_write_each_and_embed_nothing(world: World, corpus: Path):
    sync(world())
    other = of_values(world(), OTHER)
    reembed(other)
    platform = world()
    objects = Counting(platform.lake.objects)
    registry = Registry(objects)  # type: ignore[arg-type]
    request = Request(other.index_name, "a test", "not judged here")
    began = time.process_time()
    promote(request, registry, platform.tables, platform.store, now=datetime.now(UTC))
    promoted = time.process_time()
    assert objects.writes == ["registry.json"]
    rollback("a test", registry)
    assert objects.writes == ["registry.json"] * 2
    assert promoted - began <= 1.0
    assert time.process_time() - promoted <= 1.0
    assert "embedder" not in platform.__dict__


def test_who_rolled_back_and_how_long_it_took_is_in_the_log(
    world: World, corpus: Path, caplog: Any
):
    sync(platform := world())
    other = of_values(world(), OTHER)
    reembed(other)
    make_live(platform, other.index_name)
    with caplog.at_level("INFO", "rag"):
        assert rollback("ada", platform.registry).name == platform.index_name
    told = rf"stage=rollback by=ada index={platform.index_name} seconds=\d"
    assert re.search(told, caplog.text)


def test_a_retired_index_tells_how_it_becomes_a_candidate_again(world: World, corpus: Path):
    sync(platform := world())
    first = platform.index_name
    for values in (OTHER, {"RAG_CHUNK_TOKENS": "60"}):
        reembed(other := of_values(world(), values))
        make_live(platform, other.index_name)
    told = r"is retired\. Fill it first: `python -m include reembed --target .*RAG_CHUNK_TOKENS="
    with pytest.raises(ConfigurationError, match=told):
        make_live(platform, first)


def test_a_refusal_tells_its_first_reasons_and_counts_the_others():
    def told(count: int) -> str:
        worse = {
            "against": "a",
            "verdict": "refuse",
            "reasons": [f"{n} fell." for n in range(count)],
        }
        with pytest.raises(GateError) as refused:
            require_passed(Index("b", evaluation=worse), Index("a"))
        return str(refused.value)

    assert "0 fell. 1 fell. 2 fell. Overrule it" in told(3)
    assert "2 fell. 2 more are on its page (`python -m include report b`). Overrule" in told(5)
    assert "3 fell" not in told(5)


def test_documents_that_arrive_while_the_candidate_is_built_are_in_it(world: World, corpus: Path):
    sync(platform := world())
    other = of_values(world(), OTHER)
    failing = FakeEmbedder(48, fail_after=1)
    other.__dict__["embedder"] = failing
    with pytest.raises(PlatformError):
        reembed(other)
    assert platform.registry.get(other.index_name).state == "building"
    for word in ("maple", "nettle"):
        write(corpus, word)
    write(corpus, "amber")
    (corpus / "amber.txt").write_text("The amber has changed. " * 5)
    (corpus / "birch.txt").unlink()
    sync(world())
    failing.__dict__.update(FakeEmbedder(48).__dict__)
    assert reembed(of_values(world(), OTHER))["state"] == "candidate"
    write(corpus, "oak")
    sync(world())
    make_live(platform, other.index_name)
    assert coverage(platform.tables, platform.store, other.index_name).complete
    held = set(platform.store.versions(other.index_name)["document_id"])
    assert held == set(platform.tables.documents.read(["id"])["id"])
    assert len(held) == len(WORDS) - 1 + 3


def questions() -> list[Question]:
    return [Question(word, f"The {word} is here.", {f"{word}.txt": 1.0}) for word in WORDS]


@pytest.mark.parametrize("kind", ["shuffled", "truncated"])
def test_a_worse_model_is_refused_with_a_reason_and_stays_a_candidate(
    world: World, corpus: Path, kind: str
):
    sync(platform := world())
    other = of_values(world(), {"RAG_EMBEDDER": "fake:1"} if kind == "truncated" else OTHER)
    if kind == "shuffled":
        _shuffle(other)
    reembed(other)
    judged = judge(world(), questions(), Asked(other.index_name, "live", "vector"), "one")
    assert judged.assessment.verdict == "refuse"
    with pytest.raises(GateError, match="was refused: ndcg@10 changes by -"):
        make_live(platform, other.index_name, overrule="")
    assert platform.registry.live().name == platform.index_name
    assert platform.registry.get(other.index_name).state == "candidate"


def test_an_equal_model_passes_and_goes_live(world: World, corpus: Path):
    sync(platform := world())
    other = of_values(world(), {"RAG_CHUNK_TOKENS": "60"})
    reembed(other)
    with pytest.raises(GateError, match="never evaluated"):
        make_live(platform, other.index_name, overrule="")
    judge(world(), questions(), Asked(other.index_name, "live", "vector"), "one")
    make_live(platform, other.index_name, overrule="")
    assert platform.registry.live().name == other.index_name


def two_that_passed(world: World) -> list[str]:
    """The names of two candidates, each held against what is live."""
    names = []
    for tokens in ("60", "70"):
        other = of_values(world(), {"RAG_CHUNK_TOKENS": tokens})
        reembed(other)
        judge(world(), questions(), Asked(other.index_name, "live", "vector"), "one")
        names.append(other.index_name)
    return names


def test_of_two_that_passed_the_second_goes_live_only_beside_what_is_live_by_then(
    world: World, corpus: Path
):
    sync(platform := world())
    first, second = two_that_passed(world)
    make_live(platform, first, overrule="")
    with pytest.raises(GateError, match=f"held against '{platform.index_name}'.*'{first}' is live"):
        make_live(platform, second, overrule="")
    judge(world(), questions(), Asked(second, "live", "vector"), "two")
    make_live(platform, second, overrule="")
    assert platform.registry.live().name == second


class Overtaken:
    """An ObjectStore whose first write finds that another process has just promoted an index."""

    def __init__(self, inner: ObjectStore, name: str) -> None:
        self._inner, self._name = inner, name

    def read(self, path: str) -> Stored | None:
        return self._inner.read(path)

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        name, self._name = self._name, ""
        if name:
            Registry(self._inner).promote(name)
        return self._inner.write_if(path, data, etag)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


def test_a_promotion_that_is_overtaken_by_another_is_refused(world: World, corpus: Path):
    sync(platform := world())
    first, second = two_that_passed(world)
    objects = Overtaken(platform.lake.objects, first)
    request, now = Request(second, "a test"), datetime.now(UTC)
    with pytest.raises(GateError, match=f"'{first}' is live"):
        promote(request, Registry(objects), platform.tables, platform.store, now=now)  # type: ignore[arg-type]
    assert platform.registry.live().name == first


def _shuffle(other: Platform) -> None:
    """Every text gets the vector of another text."""
    real = other.embedder.embed_documents

    def shuffled(texts: Any) -> Any:
        return np.roll(real(texts), 1, axis=0)

    other.embedder.embed_documents = shuffled  # type: ignore[method-assign]
