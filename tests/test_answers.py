"""Answers: which sentences a document has, what is packed, what is chosen, and that it is traced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.documents import Hit
from include.embedding.fake import FakeEmbedder
from include.errors import ConfigurationError
from include.retrieval.context import pack
from include.retrieval.extract import ExtractOptions, candidates, choose
from include.retrieval.extractive import NOTHING_RELEVANT, ExtractiveAnswerer, compose
from include.retrieval.search import Searcher
from include.retrieval.sentences import LONGEST, readable, sentences
from include.vectorstore.memory import MemoryVectorStore
from include.vectorstore.protocol import chunk_schema


def parts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One fine day. Two fine days!", ["One fine day.", "Two fine days!"]),
        ('He said "go away." Then he left.', ['He said "go away."', "Then he left."]),
        ("Use a cache, e.g. Redis is fine.", ["Use a cache, e.g. Redis is fine."]),
        ("See Fig. 3 for the whole plot.", ["See Fig. 3 for the whole plot."]),
        ("Version 3.11.7 of it is needed.", ["Version 3.11.7 of it is needed."]),
        (
            "lower case ends here . and goes on here .",
            ["lower case ends here .", "and goes on here ."],
        ),
        ("A line that was\nwrapped by hand.", ["A line that was\nwrapped by hand."]),
        ("これは一つの文です。次の文もあります。", ["これは一つの文です。", "次の文もあります。"]),
    ],
)
def test_prose_is_split_into_sentences(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


def test_each_list_item_is_a_sentence_with_or_without_a_full_stop() -> None:
    text = "It can do this:\n- Retry with exponential backoff\n- Retry only on some errors.\n2) And then give up"
    assert [readable(part) for part in parts(text)] == [
        "It can do this:",
        "Retry with exponential backoff",
        "Retry only on some errors.",
        "And then give up",
    ]


@pytest.mark.parametrize(
    "block",
    [
        "Getting Started Here",
        "pip install the-package with extras",
        ">>> import something\n>>> something.run(with_arguments=True)",
        "from package import name\n\nname.do(it)",
        'client = Client(key="value", other={"a": 1})',
        "| a | b | c |\n|---|---|---|",
        "https://example.org/one https://example.org/two",
        "v1.2.3",
        "",
    ],
)
def test_headings_code_tables_and_addresses_are_not_sentences(block: str) -> None:
    text = f"Before it stands a sentence.\n\n{block}\n\nAfter it stands another one."
    assert parts(text) == ["Before it stands a sentence.", "After it stands another one."]


def test_a_run_on_text_is_cut_at_words() -> None:
    text = "word " * 300
    assert all(len(part) <= LONGEST for part in parts(text))
    assert " ".join(parts(text)).split() == text.split()


@given(st.text("ab .!?\n-1)(é=>", max_size=300))
def test_sentences_are_ordered_separate_and_without_outer_white_space(text: str) -> None:
    spans = sentences(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(end - start <= LONGEST for start, end in spans)


def hit(
    text: str, *, document: str = "doc", start: int = 0, score: float = 1.0, title: str = "Title"
) -> Hit:
    return Hit(
        chunk_id=f"{document}-{start}-{len(text)}",
        document_id=document,
        uri=f"file:///docs/{document}.md",
        version="v1",
        title=title,
        heading=(),
        text=text,
        start=start,
        end=start + len(text),
        score=score,
    )


def cut(text: str, start: int, end: int, *, document: str = "doc", score: float = 1.0) -> Hit:
    return hit(text[start:end], document=document, start=start, score=score)


def test_chunks_that_overlap_or_touch_become_one_passage() -> None:
    text = "abcdefghijklmnopqrstuvwxyz"
    (passage,) = pack([cut(text, 10, 20), cut(text, 0, 12), cut(text, 20, 26)], budget=100)
    assert (passage.start, passage.end, passage.text) == (0, 26, text)


def test_chunks_with_white_space_between_them_become_one_passage() -> None:
    text = "first part\n\nsecond part"
    (passage,) = pack([cut(text, 0, 10), cut(text, 12, 23)], budget=100)
    assert passage.text == text


def test_passages_stand_in_the_order_of_their_best_chunk() -> None:
    text = "x" * 100
    hits = [
        cut(text, 50, 60, document="b", score=0.9),
        cut(text, 0, 10, document="a", score=0.8),
        cut(text, 60, 70, document="b", score=0.1),
    ]
    packed = pack(hits, budget=100)
    assert [passage.hits[0].document_id for passage in packed] == ["b", "a"]
    assert [passage.score for passage in packed] == [0.9, 0.8]


def test_a_document_gives_no_more_chunks_than_it_may() -> None:
    text = "x" * 100
    hits = [cut(text, place * 10, place * 10 + 5) for place in range(6)]
    packed = pack(hits, budget=1000, per_document=2)
    assert [passage.start for passage in packed] == [0, 10]


def test_a_chunk_that_does_not_fit_is_skipped_and_a_later_one_taken() -> None:
    hits = [hit("x" * 50, document="a"), hit("y" * 80, document="b"), hit("z" * 40, document="c")]
    assert [p.hits[0].document_id for p in pack(hits, budget=100)] == ["a", "c"]


def test_a_budget_can_be_counted_in_tokens() -> None:
    hits = [hit("one two three", document="a"), hit("four five", document="b")]
    packed = pack(hits, budget=4, measure=lambda text: len(text.split()))
    assert [p.hits[0].document_id for p in packed] == ["a"]


spans = st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 15))


@given(st.lists(spans, max_size=12), st.integers(0, 60), st.integers(1, 4))
def test_packing_keeps_the_budget_the_limit_and_the_text(
    places: list[tuple[str, int, int]], budget: int, limit: int
) -> None:
    text = "The quick brown fox jumps over the lazy dog, again and again."[:56]
    hits = [cut(text, start, start + size, document=name) for name, start, size in places]
    packed = pack(hits, budget=budget, per_document=limit)
    chosen = [each for passage in packed for each in passage.hits]
    assert sum(len(each.text) for each in chosen) <= budget
    assert len({each.chunk_id for each in chosen}) == len(chosen)
    for name in "ab":
        assert sum(each.document_id == name for each in chosen) <= limit
    for passage in packed:
        whole = "".join(passage.text.split())
        assert all("".join(each.text.split()) in whole for each in passage.hits)


def test_overlapping_chunks_offer_a_sentence_once() -> None:
    text = "The first one is here. The second one is here. The third one is here."
    found = candidates([cut(text, 0, 46), cut(text, 23, 69)], most=10)
    assert [sentence.text for sentence in found] == parts(text)
    assert [text[sentence.start : sentence.end] for sentence in found] == parts(text)


def test_no_more_sentences_are_offered_than_asked_for() -> None:
    assert len(candidates([hit("One is here now. " * 20)], most=3)) == 3


def choice(cosines: Sequence[float], **options: float) -> list[int]:
    """Which of equally ranked, wordless and unlike sentences are chosen for these cosines."""
    found = candidates(
        [
            hit(f"Sentence {'abcdefgh'[n]} stands here.", document=f"d{n}")
            for n in range(len(cosines))
        ],
        most=99,
    )
    size = len(cosines) + 1
    vectors = np.zeros((size, size), dtype=np.float32)
    vectors[0, 0] = 1
    for number, cosine in enumerate(cosines, start=1):
        vectors[number, 0], vectors[number, number] = cosine, np.sqrt(1 - cosine**2)
    settings = replace(ExtractOptions(), **options)  # type: ignore[arg-type]
    chosen = choose("?", found, vectors, settings)
    return [int(extract.sentence.hit.document_id[1:]) for extract in chosen]


def test_the_most_similar_sentences_are_chosen_best_first() -> None:
    assert choice([0.5, 0.9, 0.7], close=0) == [1, 2, 0]


def test_nothing_is_chosen_when_the_best_is_not_similar_enough() -> None:
    assert choice([0.39, 0.1]) == []
    assert choice([0.41, 0.1]) != []


def test_sentences_far_below_the_best_are_left_out() -> None:
    assert choice([0.9, 0.2], rank=0, close=0.7) == [0]
    assert choice([0.9, 0.2], rank=0, close=0.1) == [0, 1]


def test_no_more_sentences_are_chosen_than_allowed() -> None:
    assert choice([0.9, 0.89, 0.88], sentences=2) == [0, 1]


def test_what_says_the_same_again_is_left_out() -> None:
    found = candidates([hit("This is said once.", document=name) for name in "ab"], most=9)
    vectors = np.array([[1, 0], [0.9, 0.43589], [0.9, 0.43589]], dtype=np.float32)
    (only,) = choose("what is said?", found, vectors, ExtractOptions())
    assert only.sentence.hit.document_id == "a"


def test_one_document_gives_no_more_sentences_than_it_may() -> None:
    text = "Alpha is described here. Bravo is described here. Charlie is described here."
    found = candidates([hit(text)], most=9)
    vectors = np.eye(4, dtype=np.float32)
    vectors[1:, 0] = 0.8
    chosen = choose("?", found, vectors, ExtractOptions(per_document=2))
    assert len(chosen) == 2


README = (
    "Tenacity\n\n"
    "Tenacity is a library to retry failing calls with exponential backoff. "
    "It also can retry failing calls at once.\n\n"
    "    @retry\n    def call(): ...\n\n"
    "The licence is Apache."
)
OTHER = "Pendulum\n\nPendulum parses dates and durations from text."


def answerer() -> ExtractiveAnswerer:
    embedder, store = FakeEmbedder(256), MemoryVectorStore()
    store.create("live", 256)
    rows = [
        {
            "id": f"chunk-{name}",
            "document_id": name,
            "uri": f"file:///docs/{name}.md",
            "version": "v7",
            "title": name,
            "heading": [],
            "text": text,
            "text_hash": name,
            "start": 100,
            "end": 100 + len(text),
            "tokens": 9,
            "page": 0,
            "context_start": 100,
            "context_end": 100 + len(text),
            "acl": [],
            "language": "en",
            "metadata": "{}",
            "row_hash": name,
            "run_id": "run",
            "vector": embedder.embed_documents([text])[0],
        }
        for name, text in (("tenacity", README), ("pendulum", OTHER))
    ]
    store.publish("live", pa.Table.from_pylist(rows, schema=chunk_schema(256)), [])
    ticks = count()
    return ExtractiveAnswerer(
        Searcher(embedder, store, "live"),
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks)),
        new_id=lambda: "trace-1",
    )


QUESTION = "Which library can retry failing calls with exponential backoff?"


def test_an_answer_names_the_document_and_marks_its_sentences() -> None:
    told = answerer().ask(QUESTION).answer
    assert told.answer.startswith("tenacity: Tenacity is a library to retry failing calls")
    assert "[1]" in told.answer
    assert told.model == "extractive"
    assert told.prompt is None


def test_a_citation_slices_back_to_the_document() -> None:
    for cited in answerer().ask(QUESTION).answer.citations:
        source = README if cited.uri.endswith("tenacity.md") else OTHER
        assert source[cited.start - 100 : cited.end - 100] == cited.text
        assert (cited.version, cited.chunk_id) == ("v7", f"chunk-{cited.title}")


def test_every_marker_in_the_answer_has_its_citation() -> None:
    told = answerer().ask(QUESTION).answer
    markers = [cited.marker for cited in told.citations]
    assert markers == list(range(1, len(markers) + 1))
    assert all(f"[{marker}]" in told.answer for marker in markers)


def test_a_question_about_something_else_gets_an_honest_answer() -> None:
    told = answerer().ask("zebra quantum volcano").answer
    assert told.answer == NOTHING_RELEVANT
    assert told.citations == ()


def test_an_empty_index_gets_an_honest_answer() -> None:
    embedder, store = FakeEmbedder(32), MemoryVectorStore()
    store.create("live", 32)
    trace = ExtractiveAnswerer(Searcher(embedder, store, "live")).ask(QUESTION)
    assert trace.answer.answer == NOTHING_RELEVANT
    assert trace.hits == ()
    assert len(trace.trace_id) == 36


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="should contain a word"):
        answerer().ask(" ")


def test_a_trace_holds_the_chain_behind_the_answer() -> None:
    asked = answerer()
    trace = asked.ask(QUESTION, 2, mode="text")
    assert (trace.trace_id, trace.answer.trace_id) == ("trace-1", "trace-1")
    assert (trace.question, trace.mode, trace.k, trace.seconds) == (QUESTION, "text", 2, 1.0)
    assert trace.embedder == asked.searcher.embedder.identity.id
    assert trace.hits[0].chunk_id == "chunk-tenacity"
    assert (trace.hits[0].start, trace.hits[0].version) == (100, "v7")


def test_an_answer_and_its_trace_are_json_values() -> None:
    trace = answerer().ask(QUESTION)
    told, traced = trace.answer.as_json(), trace.as_json()
    assert json.loads(json.dumps(told)) == told
    assert json.loads(json.dumps(traced)) == traced
    assert set(told) == {
        "answer",
        "citations",
        "model",
        "prompt",
        "index",
        "usage",
        "cost_usd",
        "trace_id",
        "problems",
        "finish_reason",
        "cached_from",
        "cosine",
    }
    assert told["cost_usd"] == "0"
    assert traced["asked_at"] == "2026-01-01T00:00:00+00:00"


def test_sentences_that_follow_each_other_share_a_citation() -> None:
    text = "The first one is here. The second one is here.\n\nThe third one is here."
    found = candidates([hit(text, title="doc")], most=9)
    vectors = np.eye(4, dtype=np.float32)
    vectors[1:, 0] = 0.8
    told, citations = compose(choose("?", found, vectors, ExtractOptions()))
    assert (
        told == "doc: The first one is here. The second one is here. [1] The third one is here. [2]"
    )
    assert [text[cited.start : cited.end] for cited in citations] == text.split("\n\n")


def test_documents_stand_in_the_order_of_their_best_sentence() -> None:
    found = candidates(
        [
            hit("Alpha is described here.", document="a", title="A"),
            hit("Bravo is described here.", document="b", title="B"),
        ],
        most=9,
    )
    vectors = np.eye(3, dtype=np.float32)
    vectors[1:, 0] = [0.5, 0.8]
    told, _ = compose(choose("?", found, vectors, ExtractOptions()))
    assert told == "B: Bravo is described here. [1]\nA: Alpha is described here. [2]"
