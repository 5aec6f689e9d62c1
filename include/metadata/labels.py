"""Access labels: a reader needs one of a document's labels; a document without any is public.

What cannot be understood is an error, never an open door.
"""

from __future__ import annotations

from include.errors import ConfigurationError, DocumentError

_MOST_LABELS = 1_000
_LONGEST_LABEL = 256


def access_labels(value: object) -> list[str]:
    """The labels in a document's `acl`: a text split at its commas, or a list; sorted, each once.

    Raises DocumentError `bad_acl` for anything else, for an empty text and for an unusable label:
    the document must not become public because of a mistake. An empty list means everybody.
    """
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, list) or len(entries) > _MOST_LABELS:
        raise _unusable(value)
    whole = [
        str(each) if isinstance(each, int) and not isinstance(each, bool) else each
        for each in entries
    ]
    labels = [label for each in whole if (label := _label(each))]
    if len(labels) != len(entries):
        raise _unusable(value)
    return sorted(set(labels))


def parse_labels(text: str, setting: str) -> tuple[str, ...]:
    """The labels of a setting or an option, split at commas; none of an empty text.

    Raises ConfigurationError for a label that cannot be one.
    """
    if not text.strip():
        return ()
    try:
        return tuple(access_labels(text))
    except DocumentError as error:
        raise ConfigurationError(f"{setting}: {error.detail}") from error


def _label(entry: object) -> str:
    """The label without blanks around it; "" when it cannot be one."""
    label = entry.strip() if isinstance(entry, str) else ""
    return label if label.isprintable() and len(label) <= _LONGEST_LABEL else ""


def _unusable(value: object) -> DocumentError:
    return DocumentError(
        "bad_acl",
        f"acl should be a list of at most {_MOST_LABELS} printable labels, or labels separated "
        f"by commas; it is {str(value)[:80]!r}",
    )
