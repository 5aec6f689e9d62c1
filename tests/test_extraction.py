"""Extraction in a child process: no file can take more than it may, or take its neighbours along."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from include.errors import DocumentError
from include.extraction import IsolatedExtractor, Limits, Rules, extract
from include.extraction.wire import pack, unpack

LIMITS = Limits(seconds=20, memory_bytes=256 * 1024**2)
WORKER = "include.extraction.worker"
MARKDOWN = b"---\ntags: [a, b]\n---\n# Title\n\nSome *text* in a paragraph.\n\n- one\n- two\n"


@pytest.fixture
def extractor() -> Iterator[IsolatedExtractor]:
    with IsolatedExtractor(Rules(), LIMITS) as made:
        yield made


def child() -> psutil.Process:
    ours = [each for each in psutil.Process().children() if WORKER in each.cmdline()]
    [process] = ours
    return process


@pytest.mark.parametrize(
    ("name", "raw"),
    [("a.md", MARKDOWN), ("a.txt", "Zoë\n\nword".encode()), ("a.bin", b"\0\1"), ("a.txt", b" "),
     ("a.jsonl", b'{"text": "x"}\n[]\n')],
)  # fmt: skip
def test_the_child_says_what_the_function_says(extractor, name, raw):
    expected = extract("s", name, raw, Rules())
    assert extractor.extract("s", name, raw) == expected
    assert unpack(pack(expected)) == expected


def test_one_child_serves_all_files(extractor):
    extractor.extract("s", "a.md", MARKDOWN)
    first = child().pid
    extractor.extract("s", "b.md", MARKDOWN)
    assert child().pid == first


def test_a_file_that_takes_for_ever_is_told_and_the_next_one_is_read():
    with IsolatedExtractor(Rules(), Limits(4.0, LIMITS.memory_bytes)) as extractor:
        extractor.extract("s", "a.md", MARKDOWN)
        child().send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(DocumentError, match="RAG_PARSE_SECONDS") as caught:
            extractor.extract("s", "b.md", MARKDOWN)
        assert caught.value.reason == "parse_timeout"
        assert time.monotonic() - began < 15
        assert extractor.extract("s", "c.md", MARKDOWN)[0].parsed


def test_a_file_that_kills_its_reader_is_told_and_the_next_one_is_read(extractor):
    extractor.extract("s", "a.md", MARKDOWN)
    child().kill()
    with pytest.raises(DocumentError, match="exit status") as caught:
        extractor.extract("s", "b.md", MARKDOWN)
    assert caught.value.reason == "parse_crashed"
    assert extractor.extract("s", "c.md", MARKDOWN)[0].parsed


def test_a_file_that_needs_too_much_memory_is_told_and_the_next_one_is_read():
    with IsolatedExtractor(Rules(), Limits(60, 64 * 1024**2)) as extractor:
        with pytest.raises(DocumentError, match="RAG_PARSE_MEMORY_MB") as caught:
            extractor.extract("s", "b.txt", b"word " * 12_000_000)
        assert caught.value.reason == "parse_memory"
        assert extractor.extract("s", "c.md", MARKDOWN)[0].parsed


def test_nothing_is_left_behind(extractor):
    extractor.extract("s", "a.md", MARKDOWN)
    process = child()
    extractor.close()
    assert not process.is_running()
    with pytest.raises(DocumentError, match="the run is ending"):
        extractor.extract("s", "b.md", MARKDOWN)
