"""Source code: exact text, sections at definitions, and nothing a broken file could break."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.chunking import StructureChunker
from include.cleaning import clean
from include.documents import ParsedText, heading_path
from include.embedding.fake import FakeTokenizer
from include.errors import DocumentError
from include.parsing import media_type, parse
from include.parsing.code_languages import LANGUAGES

PYTHON = '''"""What the module is."""
import os

LIMIT = 1


# Talks to the server.
class Client(Base):
    """A client."""

    size = 1

    @property
    def name(self) -> str:
        """Its name."""
        def inner():
            return 1

        return "x"

    later = 2


DEFAULT = "localhost"


def connect(host,
            port):
    return Client(host, port)


if __name__ == "__main__":
    connect("a", 1)
'''

# Per language: a file, a line inside a definition, and the headings above that line.
SAMPLES = {
    "a.py": (PYTHON, "def inner", ("# Talks to the server.", "class Client(Base):", "@property",
                                   "def name(self) -> str:")),
    "a.js": ("class A {\n  // runs\n  run() {\n    go();\n  }\n}\n", "go();",
             ("class A {", "// runs", "run() {")),
    "a.jsx": ("export const App = () => {\n  return <p>hi</p>;\n};\n", "return",
              ("export const App = () => {",)),
    "a.ts": ("/**\n * Adds.\n */\nexport function add(a: number): number {\n  return a;\n}\n",
             "return", ("/**\n * Adds.", "export function add(a: number): number {")),
    "a.tsx": ("export class V extends C<P> {\n  render() {\n    return <p/>;\n  }\n}\n", "return",
              ("export class V extends C<P> {", "render() {")),
    "a.go": ("package a\n\n// Do works.\nfunc (c *C) Do() {\n\twork()\n}\n", "work()",
             ("// Do works.", "func (c *C) Do() {")),
    "a.rs": ("impl T {\n    /// Makes one.\n    pub fn new() -> T {\n        T {}\n    }\n}\n",
             "T {}", ("impl T {", "/// Makes one.", "pub fn new() -> T {")),
    "A.java": ("class A {\n  @Override\n  public int f() {\n    return 1;\n  }\n}\n", "return",
               ("class A {", "@Override", "public int f() {")),
    "a.kt": ("class A {\n  fun f(): Int {\n    return 1\n  }\n}\n", "return",
             ("class A {", "fun f(): Int {")),
    "a.c": ("#include <a.h>\n/* Adds. */\nstatic int\nadd(int a)\n{\n  return a;\n}\n", "return",
            ("/* Adds. */", "add(int a)")),
    "a.h": ("#ifndef A\nnamespace a {\nclass B {\n  int f() {\n    return 1;\n  }\n};\n}\n#endif\n",
            "return", ("namespace a {", "class B {", "int f() {")),
    "a.cc": ("template <typename T>\nT f(T a) {\n  return a;\n}\n", "return",
             ("template <typename T>", "T f(T a) {")),
    "a.cpp": ("struct S {\n  int x;\n};\nint f() {\n  return 1;\n}\n", "return", ("int f() {",)),
    "a.hpp": ("struct S {\n  int x;\n};\n", "int x", ("struct S {",)),
    "a.cs": ("namespace N {\n  class A {\n    int F() {\n      return 1;\n    }\n  }\n}\n", "return",
             ("namespace N {", "class A {", "int F() {")),
    "a.rb": ("module A\n  class B\n    def go\n      work\n    end\n  end\nend\n", "work",
             ("module A", "class B", "def go")),
    "a.php": ("<?php\nclass B {\n  public function c() {\n    return 1;\n  }\n}\n", "return",
              ("class B {", "public function c() {")),
    "a.swift": ("class B {\n  func d() -> Int {\n    return 1\n  }\n}\n", "return",
                ("class B {", "func d() -> Int {")),
    "a.scala": ("object B {\n  def c: Int = {\n    1\n  }\n}\n", "1", ("object B {", "def c: Int = {")),
    "a.sh": ("#!/bin/sh\n\n# greets\nhi() {\n  echo\n}\nhi\n", "echo", ("# greets", "hi() {")),
    "a.sql": ("CREATE TABLE a (b int);\n\nSELECT 1;\n", "SELECT", ()),
    "a.yaml": ("a:\n  b: 1\n", "b:", ()),
    "a.yml": ("a:\n  b: 1\n", "b:", ()),
    "a.toml": ("[a]\nb = 1\n", "b =", ()),
    "a.json": ('{\n  "a": 1\n}\n', "a", ()),
    "a.ini": ("[a]\nb = 1\n", "b =", ()),
    "a.css": ("p {\n  color: red;\n}\n", "color", ()),
}  # fmt: skip


def _texts(parsed: ParsedText) -> list[tuple[str, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_line_lies_under_the_definitions_it_is_in(name):
    text, line, path = SAMPLES[name]
    parsed = clean(parse(name, text.encode()))
    assert heading_path(parsed.blocks, parsed.text, parsed.text.index(line)) == path


def test_every_language_has_a_sample():
    tested = {"." + name.split(".")[1] for name in SAMPLES}
    assert all(tested & set(language.extensions) for language in LANGUAGES)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_text_stays_as_it_is(name):
    text = SAMPLES[name][0]
    kept = clean(parse(name, text.encode())).text
    assert [line for line in kept.split("\n") if line] == [
        line for line in text.split("\n") if line
    ]
    assert "\n\n" in text or "\n\n" not in kept


def test_comments_and_decorators_open_the_section_of_their_definition():
    blocks = _texts(clean(parse("a.py", PYTHON.encode())))
    assert blocks[:7] == [
        ("code", '"""What the module is."""\nimport os\n\nLIMIT = 1'),
        ("heading", "# Talks to the server."),
        ("heading", "class Client(Base):"),
        ("code", '    """A client."""\n\n    size = 1'),
        ("heading", "    @property"),
        ("heading", "    def name(self) -> str:"),
        ("code", '        """Its name."""\n        def inner():\n            return 1\n\n        return "x"'),
    ]  # fmt: skip


def test_code_behind_a_definition_is_not_under_it():
    parsed = clean(parse("a.py", PYTHON.encode()))
    for line, path in {
        "later = 2": ("# Talks to the server.", "class Client(Base):", "later = 2"),
        "DEFAULT": ('DEFAULT = "localhost"',),
        'connect("a", 1)': ('if __name__ == "__main__":',),
    }.items():
        assert heading_path(parsed.blocks, parsed.text, parsed.text.index(line)) == path


def test_an_end_is_no_heading():
    parsed = parse("a.rb", SAMPLES["a.rb"][0].encode())
    assert "end" not in {text.strip() for kind, text in _texts(parsed) if kind == "heading"}


def test_chunks_of_a_long_method_name_its_class_and_itself():
    body = "".join(f"        total = total + {n} * self.weight\n" for n in range(200))
    source = f"class Model:\n    def fit(self):\n{body}"
    parsed = clean(parse("a.py", source.encode()))
    chunker = StructureChunker(FakeTokenizer(), tokens=40, overlap_tokens=0)
    spans = chunker.chunk(parsed.text, parsed.blocks)
    assert len(spans) > 10
    assert {span.heading for span in spans[1:]} == {("class Model:", "def fit(self):")}
    covered = "".join(parsed.text[span.start : span.end] for span in spans)
    assert "".join(covered.split()) == "".join(source.split())


def test_metadata_tell_the_programming_language_and_no_natural_one():
    assert parse("a.rs", b"fn a() {}").metadata == {
        "programming_language": "rust",
        "language": "und",
    }
    assert media_type("src/a.rs") == "text/x-rust"


BROKEN = {
    "a cut-off file": PYTHON[: len(PYTHON) // 2],
    "no code at all": "Dear Sir or Madam,\n\nyour parcel has arrived.\n",
    "unbalanced": "def f(:\n  )))]]}}\nclass\nclass X(:\n  def g(self)\n",
    "merge conflict": "<<<<<<< HEAD\ndef a(): pass\n=======\ndef b(): pass\n>>>>>>> x\n",
    "one line": "function a(){return 1};" * 5_000,
    "deeply nested": "(" * 50_000,
    "deep classes": "".join("  " * n + f"class C{n}:\n" for n in range(200)),
    "generated": "".join(f"def f{n}(): return {n}\n" for n in range(30_000)),
    "huge": "x = 1\n" * 400_000,
    "surrogates and marks": "def f():\n  return '\ufeff\u202e🙂é'\n",
    "a heading as long as a book": "def f("
    + ", ".join(f"a{n}" for n in range(900))
    + "):\n  pass\n",
    "empty quotes": '"""' * 999,
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("extension", ["py", "ts", "h", "rb", "json"])
def test_a_broken_file_is_read_as_code(case, extension):
    text = BROKEN[case]
    started = time.process_time()
    parsed = parse(f"x.{extension}", text.encode())
    assert time.process_time() - started < 20
    kept = "".join(piece for _, piece in _texts(parsed))
    assert "".join(kept.split()) == "".join(text.replace("\ufeff", "").split())


@pytest.mark.parametrize("case", ["one line", "generated", "huge"])
def test_what_no_person_wrote_has_no_sections(case):
    assert {kind for kind, _ in _texts(parse("x.py", BROKEN[case].encode()))} == {"code"}


def test_a_line_as_long_as_a_book_is_no_heading():
    signature = "def f(" + ", ".join(f"a{n}" for n in range(900)) + "):"
    parsed = parse("x.py", (signature + "\n    pass" * 99).encode())
    assert {kind for kind, _ in _texts(parsed)} == {"code"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"", "empty"), (b" \n\t", "empty"), (b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
     (b"\0\1\2\3" * 99, "binary")],
)  # fmt: skip
def test_what_is_no_text_is_refused_with_a_reason(raw, reason):
    with pytest.raises(DocumentError) as caught:
        parse("x.py", raw)
    assert caught.value.reason == reason


@given(
    st.sampled_from(sorted(SAMPLES)), st.integers(0, 400), st.integers(0, 60), st.text(max_size=20)
)
def test_damaged_files_keep_all_their_text(name, at, removed, inserted):
    text = SAMPLES[name][0]
    text = text[:at] + inserted + text[at + removed :]
    try:
        parsed = parse(name, text.encode("utf-8", "replace"))
    except DocumentError:
        return
    at = 0
    for block in parsed.blocks:
        assert at <= block.start < block.end <= len(parsed.text)
        assert not parsed.text[at : block.start].strip()
        at = block.end
    assert not parsed.text[at:].strip()


def test_importing_the_parsers_loads_no_grammar():
    check = "import sys, include.parsing; sys.exit('tree_sitter' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


# -- notebooks -----------------------------------------------------------------------------------


def _notebook(*cells: object, **metadata: object) -> bytes:
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": list(cells)}).encode()


def test_a_notebook_is_its_markdown_and_its_code_without_outputs():
    parsed = parse(
        "a.ipynb",
        _notebook(
            {"cell_type": "markdown", "source": ["# Fit\n", "\n", "Some *prose*.\n"]},
            {"cell_type": "code", "source": "x = 1\ny = 2", "outputs": [{"text": "SECRET"}]},
            {"cell_type": "raw", "source": "As it is."},
            {"cell_type": "code", "source": []},
            language_info={"name": "python"},
        ),
    )
    assert parsed.title == "Fit"
    assert _texts(parsed) == [
        ("heading", "Fit"),
        ("paragraph", "Some prose."),
        ("code", "x = 1\ny = 2"),
        ("paragraph", "As it is."),
    ]
    assert parsed.metadata == {"programming_language": "python"}


def test_an_old_notebook_keeps_its_cells_in_worksheets():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1"]}]}]}
    assert _texts(parse("a.ipynb", json.dumps(old).encode())) == [("code", "a = 1")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "malformed"),
        (b"[1, 2]", "malformed"),
        (b'{"cells": 3}', "malformed"),
        (b'{"worksheets": []}', "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"cells": []}', "no_text"),
        (b'{"cells": [3, null, {"cell_type": "code", "source": 7}]}', "no_text"),
    ],
)
def test_a_broken_notebook_is_refused_with_a_reason(raw, reason):
    with pytest.raises(DocumentError) as caught:
        parse("a.ipynb", raw)
    assert caught.value.reason == reason
