"""Erasure: nothing of a document is left, in rows, old versions, artifacts, traces, bytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from include.commands.erase import Switches as EraseSwitches
from include.commands.erase import erase
from include.commands.ingest import Switches, sync
from include.commands.query import ask
from include.commands.state import quarantined, review
from include.erasure.probe import scanned
from include.erasure.rows import erase_rows
from include.erasure.subject import find_subject
from include.errors import ConfigurationError
from include.settings import REPOSITORY
from include.storage.files import local_path
from include.storage.history import delete_among, prune, rewrite
from include.storage.lance import LanceDatabase
from include.vectorstore import lance_indexes
from include.wiring import Platform

SECRET = "Mrs Winterbottom confided that her {0} was treated by a doctor in Novosibirsk in {0}."
PLAIN = "The {0} is a tree whose leaves are described here in a few plain words about {0}."


def run(platform: Platform, **options: bool) -> dict[str, object]:
    receipt, _ = sync(platform, Switches(**options))
    return receipt


def secret_text() -> str:
    return "\n\n".join(SECRET.format(word) for word in ("knee", "elbow", "shoulder", "wrist"))


@pytest.fixture
def secret(inbox: Path) -> Path:
    """A document to erase among three others."""
    for name in ("apple", "birch", "cedar"):
        (inbox / f"{name}.txt").write_text(PLAIN.format(name))
    path = inbox / "secret.txt"
    path.write_text(secret_text())
    return path


def erased(platform: Platform, path: Path | str, **switches: bool) -> dict[str, object]:
    uri = path if isinstance(path, str) else path.as_uri()
    receipt, status = erase(platform, uri, EraseSwitches(**switches), settle_seconds=0)
    assert status == (0 if receipt["clean"] else 1)
    return receipt


def rows(platform: Platform, prefix: str) -> int:
    database = platform.database
    return sum(database.rows(name) for name in database.names() if name.startswith(prefix))


def left(platform: Platform, *snippets: str) -> tuple[str, ...]:
    """The places of the lake where one of these is found."""
    return scanned(platform.lake, platform.database, snippets).places


def test_an_erased_document_is_nowhere(world, secret):
    run(platform := world())
    (secret.parent / "apple.txt").write_text(PLAIN.format("apple tree"))
    run(world())
    ask(platform, "Who treated the knee of Mrs Winterbottom?")
    assert left(platform, "Mrs Winterbottom confided")
    secret.unlink()
    cached = rows(platform, "embeddings_")
    own = find_subject(secret.as_uri(), platform.database, set()).chunk_hashes
    receipt = erased(platform := world(), secret)
    assert receipt["clean"], receipt
    assert receipt["known"]
    assert receipt["documents"] == 1
    assert receipt["removed"]["documents"] == receipt["removed"]["texts"] == 1
    assert receipt["removed"]["traces/"] == 1
    assert receipt["removed"]["runs/"] == 1
    assert len(receipt["snippet_hashes"]) >= 3
    assert left(platform, "Mrs Winterbottom", "Novosibirsk") == ()
    assert platform.tables.documents.count() == 3
    assert rows(platform, "embeddings_") == cached - len(own) > 0
    assert platform.cache.missing(sorted(own)) == sorted(own)
    hits = platform.store.search_text(platform.index_name, "tree leaves", 10)
    assert len({hit.document_id for hit in hits}) == 3
    assert run(world())["published"] == 0


def test_the_receipt_lies_in_the_lake_and_holds_no_text(world, secret):
    run(world())
    secret.unlink()
    receipt = erased(platform := world(), secret)
    stored = platform.lake.objects.read(f"erasures/{receipt['erasure_id']}.json")
    assert json.loads(stored.data) == json.loads(json.dumps(receipt))
    for word in (b"Winterbottom", b"Novosibirsk", b"secret"):
        assert word not in stored.data


def test_a_document_that_is_still_at_the_source_is_refused(world, secret):
    run(world())
    with pytest.raises(ConfigurationError, match="still at the source"):
        erase(world(), secret.as_uri(), settle_seconds=0)
    assert world().tables.documents.count() == 4


def test_a_document_erased_at_the_source_does_not_come_back(world, secret):
    run(world())
    assert erased(world(), secret, ignore_source=True)["clean"]
    receipt = run(platform := world())
    assert (receipt["added"], receipt["quarantined"]) == (0, 1)
    assert [each["reason"] for each in quarantined(platform)["items"]] == ["erased"]
    assert left(platform, "Mrs Winterbottom") == ()
    shutil.copy(secret, secret.parent / "copy.txt")
    assert run(world(), reread=True)["quarantined"] == 2
    assert left(world(), "Mrs Winterbottom") == ()


def test_a_person_can_let_an_erased_document_in_again(world, secret):
    run(world())
    erased(world(), secret, ignore_source=True)
    run(platform := world())
    review(platform, "release", [secret.as_uri()])
    assert run(world())["added"] == 1


def test_a_text_that_another_document_has_stays_for_that_one(world, secret):
    shutil.copy(secret, secret.parent / "copy.txt")
    run(platform := world())
    vectors = rows(platform, "embeddings_")
    secret.unlink()
    receipt = erased(platform := world(), secret)
    assert receipt["clean"]
    assert receipt["shared_texts"] == 1
    assert rows(platform, "embeddings_") == vectors
    hits = platform.store.search_text(platform.index_name, "Winterbottom", 10)
    assert {hit.uri for hit in hits} == {(secret.parent / "copy.txt").as_uri()}
    assert run(world())["embedded"] == 0


def test_what_was_retracted_long_ago_is_erased_from_old_versions(world, secret):
    run(world())
    secret.unlink()
    run(platform := world())
    assert platform.tables.documents.count() == 3
    assert left(platform, "Mrs Winterbottom confided")
    receipt = erased(world(), secret)
    assert receipt["clean"]
    assert receipt["known"]
    assert left(world(), "Mrs Winterbottom") == ()
    assert receipt["removed"][f"embeddings_{platform.embedder.identity.id}"] > 0


def test_earlier_versions_of_a_document_are_erased_with_it(world, secret):
    run(world())
    secret.write_text("Mrs Winterbottom has nothing more to say about her former illness.")
    run(world())
    secret.unlink()
    assert erased(platform := world(), secret)["clean"]
    assert left(platform, "Novosibirsk", "nothing more to say") == ()
    assert rows(platform, "embeddings_") == 3


def test_erasing_again_finds_nothing_and_says_so(world, secret):
    run(world())
    secret.unlink()
    erased(world(), secret)
    again = erased(world(), secret)
    assert (again["known"], again["documents"], again["clean"]) == (False, 0, True)
    assert sum(again["removed"].values()) == 0


def test_an_unknown_uri_is_searched_for_all_the_same(world, secret):
    run(world())
    receipt = erased(platform := world(), "file:///nowhere/at-all.txt")
    assert (receipt["known"], receipt["clean"]) == (False, True)
    assert receipt["scan"]["files"] > 10
    assert platform.tables.documents.count() == 4


@pytest.mark.parametrize(
    "uri", ["x' OR '1'='1", "file:///", "%", "#", "file:///a.txt#" + "x" * 100_000, "\0", "//[::1"]
)
def test_an_address_is_never_a_filter_of_its_own(world, secret, uri):
    run(world())
    receipt = erased(platform := world(), uri)
    assert not receipt["known"]
    assert sum(receipt["removed"].values()) == 0
    assert platform.tables.documents.count() == 4


def test_an_address_that_begins_alike_is_another_document(world, secret):
    (secret.parent / "secret.txt.md").write_text(PLAIN.format("dogwood"))
    run(world())
    secret.unlink()
    assert erased(platform := world(), secret)["documents"] == 1
    assert platform.store.search_text(platform.index_name, "dogwood", 1)


def test_an_address_may_be_given_as_people_read_it(world, inbox):
    path = inbox / "Frau Müller.txt"
    path.write_text(secret_text())
    run(world())
    path.unlink()
    receipt = erased(world(), f"{inbox.as_uri()}/Frau Müller.txt")
    assert (receipt["known"], receipt["clean"]) == (True, True)


def test_the_only_document_of_a_lake_can_be_erased(world, inbox):
    path = inbox / "only.txt"
    path.write_text(secret_text())
    run(world())
    path.unlink()
    receipt = erased(platform := world(), path)
    assert receipt["clean"]
    assert platform.store.count(platform.index_name) == 0
    assert left(platform, "Mrs Winterbottom") == ()


def test_a_tag_does_not_keep_an_old_version(world, secret):
    run(platform := world())
    table = platform.database.open(f"chunks_{platform.index_name}")
    table.tags.create("audit", table.version)
    secret.unlink()
    receipt = erased(platform := world(), secret)
    assert receipt["clean"]
    assert receipt["purged"][f"chunks_{platform.index_name}"]["tags"] == 1
    assert left(platform, "Mrs Winterbottom") == ()


def test_an_empty_uri_is_refused(world, secret):
    with pytest.raises(ConfigurationError, match="needs the uri"):
        erase(world(), "  ")


def test_an_empty_lake_can_be_searched(world, inbox):
    assert erased(world(), "file:///nowhere.txt")["clean"]


@pytest.fixture
def people(inbox: Path) -> Path:
    rows = {str(n): f"Person {n} lives at number {n} of the street {n * 7}." for n in range(5)}
    path = inbox / "people.jsonl"
    path.write_text("\n".join(json.dumps({"id": n, "text": text}) for n, text in rows.items()))
    return path


def test_one_row_of_a_file_of_records_is_erased(world, people):
    run(world())
    uri = people.as_uri() + "#3"
    with pytest.raises(ConfigurationError, match="still at the source"):
        erase(world(), uri)
    kept = [line for line in people.read_text().splitlines() if '"3"' not in line]
    people.write_text("\n".join(kept))
    receipt = erased(platform := world(), uri)
    assert (receipt["documents"], receipt["clean"]) == (1, True)
    assert platform.tables.documents.count() == 4
    assert left(platform, "Person 3 lives at number") == ()
    assert left(platform, "Person 4 lives at number")


def test_a_file_of_records_is_erased_with_all_its_rows(world, people, secret):
    run(world())
    people.unlink()
    receipt = erased(platform := world(), people)
    assert (receipt["documents"], receipt["clean"]) == (5, True)
    assert platform.tables.documents.count() == 4


def test_a_row_erased_at_the_source_stays_out_when_its_file_changes(world, people):
    run(world())
    erased(world(), people.as_uri() + "#3", ignore_source=True)
    more = people.read_text() + "\n" + json.dumps({"id": "9", "text": "Person 9 is new here."})
    people.write_text(more)
    run(platform := world())
    uris = {uri.partition("#")[2] for uri in platform.tables.documents.read(["uri"])["uri"]}
    assert uris == {"0", "1", "2", "4", "9"}


def test_a_run_in_flight_keeps_its_artifacts_until_it_ended(world, secret):
    run(platform := world())
    folder = next((local_path(platform.lake.uri) / "runs").iterdir())
    (folder / "receipt.json").unlink()
    secret.unlink()
    receipt = erased(world(), secret)
    assert (receipt["clean"], receipt["kept_runs"]) == (False, (folder.name,))
    assert folder.exists()
    receipt = erased(world(), secret, unfinished_runs=True)
    assert receipt["clean"]
    assert not folder.exists()


def test_a_quarantined_document_and_its_review_are_erased(world, secret):
    secret.write_text(
        "Mrs Winterbottom \ufffd\ufffd\ufffd\ufffd\ufffd\ufffd of Novosibirsk \ufffd\ufffd\ufffd."
    )
    run(platform := world())
    review(platform, "keep", [secret.as_uri()])
    secret.unlink()
    receipt = erased(platform := world(), secret)
    assert (receipt["removed"]["quarantine"], receipt["removed"]["reviews"]) == (1, 1)
    assert quarantined(platform)["items"] == []


def test_an_interrupted_erasure_is_finished_by_the_next(world, secret):
    run(platform := world())
    secret.unlink()
    subject = find_subject(secret.as_uri(), platform.database, set())
    for name, _ in erase_rows(platform.database, subject, set()):
        if name == "documents":
            break
    assert left(platform, "Mrs Winterbottom confided")
    receipt = erased(world(), secret)
    assert receipt["clean"]
    assert left(world(), "Mrs Winterbottom") == ()


def test_what_a_killed_write_left_behind_is_found_and_removed(world, secret):
    run(platform := world())
    chunks = local_path(platform.lake.uri) / "tables" / f"chunks_{platform.index_name}.lance"
    data = next((chunks / "data").iterdir())
    stray = data.with_name("0" * 40 + ".lance")
    shutil.copy(data, stray)
    secret.unlink()
    assert not erased(world(), secret)["clean"]
    past = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(stray, (past, past))
    assert erased(world(), secret)["clean"]
    assert not stray.exists()


def test_no_data_file_from_before_the_erasure_remains_where_it_was(world, secret):
    run(platform := world())
    chunks = local_path(platform.lake.uri) / "tables" / f"chunks_{platform.index_name}.lance"
    before = {path.name for path in (chunks / "data").iterdir()}
    indexes = {path.name for path in (chunks / "_indices").iterdir()}
    secret.unlink()
    erased(world(), secret)
    assert before.isdisjoint(path.name for path in (chunks / "data").iterdir())
    assert indexes.isdisjoint(path.name for path in (chunks / "_indices").iterdir())
    assert not list((chunks / "_deletions").iterdir())
    assert len(platform.database.open(chunks.stem).list_versions()) == 1


def test_a_vector_index_is_built_anew_without_what_was_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(lance_indexes, "_EXACT_ROWS", 500)
    schema = pa.schema(
        [pa.field("id", pa.string(), False), pa.field("vector", pa.list_(pa.float32(), 32))]
    )
    database = LanceDatabase(str(tmp_path))
    table = database.table("chunks_x", schema, "id")
    vectors = np.random.default_rng(1).random((1_000, 32), dtype=np.float32)
    ids = [str(number) for number in range(1_000)]
    table.upsert(pa.table({"id": ids, "vector": list(vectors)}, schema=schema))
    lance_indexes.ensure_vector_index(table.open())
    before = {path.name for path in (tmp_path / "chunks_x.lance" / "_indices").iterdir()}
    delete_among(database, "chunks_x", "id", ["77"])
    assert rewrite(database, "chunks_x") == 999
    lance_indexes.rebuild(table.open())
    prune(database, "chunks_x", datetime.now(UTC))
    [index] = table.open().list_indices()
    assert (index.num_indexed_rows, index.num_unindexed_rows) == (999, 0)
    after = {path.name for path in (tmp_path / "chunks_x.lance" / "_indices").iterdir()}
    assert before.isdisjoint(after)


def test_sentences_that_the_semantic_chunker_embedded_are_forgotten(world, secret):
    semantic = {"RAG_CHUNK_STRATEGY": "semantic"}
    run(platform := world(**semantic))
    before = rows(platform, "embeddings_")
    secret.unlink()
    receipt = erased(platform := world(**semantic), secret)
    assert receipt["clean"]
    assert receipt["unused_vectors"] == 0
    assert rows(platform, "embeddings_") == 3 < before


def test_tables_of_another_embedder_are_searched_too(world, secret):
    run(world())
    run(world(RAG_EMBEDDER="fake:16"), rebuild=True)
    secret.unlink()
    receipt = erased(platform := world(RAG_EMBEDDER="fake:16"), secret)
    assert receipt["clean"]
    assert len(receipt["searches"]) == 2
    assert all(each["vectors"] for each in receipt["searches"])
    assert rows(platform, "embeddings_") == 6


def test_an_erasure_beside_syncs_harms_neither(world, environment, secret):
    run(world())
    for number in range(20):
        (secret.parent / f"new-{number}.txt").write_text(PLAIN.format(f"new tree {number}"))
    secret.unlink()
    script = "import sys; from include.commands.main import main; sys.exit(main(['sync']))"
    other = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    for _ in range(4):
        erased(world(), secret)
    assert other.wait() == 0
    assert run(platform := world())["published"] == 0
    assert platform.tables.documents.count() == 23
    assert left(platform, "Mrs Winterbottom") == ()
