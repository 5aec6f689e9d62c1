"""What every chunking strategy promises, over all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.chunking import STRATEGIES, Chunker, Parts, Tokenizer
from include.documents import Block, Span, heading_path
from include.embedding.fake import FakeEmbedder
from include.settings import STRATEGIES as CONFIGURABLE
from tests.test_chunking import TOKENIZERS, Lumps, Source, Words, source


@dataclass(frozen=True)
class Vectors:
    """Sentence vectors of a fake model; None as in a plan when they may not be computed."""

    known: bool = True
    id: str = "fake"

    def __call__(self, texts: Sequence[str]) -> Any:
        return FakeEmbedder(16).embed_documents(texts) if self.known and texts else None


PARTS = Parts(Words(), tokens=254, overlap_tokens=32, parent_tokens=1024, vectors=Vectors())
NAMES = sorted(STRATEGIES)


def chunker(name: str, tokens: int = 254, overlap: int = 0, **other: Any) -> Chunker:
    sizes = {"parent_tokens": max(4 * tokens, 64), **other}
    return STRATEGIES[name](replace(PARTS, tokens=tokens, overlap_tokens=overlap, **sizes))


@dataclass(frozen=True)
class Case:
    """A strategy with its parameters."""

    name: str
    tokens: int
    overlap: int
    tokenizer: Tokenizer
    vectors: Vectors = Vectors()

    def chunk(self, document: Source) -> list[Span]:
        made = chunker(
            self.name, self.tokens, self.overlap, tokenizer=self.tokenizer, vectors=self.vectors
        )
        return made.chunk(document.text, document.blocks)


CASES = st.builds(
    lambda name, tokens, share, tokenizer, known: Case(
        name, tokens, int(tokens * share), tokenizer, Vectors(known)
    ),
    st.sampled_from(NAMES),
    st.integers(1, 60),
    st.sampled_from([0, 0.2, 0.5]),
    st.sampled_from(TOKENIZERS),
    st.booleans(),
)

# -- documents -----------------------------------------------------------------------------------

_WORDS = ["alpha", "be", "gamma-ray", "x" * 30, "δ", "東京。", "a.b", "12", "(see)", "👩‍💻", "e\u0301",
          "שלום", "\u202eabc", "\ud800", "a\u0300\u0301\u0302"]  # fmt: skip
_SENTENCE = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=12).map(
    lambda words: " ".join(words) + "."
)
_BODY = st.lists(_SENTENCE, min_size=1, max_size=6).map(" ".join)
_LINES = st.lists(_SENTENCE, min_size=1, max_size=6).map("\n".join)
_PART = st.one_of(
    st.tuples(st.sampled_from(["h1", "h2", "h3"]), _SENTENCE),
    st.tuples(st.sampled_from(["paragraph", "quote"]), _BODY),
    st.tuples(st.sampled_from(["code", "table", "list"]), _LINES),
)
SOURCES = st.lists(_PART, max_size=14).map(lambda parts: source(*parts))
BARE = st.text("ab .\n\u3000\t漢é\u0301\ud800\x00", max_size=80).map(lambda text: Source(text, ()))
DOCUMENTS = st.one_of(SOURCES, BARE)


def assert_sound(
    document: Source, spans: Sequence[Span], tokens: int, tokenizer: Tokenizer
) -> None:
    """Exact, trimmed, counted, within the budget, in order, and nothing lost."""
    text, end = document.text, 0
    for span in spans:
        part = text[span.start : span.end]
        assert part
        assert not part[0].isspace()
        assert not part[-1].isspace()
        assert span.tokens == tokenizer.count(part)
        assert span.tokens <= min(tokens, tokenizer.limit) or len(part) == 1
        assert not text[end : span.start].strip()
        assert span.end > end
        end = span.end
    assert not text[end:].strip()
    assert all(one.start < other.start for one, other in pairwise(spans))


# -- promises ------------------------------------------------------------------------------------


def test_every_configurable_strategy_exists():
    assert tuple(STRATEGIES) == CONFIGURABLE


@given(DOCUMENTS, CASES)
def test_spans_are_exact_counted_within_the_budget_and_lose_nothing(document, case):
    assert_sound(document, case.chunk(document), case.tokens, case.tokenizer)


@given(DOCUMENTS, CASES)
def test_the_same_document_gives_the_same_chunks(document, case):
    assert case.chunk(document) == case.chunk(document)


@given(SOURCES, CASES)
def test_a_chunk_has_the_heading_path_of_its_first_character(document, case):
    for span in case.chunk(document):
        assert span.heading == heading_path(document.blocks, document.text, span.start)


@given(SOURCES, CASES)
def test_a_context_holds_its_chunk_and_is_only_given_by_parent(document, case):
    for span in case.chunk(document):
        if span.context:
            assert case.name == "parent"
            start, end = span.context
            assert start <= span.start < span.end <= end
            assert case.tokenizer.count(document.text[start:end]) <= max(4 * case.tokens, 64)


@pytest.mark.parametrize("name", NAMES)
def test_the_models_limit_holds_whatever_is_configured(name):
    limited = Words(limit=20)
    document = source(*[("paragraph", "one two three four five six seven. " * 3)] * 20)
    spans = chunker(name, 254, 8, tokenizer=limited).chunk(document.text, document.blocks)
    assert_sound(document, spans, 20, limited)


# -- identity ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_identity_changes_with_every_parameter_that_matters(name):
    changes = [
        {},
        {"tokens": 100},
        {"tokenizer": Lumps()},
        {"overlap_tokens": 16} if name != "semantic" else {"vectors": Vectors(id="other")},
    ]
    if name == "parent":
        changes.append({"parent_tokens": 512})
    ids = [STRATEGIES[name](replace(PARTS, **change)).id for change in changes]
    assert len(set(ids)) == len(ids)


def test_no_two_strategies_share_an_identity_and_each_names_its_version():
    ids = [STRATEGIES[name](PARTS).id for name in NAMES]
    assert len(set(ids)) == len(NAMES)
    assert all(re.match(rf"{name}-\d+/", chosen) for name, chosen in zip(NAMES, ids, strict=True))


# -- locality ------------------------------------------------------------------------------------

SUBJECTS = [
    "wing",
    "boundary",
    "heat",
    "vortex",
    "pressure",
    "cylinder",
    "nozzle",
    "shock",
    "layer",
]
Written = list[tuple[str, str]]
Edit = Callable[[Written, int, str], Written]


def _sentence(random: Random) -> str:
    return f"The {' '.join(random.choices(SUBJECTS, k=random.randint(3, 9)))} is steady."


def _long_document(random: Random) -> Written:
    paragraphs = (
        " ".join(_sentence(random) for _ in range(random.randint(1, 8))) for _ in range(330)
    )
    return [("paragraph", paragraph) for paragraph in paragraphs]


EDITS: list[Edit] = [
    lambda parts, at, new: [*parts[:at], (parts[at][0], f"{parts[at][1]} {new}"), *parts[at + 1 :]],
    lambda parts, at, new: [*parts[:at], (parts[at][0], f"Now: {parts[at][1]}"), *parts[at + 1 :]],
    lambda parts, at, new: [*parts[:at], ("paragraph", f"{new} {new}"), *parts[at:]],
    lambda parts, at, new: [*parts[:at], *parts[at + 1 :]],
]

# The mean and the most chunks that one edited paragraph of a long document changes: see
# docs/chunking.md. What follows from the algorithm is a bound on the reach, not on every number.
REACH = {
    "structure": (1.7, 4),
    "recursive": (1.7, 4),
    "sentences": (2.0, 5),
    "semantic": (2.2, 6),
    "tokens": (2.4, 6),
    "parent": (1.7, 4),
}


@pytest.mark.parametrize("name", NAMES)
def test_an_edited_paragraph_changes_few_chunks_of_a_long_document(name):
    random = Random(11)
    parts, cut = _long_document(random), chunker(name, 254, 32)
    before = set(_texts(cut, parts))
    assert len(before) >= 60
    reach = Counter(
        len(set(_texts(cut, EDITS[at % 4](parts, at, _sentence(random)))) - before)
        for at in range(1, len(parts), 7)
    )
    mean, most = REACH[name]
    assert sum(chunks * count for chunks, count in reach.items()) <= mean * reach.total()
    assert max(reach) <= most


def _texts(cut: Chunker, parts: Written) -> list[str]:
    document = source(*parts)
    return [document.text[s.start : s.end] for s in cut.chunk(document.text, document.blocks)]


# -- extremes ------------------------------------------------------------------------------------

EXTREMES = {
    "empty": "",
    "white space": " \n\t\u3000" * 1000,
    "5 MB without a space": "a" * 5_000_000,
    "5 MB without a space, then a word": "a" * 5_000_000 + " b",
    "5 MB of blanks between two words": "a" + " " * 5_000_000 + "b",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 3_000,
    "combining": "e\u0301\u0302\u0303 " * 5_000,
    "right to left": "שלום עולם \u202bمرحبا\u202c. " * 3_000,
    "lone surrogates": "\ud800a \udfff. " * 5_000,
    "no word twice": " ".join(str(number) for number in range(40_000)),
    "one word over and over": "word " * 40_000,
    "line feeds": "a\n" * 40_000,
    "NUL": "a\x00b\x00 " * 10_000,
}


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("name", NAMES)
def test_extreme_texts_are_chunked_soundly(name, extreme):
    document = Source(EXTREMES[extreme], ())
    spans = chunker(name, 254, 32).chunk(document.text, ())
    assert bool(spans) == bool(document.text.strip())
    assert_sound(document, spans, 254, Words())
    assert all(span.end - span.start <= 64 * 260 for span in spans) or "blanks" in extreme


@pytest.mark.parametrize("name", NAMES)
def test_ten_thousand_headings_are_chunked_soundly(name):
    document = source(*((f"h{1 + n % 6}", f"Heading {n}") for n in range(10_000)))
    spans = chunker(name, 254, 32).chunk(document.text, document.blocks)
    assert_sound(document, spans, 254, Words())
    assert len(spans) < 400


# -- what each strategy is for -------------------------------------------------------------------


def test_recursive_does_not_care_what_the_parser_found():
    text = "\n\n".join(f"Part {n}. " + "word " * 40 for n in range(30)).strip()
    headings = [Block("heading", f.start(), f.end(), 1) for f in re.finditer(r"Part \d+\.", text)]
    cut = chunker("recursive", 100)
    plain, headed = cut.chunk(text, ()), cut.chunk(text, headings)
    assert [(s.start, s.end) for s in plain] == [(s.start, s.end) for s in headed]
    assert all(text.startswith("Part", span.start) for span in plain)


def test_recursive_cuts_between_records_and_never_inside_a_line_that_fits():
    text = "\n".join(f"{n},name {n},{n * n}" for n in range(500))
    for span in chunker("recursive", 60).chunk(text, ()):
        assert span.start == 0 or text[span.start - 1] == "\n"


def test_tokens_makes_windows_of_half_a_budget_to_a_whole_one():
    text = " ".join(str(number) for number in range(20_000))
    sizes = [span.tokens for span in chunker("tokens", 100).chunk(text, ())]
    assert min(sizes) >= 50
    assert np.mean(sizes) > 65


def test_tokens_repeats_its_overlap_in_whole_words():
    text = " ".join(f"word{number}" for number in range(5_000))
    spans = chunker("tokens", 100, 20).chunk(text, ())
    for one, other in pairwise(spans):
        repeated = text[other.start : one.end].split()
        assert 15 <= len(repeated) <= 20
        assert other.start == 0 or text[other.start - 1] == " "


def test_sentences_crosses_paragraphs_and_keeps_sentences_whole():
    broken = [("paragraph", f"Sentence {n} goes on for eight words. And {n}.") for n in range(60)]
    document = source(*broken)
    spans = chunker("sentences", 60).chunk(document.text, document.blocks)
    assert all(document.text[span.end - 1] == "." for span in spans)
    assert np.mean([span.tokens for span in spans]) > 35


class Topics:
    """Sentences that share their first word point the same way."""

    id = "topics"

    def __call__(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), 64), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[sum(text.split()[0].encode()) % 64] = 1
        return rows


def test_semantic_cuts_where_the_topic_changes():
    topics = ["Cats", "Dogs", "Ships", "Trains", "Planes", "Rivers"]
    prose = [f"{topic} are like {n} things we saw." for topic in topics for n in range(9)]
    cut = chunker("semantic", 100, vectors=Topics())
    chunks = _texts(cut, [("paragraph", " ".join(prose))])
    starts = {chunk.split()[0] for chunk in chunks}
    assert starts == set(topics)
    for topic in topics:
        assert sum(topic in chunk for chunk in chunks) == 1


def test_semantic_embeds_nothing_of_a_document_that_fits_one_chunk():
    class Never:
        id = "never"

        def __call__(self, texts: Sequence[str]) -> Any:
            raise AssertionError(f"{len(texts)} sentences embedded")

    cut = chunker("semantic", 100, vectors=Never())
    assert len(cut.chunk("One. Two. Three.", ())) == 1


def test_parent_has_the_chunks_of_structure_and_sections_as_their_contexts():
    prose = " ".join(f"Sentence {n} has exactly seven words." for n in range(30))
    document = source(*(("h1", "One"), ("paragraph", prose)) * 4)
    children = chunker("parent", 60, parent_tokens=400).chunk(document.text, document.blocks)
    plain = chunker("structure", 60).chunk(document.text, document.blocks)
    assert [replace(span, context=None) for span in children] == plain
    contexts = {span.context for span in children}
    assert len(contexts) == 4
    assert all(document.text[start:end].startswith("One\n\n") for start, end in contexts)


def test_a_section_larger_than_the_limit_is_a_context_in_parts():
    prose = " ".join(f"Sentence {n} has exactly seven words." for n in range(300))
    document = source(("h1", "One"), ("paragraph", prose))
    children = chunker("parent", 60, parent_tokens=400).chunk(document.text, document.blocks)
    contexts = sorted({span.context for span in children})
    assert len(contexts) >= 6
    assert all(one[1] <= other[0] for one, other in pairwise(contexts))
