"""How long things are kept: what nobody refers to goes, what a run may need never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.commands.ingest import Switches, sync
from include.commands.query import ask, trace
from include.errors import ConfigurationError
from include.stages.forget import forget, unused_vectors
from include.stages.maintain import compact, prune
from include.storage.files import local_path
from include.wiring import Platform

TEXT = "The {0} is a tree that is described here in a few plain words about {0}."


def run(platform: Platform, **options: bool) -> dict[str, object]:
    receipt, _ = sync(platform, Switches(**options))
    return receipt


def later(**units: int) -> datetime:
    return datetime.now(UTC) + timedelta(**units)


def forgotten(platform: Platform, before: datetime | None = None) -> tuple[int, int, int]:
    done = forget(platform.lake, platform.database, vectors_before=before)
    return done.texts, done.signatures, done.vectors


@pytest.fixture
def trees(inbox: Path) -> Path:
    for name in ("apple", "birch", "cedar"):
        (inbox / f"{name}.txt").write_text(TEXT.format(name))
    return inbox


@pytest.fixture
def shrunk(world, trees) -> Platform:
    """A lake of two documents that had a third, whose runs have been pruned."""
    run(world())
    (trees / "birch.txt").unlink()
    run(platform := world())
    prune(platform.lake, before=later(hours=1))
    return platform


def test_texts_and_signatures_of_no_document_are_forgotten(shrunk):
    assert forgotten(shrunk) == (1, 1, 0)
    assert shrunk.tables.texts.count() == shrunk.tables.signatures.count() == 2
    assert forgotten(shrunk) == (0, 0, 0)


def test_vectors_are_kept_for_ever_unless_a_limit_is_set(shrunk):
    assert unused_vectors(shrunk.database, shrunk.lake) == 1
    forgotten(shrunk)
    assert shrunk.cache.count() == 3


def test_an_unused_vector_expires_after_its_time_and_not_before(shrunk):
    assert forgotten(shrunk, later(hours=-1))[2] == 0
    assert forgotten(shrunk, later(hours=1))[2] == 1
    assert shrunk.cache.count() == 2


def test_vectors_of_an_index_that_can_be_rolled_back_to_never_expire(world, trees):
    run(world())
    run(platform := world(RAG_CHUNK_TOKENS="16"), rebuild=True)
    prune(platform.lake, before=later(hours=1))
    vectors = platform.cache.count()
    assert forgotten(platform, later(days=1))[2] == 0
    platform.registry.rollback()
    assert platform.cache.count() == vectors
    assert run(world())["embedded"] == 0


def test_what_the_artifacts_of_a_run_name_stays_however_old(world, trees):
    run(world())
    (trees / "birch.txt").unlink()
    run(platform := world())
    assert len(platform.lake.runs()) == 2
    assert forgotten(platform, later(days=1)) == (0, 0, 0)


def test_a_text_published_while_forgetting_is_put_back(world, shrunk, trees, monkeypatch):
    from include.storage.keyed import KeyedTable

    delete = KeyedTable.delete

    def delete_late(table: KeyedTable, keys: list[str]) -> object:
        if table.name == "texts":
            (trees / "birch.txt").write_text(TEXT.format("birch"))
            run(world())
        return delete(table, keys)

    monkeypatch.setattr(KeyedTable, "delete", delete_late)
    assert forgotten(shrunk)[0] == 0
    manifest = set(shrunk.tables.documents.read(["text_hash"])["text_hash"])
    assert manifest <= set(shrunk.tables.texts.read(["text_hash"])["text_hash"])


def test_a_deleted_document_that_comes_back_costs_nothing(world, shrunk, trees):
    """There is no grace period to set: retraction never deletes what was paid for."""
    forgotten(shrunk)
    compact(shrunk.upkeep, older_than=timedelta(days=7))
    assert not shrunk.store.search_text(shrunk.index_name, "birch", 1)
    (trees / "birch.txt").write_text(TEXT.format("birch"))
    receipt = run(platform := world())
    assert (receipt["added"], receipt["embedded"], receipt["published"]) == (1, 0, 1)
    assert platform.store.search_text(platform.index_name, "birch", 1)


def test_the_caches_of_every_model_are_compacted(world, trees):
    run(world())
    run(platform := world(RAG_EMBEDDER="fake:16"), rebuild=True)
    names = {table.name for table in platform.upkeep.tables}
    assert {name for name in platform.database.names() if name.startswith("embeddings_")} <= names
    assert {"reviews", "erasures", "texts"} <= names


def test_a_negative_number_of_days_is_refused(world):
    with pytest.raises(ConfigurationError, match="RAG_CACHE_KEEP_DAYS"):
        world(RAG_CACHE_KEEP_DAYS="-1")


def test_traces_outlive_the_documents_they_cite(world, trees):
    run(platform := world())
    given = ask(platform, "What is a birch?")
    (trees / "birch.txt").unlink()
    run(platform)
    forgotten(platform)
    assert trace(platform, str(given["trace_id"]))["question"] == "What is a birch?"


def test_an_artifact_that_a_crash_cut_off_claims_nothing(shrunk):
    folder = local_path(shrunk.lake.uri) / "runs" / "broken"
    folder.mkdir(parents=True)
    (folder / "chunks-00000.parquet").write_bytes(b"PAR1 cut off")
    assert forgotten(shrunk)[0] == 1
