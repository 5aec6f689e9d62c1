"""What is said of a document beside its text: its place and version, its metadata, its rejection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from include.documents import ParsedText, digest, document_id
from include.errors import DocumentError
from include.extraction import Extracted, media_type
from include.metadata import ENRICHMENT, SOURCE_VERSION, MetadataRules, document_metadata
from include.parsing import require_language
from include.screening import apply_policy
from include.stages.reading import FileRead, Reading, content_version
from include.storage.source import PASSING_REASONS

Row = dict[str, object]


def described(file: FileRead, found: Extracted) -> Row:
    """Its ids, place, stamps and version: what is known before its text is looked at."""
    row, content = file.row, file.content
    key, uri = str(row["key"]), str(row["uri"])
    if found.record:
        key, uri = f"{key}#{found.record}", f"{uri}#{quote(found.record, safe='')}"
    version = content_version(content, found.content) if content else ""
    return {
        "id": document_id(str(row["source"]), key),
        "file_id": row["id"],
        "source": row["source"],
        "key": key,
        "uri": uri,
        "size": len(found.content.encode("utf-8", "replace")) if found.record else row["size"],
        "modified": row["modified"],
        "stamp": content.stamp if content else row["stamp"],
        "sidecar_stamp": content.sidecar_stamp if content else row["sidecar_stamp"],
        "version": version,
        "media_type": media_type(str(row["key"])) or "text/plain",
    }


def metadata_of(
    document: Row,
    file: FileRead,
    *,
    found: Extracted,
    reading: Reading,
    guessed: Mapping[str, object],
) -> Row:
    """`title`, `language` and `metadata` of a document, and their hash.

    Sidecar fields win over what the file says, both over `guessed`, what a model filled in. The file
    name is the last resort for a title. Raises DocumentError for a sidecar that cannot be read and
    for a language that is not allowed.
    """
    assert found.parsed is not None
    key, content = str(document["key"]), file.content
    policy = reading.rules.policy(str(document["source"]))
    if document["released"]:
        policy = policy.released()
    sidecar = _sidecar_fields(content.sidecar if content else None)
    beside = apply_policy(ParsedText("", (), "", sidecar), policy).metadata
    guessed = dict(guessed)
    named = guessed.pop(ENRICHMENT, None)
    said = {name: str(guessed.pop(name, "")) for name in ("title", "language")}
    metadata = _merged(key, found.parsed.metadata, beside, guessed, rules=reading.metadata)
    for name in (SOURCE_VERSION, ENRICHMENT):
        metadata.pop(name, None)
    if named:
        metadata[ENRICHMENT] = named
    if content and content.version:
        metadata[SOURCE_VERSION] = content.version
    own = metadata.get("title") or found.parsed.title or said["title"]
    title = str(own or key.rsplit("/", 1)[-1])
    language = str(metadata.get("language") or found.language)
    require_language(language, policy.languages)
    language = language or said["language"]
    plain = json.dumps(metadata, ensure_ascii=False, sort_keys=True, default=str)
    return {
        "title": title,
        "language": language,
        "metadata": plain,
        "metadata_hash": digest("metadata", title, language, plain),
    }


def rejection(document: Row, file: FileRead, error: DocumentError) -> Row:
    """The REJECTED row of a document; its stamp stays away where another try may do better."""
    names = ("id", "file_id", "uri", "source", "key", "sidecar_stamp", "version")
    return {
        **{name: document[name] for name in names},
        "stamp": "" if error.reason in PASSING_REASONS else document["stamp"],
        "stage": "prepare" if file.content else "read",
        "reason": error.reason,
        "detail": error.detail,
    }


def _merged(key: str, *layers: Mapping[str, object], rules: MetadataRules) -> Row:
    """All layers; without what a model filled in where that makes them too large."""
    file, sidecar, guessed = layers
    try:
        return document_metadata(key, file, sidecar, rules, guessed=guessed)
    except DocumentError:
        return document_metadata(key, file, sidecar, rules)


def _sidecar_fields(sidecar: bytes | None) -> dict[str, object]:
    if sidecar is None:
        return {}
    try:
        fields = json.loads(sidecar)
    except (ValueError, RecursionError) as error:
        raise DocumentError("bad_sidecar", f"its .meta.json is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise DocumentError("bad_sidecar", "its .meta.json should hold one JSON object")
    return fields
