"""What verification finds: the kinds of problem, in the order in which they are repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

LISTED = 1_000
"""So many problems of a kind are listed one by one; all of them are counted and repaired."""

NOTES = frozenset(
    {
        "unregistered_index",
        "uncached_text",
        "stray_review",
        "unreferenced_text",
        "unreferenced_signature",
        "leftover_run",
    }
)
"""Kinds that cost space or a later re-embedding, but make no answer wrong: no reason to fail."""

# What others rely on comes first: keys, then vectors already paid for, then which index answers,
# then rows, then the marks for the next sync. What only saves space or time comes last.
KINDS = (
    "unreadable_table",
    "duplicate_key",
    "bad_embedding",
    "wrong_dimension",
    "dangling_index",
    "registry_mismatch",
    "orphan_chunks",
    "bad_vector",
    "wrong_vector",
    "damaged_chunk",
    "broken_span",
    "stale_chunks",
    "missing_chunks",
    "surplus_chunks",
    "missing_text",
    "damaged_text",
    "no_live_index",
    "unregistered_index",
    "settled_quarantine",
    "unindexed_rows",
    "behind_source",
    "uncached_text",
    "stray_review",
    "unreferenced_text",
    "unreferenced_signature",
    "leftover_run",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: `subject` names the document, chunk, table, index or run it is about."""

    kind: str
    subject: str
    detail: str
    repaired: bool


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did, in words; `needs_sync` when the next sync has to complete it."""

    sentence: str
    needs_sync: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Problems of one kind that are repaired together: subjects with details.

    `repair` looks again before it writes, and may be called any number of times; it gives None
    where it finds that it cannot help. `remedy` says what a person can do then.
    """

    kind: str
    subjects: Sequence[tuple[str, str]]
    repair: Callable[[], Repair | None] | None = None
    remedy: str = ""


@dataclass(slots=True)
class Report:
    """What was checked, and what was found; `counts` are exact where `problems` is cut short."""

    checked: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unrepaired: Counter[str] = field(default_factory=Counter)
    sync_needed: bool = False

    @property
    def failed(self) -> Counter[str]:
        """Unrepaired problems by kind, without those that are only notes."""
        return Counter({kind: n for kind, n in self.unrepaired.items() if kind not in NOTES})

    def add(self, finding: Finding, repair: Repair | None, failure: str = "") -> None:
        """Takes a finding in, with what its repair did or why it failed, if one was tried."""
        said = repair.sentence if repair else failure or finding.remedy
        self.counts[finding.kind] += len(finding.subjects)
        if repair is None:
            self.unrepaired[finding.kind] += len(finding.subjects)
        elif repair.needs_sync:
            self.sync_needed = True
        listed = sum(problem.kind == finding.kind for problem in self.problems)
        for subject, detail in finding.subjects[: LISTED - listed]:
            text = f"{detail} {said}".strip()
            self.problems.append(Problem(finding.kind, subject, text, repair is not None))

    def to_json(self) -> dict[str, Any]:
        """The contract's keys, and counts by kind."""
        return {
            "checked": self.checked,
            "counts": dict(self.counts),
            "unrepaired": dict(self.unrepaired),
            "sync_needed": self.sync_needed,
            "problems": [
                {
                    "kind": each.kind,
                    "subject": each.subject,
                    "detail": each.detail,
                    "repaired": each.repaired,
                    "note": each.kind in NOTES,
                }
                for each in self.problems
            ],
        }
