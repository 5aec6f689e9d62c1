"""Parsing: every format gives plain text with exact blocks, or one clear reason why not."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from importlib.metadata import distributions
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing import FORMATS, media_type, parse

EXTENSIONS = [extension for entry in FORMATS for extension in entry.extensions]
TEXTS = [extension for entry in FORMATS if not entry.binary for extension in entry.extensions]


def shape(name: str, source: str) -> list[tuple[str, str]]:
    """The kind and the text of every block."""
    parsed = parse(name, source.encode())
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def headings(parsed: ParsedText) -> list[tuple[int, str]]:
    return [
        (block.level, parsed.text[block.start : block.end])
        for block in parsed.blocks
        if block.kind == "heading"
    ]


def assert_exact(parsed: ParsedText) -> None:
    end = 0
    for block in parsed.blocks:
        assert block.start >= end
        assert not parsed.text[end : block.start].strip()
        assert parsed.text[block.start : block.end].strip()
        end = block.end
    assert not parsed.text[end:].strip()


# -- dispatch ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.MD", "text/markdown"),
        ("b.rst", "text/x-rst"),
        ("c.htm", "text/html"),
        ("d.text", "text/plain"),
        ("README", "text/plain"),
        (".hidden", "text/plain"),
        ("e.xyz", None),
    ],
)
def test_a_name_promises_a_media_type(name, expected):
    assert media_type(name) == expected


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.md", b" \r\n\t ", "empty"),
        ("a.docm", b"text", "unsupported_format"),
        ("a.txt", b"%PDF-1.7\n...", "malformed"),
        ("a.md", b"PK\x03\x04....", "binary"),
        ("notes", bytes(range(256)) * 20, "binary"),
        ("a.txt", b"ab\0\0\0\0\0\0\0\0\0\0" * 9, "binary"),
        ("a.html", b"<html><script>x()</script></html>", "no_text"),
        ("a.md", b"![](x.png)", "no_text"),
        ("a.rst", b".. a comment\n", "no_text"),
        ("a.txt", bytes((7 * i * i + 31 * i) % 96 + 160 for i in range(400)), "encoding"),
    ],
)
def test_an_unusable_file_has_a_stable_reason(name, raw, reason):
    with pytest.raises(DocumentError) as caught:
        parse(name, raw)
    assert caught.value.reason == reason
    assert repr(name) in caught.value.detail


def test_a_page_without_an_extension_is_read_as_a_page():
    parsed = parse("index", b"<!-- x -->\n<!DOCTYPE html><title>T</title><p>Hello")
    assert (parsed.title, parsed.text) == ("T", "Hello")


def reason_to_refuse(name: str, raw: bytes) -> str | None:
    """Why a file is refused; None when it gives exact blocks."""
    try:
        assert_exact(parse(name, raw))
    except DocumentError as error:
        return error.reason
    return None


@given(st.sampled_from(EXTENSIONS), st.binary(max_size=200))
def test_any_bytes_give_exact_blocks_or_a_document_error(extension, raw):
    reasons = {None, "empty", "binary", "encoding", "malformed", "no_text"}
    assert reason_to_refuse(f"x{extension}", raw) in reasons


MARKUP = st.text(st.sampled_from(list("ab #*-_`>|=:.[]()<>/\n\n \t1+\\&;!~")), max_size=120)


@given(st.sampled_from(TEXTS), MARKUP)
def test_any_markup_gives_exact_blocks(extension, source):
    allowed = {None, "empty", "no_text"} | (
        {"malformed"} if extension in (".ipynb", ".xml") else set()
    )
    assert reason_to_refuse(f"x{extension}", source.encode()) in allowed


# -- encodings -----------------------------------------------------------------------------------

SENTENCE = "Žluťoučký kůň naïvely paid 5 € for the café’s crème brûlée.\nSecond line."


@pytest.mark.parametrize(
    "raw",
    [
        SENTENCE.encode(),
        codecs.BOM_UTF8 + SENTENCE.encode(),
        SENTENCE.encode("utf-16"),
        codecs.BOM_UTF16_BE + SENTENCE.encode("utf-16-be"),
        SENTENCE.encode("utf-16-le"),
        SENTENCE.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + SENTENCE.encode("utf-32-le"),
        SENTENCE.encode("utf-32-be"),
        SENTENCE.replace("\n", "\r\n").encode(),
        SENTENCE.replace("café", "ca\0fé").encode(),
        SENTENCE.encode() + "é".encode()[:1],
    ],
    ids=str,
)
def test_every_unicode_encoding_is_read(raw):
    assert parse("a.txt", raw).text.rstrip("\ufffd") == SENTENCE


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Café crème is 5 € “today”."),
        ("cp1252", "Größe und Übung: das Mädchen läuft über die schöne Straße nach Köln."),
        ("cp1251", "Привет, как дела? Это русский текст для проверки кодировки."),
        ("cp932", "日本語のテキストです。東京は日本の首都です。"),
    ],
)
def test_an_older_encoding_is_recognised(encoding, text):
    assert parse("a.txt", text.encode(encoding)).text == text


def test_a_page_names_its_own_encoding():
    page = '<meta charset="iso-8859-2"><p>Příliš žluťoučký kůň'
    assert parse("a.html", page.encode("iso-8859-2")).text == "Příliš žluťoučký kůň"


def test_one_broken_byte_does_not_change_the_rest():
    raw = ("naïve café " * 50).encode().replace("ï".encode(), b"\xef", 1)
    text = parse("a.txt", raw).text
    assert text.count("café") == 50
    assert text.count("\ufffd") == 1


# -- plain text ----------------------------------------------------------------------------------


def test_a_first_line_before_a_blank_line_is_the_title():
    parsed = parse("a.txt", b"wing flow .\n\nThe flow\nover wings.\n\n\nMore.\n")
    assert parsed.title == "wing flow ."
    assert shape("a.txt", "wing flow .\n\nThe flow\nover wings.\n\n\nMore.\n") == [
        ("heading", "wing flow ."),
        ("paragraph", "The flow\nover wings."),
        ("paragraph", "More."),
    ]


def test_a_file_name_is_never_a_title():
    assert parse("Annual report.txt", b"Only one paragraph\nof two lines.").title == ""


def test_underlined_lines_of_plain_text_are_headings():
    source = "Guide\n=====\nIntro.\n\nUsage\n-----\n\nRun it."
    assert headings(parse("a.txt", source.encode())) == [(1, "Guide"), (2, "Usage")]


# -- Markdown ------------------------------------------------------------------------------------

MARKDOWN = """---
title: "Retry *library*"
date: 2024-05-01
tags: [a, b]
---

[![Build](https://img.shields.io/x.svg)](https://ci) ![Logo](logo.png)

# Retry

Calls *fail*; **retry** them with [`backoff`](https://x.y "t").

- one
- two
  1. first
  2. second

  more of two

```python
def f():

    return 1
```

| a | b |
|---|---|
| 1 | `x\\|y` |

> quoted
"""


def test_markdown_becomes_plain_blocks():
    assert shape("a.md", MARKDOWN) == [
        ("paragraph", "Logo"),
        ("heading", "Retry"),
        ("paragraph", "Calls fail; retry them with backoff."),
        ("list", "- one\n- two\n  1. first\n  2. second\n  more of two"),
        ("code", "def f():\n\n    return 1"),
        ("table", "a | b\n1 | x|y"),
        ("quote", "quoted"),
    ]


def test_front_matter_is_metadata_and_names_the_title():
    parsed = parse("a.md", MARKDOWN.encode())
    assert parsed.title == "Retry *library*"
    assert parsed.metadata["date"] == "2024-05-01"
    assert parsed.metadata["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    "source",
    [
        "---\n\nA rule, and `---` in text.\n\n---\n\nMore.",
        "---\na: &a [x]\nb: *a\n---\ntext",
        "---\n: : :\n---\ntext",
        "+++\nnot toml\n+++\n\ntext",
    ],
)
def test_what_is_no_front_matter_stays_in_the_text(source):
    parsed = parse("a.md", source.encode())
    assert parsed.metadata == {}
    assert len(parsed.blocks) >= 2


def test_toml_front_matter_is_read():
    parsed = parse("a.md", b'+++\ntitle = "T"\nweight = 3\n+++\n# H\n')
    assert (parsed.title, parsed.metadata["weight"]) == ("T", 3)


def test_task_lists_show_what_is_done():
    assert shape("a.md", "- [x] done\n- [ ] open\n") == [("list", "- [x] done\n- [ ] open")]


def test_html_inside_markdown_is_read_as_html():
    source = '<p align="center"><img src="x" alt="Diagram"></p>\n\n<details><summary>More</summary>\n\nText\n</details>\n'
    assert [text for _, text in shape("a.md", source)] == ["Diagram", "More", "Text"]


def test_without_a_first_level_heading_a_later_heading_is_no_title():
    assert parse("a.md", b"Intro.\n\n## Sponsors\n\nx").title == ""
    assert parse("a.md", b"## Opens the text\n\nx").title == "Opens the text"


# -- HTML ----------------------------------------------------------------------------------------

PAGE = """<!doctype html><html lang="en"><head><title> The
 page </title><meta name="description" content="About it"><style>p{}</style></head><body>
<header><a href="/">Home</a></header><nav><ul><li>Menu</li></ul></nav>
<div class="cookie-banner">We use cookies</div><div style="display: none">unseen</div>
<main><h1>Main <em>thing</em><a class="headerlink" href="#x">¶</a></h1>
<p>First<br>second &amp; <b>bold</b> text.<script>x()</script></p>
<ul><li>a<ul><li>b</li></ul></li><li><p>c</p><pre>code
  here</pre></li></ul>
<dl><dt>Term</dt><dd>Meaning</dd></dl>
<table><caption>Cap</caption><tr><th>H1<th>H2<tr><td>1<td><p>2</p><p>3</p></table>
<p hidden>gone</p></main><footer>Imprint</footer></body></html>"""


def test_a_page_gives_its_main_content():
    assert shape("a.html", PAGE) == [
        ("heading", "Main thing"),
        ("paragraph", "First\nsecond & bold text."),
        ("list", "- a\n  - b\n- c"),
        ("code", "code\n  here"),
        ("list", "Term\n  Meaning"),
        ("table", "Cap\nH1 | H2\n1 | 2 3"),
    ]


def test_navigation_and_footers_are_left_out_without_a_main_element_too():
    source = PAGE.replace("<main>", "<div>").replace("</main>", "</div>")
    assert shape("a.html", source) == shape("a.html", PAGE)


def test_a_page_gives_its_title_and_metadata():
    parsed = parse("a.html", PAGE.encode())
    assert parsed.title == "The page"
    assert parsed.metadata == {"lang": "en", "description": "About it"}


def test_a_table_that_lays_out_a_page_is_no_table():
    source = "<table><tr><td><h2>Left</h2><p>text</p><td><table><tr><td>1<td>2</table></table>"
    assert shape("a.html", source) == [
        ("heading", "Left"),
        ("paragraph", "text"),
        ("table", "1 | 2"),
    ]


def test_ten_thousand_nested_elements_are_read():
    for tag in ("div", "ul", "b", "table"):
        started = process_time()
        assert parse("a.html", (f"<{tag}>" * 10_000 + "deep").encode()).text.strip(" -") == "deep"
        assert process_time() - started < 10


# -- reStructuredText ----------------------------------------------------------------------------

RST = """
.. |badge| image:: https://img.shields.io/x.svg
   :alt: badge
.. |name| replace:: Retry

=====
Retry
=====

:Author: A. Writer
:Version: 2

|badge| |name| *fails*, **retries** ``calls`` with `backoff <https://x.y>`_ and :func:`~a.sleep` (:pep:`8`).

Usage
-----

- one
  continued
- two

  * nested

Example::

    def f():

        return 1

.. code-block:: python
   :linenos:

   g()

.. note:: Mind
   the gap.

.. _a-target: https://x

term
  meaning

====  ====
a     b
====  ====
1     ``2``
====  ====

1. first
2. second

  quoted
"""


def test_restructuredtext_becomes_plain_blocks():
    assert shape("a.rst", RST) == [
        ("heading", "Retry"),
        ("paragraph", "Retry fails, retries calls with backoff and a.sleep (PEP 8)."),
        ("heading", "Usage"),
        ("list", "- one continued\n- two\n  - nested"),
        ("paragraph", "Example:"),
        ("code", "def f():\n\n    return 1"),
        ("code", "g()"),
        ("paragraph", "Mind the gap."),
        ("list", "term\n  meaning"),
        ("table", "a | b\n1 | 2"),
        ("list", "1. first\n2. second"),
        ("quote", "quoted"),
    ]


def test_a_field_list_at_the_top_is_metadata():
    assert parse("a.rst", RST.encode()).metadata == {"author": "A. Writer", "version": "2"}


def test_sections_have_the_levels_of_their_adornments():
    source = "A\n=\n\nB\n-\n\nC\n~\n\nD\n-\n\nE\n=\n\nx\n"
    parsed = parse("a.rst", source.encode())
    assert headings(parsed) == [(1, "A"), (2, "B"), (3, "C"), (2, "D"), (1, "E")]


def test_nothing_is_included_from_the_machine(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for directive in (f".. include:: {secret}", f".. csv-table::\n   :file: {secret}",
                      f".. raw:: html\n   :file: {secret}"):  # fmt: skip
        assert "secret" not in parse("a.rst", f"Text.\n\n{directive}\n".encode()).text.replace(
            str(secret), ""
        )


def test_constructs_nested_too_deeply_are_malformed():
    with pytest.raises(DocumentError) as caught:
        parse("a.rst", "".join("  " * depth + "- x\n\n" for depth in range(600)).encode())
    assert caught.value.reason == "malformed"


def test_stray_markup_costs_little_time():
    for source in ("*a " * 20_000, "`a <" * 20_000, "``a" * 20_000, "|a " * 20_000):
        started = process_time()
        parse("a.rst", source.encode())
        assert process_time() - started < 5


def readmes() -> list[tuple[str, str]]:
    """The reStructuredText descriptions of the installed distributions, the shorter ones."""
    found = []
    for distribution in distributions():
        kind = distribution.metadata.get("Description-Content-Type") or ""
        body = distribution.metadata.get_payload() or ""
        if kind.startswith("text/x-rst") and 200 < len(body) < 12_000:
            found.append((distribution.metadata["Name"], body))
    return sorted(found)[::3][:25]


def test_what_docutils_reads_is_read():
    """docutils is the reference: the same headings, and the same words but for 2 %."""
    from include.parsing.blocks import BlockWriter
    from include.parsing.rst_docutils import doctree
    from include.parsing.rst_tree import TreeWalk

    def words(parsed: ParsedText) -> Counter[str]:
        return Counter(re.findall(r"\w+", parsed.text))

    compared = 0
    for name, source in [("the sample", RST), *readmes()]:
        tree, writer = doctree(source), BlockWriter()
        named = {key: value.astext() for key, value in tree.substitution_defs.items()}
        TreeWalk(writer, named).read(tree)
        reference, ours = writer.finish(), parse("a.rst", source.encode())
        missing = words(reference) - words(ours) - Counter(re.findall(r"\w+", str(ours.metadata)))
        added = words(ours) - words(reference)
        assert headings(ours) == headings(reference), name
        assert (missing - words(writer.finish("")) + added).total() <= 0.02 * len(source) / 6, name
        compared += 1
    assert compared
