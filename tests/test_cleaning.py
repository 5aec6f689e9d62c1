"""Cleaning removes what carries no meaning, and keeps every span exact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.cleaning import (
    clean,
    clean_text,
    collapse_runs,
    compose,
    expand_ligatures,
    normalise_blanks,
    normalise_lines,
    remove_controls,
    remove_invisible,
)
from include.documents import Block, ParsedText

MESSY = st.text(
    st.sampled_from(
        list("ab é\u0301\u00a0\u3000\t\n\r\x0c\x00\ud800\u200b\u00ad\ufb01\u2028\u200d.")
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("transform", "before", "after"),
    [
        (normalise_lines, "a\r\nb\rc\u2028d\u0085e", "a\nb\nc\nd\ne"),
        (remove_controls, "a\x00b\x1bc\ud800d\tz\n", "abcd\tz\n"),
        (remove_invisible, "co\u00adop\u200berate\ufeff \u202eevil\u202c", "cooperate evil"),
        (remove_invisible, "\u200dkept\u200c", "\u200dkept\u200c"),
        (compose, "e\u0301a\u0308", "éä"),
        (compose, "x²", "x²"),
        (expand_ligatures, "e\ufb03cient \ufb01le", "efficient file"),
        (normalise_blanks, "a\u00a0b\u3000c  \nd\t\n", "a b c\nd\n"),
        (collapse_runs, "a  b\tc\n  d   e\n\n\n\nf", "a b c\n  d e\n\nf"),
    ],
)
def test_each_transformation_does_one_thing(transform, before, after):
    assert transform(before) == after


def test_code_keeps_its_inner_spacing():
    assert clean_text("x  =  1\n\n\n\ty", code=True) == "x  =  1\n\n\n\ty"
    assert clean_text("x  =  1") == "x = 1"


@given(MESSY, st.booleans())
def test_cleaning_a_clean_text_changes_nothing(text, code):
    once = clean_text(text, code=code)
    assert clean_text(once, code=code) == once


@given(MESSY)
def test_clean_text_is_encodable_and_has_no_control_characters(text):
    cleaned = clean_text(text)
    cleaned.encode()
    assert not any(character < " " and character not in "\n\t" for character in cleaned)


@given(st.lists(MESSY, max_size=5))
def test_blocks_still_cover_the_text_and_only_white_space_lies_between_them(texts):
    blocks, at = [], 0
    for text in texts:
        blocks.append(Block("paragraph", at, at + len(text)))
        at += len(text) + 1
    cleaned = clean(ParsedText("\n".join(texts), tuple(blocks), "A\u00a0 title"))
    assert cleaned.title == "A title"
    end = 0
    for block in cleaned.blocks:
        assert block.start >= end
        assert not cleaned.text[end : block.start].strip()
        assert cleaned.text[block.start : block.end].strip()
        end = block.end
    assert end == len(cleaned.text)


def test_what_is_clean_is_left_alone():
    blocks = (Block("heading", 0, 5, 1), Block("code", 7, 15))
    parsed = ParsedText("Title\n\n  x  = 1", blocks, "Title")
    assert clean(parsed) == parsed


def test_blocks_right_below_each_other_stay_so():
    text = "def f():  \n    pass\n\n\n\nx = 1"
    blocks = (Block("heading", 0, 10, 1), Block("code", 11, 19), Block("code", 23, 28))
    cleaned = clean(ParsedText(text, blocks))
    assert cleaned.text == "def f():\n    pass\n\nx = 1"
    assert [cleaned.text[b.start : b.end] for b in cleaned.blocks] == [
        "def f():",
        "    pass",
        "x = 1",
    ]
    assert clean(cleaned) == cleaned
