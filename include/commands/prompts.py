"""`prompts list|show|diff`: the versions of prompts, what they say, and which were used."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from include.errors import ConfigurationError, PlatformError
from include.wiring import Platform

if TYPE_CHECKING:
    from include.prompts import Prompts
    from include.prompts.entries import Entry, Version

Json = dict[str, Any]
_MOST_NAMED = {"list": 0, "show": 1, "diff": 2}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """`prompts list`, `prompts show NAME [VERSION]`, `prompts diff NAME [OLD [NEW]]`."""
    command.add_argument("action", choices=tuple(_MOST_NAMED))
    command.add_argument("name", nargs="?", help="the prompt, as `list` names it")
    command.add_argument(
        "versions",
        nargs="*",
        metavar="VERSION",
        help="a version, a label or latest; show: production, diff: production and latest",
    )


def run(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    """The action's answer; exit status 1 when a listed prompt is wrong."""
    prompts, named = platform.prompts, chosen.versions
    if chosen.action == "list":
        names = [chosen.name] if chosen.name else prompts.catalogue.names
        listed = [_listed(prompts, name) for name in names]
        return {"prompts": listed}, int(any(each["problem"] for each in listed))
    if not chosen.name or len(named) > _MOST_NAMED[chosen.action]:
        raise ConfigurationError(
            f"prompts {chosen.action} takes the name of a prompt and up to "
            f"{_MOST_NAMED[chosen.action]} versions; given are {chosen.name!r} and {named!r}."
        )
    if chosen.action == "show":
        return _shown(prompts, chosen.name, *named), 0
    return _difference(prompts, chosen.name, *named), 0


def shown(answer: Json) -> str:
    """The answer for people."""
    if "diff" in answer:
        return str(answer["diff"]) or f"{answer['from']} and {answer['to']} have the same text."
    if "user" in answer:
        about = [f"{answer['name']}@{answer['version']}", f"hash {answer['hash']}"]
        about += [f"takes {', '.join(answer['variables']) or 'nothing'}"]
        about += [f"does not use {', '.join(answer['unused'])}"] if answer["unused"] else []
        about += [f"first used {answer['first_used']}" if answer["first_used"] else "never used"]
        return "\n".join(["; ".join(about), "", answer["notation"].rstrip()])
    return "\n".join(line for each in answer["prompts"] for line in _lines(each))


def _lines(each: Json) -> list[str]:
    labels = ", ".join(f"{label} {version}" for label, version in each["labels"].items())
    split = ", ".join(f"{label} {share:g} %" for label, share in each["split"].items())
    versions = ", ".join(
        f"{version['version']}{' (used)' * bool(version['first_used'])}"
        for version in each["versions"]
    )
    line = f"{each['name']:<24} versions {versions or 'none'}; labels {labels or 'none'}"
    line += f"; split {split}" if split else ""
    return [line, *([f"  {each['problem']}"] if each["problem"] else [])]


def _listed(prompts: Prompts, name: str) -> Json:
    """A prompt with its versions; with a wrong one, what is wrong instead of an error."""
    from include.prompts.entries import Entry

    problem, entry = None, Entry(name)
    try:
        entry = prompts.catalogue.get(name)
        for version in entry.versions.values():
            prompts.records.compare(name, version)
    except PlatformError as error:
        problem = str(error)
    return {**_entry(prompts, entry), "problem": problem}


def _entry(prompts: Prompts, entry: Entry) -> Json:
    return {
        "name": entry.name,
        "versions": [_version(prompts, entry.name, each) for each in entry.versions.values()],
        "labels": dict(entry.labels),
        "split": dict(entry.split),
    }


def _version(prompts: Prompts, name: str, version: Version) -> Json:
    try:
        record = prompts.records.get(name, version.version)
    except PlatformError:
        record = None  # damaged; `list` tells it as the prompt's problem
    return {
        "version": version.version,
        "hash": version.text.hash,
        "shipped": version.shipped,
        "created": version.created,
        "note": version.note,
        "variables": list(version.variables),
        "unused": list(version.unused),
        "first_used": record.first_used if record else None,
    }


def _shown(prompts: Prompts, name: str, wanted: str | None = None) -> Json:
    found = prompts.find(name, wanted)
    text = found.version.text
    return {
        "prompts": [_listed(prompts, name)],
        "name": name,
        **_version(prompts, name, found.version),
        "label": found.label,
        "system": text.system,
        "user": text.user,
        "notation": text.notation,
    }


def _difference(prompts: Prompts, name: str, old: str = "production", new: str = "latest") -> Json:
    from include.prompts.text import unified_diff

    both = [prompts.find(name, wanted).version for wanted in (old, new)]
    before, after = (f"{name}@{version.version}" for version in both)
    return {
        "prompts": [_listed(prompts, name)],
        "from": before,
        "to": after,
        "diff": unified_diff(both[0].text, both[1].text, (before, after)),
    }
