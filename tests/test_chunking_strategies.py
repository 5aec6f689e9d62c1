"""Which strategy chunks which document, what a plan may ask of it, and how they are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.chunking import ChunkerByMediaType, StructureChunker
from include.chunking.recursive import RecursiveChunker
from include.commands.compare import Comparison, compare
from include.commands.ingest import plan, sync
from include.commands.main import main
from include.commands.show import comparison
from include.documents import chunk_ids, document_id
from include.embedding.fake import FakeEmbedder
from include.embedding.sentences import CALLS_BETWEEN_COMPACTIONS, EmbeddedSentences
from include.errors import CommitConflictError, ConfigurationError
from include.settings import STRATEGIES, Settings
from tests.conftest import World
from tests.test_chunking import Words

PROSE = " ".join(f"Sentence {n} tells of thing{n} in eight words." for n in range(20))


def test_overrides_choose_by_media_type_and_are_part_of_the_identity():
    default = StructureChunker(Words(), tokens=64, overlap_tokens=8)
    other = RecursiveChunker(Words(), tokens=64, overlap_tokens=8)
    chosen = ChunkerByMediaType(default, {"text/csv": other})
    assert chosen.of("text/csv") is other
    assert chosen.of("text/plain") is default
    assert chosen.id == f"{default.id} text/csv={other.id}"


def test_an_override_that_changes_nothing_names_no_other_index():
    default = StructureChunker(Words(), tokens=64, overlap_tokens=8)
    assert ChunkerByMediaType(default).id == default.id
    assert ChunkerByMediaType(default, {"text/csv": default}).id == default.id


# -- settings ------------------------------------------------------------------------------------


def test_a_strategy_is_followed_by_those_of_single_media_types():
    given = "structure text/x-rst=tokens text/html=parent"
    chosen = Settings.from_environment({"RAG_CHUNK_STRATEGY": given}).chunking
    assert chosen.strategy == "structure"
    assert dict(chosen.by_media_type) == {"text/x-rst": "tokens", "text/html": "parent"}
    assert chosen.strategies == {"structure", "tokens", "parent"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("fixed", "none of them"),
        ("structure text/csv=fixed", "none of them"),
        ("text/csv=recursive", "none of them"),
        ("structure text/csv", "a strategy, then"),
        ("structure csv=recursive", "a strategy, then"),
        ("structure text/csv=recursive text/csv=tokens", "twice"),
        ("structure, text/csv=recursive", "none of them"),
    ],
)
def test_a_wrong_strategy_is_named_with_what_is_allowed(given, expected):
    with pytest.raises(ConfigurationError, match=expected) as caught:
        Settings.from_environment({"RAG_CHUNK_STRATEGY": given})
    assert "RAG_CHUNK_STRATEGY" in str(caught.value)


def test_a_context_smaller_than_its_chunk_is_refused():
    small = {"RAG_CHUNK_PARENT_TOKENS": "100"}
    assert Settings.from_environment(small).chunking.parent_tokens == 100
    with pytest.raises(ConfigurationError, match="at least RAG_CHUNK_TOKENS"):
        Settings.from_environment(small | {"RAG_CHUNK_STRATEGY": "structure text/html=parent"})


def test_a_media_type_that_no_document_has_is_refused(world: World):
    with pytest.raises(ConfigurationError, match="text/markdwn"):
        _ = world(RAG_CHUNK_STRATEGY="structure text/markdwn=tokens").chunker


# -- ingestion -----------------------------------------------------------------------------------


def test_each_chunk_is_named_by_the_chunker_that_made_it(world: World, inbox: Path):
    for name in ("one.md", "two.txt"):
        (inbox / name).write_text(PROSE)
    platform = world(RAG_CHUNK_STRATEGY="structure text/markdown=tokens")
    sync(platform)
    for name, media_type in (("one.md", "text/markdown"), ("two.txt", "text/plain")):
        document = document_id(platform.settings.source.uris[0], name)
        chunker = platform.chunker.of(media_type)
        texts = [PROSE[s.start : s.end] for s in chunker.chunk(PROSE, ())]
        rows = platform.store.rows(platform.index_name, [document])
        assert set(rows["id"]) == set(chunk_ids(document, chunker.id, texts))


def test_going_to_parent_and_back_embeds_nothing(world: World, inbox: Path):
    (inbox / "one.md").write_text(PROSE)
    sync(world())
    parent = {"RAG_CHUNK_STRATEGY": "parent"}
    from include.commands.ingest import Switches

    receipt, _ = sync(world(**parent), Switches(rebuild=True))
    assert (receipt["embedded"], receipt["reused"]) == (0, receipt["published"])


SEMANTIC = {"RAG_CHUNK_STRATEGY": "semantic"}


def test_a_plan_embeds_no_sentence(world: World, inbox: Path):
    (inbox / "one.md").write_text(PROSE)
    platform = world(**SEMANTIC)
    planned = plan(platform)
    assert planned["chunks"] >= 8
    assert platform.embedder.embedded == []
    assert platform.cache.count() == 0


def test_a_plan_after_the_sentences_are_known_is_exact(world: World, inbox: Path):
    (inbox / "one.md").write_text(PROSE)
    receipt, _ = sync(world(**SEMANTIC))
    (inbox / "two.txt").write_text(PROSE)
    assert plan(world(**SEMANTIC))["chunks"] == receipt["published"]
    assert plan(world(**SEMANTIC))["chunks_to_embed"] == 0


def test_a_sentence_is_never_embedded_twice(world: World, inbox: Path):
    (inbox / "one.md").write_text(PROSE)
    first = world(**SEMANTIC)
    sync(first)
    (inbox / "one.md").write_text(PROSE.replace("Sentence 9 ", "Sentence nine "))
    second = world(**SEMANTIC)
    sync(second)
    known = set(first.embedder.embedded)
    assert second.embedder.embedded
    assert not known & set(second.embedder.embedded)
    assert len(second.embedder.embedded) <= 5


@pytest.mark.parametrize("busy", [False, True])
def test_the_cache_is_compacted_now_and_then_and_a_busy_one_later(busy: bool):
    compacted: list[int] = []

    def compact() -> None:
        compacted.append(len(embedder.embedded))
        if busy:
            raise CommitConflictError("Another process writes.")

    embedder = FakeEmbedder(8)
    vectors = EmbeddedSentences("fake", lambda: embedder, compact)
    for number in range(2 * CALLS_BETWEEN_COMPACTIONS):
        assert vectors([f"Sentence {number}."]).shape == (1, 8)
    assert compacted == [CALLS_BETWEEN_COMPACTIONS - 1, 2 * CALLS_BETWEEN_COMPACTIONS - 1]


# -- comparison ----------------------------------------------------------------------------------


@pytest.fixture
def questions(tmp_path: Path, inbox: Path) -> Path:
    for number in range(6):
        text = PROSE.replace("thing", f"matter{number} of thing")
        (inbox / f"{number}.md").write_text(text)
    lines = (
        {"id": str(n), "question": f"What of matter{n}?", "relevant": {f"{n}.md": 1}}
        for n in range(6)
    )
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def test_every_strategy_is_measured_before_anything_is_indexed(world: World, questions: Path):
    platform = world()
    found = compare(platform, Comparison(questions))
    assert [row["strategy"] for row in found["strategies"]] == list(STRATEGIES)
    for row in found["strategies"]:
        assert row["chunks"] > 6
        assert row["tokens_embedded"] >= row["chunks"] * row["mean_tokens"] * 0.9
        assert row["ndcg@10"] > 0.9
    assert platform.registry.live() is None
    assert platform.store.indexes() == []
    assert platform.tables.documents.count() == 0
    assert comparison(found).count("\n") == len(STRATEGIES) + 1


def test_the_stored_texts_give_the_same_figures_and_leave_the_live_index_alone(
    world: World, questions: Path
):
    before = compare(world(), Comparison(questions, ["structure"], [20, 40]))["strategies"]
    platform = world()
    sync(platform)
    live = platform.store.rows(platform.index_name).sort("id")
    after = compare(world(), Comparison(questions, ["structure"], [20, 40]))["strategies"]
    figures = ("chunks", "mean_tokens", "tokens_embedded", "ndcg@10", "recall@10", "mrr@10")
    assert [[row[f] for f in figures] for row in before] == [[r[f] for f in figures] for r in after]
    assert [row["new_texts"] for row in after] == [0, 0]
    assert platform.store.indexes() == [platform.index_name]
    assert platform.store.rows(platform.index_name).sort("id").equals(live)


def test_the_sentences_of_semantic_are_part_of_its_tokens(world: World, questions: Path):
    rows = compare(world(), Comparison(questions, ["sentences", "semantic"], [40]))["strategies"]
    assert rows[1]["tokens_embedded"] > 1.7 * rows[0]["tokens_embedded"]


def test_questions_about_other_documents_are_refused(world: World, questions: Path, inbox: Path):
    (inbox / "7.md").write_text("Another document.")
    for number in range(6):
        (inbox / f"{number}.md").unlink()
    with pytest.raises(ConfigurationError, match="None of the 1 documents"):
        compare(world(), Comparison(questions))


@pytest.mark.parametrize("tokens", ["8", "a", "128,", "128 256"])
def test_impossible_sizes_are_refused(tokens: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["compare-chunkers", "--questions", "x", "--tokens", tokens])
    assert stopped.value.code == 2
    assert tokens in capsys.readouterr().err
