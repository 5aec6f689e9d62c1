"""Dimensions and forms as choices of an index: switching costs nothing, and everything still works."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.commands.evaluate import Asked, evaluate
from include.commands.ingest import Switches, sync
from include.commands.main import main
from include.commands.query import search, searcher
from include.commands.reembed import plan, promote, reembed, target
from include.commands.verify import verify
from include.embedding.fake import FakeEmbedder
from include.embedding.shortened import shortened, whole
from include.errors import ConfigurationError
from include.indexes import of_values
from include.storage.vector_forms import SIGNS, VECTOR, decoded
from include.wiring import Platform
from tests.stages.test_erase import erased
from tests.stages.test_promises import text_about

TARGETS = (
    "RAG_EMBEDDER=fake:32@16",
    "RAG_INDEX_VECTORS=float16",
    "RAG_INDEX_VECTORS=int8",
    "RAG_INDEX_VECTORS=binary",
    "RAG_EMBEDDER=fake:32@24 RAG_INDEX_VECTORS=int8",
)
NAMES = ("apple", "birch", "cedar", "dogwood", "elm")


@pytest.fixture
def corpus(inbox: Path) -> Path:
    for name in NAMES:
        (inbox / f"{name}.txt").write_text(text_about(f"{name}-one", f"{name}-two"))
    return inbox


def embedded(platform: Platform) -> list[str]:
    model = whole(platform.embedder)
    assert isinstance(model, FakeEmbedder)
    return model.embedded


def problems(platform: Platform, *, repair: bool = False) -> list[tuple[str, bool]]:
    found = verify(platform, repair=repair, source=False)[0]["problems"]
    return [(each["kind"], each["repaired"]) for each in found]


@pytest.mark.parametrize("values", [TARGETS[0], *TARGETS[2:]])
def test_switching_embeds_nothing_and_leaves_nothing_to_complain_of(world, corpus, values):
    sync(platform := world())
    other = target(world(), values)
    assert plan(other)["chunks_to_embed"] == 0
    assert reembed(other)["state"] == "candidate"
    assert embedded(other) == []
    assert problems(world()) == []
    promote(world(), other.index_name, "it is a test")
    (corpus / "fir.txt").write_text(text_about("fir-one"))
    sync(after := world())
    assert problems(world()) == []
    assert search(searcher(world()), "fir-one", k=1)["hits"][0]["uri"].endswith("fir.txt")
    world().registry.rollback()
    sync(back := world())
    assert len(set(embedded(after) + embedded(back))) <= 1
    assert embedded(back) == []
    assert search(searcher(world()), "fir-one", k=1)["hits"][0]["uri"].endswith("fir.txt")
    assert problems(world()) == []
    caches = [name for name in platform.database.names() if name.startswith("embeddings_")]
    assert caches == [f"embeddings_{platform.embedder.identity.id}"]


def test_every_choice_is_an_index_of_its_own(world):
    names = [of_values(world(), {}).index_name]
    names += [target(world(), values).index_name for values in TARGETS]
    assert len(set(names)) == len(TARGETS) + 1
    whole_model = world(RAG_EMBEDDER="fake:32@32", RAG_INDEX_VECTORS="float32")
    assert whole_model.index_name == names[0]


def test_a_lake_that_began_with_few_dimensions_has_all_of_them(world, corpus):
    sync(short := world(RAG_EMBEDDER="fake:32@8", RAG_INDEX_VECTORS="int8"))
    assert len(embedded(short)) == 10
    assert problems(short) == []
    sync(full := world(), Switches(rebuild=True))
    assert embedded(full) == []
    assert full.registry.live().name == full.index_name
    assert full.registry.get(short.index_name).cut_from == full.embedder.identity.id


def test_a_query_is_embedded_once_whatever_dimensions_are_asked_for(world):
    given = world().query_embedder.embed_documents(["one", "two"])
    short = world(RAG_EMBEDDER="fake:32@16")
    vectors = short.query_embedder.embed_documents(["two", "one"])
    assert embedded(short) == []
    assert np.allclose(vectors, shortened(given, 16)[::-1], atol=1e-6)
    short.query_embedder.embed_documents(["three"])
    assert embedded(short) == ["three"]


def test_an_index_of_before_there_was_a_choice_is_followed(world, corpus):
    sync(platform := world())
    live = platform.registry.live()
    known = {name: each for name, each in live.settings.items() if name != "RAG_INDEX_VECTORS"}
    platform.registry.update(live.name, settings=known)
    reembed(target(world(), "RAG_INDEX_VECTORS=int8"))
    (corpus / "fir.txt").write_text(text_about("fir-one"))
    receipt, _ = sync(world(RAG_INDEX_VECTORS="int8"))
    assert receipt["index"] == live.name


@pytest.mark.parametrize("values", TARGETS[3:])
def test_vectors_of_another_text_are_found_and_put_right(world, corpus, values):
    sync(world())
    other = target(world(), values)
    reembed(other)
    handle = other.database.open(f"chunks_{other.index_name}")
    rows = handle.to_arrow()
    moved = np.roll(np.arange(rows.num_rows), 1)
    columns = [name for name in (VECTOR, SIGNS) if name in rows.schema.names]
    wrong = rows.select(["id"])
    for name in columns:
        wrong = wrong.append_column(rows.schema.field(name), rows[name].take(moved))
    wrong = wrong.cast(wrong.schema.set(0, rows.schema.field("id")))
    handle.merge_insert("id").when_matched_update_all().execute(wrong)
    assert {kind for kind, _ in problems(world())} == {"wrong_vector"}
    assert all(repaired for _, repaired in problems(world(), repair=True))
    assert problems(world()) == []
    now = other.database.open(f"chunks_{other.index_name}").to_arrow().sort_by("id")
    assert np.array_equal(decoded(now[VECTOR]), decoded(rows.sort_by("id")[VECTOR]))


def test_signs_that_are_not_those_of_the_vector_are_found_and_put_right(world, corpus):
    sync(platform := world(RAG_INDEX_VECTORS="int8"))
    handle = platform.database.open(f"chunks_{platform.index_name}")
    row = handle.to_arrow().slice(0, 1)
    inverted = [255 - each for each in row[SIGNS].to_pylist()[0]]
    handle.update(where=f"id = '{row['id'][0].as_py()}'", values={SIGNS: inverted})
    assert problems(world()) == [("bad_vector", False)]
    assert problems(world(), repair=True) == [("bad_vector", True)]
    assert problems(world()) == []


def test_a_rounded_vector_never_goes_back_into_the_cache(world, corpus):
    sync(platform := world(RAG_INDEX_VECTORS="float16"))
    cache = platform.cache._table
    names = cache.read(["text_hash"])["text_hash"].to_list()
    cache.delete(names[:1])
    assert problems(world(), repair=True) == [("uncached_text", False)]
    assert platform.cache.missing(names) == names[:1]


def test_an_erased_document_is_found_by_no_search_of_any_form(world, corpus):
    sync(world())
    for values in TARGETS[2:4]:
        reembed(target(world(), values))
    (corpus / "elm.txt").unlink()
    receipt = erased(world(), corpus / "elm.txt")
    assert {each["found"] for each in receipt["searches"]} == {0}
    assert all(each["vectors"] for each in receipt["searches"])


@pytest.fixture
def questions(tmp_path: Path, corpus: Path) -> Path:
    """Questions about some of 20 more documents, so that ten are not all of them."""
    for number in range(20):
        words = [f"{number}-{word}" for word in ("fern", "gorse", "holly")]
        (corpus / f"more-{number}.txt").write_text(text_about(*words))
    path = tmp_path / "questions.jsonl"
    lines = [
        {"id": f"{name}-{part}", "question": f"a paragraph about {name}-{part}",
         "relevant": {f"{name}.txt": 1}}
        for name in NAMES
        for part in ("one", "two")
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_an_evaluation_tells_what_fewer_dimensions_and_bits_would_cost(world, corpus, questions):
    sync(world())
    platform, page = world(), questions.parent / "page.html"
    given = "@16,float16,int8,binary,@16+int8"
    asked = Asked(questions, options=given, mode="vector", report=page)
    answer, _ = evaluate(platform, asked)
    lines = map(json.loads, questions.read_text().splitlines())
    assert set(embedded(platform)) == {line["question"] for line in lines}
    tried = {each["option"]: each for each in answer["options"]}
    assert list(tried) == ["32-float32", "16-float32", "32-float16", "32-int8", "32-binary", "16-int8"]  # fmt: skip
    sizes = {name: each["bytes_per_chunk"] for name, each in tried.items()}
    assert sizes["32-float32"] > sizes["32-float16"] > sizes["32-binary"]
    first = tried["32-float32"]
    assert (first["now"], first["index_recall@10"]) == (True, 1.0)
    recall = {name: each["index_recall@10"] for name, each in tried.items()}
    assert recall["32-binary"] < recall["32-int8"] <= recall["32-float16"] == 1.0
    assert recall["16-int8"] < 1.0
    assert first["ndcg@10"] == answer["metrics"]["ndcg@10"]
    assert first["differences"]["ndcg@10"] == {"mean": 0, "low": 0, "high": 0}
    assert tried["16-int8"]["target"] == "RAG_EMBEDDER=fake:32@16 RAG_INDEX_VECTORS=int8"
    html = page.read_text()
    assert "Fewer dimensions, fewer bits" in html
    assert "reembed --target &#x27;RAG_EMBEDDER=fake:32@16 RAG_INDEX_VECTORS=int8&#x27;" in html
    assert first["command"] == ""


def test_what_was_measured_of_an_option_is_what_an_index_of_it_gives(world, corpus, questions):
    sync(world())
    asked = Asked(questions, options="@16+int8,binary,int8", mode="hybrid")
    tried = {each["target"]: each for each in evaluate(world(), asked)[0]["options"]}
    for values, each in tried.items():
        other = target(world(), values)
        if each["now"]:
            continue
        reembed(other)
        judged = replace(asked, index=other.index_name, options=None, against="live")
        made, _ = evaluate(world(), judged)
        assert made["metrics"]["ndcg@10"] == pytest.approx(each["ndcg@10"])
        assert made["measured"]["index_recall"] == 1.0
        moved = made["measured"]["drift"]["centroid"]
        # Only the same dimensions of the same model have directions in common, and signs are none.
        whole_bytes = values.endswith("=int8") and "@" not in values
        assert moved == (pytest.approx(0, abs=1e-3) if whole_bytes else None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("@64", "asks for 64 dimensions; the model has 32"),
        ("int4", "should be like @256, int8"),
        ("@12+binary", "multiple of 8"),
        ("@16,,int8", "should be like"),
    ],
)
def test_an_option_that_cannot_be_is_told(world, corpus, questions, options, told):
    sync(world())
    with pytest.raises(ConfigurationError, match=told):
        evaluate(world(), Asked(questions, options=options))


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("RAG_EMBEDDER", "fake:32@64", "RAG_EMBEDDER asks for 64 dimensions.*which has 32"),
        ("RAG_EMBEDDER", "fake:32@12", "multiple of 8, is 12"),
        ("RAG_INDEX_VECTORS", "int4", "RAG_INDEX_VECTORS should be one of float32, float16"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_before_anything_is_embedded(
    environment, corpus, monkeypatch, capsys, variable, value, told
):
    given = environment | {"RAG_INDEX_VECTORS": "binary"} | {variable: value}
    for name, each in given.items():
        monkeypatch.setenv(name, each)
    assert main(["sync"]) == 2
    assert re.search(told, capsys.readouterr().err)
    assert not list((corpus.parent / "lake").rglob("embeddings_*"))


def test_the_table_of_options_is_printed(environment, corpus, questions, monkeypatch, capsys):
    for name, each in environment.items():
        monkeypatch.setenv(name, each)
    assert main(["sync"]) == 0
    main(["evaluate", "--questions", str(questions), "--options", "@16+binary"])
    shown = capsys.readouterr().out
    assert "32-float32 (now)" in shown
    assert "reembed --target 'RAG_EMBEDDER=fake:32@16 RAG_INDEX_VECTORS=binary'" in shown
