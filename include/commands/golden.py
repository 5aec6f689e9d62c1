"""`golden --out FILE`: questions made from the titles and headings of the documents there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.errors import ConfigurationError
from include.evaluation.questions import load_questions
from include.evaluation.synthetic import SYNTHETIC, as_line, generate
from include.golden.titles import titled_documents
from include.wiring import Platform

Json = dict[str, Any]


def golden(platform: Platform, out: Path, *, count: int, seed: int) -> Json:
    """Writes a golden file, replacing one that holds nothing but synthetic questions.

    Raises ConfigurationError when there is no document with a title, or when the file has been
    edited by a person: their questions are worth more.
    """
    if count < 1:
        raise ConfigurationError(f"--count should be >= 1, is {count}.")
    _refuse_edited(out)
    questions = generate(titled_documents(platform.tables), count, seed)
    if not questions:
        raise ConfigurationError(
            "No document has a title or headings to make questions of: run `python -m include "
            "sync` first, or write questions by hand (include/evaluation/golden/README.md)."
        )
    write(out, "".join(f"{as_line(each)}\n" for each in questions))
    named = {uri for each in questions for uri in each.relevant}
    return {
        "out": str(out),
        "questions": len(questions),
        "documents": len(named),
        "by_tag": {kind: sum(kind in q.tags for q in questions) for kind in ("title", "heading")},
        "synthetic": True,
    }


def _refuse_edited(out: Path) -> None:
    if out.exists() and not all(SYNTHETIC in each.tags for each in load_questions(out)):
        raise ConfigurationError(
            f"--out {str(out)!r} holds questions that are not tagged {SYNTHETIC!r}: they stay. Name "
            f"another file."
        )


def write(out: Path, text: str) -> None:
    """Writes the file that --out names; ConfigurationError says why it cannot be."""
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--out {str(out)!r} cannot be written: {error}.") from error
