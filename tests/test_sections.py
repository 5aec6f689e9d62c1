"""Sections around small chunks: what an answer reads, and what it cites."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.commands.ingest import sync
from include.commands.query import ask, search, searcher
from include.documents import Hit
from include.retrieval.context import pack
from tests.conftest import World

TEXT = "One begins. Two follows.\n\nThree is third. Four ends.\n\nFive is elsewhere."


def chunk(start: int, end: int, context: tuple[int, int], score: float = 1.0) -> Hit:
    return Hit(
        chunk_id=f"{start}-{end}", document_id="doc", uri="file:///doc.md", version="v1", title="t",
        heading=(), text=TEXT[start:end], start=start, end=end, score=score,
        context_start=context[0], context_end=context[1],
    )  # fmt: skip


def section(hit: Hit) -> str:
    return TEXT[hit.context_start : hit.context_end]


ONE, TWO, THREE = chunk(0, 11, (0, 51)), chunk(12, 24, (0, 51), 2.0), chunk(26, 41, (0, 51))
FIVE = chunk(53, 71, (53, 71))


def test_chunks_of_one_section_become_its_text_once():
    (passage,) = pack([TWO, THREE, ONE], budget=51, section_text=section)
    assert (passage.start, passage.end, passage.text) == (0, 51, TEXT[:51])
    assert passage.hits == (ONE, TWO, THREE)


def test_the_chunks_of_a_section_count_as_one_place_of_a_document():
    packed = pack([TWO, THREE, ONE, FIVE], budget=100, per_document=2, section_text=section)
    assert [passage.text for passage in packed] == [TEXT[:51], TEXT[53:71]]


def test_a_chunk_stands_for_itself_where_its_section_does_not_fit():
    (passage,) = pack([TWO], budget=50, section_text=section)
    assert (passage.text, passage.section) == (TWO.text, None)


@pytest.mark.parametrize("wrong", ["", "Another text, as long as the section is, but another."])
def test_a_section_that_does_not_hold_its_chunk_is_not_read(wrong):
    (passage,) = pack([TWO], budget=100, section_text=lambda hit: wrong)
    assert (passage.text, passage.section) == (TWO.text, None)


def test_without_section_texts_chunks_are_packed_as_ever():
    assert [p.text for p in pack([TWO, FIVE], budget=100)] == [TWO.text, FIVE.text]


def test_the_widened_chunk_keeps_its_name():
    (passage,) = pack([ONE, TWO], budget=100, section_text=section)
    widened = passage.widened()
    assert widened
    assert (widened.chunk_id, widened.start, widened.text) == ("12-24", 0, TEXT[:51])


GUIDE = "# Guide\n\n" + "\n\n".join(
    f"Paragraph {n} tells of topic{n} and what belongs to it, at some length for a chunk."
    for n in range(12)
)


def test_an_answer_reads_the_section_and_cites_the_small_chunk(world: World, inbox):
    (inbox / "guide.md").write_text(GUIDE)
    platform = world(RAG_CHUNK_STRATEGY="parent", RAG_CHUNK_PARENT_TOKENS="120")
    sync(platform)
    hit = search(searcher(platform), "topic7", k=1)["hits"][0]
    assert hit["context_end"] - hit["context_start"] > hit["end"] - hit["start"]
    found = platform.tables.texts.read(["text"])["text"][0]
    assert found[hit["start"] : hit["end"]] == hit["text"]
    answered = ask(platform, "Paragraph tells of topic7 and what belongs to it", k=1)
    assert answered["citations"]
    for cited in answered["citations"]:
        assert cited["chunk_id"] == hit["chunk_id"]
        assert found[cited["start"] : cited["end"]] == cited["text"]
    outside = [c for c in answered["citations"] if not hit["start"] <= c["start"] < hit["end"]]
    assert outside


def test_no_section_is_read_of_a_version_that_is_gone(world: World, inbox):
    (inbox / "guide.md").write_text(GUIDE)
    platform = world(RAG_CHUNK_STRATEGY="parent")
    sync(platform)
    known = platform.tables.documents.read(["id", "version"]).to_dicts()[0]
    here = replace(ONE, document_id=known["id"], version=known["version"])
    assert platform.section_text(here) == platform.tables.texts.read(["text"])["text"][0][:51]
    assert platform.section_text(replace(here, version="another")) == ""
    assert platform.section_text(replace(here, document_id="another")) == ""
