"""Front matter: the metadata that a Markdown file carries above its text."""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime, time
from typing import Any

_FENCED = re.compile(
    r"(---|\+\+\+)[ \t]*\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_MOST_CHARACTERS = 64 * 1024


def split_front_matter(text: str) -> tuple[dict[str, object], str]:
    """The metadata and the text below it.

    What is not a well-formed mapping stays in the text. Values are JSON types; dates become ISO
    8601 strings. YAML aliases are refused: a few lines of them expand to gigabytes.
    """
    found = _FENCED.match(text)
    if not found or len(found[2]) > _MOST_CHARACTERS:
        return {}, text
    loaded = _load_yaml(found[2]) if found[1] == "---" else _load_toml(found[2])
    if not isinstance(loaded, dict):
        return {}, text
    return {str(key): _json_value(value) for key, value in loaded.items()}, text[found.end() :]


def _load_yaml(source: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if "*" in source and any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(source, loader)
        ):
            return None
        return yaml.load(source, loader)  # noqa: S506 (a safe loader either way)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _load_toml(source: str) -> Any:
    try:
        return tomllib.loads(source)
    except (ValueError, RecursionError):
        return None


def _json_value(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _json_value(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_json_value(entry) for entry in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
