"""What is done to every file, in one function that depends on nothing but its arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from include.cleaning import clean
from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing import detect_language, parse
from include.parsing import media_type as media_type_of_documents
from include.parsing.records import RecordRules, read_records, record_media_type
from include.screening import INDEX_ALL, Policy, apply_policy


@dataclass(frozen=True, slots=True)
class Rules:
    """How files are read; part of a run's settings. `policies` are by source URI."""

    records: RecordRules = field(default_factory=RecordRules)
    policies: Mapping[str, Policy] = field(default_factory=dict)

    def policy(self, source: str) -> Policy:
        """What may be indexed of a source."""
        return self.policies.get(source, INDEX_ALL)


@dataclass(frozen=True, slots=True)
class Extracted:
    """One document of a file, or the reason why there is none.

    `record` names the document inside a file of records and `content` is the exact text of its
    record; both are "" where the file is the document. `reason` says why it may not be indexed;
    `parsed` is None then, unless a person may let it in all the same.
    """

    record: str = ""
    content: str = ""
    parsed: ParsedText | None = None
    language: str = ""
    reason: str = ""
    detail: str = ""


def media_type(name: str) -> str | None:
    """The media type that a file name promises; None for a format that cannot be read."""
    return record_media_type(name) or media_type_of_documents(name)


def extract(source: str, name: str, raw: bytes, rules: Rules) -> list[Extracted]:
    """Every document of a file, in its order; a bad one is told and harms no other."""
    policy = rules.policy(source)
    try:
        if record_media_type(name) is None:
            return [_finished(Extracted(parsed=parse(name, raw)), policy)]
        return [_finished(each, policy) for each in _records(name, raw, rules)]
    except DocumentError as error:
        return [Extracted(reason=error.reason, detail=error.detail)]
    except RecursionError:
        return [Extracted(reason="malformed", detail=f"{name!r} is nested too deeply to be read.")]


def _records(name: str, raw: bytes, rules: Rules) -> Iterator[Extracted]:
    for record in read_records(name, raw, rules.records):
        yield Extracted(
            record=record.id,
            content=record.content,
            parsed=record.parsed,
            reason=record.reason,
            detail=record.detail,
        )


def _finished(found: Extracted, policy: Policy) -> Extracted:
    if found.parsed is None:
        return found
    parsed = clean(found.parsed)
    found = replace(found, language=detect_language(parsed.text))
    try:
        return replace(found, parsed=apply_policy(parsed, policy))
    except DocumentError as error:
        released = apply_policy(parsed, policy.released())
        return replace(found, parsed=released, reason=error.reason, detail=error.detail)
