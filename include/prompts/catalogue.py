"""All prompts there are: those shipped, and what the Airflow Variable adds to them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from include.errors import ConfigurationError
from include.prompts.entries import NAME, Entry, Version, parse_entry, refuse_dangling
from include.prompts.records import refuse_other_text
from include.prompts.shipped import VARIABLES, shipped

VARIABLE = "prompt_templates"
_LONGEST = 2_000_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Prompts by name. An entry is checked when it is asked for: one that is wrong stops no other."""

    given: Mapping[str, object]

    @property
    def names(self) -> list[str]:
        """Every prompt, shipped or added, sorted."""
        return sorted({*shipped(), *self.given})

    def get(self, name: str) -> Entry:
        """A prompt with all its versions, each of them checked.

        Labels of the Variable are put over the shipped ones, its versions beside them. Raises
        ConfigurationError for an unknown prompt and for anything wrong with one.
        """
        base = shipped().get(name)
        if name not in self.given:
            if base is None:
                raise ConfigurationError(
                    f"There is no prompt {name!r}; there are {', '.join(self.names)}. Add it to the "
                    f"Airflow Variable {VARIABLE}."
                )
            return base
        try:
            if not NAME.fullmatch(name):
                raise ValueError("a name has up to 64 letters, digits, - and _")
            declared = tuple(VARIABLES[name]) if name in VARIABLES else None
            added = parse_entry(name, self.given[name], declared)
            joined = _joined(base, added) if base else added
            refuse_dangling(joined)
        except ValueError as error:
            raise ConfigurationError(
                f"The Airflow Variable {VARIABLE}, prompt {name!r}: {error}."
            ) from error
        return joined


def parse(text: str | None) -> Catalogue:
    """The catalogue under a Variable's text; without one, the shipped prompts.

    Raises ConfigurationError when the text is no JSON object or too long.
    """
    if len(text or "") > _LONGEST:
        raise ConfigurationError(
            f"The Airflow Variable {VARIABLE} should have at most {_LONGEST:,} characters, has "
            f"{len(text or ''):,}: take versions out that are no longer used; the lake keeps them."
        )
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The Airflow Variable {VARIABLE} should be a JSON object of prompts by name: {error}."
        ) from error
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"The Airflow Variable {VARIABLE} should be a JSON object of prompts by name, is "
            f"{text!r:.80}."
        )
    return Catalogue(given)


def _joined(base: Entry, added: Entry) -> Entry:
    versions: dict[str, Version] = dict(base.versions)
    for number, version in added.versions.items():
        if number in base.versions:
            refuse_other_text(base.name, version, base.versions[number].text, "shipped")
        else:
            versions[number] = version
    labels = {**base.labels, **added.labels}
    return replace(base, versions=versions, labels=labels, split=added.split)
