"""Tokenizers that count exactly as an embedding model does, without loading the model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer as RustTokenizer

from include.documents import digest
from include.embedding.rust_tokenizer import PlainTokenizer, encodable, load_rust, lower_cases

_PUNCTUATION = r"!-/:-@\[-`{-~"
HELD_CHARACTERS = 8_000_000


def model_tokenizer(folder: Path, max_sequence: int, prefix: str = "") -> PlainTokenizer:
    """The fastest exact tokenizer for a model folder that reads `max_sequence` tokens in all.

    Its limit leaves room for the special tokens and for `prefix`, which precedes every text.
    """
    rust = load_rust(folder)
    written = (folder / "tokenizer.json").read_bytes()
    lower = lower_cases(folder)
    identity = f"tokenizer-{digest('tokenizer', written, str(lower))[:12]}"
    fast = not lower and _splits_at_spaces(json.loads(written))
    kind = WordPieceTokenizer if fast else PlainTokenizer
    return kind(rust, identity, max_sequence - len(rust.encode(prefix)))


def _splits_at_spaces(rules: dict[str, Any]) -> bool:
    """Whether ASCII spaces and punctuation always separate tokens, whatever surrounds them.

    True for BERT's rules: its normaliser works character by character (after a decomposition in
    which an ASCII character never takes part), and special tokens are found before it.
    """
    added = rules.get("added_tokens") or []
    plain = ("normalized", "single_word", "lstrip", "rstrip")
    return (
        (rules.get("normalizer") or {}).get("type") == "BertNormalizer"
        and (rules.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer"
        and rules["model"].get("type") == "WordPiece"
        and not any(token[flag] for token in added for flag in plain)
        and all(re.match(rf"[{_PUNCTUATION}]\S+$", token["content"]) for token in added)
    )


class WordPieceTokenizer(PlainTokenizer):
    """The same answers, several times faster: each word is tokenised once and remembered.

    Under BERT's rules the tokens of a text are those of its words, one after the other, so only
    words not seen before reach the real tokenizer. Not for use by several threads at once.
    `additive` says that counts add up at white space, so that a chunker need not count again.
    """

    additive = True

    def __init__(self, rust: RustTokenizer, identity: str, limit: int) -> None:
        super().__init__(rust, identity, limit)
        added = [re.escape(t.content) for t in rust.get_added_tokens_decoder().values()]
        self._piece = re.compile("|".join([rf"[^{_PUNCTUATION}]+", *added, "."]), re.DOTALL)
        self._words: dict[str, tuple[int, ...]] = {"": ()}
        self._pieces: dict[str, tuple[int, ...]] = {}
        self._held = 0
        self.held_characters = HELD_CHARACTERS

    def starts(self, text: str) -> list[int]:
        """The character offset at which each token starts, ascending; no special tokens."""
        words = self._known(text)
        offsets = list(map(self._words.__getitem__, words))
        counts = np.fromiter(map(len, offsets), np.int64, len(words))
        lengths = np.fromiter(map(len, words), np.int64, len(words)) + 1
        within = np.fromiter(chain.from_iterable(offsets), np.int64, int(counts.sum()))
        starts: list[int] = (np.repeat(np.cumsum(lengths) - lengths, counts) + within).tolist()
        return starts

    def count(self, text: str) -> int:
        """The number of tokens, without special tokens."""
        words = self._known(text)  # it may begin a new table: look there, not in the old one
        return sum(map(len, map(self._words.__getitem__, words)))

    def _known(self, text: str) -> list[str]:
        """The words of the text, split at single spaces, each of them in the table."""
        if self._held > self.held_characters:
            self._words, self._pieces, self._held = {"": ()}, {}, 0
        spaced = encodable(text).replace("\n", " ").replace("\t", " ").replace("\r", " ")
        words = spaced.split(" ")
        unknown = set(words).difference(self._words)
        if unknown:
            self._learn(sorted(unknown))
        return words

    def _learn(self, words: Sequence[str]) -> None:
        split = [self._piece.findall(word) for word in words]
        self._learn_pieces(set(chain.from_iterable(split)).difference(self._pieces))
        for word, pieces in zip(words, split, strict=True):
            self._words[word] = self._joined(pieces)
            self._held += len(word)

    def _joined(self, pieces: Sequence[str]) -> tuple[int, ...]:
        if len(pieces) == 1:
            return self._pieces[pieces[0]]
        at = 0
        starts: list[int] = []
        for piece in pieces:
            for start in self._pieces[piece]:
                starts.append(at + start)  # noqa: PERF401 - extend with a generator is slower
            at += len(piece)
        return tuple(starts)

    def _learn_pieces(self, unknown: Iterable[str]) -> None:
        pieces = sorted(unknown)
        starts = PlainTokenizer.starts(self, " ".join(pieces))
        begin = first = 0
        for piece in pieces:
            end, last = begin + len(piece), first
            while last < len(starts) and starts[last] < end:
                last += 1
            self._pieces[piece] = tuple(start - begin for start in starts[first:last])
            begin, first = end + 1, last
