"""Prompts that were used, as they were: one object of the lake for each version.

`prompts/<name>/<version>.json` is written by the first use and never changed. It is what an old
answer was made with, and what refuses another text under the same version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from include.errors import CommitConflictError, ConfigurationError, LakeError
from include.prompts.entries import Version
from include.prompts.text import TemplateText, unified_diff

_FOLDER = "prompts/"


class Found(Protocol):
    """An object that was read."""

    @property
    def data(self) -> bytes:
        """Its bytes."""
        ...


class Objects(Protocol):
    """The little that records need of a lake's objects (`include.storage.objects`)."""

    def read(self, path: str) -> Found | None:
        """The whole object, or None when there is none."""
        ...

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        """Creates the object; raises CommitConflictError when there is one already."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """The paths that start with `prefix`, sorted."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A version as it was first used; `first_used` is ISO 8601 in UTC."""

    name: str
    version: str
    text: TemplateText
    variables: tuple[str, ...]
    first_used: str


class Records:
    """The used prompts of one lake."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def get(self, name: str, version: str) -> Record | None:
        """The record of a version, None before its first use."""
        path = _path(name, version)
        stored = self._objects.read(path)
        return None if stored is None else _parsed(stored.data, path)

    def all(self) -> list[Record]:
        """Every version that was ever used, by name and version."""
        parts = [path.removeprefix(_FOLDER).split("/") for path in self._objects.list(_FOLDER)]
        named = [(part[0], part[1].removesuffix(".json")) for part in parts if len(part) == 2]
        return [found for each in named if (found := self.get(*each)) is not None]

    def use(self, name: str, version: Version, now: datetime) -> None:
        """Records the first use of a version; a later one only compares.

        Raises ConfigurationError, with the difference, when the version was used with another text.
        """
        path = _path(name, version.version)
        if self._objects.read(path) is None:
            try:
                self._objects.write_if(path, _rendered(name, version, now), None)
                return
            except CommitConflictError:
                pass  # another process used it a moment ago
        self.compare(name, version)

    def compare(self, name: str, version: Version) -> None:
        """Raises ConfigurationError, with the difference, for another text than was used."""
        known = self.get(name, version.version)
        if known is not None:
            refuse_other_text(name, version, known.text, f"used since {known.first_used}")


def refuse_other_text(name: str, version: Version, before: TemplateText, when: str) -> None:
    """Raises ConfigurationError when a version has another text than `before`."""
    if version.text == before:
        return
    shown = f"{name}@{version.version}"
    diff = unified_diff(before, version.text, (f"{shown} ({when})", f"{shown} (now)"))
    raise ConfigurationError(
        f"Version {version.version!r} of the prompt {name!r} should keep its text, which is {when}; "
        f"it was changed. Put the new text under a new version in the Airflow Variable "
        f"prompt_templates, and move the label there:\n{diff}"
    )


def _path(name: str, version: str) -> str:
    return f"{_FOLDER}{name}/{version}.json"


def _rendered(name: str, version: Version, now: datetime) -> bytes:
    plain = {
        "name": name,
        "version": version.version,
        "hash": version.text.hash,
        "system": version.text.system,
        "user": version.text.user,
        "variables": list(version.variables),
        "first_used": now.astimezone(UTC).isoformat(),
    }
    return json.dumps(plain, ensure_ascii=False, indent=1).encode("utf-8", "replace")


def _parsed(raw: bytes, path: str) -> Record:
    try:
        held = json.loads(raw)
        text = TemplateText(held["system"], held["user"])
        if text.hash != held["hash"]:
            raise ValueError("its text is not what its hash names")
        return Record(
            held["name"], held["version"], text, tuple(held["variables"]), held["first_used"]
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LakeError(
            f"{path} of the lake should be the record of a prompt, it is damaged ({error!r}): "
            f"restore it from a backup."
        ) from error
