"""The promises of the platform, on the real stages, the real LanceDB and a model of words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.chunking import ChunkerByMediaType, StructureChunker
from include.commands.ingest import Switches, plan, sync
from include.embedding.fake import FakeEmbedder
from include.errors import GateError, SourceError, TransientError
from include.settings import REPOSITORY, Settings
from include.storage.registry import Registry
from include.wiring import Platform

PARAGRAPH = "Every {0} paragraph speaks of its {0} subject alone, in a few plain words about {0}."


def text_about(*subjects: str) -> str:
    return "\n\n".join(PARAGRAPH.format(subject) for subject in subjects)


def run(platform: Platform, **options: bool) -> dict[str, object]:
    receipt, _ = sync(platform, Switches(**options))
    return receipt


def embedded(platform: Platform) -> list[str]:
    assert isinstance(platform.embedder, FakeEmbedder)
    return platform.embedder.embedded


def index_content(platform: Platform) -> dict[str, str]:
    """Chunk id to document id, as the live index holds them."""
    live = platform.registry.live()
    assert live is not None
    rows = platform.store.rows(live.name)
    assert rows["id"].is_unique().all()
    return dict(zip(rows["id"], rows["document_id"], strict=True))


@pytest.fixture
def corpus(inbox: Path) -> Path:
    for name in ("apple", "birch", "cedar"):
        (inbox / f"{name}.txt").write_text(text_about(f"{name}-one", f"{name}-two"))
    return inbox


def test_one_source_of_several_that_lists_nothing_deletes_nothing_until_a_person_allows_it(
    world, corpus, caplog
):
    small = corpus.parent / "small"
    small.mkdir()
    (small / "rules.txt").write_text(text_about("rules"))
    both = {"RAG_SOURCE_URI": f"{corpus.as_uri()} {small.as_uri()}"}
    assert run(world(**both))["added"] == 4
    before = index_content(world(**both))
    misspelt = corpus.parent / "smal"
    misspelt.mkdir()
    other = {"RAG_SOURCE_URI": f"{corpus.as_uri()} {misspelt.as_uri()}"}
    assert sync(world(**other))[0]["withheld"] == 1
    (small / "rules.txt").unlink()
    receipt, status = sync(world(**both))
    assert (receipt["withheld"], receipt["removed"], status) == (1, 0, 1)
    assert index_content(world(**both)) == before
    run(world(**both), allow_deletions=True)
    assert len(set(index_content(world(**both)).values())) == 3
    (corpus / "apple.txt").unlink()
    assert run(world(**both))["removed"] == 1, "a source that was empty before is no reason to wait"
    (small / "rules.txt").write_text(text_about("rules"))
    run(world(**both))
    assert run(world())["removed"] == 1, "nor is one that is no longer configured"


def test_a_first_sync_makes_every_document_searchable(world, corpus):
    receipt = run(platform := world())
    assert (receipt["added"], receipt["quarantined"]) == (3, 0)
    assert len(set(index_content(platform).values())) == 3
    assert receipt["embedded"] == len(embedded(platform)) == receipt["chunks"]


def test_a_second_sync_embeds_nothing_and_commits_nothing(world, corpus):
    run(first := world())
    versions = {name: first.database.open(name).version for name in first.database.names()}
    again = world()
    receipt = run(again)
    assert receipt["unchanged"] == 3
    assert receipt["embedded"] == 0
    assert embedded(again) == []
    assert {n: again.database.open(n).version for n in again.database.names()} == versions


def test_the_index_equals_that_of_a_fresh_ingest_after_any_edit(world, corpus):
    run(world())
    (corpus / "apple.txt").write_text(text_about("apple-one", "apple-new", "apple-two"))
    (corpus / "birch.txt").unlink()
    (corpus / "dogwood.md").write_text("# Dogwood\n\n" + text_about("dogwood"))
    run(edited := world())
    fresh = world(RAG_LAKE_URI=(corpus.parent / "fresh").as_uri())
    run(fresh)
    assert index_content(edited) == index_content(fresh)


def test_only_new_texts_are_embedded_after_an_edit(world, corpus):
    run(world())
    (corpus / "apple.txt").write_text(text_about("apple-one", "apple-new", "apple-two"))
    run(edited := world())
    assert embedded(edited)
    assert all("apple-new" in text for text in embedded(edited))


def test_a_removed_document_leaves_no_chunks(world, corpus):
    run(world())
    (corpus / "birch.txt").unlink()
    receipt = run(platform := world())
    assert receipt["removed"] == 1
    assert len(set(index_content(platform).values())) == 2
    assert platform.tables.documents.count() == 2


def test_renaming_and_copying_embed_nothing(world, corpus):
    run(world())
    (corpus / "apple.txt").rename(corpus / "renamed.txt")
    shutil.copy(corpus / "birch.txt", corpus / "copy.txt")
    receipt = run(platform := world())
    assert (receipt["moved"], receipt["copied"], receipt["removed"]) == (1, 1, 0)
    assert embedded(platform) == []
    assert len(set(index_content(platform).values())) == 4


def test_a_change_of_metadata_embeds_nothing_and_reaches_the_index(world, corpus):
    run(world())
    (corpus / "apple.txt.meta.json").write_text('{"title": "The apple", "year": 2026}')
    receipt = run(platform := world())
    assert receipt["metadata"] == 1
    assert embedded(platform) == []
    hits = platform.store.search_text(platform.index_name, "apple-one", 1)
    assert (hits[0].title, hits[0].metadata["year"]) == ("The apple", 2026)


def test_touching_a_file_changes_only_its_stamp(world, corpus):
    run(world())
    (corpus / "apple.txt").touch()
    receipt = run(world())
    assert receipt["published"] == receipt["embedded"] == 0
    assert run(world())["unchanged"] == 3


def test_a_bad_document_is_set_aside_and_its_last_good_version_stays(world, corpus):
    run(world())
    (corpus / "apple.txt").write_bytes(b"")
    (corpus / "birch.txt").write_text(text_about("birch-new"))
    receipt = run(platform := world())
    assert receipt["quarantined"] == 1
    assert len(set(index_content(platform).values())) == 3
    assert platform.store.search_text(platform.index_name, "apple-one", 1)
    assert platform.store.search_text(platform.index_name, "birch-new", 1)
    assert platform.tables.quarantine.read(["reason"])["reason"].to_list() == ["empty"]


def test_a_document_in_quarantine_is_not_read_again_until_it_changes(world, corpus):
    (corpus / "apple.txt").write_bytes(b"")
    run(world())
    receipt = run(platform := world())
    assert receipt["quarantined"] == 0
    assert platform.tables.quarantine.read(["tries"])["tries"].to_list() == [1]
    (corpus / "apple.txt").write_text(text_about("apple-healed"))
    run(healed := world())
    assert healed.tables.quarantine.count() == 0
    assert healed.store.search_text(healed.index_name, "apple-healed", 1)


def test_a_crash_in_the_middle_of_embedding_is_not_paid_for_twice(world, corpus):
    crashing = world(RAG_EMBED_BATCH_TEXTS="1")
    assert isinstance(crashing.embedder, FakeEmbedder)
    crashing.embedder.fail_after = 2
    with pytest.raises(TransientError):
        run(crashing)
    run(resumed := world())
    assert len(embedded(crashing)) == 2
    assert not set(embedded(crashing)) & set(embedded(resumed))


def test_a_run_that_dies_before_the_manifest_is_completed_by_the_next(world, corpus, monkeypatch):
    dying = world()
    monkeypatch.setattr("include.stages.publish.record", _die)
    with pytest.raises(KeyboardInterrupt):
        run(dying)
    monkeypatch.undo()
    resumed = world()
    receipt = run(resumed)
    assert receipt["published"] == 0
    assert embedded(resumed) == []
    assert resumed.tables.documents.count() == 3


def test_a_source_that_cannot_be_listed_deletes_nothing(world, corpus):
    run(platform := world())
    before = index_content(platform)
    corpus.rename(corpus.parent / "elsewhere")
    with pytest.raises(SourceError):
        run(world())
    assert index_content(world()) == before


def test_an_empty_listing_deletes_nothing_until_a_person_allows_it(world, corpus):
    run(world())
    for file in corpus.iterdir():
        file.unlink()
    receipt, status = sync(platform := world())
    assert (receipt["withheld"], status) == (3, 1)
    assert len(set(index_content(platform).values())) == 3
    run(world(), allow_deletions=True)
    assert index_content(world()) == {}


def test_a_run_of_mostly_bad_documents_publishes_nothing_and_the_next_one_goes_on(world, corpus):
    run(platform := world())
    before = index_content(platform)
    for number in range(12):
        (corpus / f"bad-{number}.txt").write_bytes(b"")
    (corpus / "good.txt").write_text(text_about("good"))
    with pytest.raises(GateError):
        run(world())
    assert index_content(world()) == before
    receipt = run(platform := world())
    assert (receipt["added"], receipt["held"]) == (1, 12)
    assert len(index_content(platform)) == len(before) + 1


class FailsOnCedar(StructureChunker):
    """A chunker with a fault that one text brings out."""

    def chunk(self, text, blocks):
        if "cedar" in text:
            raise KeyError(text)
        return super().chunk(text, blocks)


def test_a_fault_of_the_chunker_sets_one_document_aside(world, corpus, monkeypatch):
    platform = world()
    faulty = FailsOnCedar(platform.tokenizer, tokens=20, overlap_tokens=0)
    platform.__dict__["chunker"] = ChunkerByMediaType(faulty, {})
    receipt = run(platform)
    assert (receipt["added"], receipt["quarantined"]) == (2, 1)
    [row] = platform.tables.quarantine.read(["reason", "detail"]).rows(named=True)
    assert row["reason"] == "chunking_failed"
    assert "cedar" not in row["detail"]


class DiesAtTheSecondWrite(Registry):
    """A registry whose process is killed when it is written for the second time."""

    writes = 0

    def record_sync(self, *arguments, **facts):
        self.writes += 1
        if self.writes > 1:
            raise KeyboardInterrupt
        super().record_sync(*arguments, **facts)


def test_a_first_run_killed_after_its_manifest_leaves_a_live_index(world, corpus):
    platform = world()
    platform.__dict__["registry"] = DiesAtTheSecondWrite(platform.lake.objects)
    with pytest.raises(KeyboardInterrupt):
        run(platform)
    receipt = run(platform := world())
    assert receipt["unchanged"] == 3
    assert len(set(index_content(platform).values())) == 3


def test_a_plan_counts_exactly_and_changes_nothing(world, corpus):
    planned = plan(platform := world())
    assert embedded(platform) == []
    receipt = run(world())
    assert planned["chunks"] == receipt["chunks"]
    assert planned["chunks_to_embed"] == receipt["embedded"]
    assert planned["estimated_cost_usd"] == "0"


def test_equal_texts_are_embedded_once(world, inbox):
    for name in ("one", "two", "three"):
        (inbox / f"{name}.txt").write_text(text_about("same"))
    receipt = run(platform := world())
    assert len(embedded(platform)) == 1
    assert receipt["published"] == 3


def test_changed_settings_never_mix_two_models_in_one_index(world, corpus):
    run(world())
    receipt = run(rebuilt := world(RAG_EMBEDDER="fake:16"), rebuild=True)
    assert receipt["embedded"] == receipt["chunks"]
    live = rebuilt.registry.live()
    assert live is not None
    assert live.name == rebuilt.index_name
    rebuilt.registry.rollback()
    assert run(back := world())["embedded"] == 0
    assert len(set(index_content(back).values())) == 3


def test_every_span_slices_back_to_its_text(world, corpus):
    (corpus / "page.html").write_text("<h1>Elm</h1><p>Elm trees.</p><p>More of them.</p>")
    run(platform := world())
    texts = platform.tables.texts.read()
    manifest = platform.tables.documents.read(["id", "text_hash"])
    documents = dict(manifest.join(texts, on="text_hash").select("id", "text").iter_rows())
    hits = platform.store.search_text(platform.index_name, "elm apple birch cedar", 100)
    assert len(hits) == platform.store.count(platform.index_name)
    assert len({hit.document_id for hit in hits}) == 4
    for hit in hits:
        assert documents[hit.document_id][hit.start : hit.end] == hit.text


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_two_syncs_at_once_both_succeed_and_store_everything_once(environment, corpus):
    script = "import sys; from include.commands.main import main; sys.exit(main(['sync']))"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, **environment},
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outcomes = [(process.communicate()[1], process.returncode) for process in both]
    assert [status for _, status in outcomes] == [0, 0], outcomes
    settled = Platform(Settings.from_environment(environment))
    assert run(settled)["published"] == 0
    assert len(set(index_content(settled).values())) == 3
