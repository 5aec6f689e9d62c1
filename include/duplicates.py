"""Near-duplicates: texts that share most of their word sequences, by MinHash signatures. Pure.

The likeness of two texts is the share of their runs of three words that both have (the Jaccard
index), estimated from 128 hash minima: at 0.9 with a standard error of 0.027. Texts with equal
words in equal order have likeness 1, whatever their case, spacing and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Signatures: TypeAlias = NDArray[np.uint32]

METHOD = "minhash-128 3-words rensa-0.5"
"""Names how a signature is made; signatures of different methods do not compare."""

NEAR = 0.9
_MINIMA = 128
_SEED = 20_240_501
_RUN = 3
# Where a copy differs from its original, it nearly always does so before this.
_MOST_CHARACTERS = 600_000
_WORD_OF_LETTERS = re.compile(r"\w+")
# Scripts without blanks between words: every character counts as one.
_WORD = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\\W\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+"
)
# With bands of 8 minima texts of likeness 0.9 meet in one of 16 with a probability of 0.9999, of
# 0.8 with 0.95; bands of 4 find 0.6 with 0.99, for more comparisons.
_COARSE, _WIDE, _NARROW = 0.8, 8, 4
# A band that so many unlike texts share is boilerplate; other bands tell them apart.
_MOST_ROUNDS = 100


def signature(text: str) -> bytes:
    """The text's signature: 128 little-endian uint32."""
    from rensa import RMinHash

    minhash = RMinHash(num_perm=_MINIMA, seed=_SEED)
    minhash.update(_runs(text))
    return np.array(minhash.digest(), "<u4").tobytes()


def stacked(signatures: Sequence[bytes]) -> Signatures:
    """Signatures as the rows of a matrix."""
    return np.frombuffer(b"".join(signatures), "<u4").reshape(-1, _MINIMA)


def likeness(one: Signatures, others: Signatures) -> NDArray[np.float64]:
    """How alike one signature (a row) is to each of the others, from 0 to 1."""
    return np.asarray((others == one).mean(axis=1), np.float64)


def near_groups(signatures: Mapping[str, bytes], threshold: float = NEAR) -> list[list[str]]:
    """Names whose texts are alike, directly or through others, in groups of two or more.

    Deterministic: groups and the names inside them are sorted, the order of the input is
    irrelevant. Time grows with the number of names, not with its square.
    """
    names = sorted(signatures)
    if not names:
        return []
    matrix = stacked([signatures[name] for name in names])
    leader = list(range(len(names)))
    for bucket in _buckets(matrix, _WIDE if threshold >= _COARSE else _NARROW):
        _join(bucket, matrix, threshold, leader)
    groups: dict[int, list[str]] = {}
    for number, name in enumerate(names):
        groups.setdefault(_root(leader, number), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _runs(text: str) -> list[str]:
    sound = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be hashed
    pattern = _WORD_OF_LETTERS if sound.isascii() else _WORD
    words = pattern.findall(sound[:_MOST_CHARACTERS].lower())
    if len(words) < _RUN:
        return [" ".join(words) or sound.strip()]
    return list(set(map(" ".join, zip(words, words[1:], words[2:], strict=False))))


def _buckets(matrix: Signatures, width: int) -> list[NDArray[np.intp]]:
    """The rows that agree in all minima of some band, two or more each."""
    factors = np.random.default_rng(width).integers(1, 2**63, width, np.uint64) | np.uint64(1)
    buckets = []
    for start in range(0, _MINIMA, width):
        band = (matrix[:, start : start + width].astype(np.uint64) * factors).sum(axis=1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=~band[order[:1]]))
        ends = np.append(starts[1:], len(order))
        several = ends - starts > 1
        buckets += [
            order[one:other] for one, other in zip(starts[several], ends[several], strict=True)
        ]
    return buckets


def _join(rows: NDArray[np.intp], matrix: Signatures, threshold: float, leader: list[int]) -> None:
    """Joins what is like the first row, then does the same with the rest."""
    for _ in range(_MOST_ROUNDS):
        if len(rows) < 2:
            return
        alike = likeness(matrix[rows[0]], matrix[rows[1:]]) >= threshold
        for row in map(int, rows[1:][alike]):
            one, other = _root(leader, int(rows[0])), _root(leader, row)
            leader[max(one, other)] = min(one, other)
        rows = rows[1:][~alike]


def _root(leader: list[int], row: int) -> int:
    while leader[row] != row:
        leader[row] = leader[leader[row]]
        row = leader[row]
    return row
