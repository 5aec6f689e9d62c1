"""Two indexes of one lake, evaluated beside each other: what passes, what is refused, what stays."""

from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from include.commands.evaluate import Asked, evaluate
from include.commands.ingest import Switches, sync
from include.errors import ConfigurationError
from include.evaluation.history import trend
from include.storage.index_entries import Index
from include.storage.scans import Scan
from include.vectorstore.protocol import chunk_schema

WORDS = ["amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heron", "ivory", "jade", "karst", "lilac", "maple", "nadir", "ochre", "pearl", "quartz", "raven", "sable", "topaz", "umber", "violet", "willow", "xenon", "yarrow", "zephyr"]  # fmt: skip


@pytest.fixture
def lake(world, inbox, tmp_path):
    """26 documents of one chunk each, and a question for each."""
    questions = []
    for at, word in enumerate(WORDS):
        (inbox / f"{word}.md").write_text(f"# About {word}\n\nThe {word} is number {at}.\n")
        line = {"id": word, "question": f"About {word} The {word} is number {at}.",
                "relevant": {f"{word}.md": 1}, "tags": ["a" if at % 2 else "b"]}  # fmt: skip
        questions.append(json.dumps(line))
    (tmp_path / "questions.jsonl").write_text("\n".join(questions))
    platform = world(RAG_CHUNK_TOKENS="64")
    sync(platform, Switches())
    return platform


@pytest.fixture
def asked(tmp_path):
    def make(**more: object) -> Asked:
        return Asked(tmp_path / "questions.jsonl", **{"mode": "vector", **more})

    return make


def copy(platform, name: str, change=lambda vectors: vectors, keep: int = 1_000) -> None:
    """Another index with the rows of the live one, and vectors that are changed."""
    live = platform.registry.live()
    scan = Scan.of(platform.database, "chunks_" + live.name)
    schema = chunk_schema(live.dimensions)
    frame = pl.DataFrame(pl.from_arrow(scan.handle.to_arrow().select(schema.names))).sort("id")
    vectors = change(frame["vector"].to_numpy().copy()).astype(np.float32)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), live.dimensions)
    table = frame.drop("vector").to_arrow().append_column("vector", flat)
    platform.store.create(name, live.dimensions)
    platform.store.publish(name, table.select(schema.names).cast(schema).slice(0, keep), [])
    platform.registry.add(Index(name, state="candidate", embedder=live.embedder,
                                chunker=live.chunker, dimensions=live.dimensions))  # fmt: skip


def test_an_equal_index_passes(lake, asked):
    copy(lake, "equal")
    answer, status = evaluate(lake, asked(index="equal", against="live"))
    assert (answer["verdict"], answer["reasons"], status) == ("pass", [], 0)
    assert answer["baseline"] == answer["metrics"]
    assert answer["differences"]["metrics"]["ndcg@10"] == {"mean": 0, "low": 0, "high": 0}
    assert answer["measured"]["drift"]["centroid"] == pytest.approx(0, abs=1e-6)
    assert (answer["measured"]["coverage"], answer["measured"]["index_recall"]) == (1.0, 1.0)


def test_a_shuffled_model_is_refused_for_its_answers(lake, asked):
    copy(lake, "shuffled", lambda v: v[np.random.default_rng(5).permutation(len(v))])
    answer, status = evaluate(lake, asked(index="shuffled", against="live"))
    assert (answer["verdict"], status) == ("refuse", 1)
    assert any(each.startswith("ndcg@10 changes by -") for each in answer["reasons"])


def test_the_worse_index_held_against_the_better_one_and_the_other_way_round(lake, asked):
    copy(lake, "shuffled", lambda v: v[::-1])
    live = lake.registry.live().name
    answer, status = evaluate(lake, asked(index=live, against="shuffled"))
    assert (answer["verdict"], status) == ("pass", 0)
    assert answer["differences"]["metrics"]["ndcg@10"]["low"] > 0


def test_an_index_without_some_documents_is_refused(lake, asked):
    copy(lake, "half", keep=len(WORDS) - 2)
    answer, status = evaluate(lake, asked(index="half", against="live"))
    assert status == 1
    assert answer["measured"]["missing"] == 2
    assert any("2 of 26 documents are not in it" in each for each in answer["reasons"])


def test_an_index_of_one_vector_is_refused_for_its_vectors(lake, asked):
    copy(lake, "collapsed", lambda v: np.repeat(v[:1], len(v), axis=0))
    reasons = " ".join(evaluate(lake, asked(index="collapsed", against="live"))[0]["reasons"])
    assert "share their vector" in reasons
    assert "point in one direction" in reasons


def test_an_index_cannot_be_held_against_itself(lake, asked):
    with pytest.raises(ConfigurationError, match="named twice"):
        evaluate(lake, asked(against="live"))


def test_an_index_of_another_model_is_asked_with_its_own(world, environment, inbox, asked, lake):
    before = lake.registry.live().name
    sync(world(RAG_CHUNK_TOKENS="64", RAG_EMBEDDER="fake:64"), Switches(rebuild=True))
    answer, _ = evaluate(lake, asked(index=before, against="live"))
    assert (answer["index"], answer["measured"]["drift"]["centroid"]) == (before, None)
    assert answer["measured"]["drift"]["nearest"] > 0


def test_every_evaluation_is_kept_and_comparable_ones_make_a_trend(lake, asked, tmp_path):
    first, _ = evaluate(lake, asked())
    second, _ = evaluate(lake, asked())
    evaluate(lake, asked(mode="text"))
    rows = lake.tables.evaluations.read()
    assert len(rows) == 3
    name = rows.filter(id=first["run_id"])["questions_hash"].item()
    past = trend(lake.tables, name, "vector")
    assert [each.id for each in past] == [first["run_id"], second["run_id"]]
    assert past[0].metrics == first["metrics"]
    lines = (tmp_path / "questions.jsonl").read_text().replace("About amber", "On amber")
    (tmp_path / "questions.jsonl").write_text(lines)
    evaluate(lake, asked())
    assert len(trend(lake.tables, name, "vector")) == 2


def test_what_is_kept_names_no_document(lake, asked):
    evaluate(lake, asked())
    for column in lake.tables.evaluations.read().iter_columns():
        assert "amber" not in json.dumps(column.cast(pl.String).to_list())


def test_the_page_needs_nothing_else_and_escapes_what_it_shows(lake, asked, tmp_path):
    copy(lake, "shuffled", lambda v: v[::-1])
    path = tmp_path / "questions.jsonl"
    lines = path.read_text().replace('"question": "About', '"question": "<script>alert(1)</script>')
    path.write_text(lines)
    page = tmp_path / "report.html"
    evaluate(lake, asked(report=page))
    alone = page.read_text()
    assert (alone.count("<svg"), "centroid" in alone) == (1, False)
    answer, _ = evaluate(lake, asked(index="shuffled", against="live", report=page))
    html = page.read_text()
    assert "centroid moved by" in html
    assert answer["report"] == str(page)
    assert not re.search(r"https?://|<script|src=|@import|url\(", html)
    assert "&lt;script&gt;" in html
    assert html.count("<svg") == 3
    assert "Verdict: refuse" in html


def test_a_page_that_cannot_be_written_is_told(lake, asked, tmp_path):
    with pytest.raises(ConfigurationError, match="--report should name a file"):
        evaluate(lake, asked(report=tmp_path / "no" / "folder.html"))
