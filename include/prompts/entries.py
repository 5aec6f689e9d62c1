"""One prompt: its versions, the labels on them, and how traffic is split between labels.

{"versions": [{"version": "3", "template": …, "variables": […], "created": …, "note": …}],
 "labels": {"production": "3", "candidate": "4"},
 "split": {"production": 90, "candidate": 10}}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from include.errors import ConfigurationError
from include.prompts.sandbox import used_variables
from include.prompts.text import TemplateText, read

PRODUCTION = "production"
LATEST = "latest"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MOST_VERSIONS = 1_000
_KEYS = frozenset(("versions", "labels", "split"))
_VERSION_KEYS = frozenset(("version", "template", "variables", "created", "note"))


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a prompt: its text, and the variables that it may use.

    `unused` are declared variables that the text does not use: allowed, and reported.
    """

    version: str
    text: TemplateText
    variables: tuple[str, ...]
    created: str = ""
    note: str = ""
    shipped: bool = False

    @property
    def unused(self) -> tuple[str, ...]:
        """Declared variables that the text does not use."""
        used = used_variables(self.text)
        return tuple(name for name in self.variables if name not in used)


@dataclass(frozen=True, slots=True)
class Entry:
    """A prompt of one name. `versions` are in the order of their appearance, the last the latest."""

    name: str
    versions: Mapping[str, Version] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, float] = field(default_factory=dict)

    def find(self, wanted: str) -> Version | None:
        """The version of this name, behind this label, or the latest; None when there is none."""
        if wanted == LATEST:
            return list(self.versions.values())[-1] if self.versions else None
        return self.versions.get(self.labels.get(wanted, wanted))

    def get(self, wanted: str) -> Version:
        """As `find`. Raises ConfigurationError, naming what there is, instead of None."""
        found = self.find(wanted)
        if found is None:
            labels = ", ".join(f"{label} ({to})" for label, to in self.labels.items())
            raise ConfigurationError(
                f"The prompt {self.name!r} has no version or label {wanted!r}; it has the versions "
                f"{', '.join(self.versions) or 'none'}, the labels {labels or 'none'}, and "
                f"{LATEST}."
            )
        return found


def parse_version(raw: object, declared: Sequence[str] | None) -> Version:
    """One version; ValueError says what is wrong with it.

    `declared` are the variables of the prompt where it says none itself, None if it has to.
    """
    raw = _object(raw, "a version", _VERSION_KEYS)
    number = raw.get("version")
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    if not isinstance(number, str) or not NAME.fullmatch(number) or number == LATEST:
        raise ValueError(
            f"version should be a number or a short name of letters, digits, - and _, but not "
            f"{LATEST!r}; is {raw.get('version')!r:.80}"
        )
    try:
        text = read(raw.get("template"))
        variables = _variables(raw.get("variables"), declared)
        refuse_undeclared(text, variables)
    except ValueError as error:
        raise ValueError(f"version {number!r}: {error}") from error
    created, note = (str(raw.get(key) or "") for key in ("created", "note"))
    return Version(number, text, variables, created=created, note=note)


def refuse_undeclared(text: TemplateText, declared: Sequence[str]) -> None:
    """ValueError for a template that uses a variable which is not declared."""
    undeclared = sorted(used_variables(text) - set(declared))
    if undeclared:
        raise ValueError(
            f"template uses {', '.join(map(repr, undeclared))}, which it does not declare; "
            f"declared are {', '.join(declared) or 'none'}"
        )


def parse_entry(name: str, raw: object, declared: Sequence[str] | None) -> Entry:
    """What the Variable holds under one name; ValueError says what is wrong with it.

    Labels and split are checked by `refuse_dangling`, once the shipped versions are there, too.
    """
    raw = _object(raw, "a prompt", _KEYS)
    versions = raw.get("versions", [])
    if not isinstance(versions, list) or len(versions) > _MOST_VERSIONS:
        raise ValueError(f"versions should be a list of at most {_MOST_VERSIONS:,}")
    found: dict[str, Version] = {}
    for each in versions:
        version = parse_version(each, declared)
        if version.version in found:
            raise ValueError(f"version {version.version!r} is there twice")
        found[version.version] = version
    return Entry(name, found, _labels(raw.get("labels", {})), _split(raw.get("split", {})))


def refuse_dangling(entry: Entry) -> None:
    """ValueError for a label on no version, or named like one, and for a split between no labels."""
    for label, version in entry.labels.items():
        if version not in entry.versions:
            raise ValueError(
                f"label {label!r} should name one of the versions {', '.join(entry.versions)}, "
                f"names {version!r}"
            )
        if label in entry.versions:
            raise ValueError(f"label {label!r} should not be called like a version")
    for label in entry.split:
        if label not in entry.labels:
            raise ValueError(
                f"split should be between the labels {', '.join(entry.labels) or 'none'}, "
                f"has {label!r}"
            )


def _variables(raw: object, declared: Sequence[str] | None) -> tuple[str, ...]:
    if raw is None:
        return tuple(declared or ())
    if not isinstance(raw, list) or not all(isinstance(n, str) and n.isidentifier() for n in raw):
        raise ValueError(f"variables should be a list of names, is {raw!r:.80}")
    foreign = [name for name in raw if declared is not None and name not in declared]
    if foreign:
        raise ValueError(
            f"variables has {foreign[0]!r}, which the platform does not give to this prompt; it "
            f"gives {', '.join(declared or ())}"
        )
    return tuple(dict.fromkeys(raw))


def _labels(raw: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for label, version in _object(raw, "labels").items():
        if not NAME.fullmatch(label) or label == LATEST:
            raise ValueError(
                f"a label should be a short name other than {LATEST!r}, is {label!r:.80}"
            )
        if isinstance(version, bool) or not isinstance(version, (str, int)):
            raise ValueError(f"label {label!r} should name a version, is {version!r:.80}")
        found[label] = str(version)
    return found


def _split(raw: object) -> dict[str, float]:
    parts = _object(raw, "split")
    numbers = [each for each in parts.values() if isinstance(each, (int, float))]
    good = all(not isinstance(each, bool) and 0 <= each <= 100 for each in numbers)
    if parts and (not good or len(numbers) != len(parts) or abs(sum(numbers) - 100) > 1e-6):
        raise ValueError(
            f"split should give labels percentages that add up to 100, is {raw!r:.120}"
        )
    return {label: float(share) for label, share in zip(parts, numbers, strict=True)}


def _object(raw: object, what: str, keys: Iterable[str] = ()) -> Mapping[str, object]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"{what} should be a JSON object, is {raw!r:.80}")
    unknown = sorted(set(raw) - set(keys)) if keys else []
    if unknown:
        raise ValueError(
            f"{what} has the unknown key {unknown[0]!r}; allowed are {', '.join(sorted(keys))}"
        )
    return raw
