"""The text of a template: a system and a user message in one notation, and the hash that names it.

    === system ===
    You answer from the passages.
    === user ===
    {{ question }}

A text without these lines is the user message alone. The messages are separated before anything is
rendered: a value that holds such a line stays where it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from include.documents import digest

LONGEST = 50_000
"""Characters of a template, both messages together."""
_SYSTEM, _USER = "=== system ===", "=== user ==="


@dataclass(frozen=True, slots=True)
class TemplateText:
    """The two messages of a template, not rendered. `system` may be empty, `user` is not."""

    system: str
    user: str

    @property
    def hash(self) -> str:
        """Names these exact texts."""
        return digest("prompt", self.system, self.user)

    @property
    def notation(self) -> str:
        """Both messages as one text, as `read` takes it."""
        return f"{_SYSTEM}\n{self.system}\n{_USER}\n{self.user}\n" if self.system else self.user


def read(raw: object) -> TemplateText:
    """A template given as text or as `{"system": …, "user": …}`; ValueError says what is wrong.

    White space around a message is no part of it.
    """
    text = _of_object(raw) if isinstance(raw, Mapping) else _of_notation(raw)
    size = len(text.system) + len(text.user)
    if size > LONGEST:
        raise ValueError(f"template should have at most {LONGEST:,} characters, has {size:,}")
    if not text.user:
        raise ValueError("template should have a user message that is not empty")
    return text


def unified_diff(before: TemplateText, after: TemplateText, names: tuple[str, str]) -> str:
    """The difference of two texts in unified format, "" when they are the same."""
    old, new = before.notation.splitlines(), after.notation.splitlines()
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def _of_object(raw: Mapping[str, object]) -> TemplateText:
    unknown = sorted(set(raw) - {"system", "user"})
    if unknown:
        raise ValueError(f"template should have the keys system and user, has {unknown[0]!r}")
    system, user = raw.get("system", ""), raw.get("user")
    if not isinstance(system, str) or not isinstance(user, str):
        raise ValueError("template should have texts as system and user")
    return TemplateText(system.strip(), user.strip())


def _of_notation(raw: object) -> TemplateText:
    if not isinstance(raw, str):
        raise ValueError(f"template should be a text or an object, is {raw!r:.80}")
    lines = raw.strip().splitlines()
    marks = [line.strip() for line in lines if line.strip() in (_SYSTEM, _USER)]
    if not marks:
        return TemplateText("", raw.strip())
    if marks not in ([_SYSTEM, _USER], [_USER]) or lines[0].strip() != marks[0]:
        raise ValueError(
            f"template should begin with {_SYSTEM!r} and have {_USER!r} after it, once each; "
            f"it has {', '.join(marks)}"
        )
    at = [line.strip() for line in lines].index(_USER)
    system = "\n".join(lines[1:at]).strip() if marks[0] == _SYSTEM else ""
    return TemplateText(system, "\n".join(lines[at + 1 :]).strip())
