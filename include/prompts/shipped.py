"""The prompts that come with the platform: one file for each version, never changed once released.

`shipped/<name>.<version>.jinja`. What the platform gives each of them is declared here: a template
of that name, shipped or not, may use these variables and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from include.prompts.entries import PRODUCTION, Entry, Version, refuse_undeclared
from include.prompts.text import read

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "answer": {
        "question": "what was asked",
        "passages": "what was found: a list of number, title, text",
    },
    "chat": {
        "question": "what was asked last",
        "passages": "what was found: a list of number, title, text",
        "history": "the turns before it, oldest first: a list of question, answer",
    },
    "enrich": {
        "title": "the document's title, may be empty",
        "text": "the document's text, or its beginning",
        "fields": "what to fill in: a list of name, description",
    },
    "judge_faithfulness": {
        "question": "what was asked",
        "answer": "the answer to judge",
        "passages": "what the answer was made from: a list of number, title, text",
    },
    "judge_answer_relevance": {
        "question": "what was asked",
        "answer": "the answer to judge",
    },
    "judge_context_relevance": {
        "question": "what was asked",
        "passages": "what was found: a list of number, title, text",
    },
    "generate_questions": {
        "title": "the document's title, may be empty",
        "heading": "the headings above the passage, outermost first: a list of texts",
        "text": "the passage",
        "count": "how many questions are wanted",
    },
}
_PRODUCTION_VERSION = "1"


@cache
def shipped() -> Mapping[str, Entry]:
    """The shipped prompts by name, each with its label `production`."""
    return {name: _entry(name) for name in VARIABLES}


def _entry(name: str) -> Entry:
    folder = Path(__file__).parent / "shipped"
    versions: dict[str, Version] = {}
    for path in sorted(folder.glob(f"{name}.*.jinja"), key=lambda p: int(p.name.split(".")[1])):
        number, text = path.name.split(".")[1], read(path.read_text(encoding="utf-8"))
        declared = tuple(VARIABLES[name])
        refuse_undeclared(text, declared)
        versions[number] = Version(number, text, declared, note="shipped", shipped=True)
    return Entry(name, versions, {PRODUCTION: _PRODUCTION_VERSION})
