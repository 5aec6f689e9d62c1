"""The policy of a source: which documents may be indexed, and what of them is masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.documents import ParsedText
from include.errors import DocumentError
from include.screening.findings import KINDS, Finding, Kind, screen
from include.screening.masking import mask, masked

if TYPE_CHECKING:
    from include.settings import ScreeningSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """The kinds that are masked, and those that send a document to quarantine.

    `phone_regions` are the countries whose national phone numbers count, too. `languages` are
    those that may be indexed, all when there are none; `require_language` sees to that.
    """

    masked: frozenset[Kind] = frozenset()
    quarantined: frozenset[Kind] = frozenset()
    phone_regions: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    @classmethod
    def for_source(cls, uri: str, settings: ScreeningSettings) -> Policy:
        """The policy of one source: its own rules, and for other kinds those of all sources."""
        actions: dict[str, str] = {}
        for source in ("", uri):
            actions |= {
                rule.kind: rule.action for rule in settings.sensitive if rule.source == source
            }
        return cls(
            masked=frozenset(kind for kind in KINDS if actions.get(kind) == "mask"),
            quarantined=frozenset(kind for kind in KINDS if actions.get(kind) == "quarantine"),
            phone_regions=settings.phone_regions,
            languages=settings.languages,
        )

    @property
    def id(self) -> str:
        """Names what this policy does to documents; "" when it does nothing.

        It is part of what a document's content hash is made of, so that a changed policy makes
        every document it is about a changed one.
        """
        actions = [f"{kind}=mask" for kind in KINDS if kind in self.masked]
        actions += [f"{kind}=quarantine" for kind in KINDS if kind in self.quarantined]
        regions = self.phone_regions if "phones" in self.masked | self.quarantined else ()
        return " ".join([*actions, *sorted(regions), *sorted(self.languages)])

    def released(self) -> Policy:
        """The policy for a document that a person let through: it is masked, never refused."""
        return replace(
            self, masked=self.masked | self.quarantined, quarantined=frozenset(), languages=()
        )


INDEX_ALL = Policy()


def apply_policy(parsed: ParsedText, policy: Policy) -> ParsedText:
    """The document as it may be indexed: text, title and metadata with masks.

    Costs nothing when the policy indexes everything. Raises DocumentError `sensitive_content`,
    which tells how many findings there are of each kind, never what they are.
    """
    kinds = policy.masked | policy.quarantined
    if not kinds:
        return parsed
    screened = _Screened(policy)
    findings = screened.findings(parsed.text)
    title = screened.value(parsed.title)
    metadata = {str(screened.value(name)): screened.value(value)
                for name, value in parsed.metadata.items()}  # fmt: skip
    screened.refuse()
    return replace(mask(parsed, findings), title=str(title), metadata=metadata)


class _Screened:
    """Counts what it meets that must not be indexed, and masks what may be indexed masked."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._refused: Counter[Kind] = Counter()

    def findings(self, text: str) -> list[Finding]:
        """What is to be masked; what is to be refused is counted."""
        policy = self._policy
        found = screen(text, policy.masked | policy.quarantined, phone_regions=policy.phone_regions)
        self._refused.update(each.kind for each in found if each.kind in policy.quarantined)
        return [each for each in found if each.kind in policy.masked]

    def value(self, value: object) -> object:
        """A metadata value with masks in every text it holds."""
        if isinstance(value, str):
            return masked(value, self.findings(value))
        if isinstance(value, dict):
            return {key: self.value(inner) for key, inner in value.items()}
        return [self.value(inner) for inner in value] if isinstance(value, list | tuple) else value

    def refuse(self) -> None:
        """Raises DocumentError if anything that must not be indexed was met."""
        if not self._refused:
            return
        raise DocumentError(
            "sensitive_content",
            f"It holds {_counts(self._refused.items())}; RAG_SENSITIVE keeps such documents out "
            f"of the index. Remove them from the document, or change the policy.",
        )


def _counts(found: Iterable[tuple[Kind, int]]) -> str:
    ordered = sorted(found, key=lambda each: KINDS.index(each[0]))
    return ", ".join(f"{kind}: {count}" for kind, count in ordered)
