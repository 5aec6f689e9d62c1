"""Real files, half of them broken: each gives text or a reason, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from include.cleaning import clean
from include.errors import DocumentError
from include.parsing import media_type, parse

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "messy"
EXPECTED = {
    "password.pdf": "encrypted",
    "single_table.pdf": "image_only",
    "fake-encrypted.eml": "encrypted",
    "empty.eml": "empty",
    "picture.pptx": "no_text",
    "simple.doc": "unsupported_format",
    "tests-example.xls": "unsupported_format",
}


def outcome(path: Path) -> str:
    try:
        parsed = clean(parse(path.name, path.read_bytes()))
    except DocumentError as error:
        return error.reason if error.detail else "no detail"
    return "read" if parsed.text else "nothing"


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the corpus of real files is not at {FOLDER}")
def test_every_real_file_gives_text_or_a_reason():
    files = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    outcomes = {path.name: outcome(path) for path in files}
    counts = Counter(outcomes.values())
    assert not counts.keys() - {
        "read", "binary", "empty", "encrypted", "image_only", "no_text", "unsupported_format",
    }  # fmt: skip
    assert {name: outcomes[name] for name in EXPECTED} == EXPECTED
    readable = [path.name for path in files if media_type(path.name)]
    assert len([name for name in readable if outcomes[name] == "read"]) >= 0.9 * len(readable)
