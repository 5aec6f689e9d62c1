"""How values get into a template: as plain data, copied, and never read as a template themselves.

Every render has a `fence`: a word made from all its values, which none of them contains. A template
that puts it around a document's text gives that text no way to end its own quotation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from jinja2 import TemplateError

from include.documents import digest
from include.errors import ConfigurationError
from include.prompts.sandbox import FENCE, compiled
from include.prompts.text import TemplateText

Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value] | None"
LONGEST = 2_000_000
"""Characters of one rendered message: more than any model reads."""
_DEEPEST = 20


def render(text: TemplateText, values: Mapping[str, Value]) -> tuple[str, str]:
    """The system and the user message with these values in place.

    The same values give the same messages. Raises ConfigurationError for a value that is not plain
    data, for a field that a value lacks, and for a message above the limit.
    """
    plain = {name: _plain(value, name, _DEEPEST) for name, value in values.items()}
    plain[FENCE] = _fence(plain)
    return _rendered(text.system, plain), _rendered(text.user, plain)


def _plain(value: object, name: str, depth: int) -> Value:
    """A copy of plain data; text becomes valid Unicode."""
    if value is None or type(value) in (bool, int):
        return value  # type: ignore[return-value]
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if depth and isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {
            key.encode("utf-8", "replace").decode(): _plain(each, f"{name}.{key}", depth - 1)
            for key, each in value.items()
        }
    if depth and isinstance(value, (list, tuple)):
        return [_plain(each, f"{name}[{at}]", depth - 1) for at, each in enumerate(value)]
    raise ConfigurationError(
        f"The prompt value {name[:100]!r} should be text, a number, a list or a mapping of these, "
        f"at most {_DEEPEST} deep; it is of type {type(value).__name__!r}."
    )


def _fence(values: Mapping[str, Value]) -> str:
    held, attempt = json.dumps(values, ensure_ascii=False, sort_keys=True), 0
    while (word := digest("fence", held, str(attempt))[:16]) in held:
        attempt += 1
    return word


def _rendered(message: str, values: Mapping[str, Value]) -> str:
    parts, size = [], 0
    try:
        for part in compiled(message).generate(**values):
            parts.append(part)
            size += len(part)
            if size > LONGEST:
                raise ConfigurationError(
                    f"A rendered prompt should have at most {LONGEST:,} characters a message, this "
                    f"one has more: give it fewer or shorter passages."
                )
    except (TemplateError, TypeError, ValueError) as error:
        raise ConfigurationError(f"The prompt cannot be rendered: {error}.") from error
    return "".join(parts).strip()
