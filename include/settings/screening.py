"""What may be indexed: languages, and what sensitive content leads to."""

from __future__ import annotations

from dataclasses import dataclass

from include.errors import ConfigurationError
from include.settings.reader import Reader

SENSITIVE_KINDS = ("secrets", "cards", "ibans", "emails", "phones")
SENSITIVE_ACTIONS = ("index", "mask", "quarantine")


@dataclass(frozen=True, slots=True)
class SensitiveRule:
    """What happens to one kind of sensitive content, in one source or, with "", in all others."""

    source: str
    kind: str
    action: str


@dataclass(frozen=True, slots=True)
class ScreeningSettings:
    """Which languages may be indexed (none named: all), and what sensitive content leads to.

    `phone_regions` are the countries whose national phone numbers are recognised.
    """

    languages: tuple[str, ...]
    sensitive: tuple[SensitiveRule, ...]
    phone_regions: tuple[str, ...]

    @classmethod
    def read(cls, read: Reader) -> ScreeningSettings:
        """Raises ConfigurationError for a rule or a code that cannot be read."""
        return cls(
            languages=read.codes("RAG_LANGUAGES", r"[a-z]{2,3}", "like en de"),
            sensitive=_sensitive(read.text("RAG_SENSITIVE", "")),
            phone_regions=read.codes("RAG_PHONE_REGIONS", r"[A-Z]{2}", "like US DE"),
        )


def _sensitive(value: str) -> tuple[SensitiveRule, ...]:
    rules = []
    for entry in value.split():
        subject, _, action = entry.rpartition("=")
        source, _, kind = subject.rpartition(":")
        if kind not in SENSITIVE_KINDS or action not in SENSITIVE_ACTIONS:
            raise ConfigurationError(
                f"RAG_SENSITIVE should hold entries [<source>:]<kind>=<action>, is {entry!r}; kinds "
                f"are {', '.join(SENSITIVE_KINDS)}, actions {', '.join(SENSITIVE_ACTIONS)}."
            )
        rules.append(SensitiveRule(source.rstrip("/"), kind, action))
    places = [(rule.source, rule.kind) for rule in rules]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice:
        raise ConfigurationError(
            f"RAG_SENSITIVE says twice what {twice[1]!r} lead to: {value!r}. Keep one entry."
        )
    return tuple(rules)
