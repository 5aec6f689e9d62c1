"""Golden questions: what a person asked, and which documents answer it, how well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from include.errors import ConfigurationError

KEYS = ("id", "question", "relevant", "answer", "tags")


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its relevant documents: path or uri suffix → grade above 0."""

    id: str
    question: str
    relevant: Mapping[str, float]
    answer: str | None = None
    tags: tuple[str, ...] = ()

    def name(self, uri: str) -> str:
        """The relevant path that names this document, or the uri itself when none does.

        A path names every document whose decoded uri ends with it, whole segments only:
        `b/c.txt` names `file:///a/b/c.txt`, `c.txt` does not name `abc.txt`. Of several the
        longest is taken.
        """
        decoded = unquote(uri)
        named = [
            path
            for path in self.relevant
            if uri == path or decoded == path or decoded.endswith("/" + path.lstrip("/"))
        ]
        return max(named, key=len, default=uri)


def load_questions(path: Path) -> list[Question]:
    """The questions of a JSONL file, in order; blank lines are skipped.

    Raises ConfigurationError, naming file and line, for a file that cannot be read, a line that
    is not a question, a repeated id, or no question at all.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The questions in {path} cannot be read: {error}.") from error
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question = parse_question(line)
            if question.id in questions:
                raise ValueError(f"id {question.id!r} is used twice; every question needs its own")
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{path}, line {number}: {error}.") from error
        questions[question.id] = question
    if not questions:
        raise ConfigurationError(f"{path} holds no question; expected one JSON object a line.")
    return list(questions.values())


def parse_question(line: str) -> Question:
    """One question from its JSON line; ValueError says what is wrong with it.

    An unknown key is refused: it is more often a misspelt `answer` or `tags` than meant.
    """
    raw = json.loads(line)
    try:
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"it should be Unicode, has half a character: {line.strip()!r:.80}"
        ) from None
    if not isinstance(raw, dict):
        raise ValueError(f"expected a JSON object, found {line.strip()[:60]!r}")
    unknown = sorted(set(raw) - set(KEYS))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; allowed are {', '.join(KEYS)}")
    answer = raw.get("answer")
    if answer is not None and not isinstance(answer, str):
        raise ValueError(f"answer should be a text, is {answer!r}")
    return Question(
        id=_text(raw, "id"),
        question=_text(raw, "question"),
        relevant=_grades(raw),
        answer=answer,
        tags=_tags(raw.get("tags", [])),
    )


def _text(raw: Mapping[str, object], key: str) -> str:
    value = raw.get(key)
    if key == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key} should be a text that is not empty, is {value!r}")
    return value


def _grades(raw: Mapping[str, object]) -> dict[str, float]:
    grades = raw.get("relevant")
    if not isinstance(grades, dict) or not grades:
        raise ValueError(f"relevant should map document paths to grades, is {grades!r}")
    for path, grade in grades.items():
        numeric = isinstance(grade, (int, float)) and not isinstance(grade, bool)
        if not path.strip("/ ") or not numeric or not 0 < grade < float("inf"):
            raise ValueError(
                f"relevant should map paths to grades above 0, has {path!r}: {grade!r}"
            )
    return {path: float(grade) for path, grade in grades.items()}


def _tags(tags: object) -> tuple[str, ...]:
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise ValueError(f"tags should be a list of texts, is {tags!r}")
    return tuple(dict.fromkeys(tags))
