"""Every kind of damage, done on purpose to a real lake: found, repaired, and verified again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from include.commands.ingest import sync
from include.commands.main import main
from include.commands.verify import verify
from include.documents import text_hash
from include.embedding.cache import cache_rows
from include.embedding.fake import FakeEmbedder
from include.settings import REPOSITORY, Settings
from include.storage.files import local_path
from include.storage.index_entries import Entries, Index
from include.verification.problems import KINDS, NOTES
from include.wiring import Platform

PARAGRAPH = "Every {0} paragraph speaks of its {0} subject alone, in a few plain words about {0}."
Json = dict[str, Any]


def text_about(*subjects: str) -> str:
    return "\n\n".join(PARAGRAPH.format(subject) for subject in subjects)


def write_corpus(inbox: Path) -> None:
    for name in ("apple", "birch", "cedar"):
        subjects = [f"{name}-{number}" for number in ("one", "two", "three")]
        (inbox / f"{name}.txt").write_text(text_about(*subjects))


@pytest.fixture
def corpus(inbox: Path) -> Path:
    write_corpus(inbox)
    return inbox


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the corpus and a lake filled from it, made once: filling it takes longest."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "inbox").mkdir()
    write_corpus(folder / "inbox")
    sync(platform_on(folder / "inbox", folder / "lake"))
    return folder


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Callable[[], Platform]:
    """Makes a fresh platform on a copy of that lake, as a new process would."""
    shutil.copytree(original / "lake", tmp_path / "copy")
    return lambda: platform_on(original / "inbox", tmp_path / "copy")


def platform_on(inbox: Path, lake: Path) -> Platform:
    values = {
        "RAG_SOURCE_URI": inbox.as_uri(),
        "RAG_LAKE_URI": lake.as_uri(),
        "RAG_EMBEDDER": "fake:32",
        "RAG_CHUNK_TOKENS": "20",
        "RAG_CHUNK_OVERLAP_TOKENS": "0",
    }
    return Platform(Settings.from_environment(values))


@pytest.fixture
def lake(world, corpus) -> Platform:
    sync(platform := world())
    return platform


def kinds(platform: Platform, **options: Any) -> dict[str, int]:
    answer, _ = verify(platform, **{"repair": False, "source": False, **options})
    return answer["counts"]


def chunks(platform: Platform) -> Any:
    return platform.database.open(f"chunks_{platform.index_name}")


def embeddings(platform: Platform) -> Any:
    return platform.database.open(f"embeddings_{platform.embedder.identity.id}")


def table(platform: Platform, name: str) -> Any:
    return platform.database.open(name)


def content(platform: Platform) -> pl.DataFrame:
    rows = pl.from_arrow(chunks(platform).to_arrow())
    return rows.select("id", "document_id", "version", "text", "start", "end", "vector").sort("id")


def one(platform: Platform, name: str = "apple") -> tuple[str, str]:
    """The document's id and its first chunk's."""
    rows = pl.from_arrow(chunks(platform).to_arrow()).filter(pl.col("uri").str.contains(name))
    row = rows.sort("start").row(0, named=True)
    return row["document_id"], row["id"]


def write_vector(platform: Platform, values: np.ndarray) -> None:
    _, chunk = one(platform)
    chunks(platform).update(where=f"id = '{chunk}'", values={"vector": values.tolist()})


# Each damages a lake of three documents and returns the kinds that must be found, no others.


def lose_the_manifest_rows(lake: Platform) -> set[str]:
    lake.tables.documents.delete([one(lake)[0]])
    return {"orphan_chunks"}


def lose_all_chunks_of_a_document(lake: Platform) -> set[str]:
    chunks(lake).delete(f"document_id = '{one(lake)[0]}'")
    return {"missing_chunks"}


def lose_one_chunk(lake: Platform) -> set[str]:
    chunks(lake).delete(f"id = '{one(lake)[1]}'")
    return {"missing_chunks"}


def add_a_chunk_too_many(lake: Platform) -> set[str]:
    rows = chunks(lake).to_arrow()
    row = rows.filter(pa.compute.equal(rows["id"], one(lake)[1]))
    at = row.schema.get_field_index("id")
    chunks(lake).add(row.set_column(at, row.schema.field("id"), pa.array(["surplus"])))
    return {"surplus_chunks"}


def store_a_chunk_twice(lake: Platform) -> set[str]:
    rows = chunks(lake).to_arrow()
    chunks(lake).add(rows.slice(0, 2))
    return {"duplicate_key"}


def store_a_damaged_copy_of_a_chunk(lake: Platform) -> set[str]:
    rows = chunks(lake).to_arrow()
    row = rows.filter(pa.compute.equal(rows["id"], one(lake)[1]))
    at = row.schema.get_field_index("version")
    chunks(lake).add(row.set_column(at, row.schema.field("version"), pa.array(["old"])))
    return {"duplicate_key"}


def store_a_document_twice(lake: Platform) -> set[str]:
    documents = table(lake, "documents")
    documents.add(documents.to_arrow().slice(0, 1))
    return {"duplicate_key"}


def store_an_embedding_twice(lake: Platform) -> set[str]:
    rows = embeddings(lake)
    rows.add(rows.to_arrow().slice(0, 1))
    return {"duplicate_key"}


def leave_a_chunk_of_an_older_version(lake: Platform) -> set[str]:
    chunks(lake).update(where=f"id = '{one(lake)[1]}'", values={"version": "older"})
    return {"stale_chunks"}


def write_nan_into_a_vector(lake: Platform) -> set[str]:
    rows = chunks(lake).to_arrow()
    row = rows.filter(pa.compute.equal(rows["id"], one(lake)[1]))
    broken = pa.FixedSizeListArray.from_arrays(pa.array(np.full(32, np.nan, "f4")), 32)
    schema = pa.schema([row.schema.field("id"), row.schema.field("vector")])
    merge = chunks(lake).merge_insert("id").when_matched_update_all()
    table = pa.table([row["id"], broken], schema=schema)
    merge.execute(table, on_bad_vectors="fill", fill_value=np.nan)
    return {"bad_vector"}


def lengthen_a_vector(lake: Platform) -> set[str]:
    write_vector(lake, np.full(32, 0.5))
    return {"bad_vector"}


def swap_a_vector(lake: Platform) -> set[str]:
    write_vector(lake, FakeEmbedder(32).embed_query("something else entirely"))
    return {"wrong_vector"}


def damage_a_cached_vector(lake: Platform) -> set[str]:
    name = text_of(lake)
    embeddings(lake).update(where=f"text_hash = '{name}'", values={"checksum": 1})
    return {"bad_embedding"}


def damage_a_cached_vector_that_fits_its_checksum(lake: Platform) -> set[str]:
    rows = cache_rows([text_of(lake)], np.full((1, 32), 2, "f4"), datetime.now(UTC))
    embeddings(lake).merge_insert("text_hash").when_matched_update_all().execute(rows)
    return {"bad_embedding"}


def damage_a_cached_vector_of_a_text_in_no_index(lake: Platform) -> set[str]:
    rows = cache_rows(["nobody"], np.full((1, 32), 2, "f4"), datetime.now(UTC))
    embeddings(lake).add(rows)
    return {"bad_embedding"}


def lose_the_cache(lake: Platform) -> set[str]:
    lake.database.drop(f"embeddings_{lake.embedder.identity.id}")
    return {"uncached_text"}


def shift_a_span(lake: Platform) -> set[str]:
    chunks(lake).update(where=f"id = '{one(lake)[1]}'", values={"start": 1})
    return {"broken_span"}


def make_a_span_negative(lake: Platform) -> set[str]:
    chunks(lake).update(where=f"id = '{one(lake)[1]}'", values={"start": -5, "end": 99999})
    return {"broken_span"}


def change_the_text_of_a_chunk(lake: Platform) -> set[str]:
    chunks(lake).update(where=f"id = '{one(lake)[1]}'", values={"text": "Another text."})
    return {"damaged_chunk"}


def lose_a_text(lake: Platform) -> set[str]:
    lake.tables.texts.delete([document_text(lake)])
    return {"missing_text"}


def change_a_text(lake: Platform) -> set[str]:
    text = "x" * 10_000
    table(lake, "texts").update(where=f"text_hash = '{document_text(lake)}'", values={"text": text})
    return {"damaged_text", "broken_span"}


def lose_the_search_index(lake: Platform) -> set[str]:
    handle = chunks(lake)
    for each in handle.list_indices():
        if each.columns == ["searchable"]:
            handle.drop_index(each.name)
    return {"unindexed_rows"}


def lose_the_table_of_the_live_index(lake: Platform) -> set[str]:
    lake.store.drop(lake.index_name)
    return {"dangling_index"}


def register_an_index_without_a_table(lake: Platform) -> set[str]:
    lake.registry.add(Index("gone_12345678", state="retired", embedder="gone"))
    return {"dangling_index"}


def give_an_index_another_embedder(lake: Platform) -> set[str]:
    lake.registry.update(lake.index_name, embedder="another", dimensions=7)
    return {"registry_mismatch"}


def give_an_index_another_chunker(lake: Platform) -> set[str]:
    lake.registry.update(lake.index_name, chunker="another")
    return {"registry_mismatch"}


def lose_the_registry(lake: Platform) -> set[str]:
    lake.registry.change(lambda _: Entries())
    return {"no_live_index"}


def leave_an_index_that_nobody_registered(lake: Platform) -> set[str]:
    lake.store.create(f"{lake.embedder.identity.id}_12345678", 32)
    return {"unregistered_index"}


def put_an_indexed_document_into_quarantine(lake: Platform) -> set[str]:
    row = lake.tables.documents.lookup([one(lake)[0]])
    refused = row.select(
        "id", "file_id", "uri", "source", "key", "stamp", "sidecar_stamp", "version"
    )
    moment = row["ingested"] - timedelta(days=1)
    lake.tables.quarantine.upsert(
        refused.with_columns(
            stage=pl.lit("check"), reason=pl.lit("empty_text"), detail=pl.lit(""),
            first_seen=moment, last_seen=moment, tries=pl.lit(1, pl.Int32), run_id=pl.lit("old"),
        )
    )  # fmt: skip
    return {"settled_quarantine"}


def review_a_document_that_nobody_knows(lake: Platform) -> set[str]:
    row = {"id": "nobody", "version": "v", "decision": "keep", "by": "me"}
    moment = datetime.now(UTC) - timedelta(days=30)
    lake.tables.reviews.upsert(pl.DataFrame([row]).with_columns(at=pl.lit(moment)))
    return {"stray_review"}


def leave_a_text_of_no_document(lake: Platform) -> set[str]:
    text = "Nobody's text."
    rows = lake.tables.texts.read().head(1)
    rows = rows.with_columns(text_hash=pl.lit(text_hash(text)), text=pl.lit(text))
    lake.tables.texts.upsert(rows)
    return {"unreferenced_text"}


def leave_a_signature_of_no_document(lake: Platform) -> set[str]:
    lake.tables.signatures.upsert(
        lake.tables.signatures.read().head(1).with_columns(text_hash=pl.lit("nobody"))
    )
    return {"unreferenced_signature"}


def leave_artifacts_of_a_dead_run(lake: Platform) -> set[str]:
    artifacts = lake.artifacts("dead")
    uri = artifacts.write_json("changes", {})
    old = time.time() - 30 * 86_400
    file = Path(uri.removeprefix("file://"))
    os.utime(file, (old, old))
    os.utime(file.parent, (old, old))
    return {"leftover_run"}


DAMAGES: list[Callable[[Platform], set[str]]] = [
    lose_the_manifest_rows,
    lose_all_chunks_of_a_document,
    lose_one_chunk,
    add_a_chunk_too_many,
    store_a_chunk_twice,
    store_a_damaged_copy_of_a_chunk,
    store_a_document_twice,
    store_an_embedding_twice,
    leave_a_chunk_of_an_older_version,
    write_nan_into_a_vector,
    lengthen_a_vector,
    swap_a_vector,
    damage_a_cached_vector,
    damage_a_cached_vector_that_fits_its_checksum,
    damage_a_cached_vector_of_a_text_in_no_index,
    lose_the_cache,
    shift_a_span,
    make_a_span_negative,
    change_the_text_of_a_chunk,
    lose_a_text,
    change_a_text,
    lose_the_search_index,
    lose_the_table_of_the_live_index,
    register_an_index_without_a_table,
    give_an_index_another_embedder,
    give_an_index_another_chunker,
    lose_the_registry,
    leave_an_index_that_nobody_registered,
    put_an_indexed_document_into_quarantine,
    review_a_document_that_nobody_knows,
    leave_a_text_of_no_document,
    leave_a_signature_of_no_document,
    leave_artifacts_of_a_dead_run,
]


def document_text(lake: Platform) -> str:
    return str(lake.tables.documents.lookup([one(lake)[0]])["text_hash"][0])


def text_of(lake: Platform) -> str:
    rows = pl.from_arrow(chunks(lake).to_arrow()).filter(id=one(lake)[1])
    return str(rows["text_hash"][0])


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_found_and_repaired_without_paying_again(copied, damage):
    lake = copied()
    before = content(lake)
    if damage is leave_a_text_of_no_document or damage is leave_a_signature_of_no_document:
        shutil.rmtree(local_path(lake.lake.uri) / "runs")
    expected = damage(lake)
    found, status = verify(copied(), repair=False, source=False)
    assert set(found["counts"]) == expected
    assert status == (0 if expected <= NOTES else 1)
    assert not any(each["repaired"] for each in found["problems"])
    repaired, status = verify(copied(), repair=True, source=False)
    assert (set(repaired["counts"]), status) == (expected, 0)
    assert all(each["repaired"] for each in repaired["problems"])
    sync(synced := copied())
    assert synced.embedder.embedded == []
    assert kinds(copied()) == {}
    assert content(copied()).equals(before)


def test_a_fresh_lake_an_empty_one_and_one_after_many_edits_have_no_problem(world, corpus):
    assert kinds(world()) == {}
    sync(world())
    assert kinds(world(), source=True) == {}
    (corpus / "apple.txt").write_text(text_about("apple-new"))
    (corpus / "birch.txt").unlink()
    (corpus / "bad.txt").write_bytes(b"")
    (corpus / "rows.jsonl").write_text(
        '{"id": "1", "text": "Row one."}\n{"id": "2", "text": "Row"}\n'
    )
    sync(world())
    assert kinds(world(), source=True) == {}


def test_every_kind_is_produced_by_some_test():
    source = Path(__file__).read_text()
    assert [kind for kind in KINDS if f'"{kind}"' not in source] == []


def test_verifying_writes_nothing(world, lake):
    lose_one_chunk(lake)
    swap_a_vector(lake)
    names = lake.database.names()
    versions = {name: lake.database.open(name).version for name in names}
    verify(world(), repair=False, source=True)
    assert {name: lake.database.open(name).version for name in names} == versions


def test_a_second_repair_commits_nothing(world, lake):
    lose_one_chunk(lake)
    change_the_text_of_a_chunk(lake)
    verify(world(), repair=True, source=False)
    names = lake.database.names()
    versions = {name: lake.database.open(name).version for name in names}
    _, status = verify(world(), repair=True, source=False)
    assert status == 0
    assert {name: lake.database.open(name).version for name in names} == versions


def test_a_vector_lost_everywhere_is_the_only_one_embedded_again(world, lake):
    before = content(lake)
    lengthen_a_vector(lake)
    damage_a_cached_vector(lake)
    assert set(kinds(world())) == {"bad_vector", "bad_embedding"}
    verify(world(), repair=True, source=False)
    assert chunks(lake).count_rows() == before.height
    sync(synced := world())
    assert len(synced.embedder.embedded) == 1
    assert kinds(world()) == {}
    assert content(world()).equals(before)


def test_an_orphan_that_is_gone_from_the_source_is_retracted_by_the_sync_after_a_repair(
    world, lake, corpus
):
    document, _ = one(lake)
    lake.tables.documents.delete([document])
    (corpus / "apple.txt").unlink()
    sync(world())
    assert kinds(world())["orphan_chunks"] == 1
    verify(world(), repair=True, source=False)
    assert document in set(content(world())["document_id"])
    sync(world())
    assert document not in set(content(world())["document_id"])
    assert set(kinds(world())) <= NOTES


def test_an_orphaned_row_of_a_file_of_records_finds_its_file(world, inbox):
    lines = [f'{{"id": "a/{n} #ü", "text": "Row number {n}."}}' for n in range(3)]
    (inbox / "my rows.jsonl").write_text("\n".join(lines) + "\n")
    sync(lake := world())
    before = lake.tables.documents.read(["id", "file_id", "source", "key", "uri"]).sort("id")
    lake.tables.documents.delete([before["id"][1]])
    verify(world(), repair=True, source=False)
    sync(world())
    after = lake.tables.documents.read(["id", "file_id", "source", "key", "uri"]).sort("id")
    assert after.equals(before)
    assert kinds(world()) == {}


def test_a_run_killed_between_publish_and_manifest_is_found_and_completed(
    world, lake, corpus, monkeypatch
):
    (corpus / "apple.txt").write_text(text_about("apple-one", "apple-new"))
    (corpus / "dogwood.txt").write_text(text_about("dogwood"))

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("include.stages.publish.record", die)
    with pytest.raises(KeyboardInterrupt):
        sync(world())
    monkeypatch.undo()
    assert kinds(world()) == {"stale_chunks": 1, "orphan_chunks": 1}
    verify(world(), repair=True, source=False)
    sync(synced := world())
    assert synced.embedder.embedded == []
    assert kinds(world()) == {}


def test_texts_that_a_run_may_still_need_are_not_pruned(world, lake):
    document = document_text(lake)
    lake.tables.documents.delete([one(lake)[0]])
    verify(world(), repair=True, source=False)
    assert lake.tables.texts.lookup([document]).height == 1


def test_a_document_refused_after_it_was_indexed_stays_in_quarantine(world, lake):
    put_an_indexed_document_into_quarantine(lake)
    row = lake.tables.quarantine.read()
    later = row.with_columns(last_seen=pl.lit(datetime.now(UTC) + timedelta(days=1)))
    lake.tables.quarantine.upsert(later.with_columns(pl.col("last_seen").dt.cast_time_unit("us")))
    assert kinds(world()) == {}


def test_the_source_is_compared_when_asked_and_the_remedy_is_a_sync(world, lake, corpus):
    (corpus / "apple.txt").write_text("Changed.")
    (corpus / "birch.txt").unlink()
    (corpus / "dogwood.txt").write_text("New.")
    assert kinds(world()) == {}
    found, status = verify(world(), repair=True, source=True)
    assert (found["counts"], status) == ({"behind_source": 3}, 1)
    assert "sync" in found["problems"][0]["detail"]
    assert not any("verify-" in each.name for each in runs(lake))
    sync(world())
    assert "behind_source" not in kinds(world(), source=True)


def test_a_lake_whose_registry_and_chunks_are_lost_answers_again_after_a_sync(world, lake):
    lose_the_registry(lake)
    lose_one_chunk(lake)
    assert set(kinds(world())) == {"no_live_index", "missing_chunks"}
    answer, status = verify(world(), repair=True, source=False)
    assert (answer["sync_needed"], status) == (True, 0)
    assert lake.registry.live() is None
    sync(world())
    assert lake.registry.live().name == lake.index_name
    assert kinds(world()) == {}


def test_a_repair_beside_a_sync_leaves_a_lake_that_the_next_sync_completes(
    world, lake, corpus, environment
):
    lose_one_chunk(lake)
    swap_a_vector(lake)
    (corpus / "apple.txt").write_text(text_about("apple-one", "apple-new"))
    (corpus / "dogwood.txt").write_text(text_about("dogwood"))
    script = "import sys; from include.commands.main import main; sys.exit(main(sys.argv[1:]))"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, *command],
            env={**os.environ, **environment},
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in (["sync"], ["verify", "--repair"])
    ]
    outcomes = [(process.communicate()[1], process.returncode) for process in both]
    assert [status for _, status in outcomes] == [0, 0], outcomes
    sync(world())
    assert set(kinds(world(), source=True)) <= {"wrong_vector"} | NOTES
    verify(world(), repair=True, source=False)
    assert kinds(world()) == {}
    fresh = world(RAG_LAKE_URI=(corpus.parent / "fresh").as_uri())
    sync(fresh)
    assert content(world()).equals(content(fresh))


def test_the_command_tells_a_person_what_it_found_and_what_to_do(
    lake, environment, monkeypatch, capsys
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["verify"]) == 0
    assert "No problem was found." in capsys.readouterr().out
    lose_one_chunk(lake)
    assert main(["verify", "--source"]) == 1
    found = capsys.readouterr().out
    assert "missing_chunks: 1, 1 not repaired" in found
    assert "apple.txt: The index holds 2 of its 3 chunks." in found
    assert "verify --repair" in found
    assert main(["verify", "--repair", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {"checked", "problems", "sync_needed"} <= set(answer)
    assert {"kind", "subject", "detail", "repaired"} <= set(answer["problems"][0])
    assert main(["verify", "--keep-days", "0"]) == 2
    assert "is 0" in capsys.readouterr().err


def runs(lake: Platform) -> list[Path]:
    return list((local_path(lake.lake.uri) / "runs").iterdir())


def test_vectors_of_another_length_than_the_cache_are_told_and_not_touched(world, lake):
    name = f"embeddings_{lake.embedder.identity.id}"
    lake.database.drop(name)
    other = FakeEmbedder(16)
    rows = cache_rows(["x"], other.embed_documents(["x"]), datetime.now(UTC))
    lake.database.table(name, rows.schema, "text_hash").upsert(rows)
    found, status = verify(world(), repair=True, source=False)
    assert (set(found["counts"]), status) == ({"wrong_dimension"}, 1)
    assert "sync --rebuild" in found["problems"][0]["detail"]


def test_a_table_with_a_lost_file_is_told_and_the_others_are_verified(world, lake, tmp_path):
    folder = tmp_path / "lake" / "tables" / f"embeddings_{lake.embedder.identity.id}.lance"
    for file in (folder / "data").iterdir():
        file.write_bytes(file.read_bytes()[:10])
    lose_a_text(lake)
    found, status = verify(world(), repair=True, source=False)
    assert (set(found["counts"]), status) == ({"unreadable_table", "missing_text"}, 1)


def test_an_index_that_is_not_live_gets_its_vectors_back_and_keeps_its_rows(world, lake):
    sync(other := world(RAG_EMBEDDER="fake:16"), replace_switches(rebuild=True))
    assert other.registry.live().name == other.index_name
    swap_a_vector(lake)
    shift_a_span(lake)
    found, status = verify(other, repair=True, source=False)
    assert (set(found["counts"]), status) == ({"wrong_vector", "broken_span"}, 1)
    assert found["unrepaired"] == {"broken_span": 1}
    assert chunks(lake).count_rows() == 9


def replace_switches(**chosen: bool) -> Any:
    from include.commands.ingest import Switches

    return replace(Switches(), **chosen)


def test_many_problems_are_counted_all_and_listed_in_part(world, lake, monkeypatch):
    monkeypatch.setattr("include.verification.problems.LISTED", 2)
    chunks(lake).delete("true")
    found, _ = verify(world(), repair=True, source=False)
    assert found["counts"] == {"missing_chunks": 3}
    assert len(found["problems"]) == 2
    sync(world())
    assert kinds(world()) == {}
