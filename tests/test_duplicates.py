"""Near-duplicates: signatures, groups, and results without repetition."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.documents import Hit
from include.duplicates import likeness, near_groups, signature, stacked
from include.retrieval.distinct import distinct
from include.settings import REPOSITORY

WORDS = [f"word{n}" for n in range(500)]


def text(seed: int, words: int = 400) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def like(one: str, other: str) -> float:
    return float(likeness(stacked([signature(one)])[0], stacked([signature(other)]))[0])


def test_equal_words_are_fully_alike_whatever_their_case_and_spacing() -> None:
    assert like("Some Words, in a row.", "some\nwords in  a ROW") == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_small_edit_stays_alike_and_another_text_is_not(seed: int) -> None:
    original = text(seed)
    assert like(original, original.replace("word7 ", "changed ", 1)) >= 0.9
    assert like(original, original + " one more line") >= 0.9
    assert like(original, text(seed + 100)) < 0.1


@pytest.mark.parametrize("every", [3, 10, 30, 100])
def test_likeness_estimates_the_share_of_common_runs_of_three_words(every: int) -> None:
    one = text(1, 3_000).split()
    other = [f"new{n}" if n % every == 0 else word for n, word in enumerate(one)]

    def runs(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[n : n + 3]) for n in range(len(words) - 2)}

    exact = len(runs(one) & runs(other)) / len(runs(one) | runs(other))
    # Four standard errors of 128 samples are at most 0.18.
    assert like(" ".join(one), " ".join(other)) == pytest.approx(exact, abs=0.18)


def test_texts_without_blanks_between_words_are_compared_by_character() -> None:
    sentence = "文書の近似重複は三文字の並びで見つけることができるのでとても便利な方法です"
    assert like(sentence, sentence + "。") == 1
    assert 0.7 < like(sentence, sentence + "ね") < 1
    assert like(sentence, sentence[::-1]) < 0.3


@pytest.mark.parametrize("odd", ["", " ", "!!!", "…", "a", "\x00", "\ud800", "😀"])
def test_a_text_of_hardly_any_words_has_a_signature_of_its_own(odd: str) -> None:
    assert len(signature(odd)) == 512
    assert like(odd, "another text altogether") < 0.1
    assert like(odd, "???") < 0.1


def test_a_huge_text_is_signed_in_bounded_time() -> None:
    began = time.process_time()
    signature("word " * 5_000_000)
    signature("x" * 20_000_000)
    assert time.process_time() - began < 5


def test_signatures_are_the_same_in_every_process() -> None:
    script = "from include.duplicates import signature; print(signature('a b c d e f').hex())"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert ran.stdout.strip() == signature("a b c d e f").hex()


def test_groups_hold_what_is_alike_and_nothing_else() -> None:
    texts = {f"other{n}": text(n) for n in range(60)}
    texts |= {f"copy{n}": text(999) + f" ending {n}" for n in range(5)}
    texts |= {"pair-a": text(555), "pair-b": text(555) + " x"}
    signatures = {name: signature(each) for name, each in texts.items()}
    assert near_groups(signatures) == [
        ["copy0", "copy1", "copy2", "copy3", "copy4"],
        ["pair-a", "pair-b"],
    ]
    assert near_groups({}) == []


def test_a_lower_threshold_finds_looser_groups() -> None:
    changed = text(1).split()
    changed[::12] = ["other"] * len(changed[::12])
    signatures = {"a": signature(text(1)), "b": signature(" ".join(changed))}
    assert near_groups(signatures, 0.9) == []
    assert near_groups(signatures, 0.5) == [["a", "b"]]


@given(st.permutations(range(12)))
def test_groups_do_not_depend_on_the_order_of_the_input(order: list[int]) -> None:
    signatures = {f"t{n:02}": signature(text(n // 3) + f" {n}") for n in order}
    assert near_groups(signatures) == [
        [f"t{n:02}" for n in range(12) if n // 3 == group] for group in range(4)
    ]


def hit(document: str, chunk: str) -> Hit:
    return Hit(chunk, document, "uri", "v", "", (), "text", 0, 4, 1.0)


def test_only_the_best_of_documents_alike_is_kept_with_all_its_hits() -> None:
    signatures = {"a": signature(text(1)), "copy": signature(text(1)), "b": signature(text(2))}
    hits = [hit("b", "1"), hit("copy", "2"), hit("a", "3"), hit("copy", "4"), hit("unsigned", "5")]
    assert [each.chunk_id for each in distinct(hits, signatures)] == ["1", "2", "4", "5"]
    assert distinct([], signatures) == []
    assert distinct(hits, {}) == hits
