"""What every VectorStore promises, tried on each."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.documents import digest
from include.embedding.protocol import FloatArray
from include.errors import ConfigurationError, LakeError
from include.filters import Scope, admits, parse_filter
from include.filters.evaluate import mapped
from include.metadata import Fields
from include.storage.lance import LanceDatabase
from include.vectorstore.lance import LanceVectorStore
from include.vectorstore.memory import MemoryVectorStore
from include.vectorstore.protocol import Published, VectorStore, chunk_schema

INDEX = "model-fp32-8-abc--chunker"
DIMENSIONS = 8
FIELDS = Fields.parse("year:int score:float draft:bool day:date department:text tags:list")


@pytest.fixture(params=["memory", "lance"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], VectorStore]:
    """Opens the same store again, as another worker would."""
    if request.param == "memory":
        store = MemoryVectorStore()
        return lambda: store
    return lambda: LanceVectorStore(LanceDatabase((tmp_path / "lake").as_uri()), FIELDS)


@pytest.fixture
def store(open_store: Callable[[], VectorStore]) -> VectorStore:
    store = open_store()
    store.create(INDEX, DIMENSIONS)
    return store


def vector(seed: str) -> FloatArray:
    drawn = np.random.default_rng(int(digest(seed)[:8], 16)).standard_normal(DIMENSIONS)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def chunk(name: str, text: str = "", **columns: object) -> dict[str, object]:
    text = text or f"text of {name}"
    row: dict[str, object] = {
        "id": name,
        "document_id": name.split("/")[0],
        "uri": f"file:///{name}",
        "version": "v1",
        "title": "",
        "heading": [],
        "text": text,
        "text_hash": digest(text),
        "start": 3,
        "end": 3 + len(text),
        "tokens": len(text.split()),
        "page": 0,
        "context_start": 3,
        "context_end": 3 + len(text),
        "acl": [],
        "language": "en",
        "metadata": "{}",
        "row_hash": digest(name, text),
        "run_id": "run",
        "vector": vector(text),
    }
    return row | columns


def table(*rows: Mapping[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=chunk_schema(DIMENSIONS))


def ids(store: VectorStore, documents: Sequence[str] | None = None) -> list[str]:
    return sorted(store.rows(INDEX, documents)["id"])


def found(store: VectorStore, query: str, k: int = 10) -> list[str]:
    return [hit.chunk_id for hit in store.search_text(INDEX, query, k)]


def scope(text: str = "", principals: Sequence[str] | None = None) -> Scope:
    """What the filter describes, as a reader with these labels sees it."""
    chosen = parse_filter(text, FIELDS) if text else None
    return Scope(chosen, None if principals is None else frozenset(principals))


def within(store: VectorStore, chosen: Scope, k: int = 100) -> list[str]:
    """The ids of what text search and vector search both find in scope."""
    by_text = store.search_text(INDEX, "shared", k, chosen)
    by_vector = store.search_vector(INDEX, vector("q"), k, chosen)
    assert sorted(hit.chunk_id for hit in by_text) == sorted(hit.chunk_id for hit in by_vector)
    return sorted(hit.chunk_id for hit in by_text)


def described(name: str, metadata: Mapping[str, object], **columns: object) -> dict[str, object]:
    return chunk(name, f"shared {name}", metadata=json.dumps(metadata), **columns)


def test_an_index_is_created_once_listed_by_name_and_dropped(store: VectorStore) -> None:
    store.publish(INDEX, table(chunk("a")), [])
    store.create(INDEX, DIMENSIONS)
    store.create("another", 3)
    assert store.indexes() == ["another", INDEX]
    assert store.count(INDEX) == 1
    store.drop(INDEX)
    store.drop(INDEX)
    assert store.indexes() == ["another"]
    assert store.count(INDEX) == 0


def test_workers_that_create_one_index_at_once_all_succeed(
    open_store: Callable[[], VectorStore],
) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: open_store().create(INDEX, DIMENSIONS), range(6)))
    store = open_store()
    store.publish(INDEX, table(chunk("a", "lonely words")), [])
    assert found(store, "lonely") == ["a"]


def test_an_empty_index_answers_with_nothing(store: VectorStore) -> None:
    assert store.count(INDEX) == 0
    assert store.rows(INDEX).columns == ["id", "document_id", "version", "row_hash"]
    assert store.search_vector(INDEX, vector("q"), 5) == []
    assert store.search_text(INDEX, "words", 5) == []
    store.optimize(INDEX)


def test_an_index_that_does_not_exist_holds_nothing_and_is_named(store: VectorStore) -> None:
    assert store.count("absent") == 0
    assert store.rows("absent").is_empty()
    assert store.rows("absent", ["d"]).is_empty()
    for use in (
        lambda: store.search_text("absent", "q", 1),
        lambda: store.search_vector("absent", vector("q"), 1),
        lambda: store.publish("absent", table(chunk("a")), []),
    ):
        with pytest.raises(LakeError, match=f"no index 'absent'.* there are {INDEX}"):
            use()


def test_vectors_of_another_length_are_refused(store: VectorStore) -> None:
    other = pa.Table.from_pylist([chunk("a", vector=[1.0, 0.0])], schema=chunk_schema(2))
    with pytest.raises(LakeError, match=f"{INDEX}.* 8 float32"):
        store.publish(INDEX, other, [])
    with pytest.raises(LakeError, match="'vector'"):
        store.create(INDEX, 2)
    assert store.count(INDEX) == 0


def test_publish_inserts_replaces_and_deletes_in_one_version(store: VectorStore) -> None:
    first = store.publish(INDEX, table(chunk("a"), chunk("b"), chunk("c")), [])
    assert (first.inserted, first.updated, first.deleted) == (3, 0, 0)
    second = store.publish(INDEX, table(chunk("b", "new words"), chunk("d")), ["c", "never there"])
    assert second == Published(1, 1, 1, first.version + 1)
    assert ids(store) == ["a", "b", "d"]
    assert found(store, "new") == ["b"]


def test_publishing_the_same_again_changes_no_row(store: VectorStore) -> None:
    for _ in range(2):
        store.publish(INDEX, table(chunk("a"), chunk("b")), ["gone"])
    assert ids(store) == ["a", "b"]


def test_publishing_nothing_makes_no_version(store: VectorStore) -> None:
    version = store.publish(INDEX, table(chunk("a")), []).version
    assert store.publish(INDEX, table(), []) == Published(0, 0, 0, version)
    assert store.publish(INDEX, table(), ["never there"]) == Published(0, 0, 0, version)
    assert store.publish(INDEX, table(chunk("b")), []).version == version + 1


def test_the_revision_is_another_one_after_every_commit_and_after_no_other_call(store):
    assert store.revision("nowhere") == 0
    seen = [store.revision(INDEX)]
    for upserts, stale in ((table(chunk("a")), []), (table(chunk("b")), ["a"]), (table(), ["b"])):
        store.publish(INDEX, upserts, stale)
        seen.append(store.revision(INDEX))
    assert seen == sorted(set(seen))
    store.publish(INDEX, table(), ["never there"])
    found(store, "words")
    store.rows(INDEX)
    store.create(INDEX, DIMENSIONS)
    assert store.revision(INDEX) == seen[-1]


def test_only_deletions_are_one_version_too(store: VectorStore) -> None:
    version = store.publish(INDEX, table(chunk("a"), chunk("b"), chunk("c")), []).version
    assert store.publish(INDEX, table(), ["a", "c"]) == Published(0, 0, 2, version + 1)
    assert ids(store) == ["b"]


def test_rows_are_those_of_the_documents_asked_for(store: VectorStore) -> None:
    store.publish(INDEX, table(chunk("d1/1"), chunk("d1/2", version="v2"), chunk("d2/1")), [])
    assert ids(store, ["d1"]) == ["d1/1", "d1/2"]
    assert ids(store, ["d2", "d9"]) == ["d2/1"]
    assert ids(store, []) == []
    assert ids(store, [f"d{n}" for n in range(2_000)]) == ["d1/1", "d1/2", "d2/1"]
    row = store.rows(INDEX, ["d1"]).filter(id="d1/2").row(0, named=True)
    assert row == {
        "id": "d1/2",
        "document_id": "d1",
        "version": "v2",
        "row_hash": digest("d1/2", "text of d1/2"),
    }


def test_versions_are_those_of_which_there_are_chunks(store: VectorStore) -> None:
    store.publish(INDEX, table(chunk("d1/1"), chunk("d1/2", version="v2"), chunk("d1/3")), [])
    found = store.versions(INDEX)
    first = chunk("d1/1")["version"]
    assert set(found.iter_rows()) == {("d1", first), ("d1", "v2")}
    assert store.versions("absent").is_empty()


def test_a_hit_carries_the_chunk_and_where_it_came_from(store: VectorStore) -> None:
    row = chunk(
        "d/1",
        "some passage",
        title="Title",
        heading=["Part", "Section"],
        metadata=json.dumps({"year": 2024, "tags": ["x"]}),
    )
    store.publish(INDEX, table(row), [])
    by_text = store.search_text(INDEX, "passage", 1)[0]
    by_vector = store.search_vector(INDEX, vector("some passage"), 1)[0]
    for hit in (by_text, by_vector):
        assert (hit.chunk_id, hit.document_id, hit.uri) == ("d/1", "d", "file:///d/1")
        assert (hit.version, hit.title, hit.heading) == ("v1", "Title", ("Part", "Section"))
        assert (hit.text, hit.start, hit.end) == ("some passage", 3, 15)
        assert hit.metadata == {"year": 2024, "tags": ["x"]}
    assert by_vector.score == pytest.approx(1, abs=1e-5)
    assert by_text.score > 0


def test_vector_search_ranks_by_cosine_exactly(store: VectorStore) -> None:
    names = [f"c{n:02}" for n in range(40)]
    store.publish(INDEX, table(*(chunk(name, name) for name in names)), [])
    query = vector("a question") * 3
    cosines = {name: float(vector(name) @ vector("a question")) for name in names}
    expected = sorted(names, key=lambda name: -cosines[name])[:7]
    hits = store.search_vector(INDEX, query, 7)
    assert [hit.chunk_id for hit in hits] == expected
    np.testing.assert_allclose([h.score for h in hits], [cosines[n] for n in expected], atol=1e-5)


def test_text_search_reads_text_title_and_headings(store: VectorStore) -> None:
    rows = [
        chunk("text", "zebras graze"),
        chunk("title", "nothing here", title="Zebras"),
        chunk("heading", "nothing there", heading=["Animals", "Zebras"]),
        chunk("none", "giraffes graze"),
    ]
    store.publish(INDEX, table(*rows), [])
    assert sorted(found(store, "zebras")) == ["heading", "text", "title"]
    assert found(store, "zebras")[0] == "title"


def test_rarer_and_more_frequent_words_rank_higher(store: VectorStore) -> None:
    rows = [chunk(f"filler{n}", "common words of every kind") for n in range(5)]
    rows += [chunk("rare", "common quark words of kind"), chunk("both", "quark quark common kind")]
    store.publish(INDEX, table(*rows), [])
    assert found(store, "common quark", 2) == ["both", "rare"]


@pytest.mark.parametrize("k", [0, 1, 3, 9, 100])
def test_at_most_k_hits_best_first_and_ties_by_id(store: VectorStore, k: int) -> None:
    rows = [chunk(f"c{n}", "equal words") for n in reversed(range(9))]
    store.publish(INDEX, table(*rows), [])
    expected = [f"c{n}" for n in range(9)][:k]
    assert found(store, "equal", k) == expected
    hits = store.search_vector(INDEX, vector("equal words"), k)
    assert [hit.chunk_id for hit in hits] == expected


QUERIES = [
    "",
    "   ",
    "'",
    '"unbalanced',
    "a AND (b OR",
    "title:needle",
    "needle~2 +x -y *",
    "\\",
    "' OR '1'='1",
    "%_[]{}^$",
    "\x00",
    "needle\x00hay",
    "日本語",
    "😀 needle",
    "\u2028",
    "\ud800",
    "needle " * 3_000,
    "n" * 50_000,
]


@pytest.mark.parametrize("query", QUERIES)
def test_any_text_is_a_query_and_none_of_it_is_syntax(store: VectorStore, query: str) -> None:
    store.publish(INDEX, table(chunk("a", "a needle in hay"), chunk("z", "zebra")), [])
    hits = found(store, query)
    assert hits == (["a"] if "needle" in query else hits)
    assert "z" not in hits


@pytest.mark.parametrize(
    "text", ["naïve café", "Straße Öl", "русский текст", "mixed 😀 emoji words", 'it\'s "quoted"']
)
def test_text_in_any_script_comes_back_as_it_was(store: VectorStore, text: str) -> None:
    store.publish(INDEX, table(chunk("é/1", text, title=text, heading=[text])), [])
    hit = store.search_text(INDEX, text.split()[-1], 1)[0]
    assert (hit.text, hit.title, hit.heading, hit.document_id) == (text, text, (text,), "é")


@pytest.mark.parametrize("name", ["it's", "x' OR '1'='1", 'a"b', "a\\b", "日本"])
def test_any_id_can_be_replaced_asked_for_and_deleted(store: VectorStore, name: str) -> None:
    store.publish(INDEX, table(chunk(name), chunk("other")), [])
    store.publish(INDEX, table(chunk(name, "changed")), [])
    assert ids(store, [name]) == [name]
    store.publish(INDEX, table(), [name])
    assert ids(store) == ["other"]


def test_what_is_published_is_found_at_once_and_what_is_stale_never_again(
    open_store: Callable[[], VectorStore], store: VectorStore
) -> None:
    reader = open_store()
    store.publish(INDEX, table(chunk("a", "first words"), chunk("b", "first lines")), [])
    store.optimize(INDEX, timedelta(days=7))
    assert sorted(found(reader, "first")) == ["a", "b"]
    store.publish(INDEX, table(chunk("a", "second words"), chunk("c", "first again")), ["b"])
    for _ in ("before", "after optimize"):
        assert found(reader, "first") == ["c"]
        assert found(reader, "second") == ["a"]
        assert found(reader, "lines") == []
        assert reader.search_vector(INDEX, vector("second words"), 1)[0].text == "second words"
        assert reader.count(INDEX) == 2
        store.optimize(INDEX, timedelta(milliseconds=1))


def test_optimizing_changes_no_answer(store: VectorStore) -> None:
    for n in range(6):
        rows = [chunk(f"{n}-{m}", f"word{n} word{m} shared") for m in range(8)]
        store.publish(INDEX, table(*rows), [f"{n - 1}-0"])
    store.optimize(INDEX)
    before = (ids(store), found(store, "word3 shared", 50), found(store, "word5", 50))
    vectors = store.search_vector(INDEX, vector("word3 word4 shared"), 20)
    store.optimize(INDEX)
    store.optimize(INDEX, timedelta(days=7))
    assert (ids(store), found(store, "word3 shared", 50), found(store, "word5", 50)) == before
    assert store.search_vector(INDEX, vector("word3 word4 shared"), 20) == vectors


def test_a_reader_sees_all_of_a_publish_or_none_of_it(
    open_store: Callable[[], VectorStore], store: VectorStore
) -> None:
    def generation(n: int) -> tuple[pa.Table, list[str]]:
        rows = [chunk(f"{n}-{m}", f"shared gen{n}", version=str(n)) for m in range(30)]
        return table(*rows), [f"{n - 1}-{m}" for m in range(30)]

    store.publish(INDEX, *generation(0))
    stop = threading.Event()
    seen: list[tuple[int, ...]] = []

    def read() -> None:
        reader = open_store()
        while not stop.is_set():
            held = reader.rows(INDEX)
            hits = reader.search_text(INDEX, "shared", 100)
            near = reader.search_vector(INDEX, vector("q"), 100)
            for versions in (
                held["version"].to_list(),
                [hit.version for hit in hits],
                [hit.version for hit in near],
            ):
                seen.append((len(versions), len(set(versions))))

    thread = threading.Thread(target=read)
    thread.start()
    for n in range(1, 8):
        store.publish(INDEX, *generation(n))
    stop.set()
    thread.join()
    assert set(seen) == {(30, 1)}


def test_publishers_of_the_same_new_chunks_store_each_once(
    open_store: Callable[[], VectorStore], store: VectorStore
) -> None:
    rows = table(*(chunk(f"c{n}") for n in range(60)))
    barrier = threading.Barrier(4)

    def publish(worker: int) -> None:
        own = open_store()
        barrier.wait()
        own.publish(INDEX, rows.slice(worker * 5), [f"old{worker}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(4)))
    assert ids(store) == sorted(f"c{n}" for n in range(60))


def test_processes_that_publish_the_same_new_chunks_store_each_once(tmp_path: Path) -> None:
    uri = (tmp_path / "lake").as_uri()
    store = LanceVectorStore(LanceDatabase(uri))
    store.create(INDEX, DIMENSIONS)
    artifact = tmp_path / "rows.arrow"
    rows = table(*(chunk(f"c{n}") for n in range(200)))
    with pa.ipc.new_file(artifact, rows.schema) as writer:
        writer.write_table(rows)
    script = (
        "import sys, pyarrow as pa\n"
        "from include.storage.lance import LanceDatabase\n"
        "from include.vectorstore.lance import LanceVectorStore\n"
        "uri, index, rows = sys.argv[1:]\n"
        "store = LanceVectorStore(LanceDatabase(uri))\n"
        "store.publish(index, pa.ipc.open_file(rows).read_all(), ['old'])\n"
    )
    repository = str(Path(__file__).parents[2])
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, uri, INDEX, str(artifact)],
            cwd=repository,
            env=os.environ | {"PYTHONPATH": repository},
        )
        for _ in range(2)
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert ids(store) == sorted(f"c{n}" for n in range(200))


STEPS = st.lists(
    st.tuples(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef"))), max_size=4
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_any_series_of_publishes_leaves_what_a_dictionary_would_hold(
    store: VectorStore, steps: list[tuple[set[str], set[str]]]
) -> None:
    store.drop(INDEX)
    store.create(INDEX, DIMENSIONS)
    expected: dict[str, str] = {}
    for number, (new, stale) in zip(itertools.count(), steps, strict=False):
        rows = [chunk(name, f"{name} at {number}") for name in sorted(new)]
        gone = stale - new
        store.publish(INDEX, table(*rows), sorted(gone))
        expected = {name: hash_ for name, hash_ in expected.items() if name not in gone}
        expected |= {name: digest(name, f"{name} at {number}") for name in new}
    assert dict(store.rows(INDEX).select("id", "row_hash").iter_rows()) == expected


def test_a_large_publish_with_many_stale_rows_is_one_version(store: VectorStore) -> None:
    first = store.publish(INDEX, table(*(chunk(f"a{n}") for n in range(3_000))), [])
    stale = [f"a{n}" for n in range(2_900)] + [f"never{n}" for n in range(3_000)]
    second = store.publish(INDEX, table(*(chunk(f"b{n}") for n in range(50))), stale)
    assert second == Published(50, 0, 2_900, first.version + 1)
    assert store.count(INDEX) == 150


def test_a_filter_finds_what_its_columns_and_metadata_say(store: VectorStore) -> None:
    rows = [
        described("a", {"year": 2024, "tags": ["x", "y"]}, language="en", page=2),
        described("b", {"year": "2023", "Tags": "y, z"}, language="de", title="Zebra"),
        described("c", {"year": "soon", "tags": []}, language="en"),
        described("d", {}, language="und"),
    ]
    store.publish(INDEX, table(*rows), [])
    assert within(store, scope("lang = 'en' and year >= 2024")) == ["a"]
    assert within(store, scope("year >= 2020")) == ["a", "b"]
    assert within(store, scope("year is null")) == ["c", "d"]
    assert within(store, scope("not year = 2024")) == ["b"]
    assert within(store, scope("tags contains 'y'")) == ["a", "b"]
    assert within(store, scope("tags is null")) == ["d"]
    assert within(store, scope("page = 2 or title = 'Zebra'")) == ["a", "b"]
    assert within(store, scope("lang in ('de', 'und')")) == ["b", "d"]
    assert within(store, scope("uri = 'file:///a' or version = 'v2'")) == ["a"]
    assert within(store, scope("year = 1")) == []
    assert within(store, scope()) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "text",
    [
        "year = 1 or year != 1",
        "year < 1 or year >= 1",
        "year in (1) or year not in (1)",
        "year not in (1) or year not in (2)",
        "not (year in (1) and year in (2))",
        "not (year = 1 and year = 2)",
        "not (year not in (1) and year in (1, 2))",
        "not (tags contains 'x' and not tags contains 'x')",
        "draft = true or draft = false",
        "draft = true or not draft = true",
    ],
)
def test_a_row_without_the_field_is_in_no_comparison_however_combined(
    store: VectorStore, text: str
) -> None:
    rows = [described("with", {"year": 3, "tags": [], "draft": False}), described("without", {})]
    store.publish(INDEX, table(*rows), [])
    assert within(store, scope(text)) == ["with"]
    assert within(store, scope(f"not not ({text})")) == ["with"]


def test_a_filter_leaves_out_before_k_are_chosen(store: VectorStore) -> None:
    rows = [described(f"c{n:03}", {"year": n}) for n in range(200)]
    store.publish(INDEX, table(*rows), [])
    store.optimize(INDEX, timedelta(days=7))
    for chosen in ("year < 5", "year >= 195", "year in (0, 50, 100, 150, 199)"):
        assert len(within(store, scope(chosen), 5)) == 5
        assert len(store.search_vector(INDEX, vector("q"), 3, scope(chosen))) == 3
        assert len(store.search_text(INDEX, "shared", 3, scope(chosen))) == 3


def test_a_filter_changes_no_score(store: VectorStore) -> None:
    rows = [described(f"c{n}", {"year": n}) for n in range(20)]
    store.publish(INDEX, table(*rows), [])
    store.optimize(INDEX, timedelta(days=7))
    searches = (
        lambda chosen: store.search_vector(INDEX, vector("q"), 20, chosen),
        lambda chosen: store.search_text(INDEX, "shared c3 c9", 20, chosen),
    )
    for search in searches:
        everything = [hit for hit in search(scope()) if hit.metadata["year"] < 7]
        some = search(scope("year < 7"))
        assert [hit.chunk_id for hit in some] == [hit.chunk_id for hit in everything]
        assert [hit.score for hit in some] == pytest.approx([hit.score for hit in everything])


def test_a_reader_finds_what_is_public_and_what_one_of_its_labels_opens(
    store: VectorStore,
) -> None:
    rows = [
        described("public", {}),
        described("hr", {}, acl=["hr"]),
        described("both", {}, acl=["hr", "it"]),
        described("law", {"year": 1}, acl=["law"]),
        described("odd", {}, acl=["h\x1fr", "'; drop", "it's", "%"]),
    ]
    store.publish(INDEX, table(*rows), [])
    assert within(store, scope()) == ["both", "hr", "law", "odd", "public"]
    assert within(store, scope(principals=[])) == ["public"]
    assert within(store, scope(principals=["hr"])) == ["both", "hr", "public"]
    assert within(store, scope(principals=["it", "law"])) == ["both", "law", "public"]
    for label in ("h", "HR", "", "hr it", "r", "%", "_", "*", "\x1f", "' or '1'='1", "it"):
        expected = {"%": ["odd"], "it": ["both"]}.get(label, [])
        assert within(store, scope(principals=[label])) == sorted([*expected, "public"])
    assert within(store, scope(principals=["h\x1fr"])) == ["odd", "public"]
    assert within(store, scope("year = 1", ["hr"])) == []
    assert within(store, scope("not year = 1 or year is null", ["hr"])) == ["both", "hr", "public"]


def test_changed_labels_hold_from_the_next_publish_on(store: VectorStore) -> None:
    store.publish(INDEX, table(described("a", {}), described("b", {}, acl=["hr"])), [])
    store.optimize(INDEX, timedelta(days=7))
    store.publish(INDEX, table(described("a", {}, acl=["hr"]), described("b", {})), [])
    assert within(store, scope(principals=[])) == ["b"]
    store.optimize(INDEX, timedelta(days=7))
    assert within(store, scope(principals=["it"])) == ["b"]


def test_a_hit_shows_no_access_labels(store: VectorStore) -> None:
    store.publish(INDEX, table(described("a", {"acl": ["hr"], "x": 1}, acl=["hr"])), [])
    (hit,) = store.search_text(INDEX, "shared", 1, scope(principals=["hr"]))
    assert hit.metadata == {"x": 1}
    assert "hr" not in str(hit)


def test_many_labels_and_long_filters_are_answered(store: VectorStore) -> None:
    store.publish(INDEX, table(described("a", {"year": 7}, acl=["label 999"])), [])
    years = " or ".join(f"year = {n}" for n in range(199))
    deep = "not " * 48 + "year = 7"
    many = f"year in ({', '.join(map(str, range(990)))})"
    for text in (years, deep, many, f"not ({years})"):
        found = within(store, scope(text, [f"label {n}" for n in range(1_000)]))
        assert found == ([] if text.startswith("not (") else ["a"])


TEXTS = st.sampled_from(
    [
        "",
        "a",
        "A",
        "b'c",
        '"',
        "; drop table x --",
        "\x00",
        "a\x1fb",
        "\x1b0",
        "%",
        "日本",
        "😀é",
        "\n",
    ]
)
VALUES = {
    "year": st.sampled_from([-(2**63), -1, 0, 1, 2024, 2**53 + 1, 2**63 - 1]),
    "score": st.sampled_from([-1e308, -0.5, -0.0, 0.0, 0.1, 5e-324, 2.0**53, 1e308]),
    "draft": st.booleans(),
    "day": st.sampled_from(["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"]),
    "department": TEXTS,
    "tags": st.lists(TEXTS, max_size=3),
}
METADATA = st.fixed_dictionaries({}, optional=VALUES | {"year": VALUES["year"] | st.just("no")})


def spelt(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def comparisons() -> st.SearchStrategy[str]:
    """A comparison of a field with one of the values that rows have."""
    signs = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    choices = [
        st.builds("{} is {}null".format, st.sampled_from([*VALUES]), st.sampled_from(["", "not "]))
    ]
    for name, values in VALUES.items():
        if name == "tags":
            choices.append(TEXTS.map(lambda value: f"tags contains {spelt(value)}"))
            continue
        some = st.sampled_from(["=", "!="]) if name == "draft" else signs
        choices.append(st.builds(
            lambda name, sign, value: f"{name} {sign} {spelt(value)}", st.just(name), some, values
        ))  # fmt: skip
        if name != "draft":
            several = st.lists(values.map(spelt), min_size=1, max_size=3).map(", ".join)
            choices.append(st.builds("{} {}in ({})".format, st.just(name), st.sampled_from(["", "not "]), several))  # fmt: skip
    return st.one_of(choices)


FILTERS = st.recursive(
    comparisons(),
    lambda inner: (
        st.builds("not ({})".format, inner)
        | st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=6,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(METADATA, st.lists(TEXTS.filter(bool), max_size=2)), min_size=1, max_size=8
    ),
    filters=st.lists(FILTERS, min_size=1, max_size=6),
    principals=st.none() | st.lists(TEXTS, max_size=2),
)
def test_stores_agree_with_plain_evaluation_on_any_rows_and_filters(
    store: VectorStore, rows, filters, principals
) -> None:
    store.drop(INDEX)
    store.create(INDEX, DIMENSIONS)
    held = {f"c{n}": row for n, row in enumerate(rows)}
    store.publish(INDEX, table(*(described(n, m, acl=acl) for n, (m, acl) in held.items())), [])
    for text in filters:
        chosen = scope(text, principals)
        assert within(store, chosen) == [
            name
            for name, (metadata, acl) in held.items()
            if chosen.may_read(acl) and admits(chosen.filter, mapped(FIELDS.values(metadata)))
        ]


def lance(tmp_path: Path, declared: str = "") -> LanceVectorStore:
    return LanceVectorStore(LanceDatabase((tmp_path / "lake").as_uri()), Fields.parse(declared))


def found_by(store: VectorStore, text: str, declared: str) -> list[str]:
    chosen = Scope(parse_filter(text, Fields.parse(declared)))
    return sorted(hit.chunk_id for hit in store.search_text(INDEX, "shared", 9, chosen))


def test_an_index_gets_the_columns_of_newly_declared_fields_from_its_own_metadata(
    tmp_path: Path,
) -> None:
    old = lance(tmp_path)
    old.create(INDEX, DIMENSIONS)
    old.publish(INDEX, table(described("a", {"year": "2024"}), described("b", {"year": "x"})), [])
    new = lance(tmp_path, "year:int")
    with pytest.raises(ConfigurationError, match=r"'model.*field_int_year.*include sync"):
        found_by(new, "year = 2024", "year:int")
    before = new.rows(INDEX)
    new.create(INDEX, DIMENSIONS)
    assert found_by(new, "year = 2024", "year:int") == ["a"]
    assert found_by(new, "year is null", "year:int") == ["b"]
    assert new.rows(INDEX).sort("id").equals(before.sort("id"))
    other = lance(tmp_path, "year:text")
    other.create(INDEX, DIMENSIONS)
    assert found_by(other, "year = '2024'", "year:text") == ["a"]
    lance(tmp_path).create(INDEX, DIMENSIONS)
    lance(tmp_path).publish(INDEX, table(described("c", {"year": 1})), ["a"])
    assert sorted(hit.chunk_id for hit in old.search_text(INDEX, "shared", 9)) == ["b", "c"]


def test_workers_that_bring_an_index_up_to_date_at_once_all_succeed(tmp_path: Path) -> None:
    old = lance(tmp_path)
    old.create(INDEX, DIMENSIONS)
    old.publish(INDEX, table(*(described(f"c{n}", {"year": n % 3}) for n in range(9))), [])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: lance(tmp_path, "year:int").create(INDEX, DIMENSIONS), range(4)))
    assert found_by(lance(tmp_path), "year = 1", "year:int") == ["c1", "c4", "c7"]
    assert len(old.rows(INDEX)) == 9


def test_a_new_column_leaves_no_row_outside_the_indexes(tmp_path: Path) -> None:
    from lancedb.index import IvfFlat

    old = lance(tmp_path)
    old.create(INDEX, DIMENSIONS)
    old.publish(INDEX, table(*(described(f"c{n:03}", {"year": n}) for n in range(300))), [])
    handle = LanceDatabase((tmp_path / "lake").as_uri()).open(f"chunks_{INDEX}")
    handle.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=2))
    lance(tmp_path, "year:int").create(INDEX, DIMENSIONS)
    handle.checkout_latest()
    indexes = [handle.index_stats(index.name) for index in handle.list_indices()]
    assert [index.num_unindexed_rows for index in indexes] == [0, 0, 0]


def test_bringing_an_index_up_to_date_again_makes_no_version(tmp_path: Path) -> None:
    store = lance(tmp_path, "year:int tags:list")
    store.create(INDEX, DIMENSIONS)
    version = store.publish(INDEX, table(described("a", {"year": 1})), []).version
    lance(tmp_path, "tags:list year:int").create(INDEX, DIMENSIONS)
    assert store.publish(INDEX, table(), []).version == version


def test_an_interrupted_change_of_columns_hides_rows_and_is_completed(tmp_path: Path) -> None:
    store = lance(tmp_path)
    store.create(INDEX, DIMENSIONS)
    store.publish(INDEX, table(described("a", {"year": 1}), described("b", {}, acl=["hr"])), [])
    handle = LanceDatabase((tmp_path / "lake").as_uri()).open(f"chunks_{INDEX}")
    handle.drop_columns(["acl_labels", "fields_id"])
    with pytest.raises(ConfigurationError, match="acl_labels"):
        store.search_text(INDEX, "shared", 9, Scope(principals=frozenset({"hr"})))
    handle.add_columns([pa.field("acl_labels", pa.string())])
    assert store.search_text(INDEX, "shared", 9, Scope(principals=frozenset({"hr"}))) == []
    store.create(INDEX, DIMENSIONS)
    public = store.search_text(INDEX, "shared", 9, Scope(principals=frozenset()))
    assert [hit.chunk_id for hit in public] == ["a"]


def test_a_narrow_filter_finds_k_through_an_approximate_index_too(tmp_path: Path) -> None:
    from lancedb.index import IvfFlat

    store = lance(tmp_path, "year:int")
    store.create(INDEX, DIMENSIONS)
    store.publish(INDEX, table(*(described(f"c{n:04}", {"year": n}) for n in range(3_000))), [])
    handle = LanceDatabase((tmp_path / "lake").as_uri()).open(f"chunks_{INDEX}")
    handle.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=100))
    chosen = Scope(parse_filter("year in (5, 500, 1500, 2500, 2900)", Fields.parse("year:int")))
    assert len(store.search_vector(INDEX, vector("q"), 5, chosen)) == 5
