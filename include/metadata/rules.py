"""What a document's metadata is made of: its path, itself, its sidecar; checked once, as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from include.errors import DocumentError
from include.metadata.fields import NO_FIELDS, Fields, plain_name
from include.metadata.labels import access_labels
from include.metadata.patterns import PathPattern, fields_from_path
from include.metadata.values import sound

MOST_CHARACTERS = 64 * 1024
DEEPEST = 20
INVALID = "_invalid"
SOURCE_VERSION = "_source_version"
"""The store's own name of the version that was read; only the platform sets it."""
ENRICHMENT = "_enrichment"
"""Names what a chat model filled in about the text; only the platform sets it."""


@dataclass(frozen=True, slots=True)
class MetadataRules:
    """How metadata is read: the declared fields, the path patterns, the labels by default."""

    fields: Fields = NO_FIELDS
    patterns: tuple[PathPattern, ...] = ()
    default_acl: tuple[str, ...] = ()


NO_RULES = MetadataRules()
NOTHING_GUESSED: Mapping[str, object] = {}


def document_metadata(
    key: str,
    file: Mapping[str, object],
    sidecar: Mapping[str, object],
    rules: MetadataRules,
    *,
    guessed: Mapping[str, object] = NOTHING_GUESSED,
) -> dict[str, object]:
    """The document's metadata: sidecar over file over path over what is `guessed`.

    A declared field `key` is the document's own. `acl` holds the sorted labels of which a reader needs one, and is absent where everybody may
    read. `_invalid` names the declared fields whose value is not of their kind; they count as
    absent. Raises DocumentError: `bad_acl`, `metadata_too_large`.
    """
    given = {"key": key} if rules.fields.find("key") else {}
    merged = _merged(guessed, fields_from_path(key, rules.patterns), file, sidecar, given)
    acl = merged.pop("acl", None)
    labels = list(rules.default_acl) if acl is None else access_labels(acl)
    merged.pop(INVALID, None)
    if labels:
        merged["acl"] = labels
    if invalid := rules.fields.invalid(merged):
        merged[INVALID] = invalid
    return _storable(merged)


def labels_of(metadata: str) -> list[str]:
    """The access labels inside a `document_metadata` that was written as JSON."""
    return access_labels(json.loads(metadata).get("acl", []))


def _merged(*layers: Mapping[str, object]) -> dict[str, object]:
    """Later layers win, also over a key that differs only in case, blanks or dashes."""
    merged: dict[str, object] = {}
    for given in layers:
        layer = {key: value for key, value in given.items() if not _no_labels(key, value)}
        names = [plain_name(key) for key in layer]
        if names.count("acl") > 1:
            raise DocumentError("bad_acl", "acl is given twice, in different spellings")
        merged = {key: value for key, value in merged.items() if plain_name(key) not in names}
        merged |= {_key(key): value for key, value in layer.items()}
    return merged


def _no_labels(key: str, value: object) -> bool:
    """An `acl` of null says nothing: it must not lift the labels that another layer gives."""
    return value is None and plain_name(key) == "acl"


def _key(key: str) -> str:
    """Access labels are found under any spelling: `ACL` must not leave a document open."""
    name = plain_name(key)
    return name if name in ("acl", INVALID) else key


def _storable(metadata: Mapping[str, object]) -> dict[str, object]:
    """The metadata as JSON values that every store can hold."""
    if not _shallow(metadata, DEEPEST):
        raise DocumentError(
            "metadata_too_large", f"its metadata is nested more than {DEEPEST} deep"
        )
    text = sound(json.dumps(metadata, ensure_ascii=False, default=str))
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(
            "metadata_too_large",
            f"its metadata takes {len(text)} characters; every chunk carries it, so "
            f"{MOST_CHARACTERS} are allowed",
        )
    stored: dict[str, object] = json.loads(text)
    return stored


def _shallow(value: object, depth: int) -> bool:
    inner: Iterable[object] = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, (list, tuple)):
        inner = value
    return depth >= 0 and all(_shallow(each, depth - 1) for each in inner)
