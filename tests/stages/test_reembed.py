"""Another index is filled beside the live one, kept complete, promoted, and rolled back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from include.commands.ingest import sync
from include.commands.query import search, searcher
from include.commands.reembed import days, plan, reembed, target
from include.commands.state import drop_index
from include.commands.verify import verify
from include.embedding.fake import FakeEmbedder
from include.errors import ConfigurationError
from include.indexes import of_values
from include.stages import publish as publish_stage
from include.stages.coverage import coverage
from include.stages.fill import begin, prepare_share, publish_share, share
from include.stages.promotion import Request, promote
from include.stages.retire import drop_retired
from include.storage.registry import Registry
from include.wiring import Platform, new_run_id
from tests.stages.test_promises import index_content, text_about

OTHER = {"RAG_EMBEDDER": "fake:48", "RAG_CHUNK_TOKENS": "40"}


@pytest.fixture
def corpus(inbox: Path) -> Path:
    for name in ("apple", "birch", "cedar"):
        (inbox / f"{name}.txt").write_text(text_about(f"{name}-one", f"{name}-two"))
    return inbox


def filled(platform: Platform) -> Platform:
    """The platform of the other index, after a fill."""
    other = of_values(platform, OTHER)
    reembed(other)
    return other


def rows(platform: Platform, index: str) -> dict[str, str]:
    found = platform.store.rows(index)
    return dict(zip(found["id"], found["row_hash"], strict=True))


def test_a_filled_index_equals_a_fresh_ingest_with_its_settings(world, corpus):
    (corpus / "page.html").write_text(f"<h1>Birds</h1><p>{text_about('bird')}</p>")
    sync(platform := world())
    other = filled(platform)
    sync(fresh := world(RAG_LAKE_URI=(corpus.parent / "fresh").as_uri(), **OTHER))
    assert rows(platform, other.index_name) == rows(fresh, other.index_name)
    assert platform.registry.get(other.index_name).state == "candidate"
    assert platform.registry.live().name == platform.index_name


def test_filling_again_embeds_nothing_and_commits_nothing(world, corpus):
    sync(platform := world())
    filled(platform)
    again = world()
    before = {n: again.database.open(n).version for n in again.database.names()}
    other = filled(again)
    assert isinstance(other.embedder, FakeEmbedder)
    assert other.embedder.embedded == []
    assert {n: again.database.open(n).version for n in again.database.names()} == before


def test_ingestion_keeps_the_other_index_complete(world, corpus):
    sync(platform := world())
    other = filled(platform)
    (corpus / "apple.txt").write_text(text_about("apple-new"))
    (corpus / "birch.txt").unlink()
    (corpus / "dogwood.txt").write_text(text_about("dogwood"))
    sync(world())
    sync(fresh := world(RAG_LAKE_URI=(corpus.parent / "fresh").as_uri(), **OTHER))
    assert rows(platform, other.index_name) == rows(fresh, other.index_name)
    assert coverage(platform.tables, platform.store, other.index_name).complete


def test_after_the_switch_everything_follows_what_is_live(world, corpus):
    sync(platform := world())
    other = filled(platform)
    platform.registry.promote(other.index_name)
    found = search(searcher(world()), "apple-one", k=1)
    assert found["index"] == other.index_name
    assert found["hits"][0]["uri"].endswith("apple.txt")
    (corpus / "dogwood.txt").write_text(text_about("dogwood"))
    sync(world())
    assert world().registry.live().name == other.index_name
    assert len(set(index_content(world()).values())) == 4


def test_a_target_is_what_differs_from_the_live_index(world, corpus):
    sync(platform := world())
    live = filled(platform)
    platform.registry.promote(live.index_name)
    other = target(world(), "RAG_EMBEDDER=fake:24")
    expected = live.settings.index_values | {"RAG_EMBEDDER": "fake:24"}
    assert other.settings.index_values == expected


def test_a_rollback_is_made_good_by_the_next_sync_without_paying_again(world, corpus):
    sync(platform := world())
    other = filled(platform)
    platform.registry.promote(other.index_name)
    (corpus / "dogwood.txt").write_text(text_about("dogwood"))
    (corpus / "birch.txt").unlink()
    sync(world())
    platform.registry.rollback()
    rolled = world()
    sync(rolled)
    sync(fresh := world(RAG_LAKE_URI=(corpus.parent / "fresh").as_uri()))
    assert rows(rolled, rolled.index_name) == rows(fresh, rolled.index_name)
    assert isinstance(rolled.embedder, FakeEmbedder)
    assert len(rolled.embedder.embedded) == 1
    receipt, _ = sync(world())
    assert (receipt["published"], receipt["unchanged"]) == (0, 3)
    assert world().interrupted() is None


def test_a_run_that_began_before_the_switch_takes_nothing_back(world, corpus, monkeypatch):
    sync(platform := world())
    other = filled(platform)
    (corpus / "dogwood.txt").write_text(text_about("dogwood"))
    real = publish_stage.record

    def record(*arguments, **named):
        world().registry.promote(other.index_name)
        real(*arguments, **named)

    monkeypatch.setattr(publish_stage, "record", record)
    sync(world())
    assert world().registry.live().name == other.index_name
    assert len(set(index_content(world()).values())) == 4


def test_a_fill_that_is_overtaken_by_an_ingestion_says_what_is_missing(world, corpus):
    sync(platform := world())
    other = of_values(platform, OTHER)
    artifacts = other.artifacts(new_run_id())
    begin(other.destination, artifacts.run_id, datetime.now(UTC))
    work = share(other.destination, artifacts)
    accepted = prepare_share(work, other.chunker, other.destination, artifacts)
    (corpus / "apple.txt").write_text(text_about("apple-new"))
    sync(world())
    other.cached_embedder().embed_documents(accepted.scan_chunks().collect()["text"].to_list())
    done = publish_share(accepted, other.destination)
    assert (done.missing, done.state) == (1, "building")
    assert filled(world()).registry.get(other.index_name).state == "candidate"


def test_what_is_missing_is_told_with_the_days_of_its_ingestion(world, corpus):
    sync(platform := world())
    rows = platform.tables.documents.read().sort("uri")
    moments = [datetime(2026, 1, day, 12, tzinfo=UTC) for day in (3, 1, 2)]
    at = pl.Series("first_ingested", moments).cast(rows["first_ingested"].dtype)
    platform.tables.documents.upsert(rows.with_columns(at).to_arrow())
    planned = plan(of_values(world(), OTHER))
    assert (planned["missing"], planned["missing_days"]) == (3, ("2026-01-01", "2026-01-03"))
    some = reembed(of_values(world(), OTHER), days("2026-01-01", "2026-01-01"))
    assert (some["missing"], some["missing_days"]) == (2, ("2026-01-02", "2026-01-03"))
    done = reembed(of_values(world(), OTHER))
    assert (done["missing"], done["missing_days"]) == (0, ())


def test_an_index_that_was_just_begun_is_refused_with_what_fills_it(world, corpus):
    sync(platform := world())
    other = of_values(platform, OTHER)
    begin(other.destination, "one", datetime.now(UTC))
    request = Request(other.index_name, "a test", "in a hurry")
    told = "3 documents are missing.*reembed --target 'RAG_EMBEDDER=fake:48 RAG_CHUNK_TOKENS=40'"
    with pytest.raises(ConfigurationError, match=told):
        promote(request, platform.registry, platform.tables, platform.store, now=datetime.now(UTC))


def test_an_index_of_the_other_model_is_asked_with_its_own_model(world, corpus):
    sync(platform := world())
    other = filled(platform)
    found = search(searcher(world(), other.index_name), "birch-two", k=1)
    assert found["hits"][0]["uri"].endswith("birch.txt")


def test_a_retired_index_goes_after_the_retention_and_no_other(world, corpus):
    sync(platform := world())
    first = platform.index_name
    names = [first]
    for tokens in ("40", "41", "42"):
        other = of_values(world(), {"RAG_CHUNK_TOKENS": tokens})
        reembed(other)
        names.append(other.index_name)
        if tokens != "42":
            platform.registry.promote(other.index_name)
    states = [platform.registry.get(name).state for name in names]
    assert states == ["retired", "previous", "live", "candidate"]
    now = datetime.now(UTC)
    young = drop_retired(platform.registry, platform.store, before=now - timedelta(days=1))
    assert young.dropped == ()
    assert verify(platform, repair=False, source=False)[0]["problems"] == []
    gone = drop_retired(platform.registry, platform.store, before=now + timedelta(days=1))
    assert gone.dropped == (first,)
    assert platform.store.indexes() == sorted(names[1:])
    assert verify(world(), repair=False, source=False)[0]["problems"] == []
    for name in names[1:3]:
        with pytest.raises(ConfigurationError, match="can be dropped"):
            drop_index(platform, name)
    drop_index(platform, names[3])
    assert platform.store.indexes() == sorted(names[1:3])
    again = world()
    reembed(of_values(again, platform.settings.index_values))
    assert again.registry.get(first).state == "candidate"
    assert again.embedder.embedded == []


def test_a_drop_that_was_killed_is_finished_by_the_next(world, corpus, monkeypatch):
    sync(platform := world())
    for tokens in ("40", "41"):
        other = of_values(world(), {"RAG_CHUNK_TOKENS": tokens})
        reembed(other)
        platform.registry.promote(other.index_name)
    later = datetime.now(UTC) + timedelta(days=1)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "remove", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            drop_retired(platform.registry, platform.store, before=later)
    assert drop_retired(platform.registry, platform.store, before=later).dropped
    assert len(platform.store.indexes()) == len(platform.registry.indexes()) == 2
